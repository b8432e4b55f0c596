"""Customers, subscriptions and invoices of the sandbox: what Stripe Billing does, in miniature.

Every action happens at the sandbox's clock and returns its events in the order Stripe sends them.
Changes of a subscription are invoiced at once (`always_invoice`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from client_credits.samples.stripe_account.account import Account, Events
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


class Billing(Account):
    """What a Stripe account bills."""

    def price(self, price_id: str, unit_amount: int, interval: str | None = None, interval_count: int = 1) -> None:
        """Puts a price up for sale: recurring where it has an interval (day, week, month, year)."""
        self.prices[price_id] = Price(price_id, unit_amount, interval, interval_count)

    def customer(self, customer_id: str, metadata: Mapping[str, str] | None = None) -> Events:
        self._put(Customer(customer_id, self.now, metadata or {}))
        return [self._tell("customer.created", customer_id)]

    def delete_customer(self, customer_id: str) -> Events:
        """The customer goes, and its subscriptions end."""
        held = [each for each in self._held.values() if isinstance(each, Subscription)]
        running = [each for each in held if each.customer == customer_id and not each.ended_at]
        ended = [event for each in running for event in self.cancel(each.subscription_id)]
        return [*ended, self._tell("customer.deleted", customer_id)]

    # -- subscriptions -------------------------------------------------------------------------

    def subscribe(
        self,
        customer: str,
        *plans: Bought,
        metadata: Mapping[str, str] | None = None,
        trial_days: int = 0,
        beside: tuple[Bought, ...] = (),
        percent_off: int = 0,
    ) -> Events:
        """A subscription and its first invoice, paid. `beside` is bought once with it, as a set-up fee is."""
        trial_end = self.now + timedelta(days=trial_days) if trial_days else None
        anchor = trial_end or self.now
        items = tuple(self._item(plan, anchor) for plan in plans)
        if trial_end:
            items = tuple(replace(item, starts=self.now, ends=trial_end) for item in items)
        made = Subscription(
            subscription_id=self._new_id("sub"),
            customer=customer,
            created=self.now,
            anchor=anchor,
            items=items,
            status="trialing" if trial_end else "active",
            metadata=metadata or {},
            trial_end=trial_end,
        )
        lines = [self._full_line(made, item) for item in items]
        lines += [self._extra_line(bought, made.subscription_id) for bought in beside]
        return self._billed(made, "subscription_create", lines, "customer.subscription.created", percent_off)

    def cycle(self, subscription_id: str, pays: bool = True, out_of_band: bool = False) -> Events:
        """The end of the running period, to which the clock moves if it is not there yet, and the next one's invoice.

        Unpaid, the subscription is past due. While its collection is paused the invoice is void or uncollectible.
        """
        before = self._get(subscription_id, Subscription)
        self.now = max(self.now, before.ends)
        if before.cancel_at_period_end:
            return self.cancel(subscription_id, at=before.ends)
        items = tuple(self._renewed(item, before) for item in before.items)
        after = replace(before, items=items, status="active" if before.status == "trialing" else before.status)
        lines = [self._full_line(after, item) for item in items]
        if pays and not before.pause:
            return self._billed(
                after, "subscription_cycle", lines, "customer.subscription.updated", out_of_band=out_of_band
            )
        invoice = self._opened(after.customer, "subscription_cycle", lines, after)
        self._put(replace(after, latest_invoice=invoice.invoice_id))
        told = [self._tell("customer.subscription.updated", subscription_id)]
        if before.pause:
            return told + self._closed(invoice, before.pause)
        self._put(replace(invoice, attempts=1))
        told.append(self._tell("invoice.payment_failed", invoice.invoice_id))
        return told + self._stands(subscription_id, status="past_due")

    def change(self, subscription_id: str, price: str | None = None, quantity: int | None = None) -> Events:
        """Another plan or quantity of the first item. Another interval begins a new period at once."""
        before = self._get(subscription_id, Subscription)
        old = before.items[0]
        new = replace(old, price=self.prices[price] if price else old.price, quantity=quantity or old.quantity)
        if new.price.rhythm == old.price.rhythm:
            lines = [self._proration(before, old, gives_back=True), self._proration(before, new)]
            after = replace(before, items=(new, *before.items[1:]))
        else:
            starts, ends = period_at(self.now, new.price, self.now)
            new = replace(new, starts=starts, ends=ends)
            after = replace(before, items=(new, *before.items[1:]), anchor=self.now)
            lines = [self._proration(before, old, gives_back=True), self._full_line(after, new)]
        return self._billed(after, "subscription_update", lines, "customer.subscription.updated")

    def add_item(self, subscription_id: str, plan: Bought) -> Events:
        before = self._get(subscription_id, Subscription)
        new = replace(self._item(plan, before.anchor), starts=before.items[0].starts, ends=before.ends)
        after = replace(before, items=(*before.items, new))
        lines = [self._proration(before, new)]
        return self._billed(after, "subscription_update", lines, "customer.subscription.updated")

    def remove_item(self, subscription_id: str) -> Events:
        """The last item goes."""
        before = self._get(subscription_id, Subscription)
        after = replace(before, items=before.items[:-1])
        lines = [self._proration(before, before.items[-1], gives_back=True)]
        return self._billed(after, "subscription_update", lines, "customer.subscription.updated")

    def pause_collection(self, subscription_id: str, behavior: str = "void") -> Events:
        """Its invoices to come are `void` or `mark_uncollectible`; the subscription itself stays active."""
        return self._stands(subscription_id, pause=behavior)

    def resume_collection(self, subscription_id: str) -> Events:
        return self._stands(subscription_id, pause=None)

    def pause(self, subscription_id: str) -> Events:
        return self._stands(subscription_id, "customer.subscription.paused", status="paused")

    def resume(self, subscription_id: str) -> Events:
        return self._stands(subscription_id, "customer.subscription.resumed", status="active")

    def cancel_at_period_end(self, subscription_id: str, wanted: bool = True) -> Events:
        at = self.now if wanted else None
        reason = "cancellation_requested" if wanted else None
        return self._stands(subscription_id, cancel_at_period_end=wanted, canceled_at=at, reason=reason)

    def cancel(self, subscription_id: str, at: datetime | None = None, reason: str | None = None) -> Events:
        """The subscription ends at once, or has ended `at` an instant."""
        at = at or self.now
        held = self._get(subscription_id, Subscription)
        changes = {"status": "canceled", "ended_at": at, "canceled_at": held.canceled_at or at}
        changes["reason"] = reason or held.reason or "cancellation_requested"
        return self._stands(subscription_id, "customer.subscription.deleted", **changes)

    def threshold(self, subscription_id: str, bought: Bought) -> Events:
        """An invoice within the cycle, because enough was used."""
        held = self._get(subscription_id, Subscription)
        line = self._full_line(held, replace(self._item(bought, held.anchor), item_id=held.items[0].item_id))
        return self._billed(held, "subscription_threshold", [line], None)

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
        lines = _discounted([self._extra_line(each) for each in bought], percent_off)
        return self._paid(self._opened(customer, "manual", lines, metadata=metadata), out_of_band)

    def pay(self, invoice_id: str, out_of_band: bool = False) -> Events:
        """An open invoice is paid after all; its subscription is no longer past due."""
        held = self._get(invoice_id, Invoice)
        told = self._paid(held, out_of_band)
        if held.subscription and self._get(held.subscription, Subscription).status == "past_due":
            told += self._stands(held.subscription, status="active")
        return told

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
        invoice = self._opened(held.customer, reason, _discounted(lines, percent_off), held)
        self._put(replace(held, latest_invoice=invoice.invoice_id))
        told = [self._tell(news, held.subscription_id)] if news else []
        return told + self._paid(invoice, out_of_band)

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
        told = [self._tell("charge.succeeded", charge.charge_id)] if charge else []
        told.append(self._tell("invoice.paid", invoice.invoice_id))
        if not out_of_band:
            told.append(self._tell("invoice.payment_succeeded", invoice.invoice_id))
        if self.shape.since(BASIL) and invoice.due:
            payment = InvoicePayment(self._new_id("inpay"), invoice.invoice_id, invoice.due, self.now, charge)
            self._put(payment)
            listed = rows(f"/v1/invoice_payments?invoice={invoice.invoice_id}", [invoice_payment(payment, self.shape)])
            self.objects[invoice.invoice_id]["payments"] = listed
            told.append(self._tell("invoice_payment.paid", payment.payment_id))
        return told

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
        told = f"{item.quantity} × {item.price.price_id}"  # noqa: RUF001 a times sign, as Stripe writes
        return Line(
            line_id=self._new_id("il"),
            description=f"Trial period for {item.price.price_id}" if trial else told,
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
        told = f"{item.quantity} × {item.price.price_id}"  # noqa: RUF001 see above
        return Line(
            line_id=self._new_id("il"),
            description=f"{'Unused' if gives_back else 'Remaining'} time on {told}",
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


def _discounted(lines: list[Line], percent_off: int) -> list[Line]:
    return [replace(line, discount=line.amount * percent_off // 100) for line in lines]
