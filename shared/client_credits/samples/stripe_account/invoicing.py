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

Bought = str | tuple[str, int]  # a price, or a price and how many


class Invoicing(SandboxAccount):
    """What a Stripe account sells, and bills for it."""

    # -- invoices ------------------------------------------------------------------------------

    def invoice(
        self,
        customer: str,
        *bought: Bought,
        metadata: Mapping[str, str] | None = None,
        percent_off: int = 0,
        out_of_band: bool = False,
    ) -> Events:
        """An invoice made by hand, paid."""
        lines = discounted([self._extra_line(each) for each in bought], percent_off)
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

    def _bought(self, bought: Bought) -> tuple[Price, int]:
        price, quantity = bought if isinstance(bought, tuple) else (bought, 1)
        return self.prices[price], quantity

    def _item(self, plan: Bought, anchor: datetime) -> Item:
        price, quantity = self._bought(plan)
        return Item(self._new_id("si"), price, quantity, self.now, *period_at(anchor, price, anchor))

    def _renewed(self, item: Item, within: Subscription) -> Item:
        starts, ends = period_at(within.anchor, item.price, item.ends)
        return replace(item, starts=starts, ends=ends)

    def _full_line(self, of: Subscription, item: Item) -> Line:
        trial = of.status == "trialing"
        described = f"{item.quantity} × {item.price.price_id}"  # noqa: RUF001 a times sign, as Stripe writes
        return Line(
            line_id=self._new_id("il"),
            description=f"Trial period for {item.price.price_id}" if trial else described,
            amount=0 if trial else item.amount,
            price=item.price,
            quantity=item.quantity,
            starts=item.starts,
            ends=item.ends,
            subscription=of.subscription_id,
            item=item.item_id,
            metadata=of.metadata,
        )

    def _proration(self, of: Subscription, item: Item, gives_back: bool = False) -> Line:
        """What the rest of the period costs, or gives back."""
        share = (item.ends - self.now) / (item.ends - item.starts)
        rest = round(item.amount * share)
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
            metadata=of.metadata,
        )

    def _extra_line(self, bought: Bought, subscription: str | None = None) -> Line:
        """What is bought once, by an invoice item."""
        price, quantity = self._bought(bought)
        return Line(
            line_id=self._new_id("il"),
            description=price.price_id,
            amount=price.unit_amount * quantity,
            price=price,
            quantity=quantity,
            starts=self.now,
            ends=self.now,
            subscription=subscription,
            invoice_item=self._new_id("ii"),
        )


def discounted(lines: list[Line], percent_off: int) -> list[Line]:
    return [replace(line, discount=line.amount * percent_off // 100) for line in lines]
