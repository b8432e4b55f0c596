"""Prices and invoices of the sandbox: their lines, how they are paid, and what becomes of those that are not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from client_credits.samples.stripe_account.account import Events, SandboxAccount
from client_credits.samples.stripe_account.billing_shapes import BASIL, invoice_payment, rows
from client_credits.samples.stripe_account.books import (
    Charge,
    Customer,
    Invoice,
    InvoicePayment,
    Item,
    Line,
    Price,
    Subscription,
)
from client_credits.samples.stripe_account.periods import period_at

OrderLine = str | tuple[str, int]  # a price, or a price and how many


class Invoicing(SandboxAccount):
    """What a Stripe account sells, and bills for it."""

    # -- invoices ------------------------------------------------------------------------------

    def invoice(
        self,
        customer: str,
        *bought: OrderLine,
        metadata: Mapping[str, str] | None = None,
        percent_off: int = 0,
        out_of_band: bool = False,
        returned: tuple[OrderLine, ...] = (),
    ) -> Events:
        """An invoice made by hand, paid. What is `returned` stands on it below zero."""
        lines = discounted([self._extra_line(each) for each in bought], percent_off)
        lines += [self._returned_line(each) for each in returned]
        return self._paid(self._opened(customer, "manual", lines, metadata=metadata), out_of_band)

    def pay(self, invoice_id: str, out_of_band: bool = False) -> Events:
        """An open invoice is paid after all; its subscription is no longer past due."""
        held = self._get(invoice_id, Invoice)
        events = self._paid(held, out_of_band)
        if held.subscription and self._get(held.subscription, Subscription).status == "past_due":
            events += self._stands(held.subscription, status="active")
        return events

    def close(self, invoice_id: str, how: str = "void") -> Events:
        """An open invoice is `void` or given up (`mark_uncollectible`)."""
        return self._closed(self._get(invoice_id, Invoice), how)

    def _billed(
        self,
        held: Subscription,
        reason: str,
        lines: list[Line],
        news: str | None,
        percent_off: int = 0,
        out_of_band: bool = False,
    ) -> Events:
        """The subscription as it is now, its news, and the invoice for it, paid."""
        invoice = self._opened(held.customer, reason, discounted(lines, percent_off), held)
        self._put(replace(held, latest_invoice=invoice.invoice_id))
        events = [self._tell(news, held.subscription_id)] if news else []
        return events + self._paid(invoice, out_of_band)

    def _opened(
        self,
        customer: str,
        reason: str,
        lines: list[Line],
        of: Subscription | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Invoice:
        """A finalised invoice; what the customer has to its credit is used up first."""
        pays = self._get(customer, Customer)
        invoice = Invoice(
            invoice_id=self._new_id("in"),
            customer=customer,
            reason=reason,
            created=self.now,
            lines=tuple(lines),
            metadata=metadata or {},
            subscription=of.subscription_id if of else None,
            subscription_metadata=of.metadata if of else {},
            starting_balance=pays.balance,
        )
        self._put(replace(pays, balance=invoice.ending_balance))
        return self._put(invoice)

    def _paid(self, invoice: Invoice, out_of_band: bool = False) -> Events:
        charge = None if out_of_band else self._charged(invoice.due, invoice.customer, invoice.invoice_id)
        paid = replace(invoice, status="paid", closed_at=self.now, charge=charge, out_of_band=out_of_band)
        self._put(replace(paid, attempts=invoice.attempts + (charge is not None)))
        events = [self._tell("charge.succeeded", charge.charge_id)] if charge else []
        events.append(self._tell("invoice.paid", invoice.invoice_id))
        if not out_of_band:
            events.append(self._tell("invoice.payment_succeeded", invoice.invoice_id))
        if self.shape.since(BASIL) and invoice.due:
            payment = InvoicePayment(self._new_id("inpay"), invoice.invoice_id, invoice.due, self.now, charge)
            self._put(payment)
            listed = rows(f"/v1/invoice_payments?invoice={invoice.invoice_id}", [invoice_payment(payment, self.shape)])
            self.objects[invoice.invoice_id]["payments"] = listed
            events.append(self._tell("invoice_payment.paid", payment.payment_id))
        return events

    def _charged(self, amount: int, customer: str | None, invoice: str | None = None) -> Charge | None:
        """The payment of an amount by card; nothing costs nothing."""
        if not amount:
            return None
        return self._put(Charge(self._new_id("ch"), self._new_id("pi"), amount, customer, self.now, invoice))

    def _closed(self, invoice: Invoice, how: str) -> Events:
        status, news = {
            "void": ("void", "invoice.voided"),
            "mark_uncollectible": ("uncollectible", "invoice.marked_uncollectible"),
        }[how]
        self._put(replace(invoice, status=status, closed_at=self.now))
        return [self._tell(news, invoice.invoice_id)]

    def _stands(self, subscription_id: str, news: str = "customer.subscription.updated", **changes: object) -> Events:
        held = self._get(subscription_id, Subscription)
        self._put(replace(held, **changes))  # type: ignore[arg-type]
        return [self._tell(news, subscription_id)]

    # -- items and lines -----------------------------------------------------------------------

    def _bought(self, bought: OrderLine) -> tuple[Price, int]:
        price, quantity = bought if isinstance(bought, tuple) else (bought, 1)
        return self.prices[price], quantity

    def _item(self, plan: OrderLine, anchor: datetime) -> Item:
        price, quantity = self._bought(plan)
        return Item(self._new_id("si"), price, quantity, self.now, *period_at(anchor, price, anchor))

    def _renewed(self, item: Item, within: Subscription) -> Item:
        starts, ends = period_at(within.anchor, item.price, item.ends)
        return replace(item, starts=starts, ends=ends, periods=1)

    def _full_lines(self, of: Subscription, item: Item) -> list[Line]:
        """A period of an item: one line, or for each tier that it reaches one, and one for the tier's flat amount."""
        line = Line(
            line_id="",
            description=f"{item.quantity} × {item.price.price_id}",  # noqa: RUF001 a times sign, as Stripe writes
            amount=item.amount,
            price=item.price,
            quantity=item.quantity,
            starts=item.starts,
            ends=item.ends,
            subscription=of.subscription_id,
            item=item.item_id,
            metadata=of.metadata,
        )
        if of.in_trial:
            lines = [replace(line, description=f"Trial period for {item.price.price_id}", amount=0)]
        else:
            lines = by_tier(line) if item.price.tiers else [line]
        return [replace(each, line_id=self._new_id("il")) for each in lines]

    def _switched(self, of: Subscription, old: tuple[Item, ...], new: tuple[Item, ...]) -> list[Line]:
        """Items in place of others: what is left of the period is given back of these and charged for those.

        In a trial what is new costs nothing, and has a line of the trial's.
        """
        if of.in_trial:
            return [line for item in new for line in self._full_lines(of, replace(item, starts=self.now))]
        given_back = [self._proration(of, item, gives_back=True) for item in old]
        return [*given_back, *(self._proration(of, item) for item in new)]

    def _proration(self, of: Subscription, item: Item, gives_back: bool = False) -> Line:
        """What the rest of the period costs, or gives back, in one line. It has no metadata of its subscription's."""
        share = (item.ends - self.now) / (item.ends - item.starts)
        rest = round(item.amount * share)
        credited = self._charged_for(of, item) if gives_back else []
        if credited and self.flexible:
            rest = round(sum(line.amount - line.discount for line in credited) * share)
        described = f"{item.quantity} × {item.price.price_id}"  # noqa: RUF001 see above
        return Line(
            line_id=self._new_id("il"),
            description=f"{'Unused' if gives_back else 'Remaining'} time on {described}",
            amount=-rest if gives_back else rest,
            price=item.price,
            quantity=item.quantity,
            starts=self.now,
            ends=item.ends,
            subscription=of.subscription_id,
            item=item.item_id,
            invoice_item=self._new_id("ii"),
            proration=True,
            credits=(str(of.latest_invoice), tuple(line.line_id for line in credited)) if credited else None,
        )

    def _charged_for(self, of: Subscription, item: Item) -> list[Line]:
        """The lines of the last invoice that charge for an item."""
        lines = self._get(of.latest_invoice, Invoice).lines if of.latest_invoice else ()
        return [line for line in lines if line.item == item.item_id and line.credits is None]

    def _extra_line(self, bought: OrderLine, subscription: str | None = None) -> Line:
        """What is bought once, by an invoice item."""
        price, quantity = self._bought(bought)
        return Line(
            line_id=self._new_id("il"),
            description=price.price_id,
            amount=price.amount(quantity),
            price=price,
            quantity=quantity,
            starts=self.now,
            ends=self.now,
            subscription=subscription,
            invoice_item=self._new_id("ii"),
        )

    def _returned_line(self, bought: OrderLine, subscription: str | None = None) -> Line:
        """What was bought before is given back: units of its price, below zero."""
        line = self._extra_line(bought, subscription)
        return replace(line, description=f"Returned: {line.description}", amount=-line.amount)


def by_tier(line: Line) -> list[Line]:
    """The lines that Stripe writes in place of one, for a price with tiers."""
    found: list[Line] = []
    name, per = line.price.price_id, line.price.interval
    for number, (tier, units) in enumerate(line.price.by_tier(line.quantity), start=1):
        of = replace(line, tier=tier, quantity=units, amount=tier.unit_amount * units)
        rate = f"Tier {number} at ${tier.unit_amount / 100:.2f} / {per}"
        found.append(replace(of, description=f"{units} × {name} ({rate})"))  # noqa: RUF001 see above
        if tier.flat_amount:
            rate = f"Tier {number} at ${tier.flat_amount / 100:.2f} / {per}"
            found.append(replace(of, description=f"{name} ({rate})", quantity=0, amount=tier.flat_amount))
    return found


def discounted(lines: list[Line], percent_off: int) -> list[Line]:
    return [replace(line, discount=line.amount * percent_off // 100) for line in lines]
