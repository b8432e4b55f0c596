"""Customers, subscriptions and invoices of the sandbox: what Stripe Billing does, in miniature.

Every action happens at the sandbox's clock and returns its events in the order Stripe sends them.
Changes of a subscription are invoiced at once (`always_invoice`), or wait for the next invoice (`pending`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from client_credits.samples.stripe_account.account import Events
from client_credits.samples.stripe_account.books import (
    Customer,
    Item,
    Line,
    Price,
    Subscription,
    Tier,
)
from client_credits.samples.stripe_account.invoicing import Invoicing, OrderLine
from client_credits.samples.stripe_account.periods import nth_end, period_at, period_before

UPDATE = "subscription_update"


class Billing(Invoicing):
    """What a Stripe account bills."""

    def price(self, price_id: str, unit_amount: int, interval: str | None = None, interval_count: int = 1) -> None:
        """Puts a price up for sale: recurring where it has an interval (day, week, month, year)."""
        self.prices[price_id] = Price(price_id, unit_amount, interval, interval_count)

    def tiered_price(self, price_id: str, interval: str, *tiers: Tier) -> None:
        """Puts a recurring price up for sale whose units cost what the tier says that they fall into."""
        self.prices[price_id] = Price(price_id, 0, interval, tiers=tiers)

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
        *plans: OrderLine,
        metadata: Mapping[str, str] | None = None,
        trial_days: int = 0,
        beside: tuple[OrderLine, ...] = (),
        percent_off: int = 0,
        anchor: datetime | None = None,
        periods: int = 1,
        offer_days: int = 0,
    ) -> Events:
        """A subscription and its first invoice, paid. `beside` is bought once with it, as a set-up fee is.

        With an `anchor` ahead the first invoice is for the time until then. Or it is for several `periods` of each
        item at once. An offer lets its items be tried for `offer_days`, at the price they have.
        """
        trial_end = self.now + timedelta(days=trial_days) if trial_days else None
        ahead, anchor = anchor is not None, anchor or trial_end or self.now
        items = tuple(self._item(plan, anchor) for plan in plans)
        if ahead:
            items = tuple(replace(item, starts=period_before(anchor, item.price), ends=anchor) for item in items)
        if offer_days:
            items = tuple(replace(item, tried_until=self.now + timedelta(days=offer_days)) for item in items)
        if periods > 1:
            items = tuple(replace(item, ends=nth_end(anchor, item.price, periods), periods=periods) for item in items)
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
            trial_start=self.now if trial_end else None,
            trial_end=trial_end,
        )
        begins = [[self._proration(made, item)] if ahead else self._full_lines(made, item) for item in items]
        lines = [line for each in begins for line in each]
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
        after = replace(before, items=items, status="active" if before.in_trial else before.status)
        lines = [*before.pending, *(line for item in items for line in self._full_lines(after, item))]
        after = replace(after, pending=())
        if pays and not before.pause:
            return self._billed(
                after, "subscription_cycle", lines, "customer.subscription.updated", out_of_band=out_of_band
            )
        invoice = self._opened(after.customer, "subscription_cycle", lines, after)
        self._put(replace(after, latest_invoice=invoice.invoice_id))
        events = [self._tell("customer.subscription.updated", subscription_id)]
        if before.pause:
            return events + self._closed(invoice, before.pause)
        self._put(replace(invoice, attempts=1))
        events.append(self._tell("invoice.payment_failed", invoice.invoice_id))
        return events + self._stands(subscription_id, status="past_due")

    def change(
        self,
        subscription_id: str,
        price: str | None = None,
        quantity: int | None = None,
        percent_off: int = 0,
        pending: bool = False,
    ) -> Events:
        """Another plan or quantity of the first item. Another interval begins a new period at once."""
        before = self._get(subscription_id, Subscription)
        old = before.items[0]
        new = replace(old, price=self.prices[price] if price else old.price, quantity=quantity or old.quantity)
        if new.price.rhythm != old.price.rhythm:
            return self._begun_anew(before, (new, *before.items[1:]), percent_off)
        lines = self._switched(before, (old,), (new,))
        return self._changed(before, (new, *before.items[1:]), lines, percent_off, pending)

    def trial(self, subscription_id: str, days: int, prorates: bool = False) -> Events:
        """The time until so many days from now is free: a trial lasts longer, or takes the place of a paid period.

        The next cycle begins when it ends. `prorates`: what is left of the paid period is given back.
        """
        before = self._get(subscription_id, Subscription)
        ends = self.now + timedelta(days=days)
        back = [self._proration(before, item, gives_back=True) for item in before.items] if prorates else []
        items = tuple(replace(item, starts=self.now, ends=ends) for item in before.items)
        began = before.trial_start if before.in_trial else self.now
        after = replace(before, items=items, anchor=ends, status="trialing", trial_start=began, trial_end=ends)
        lines = [*back, *(line for item in items for line in self._full_lines(after, item))]
        return self._billed(after, UPDATE, lines, "customer.subscription.updated")

    def restart(self, subscription_id: str, used: bool = False) -> Events:
        """The billing cycle's anchor becomes now: the rest of the period is given back, a new one begins.

        `used`: because so much was used as its threshold says.
        """
        before = self._get(subscription_id, Subscription)
        return self._begun_anew(before, before.items, reason="subscription_threshold" if used else UPDATE)

    def swap(self, subscription_id: str, plan: OrderLine, pending: bool = False) -> Events:
        """Another item takes the first one's place."""
        before = self._get(subscription_id, Subscription)
        old = before.items[0]
        new = replace(self._item(plan, before.anchor), starts=old.starts, ends=old.ends)
        lines = self._switched(before, (old,), (new,))
        return self._changed(before, (new, *before.items[1:]), lines, pending=pending)

    def add_item(self, subscription_id: str, plan: OrderLine, pending: bool = False) -> Events:
        before = self._get(subscription_id, Subscription)
        new = replace(self._item(plan, before.anchor), starts=before.items[0].starts, ends=before.ends)
        return self._changed(before, (*before.items, new), self._switched(before, (), (new,)), pending=pending)

    def remove_item(self, subscription_id: str, pending: bool = False) -> Events:
        """The last item goes."""
        before = self._get(subscription_id, Subscription)
        lines = self._switched(before, before.items[-1:], ())
        return self._changed(before, before.items[:-1], lines, pending=pending)

    def return_units(self, subscription_id: str, bought: OrderLine) -> None:
        """The next invoice takes so many units of a price away."""
        held = self._get(subscription_id, Subscription)
        line = self._returned_line(bought, subscription_id)
        self._put(replace(held, pending=(*held.pending, line)))

    def invoice_pending(self, subscription_id: str) -> Events:
        """The prorations that wait are invoiced by hand."""
        held = self._get(subscription_id, Subscription)
        return self._billed(replace(held, pending=()), "manual", list(held.pending), None)

    def _changed(
        self,
        before: Subscription,
        items: tuple[Item, ...],
        lines: list[Line],
        percent_off: int = 0,
        pending: bool = False,
    ) -> Events:
        """The subscription with other items, and an invoice for it at once, or with the next one."""
        after = replace(before, items=items)
        if pending:
            return self._stands(before.subscription_id, items=items, pending=(*before.pending, *lines))
        return self._billed(after, UPDATE, lines, "customer.subscription.updated", percent_off)

    def _begun_anew(
        self, before: Subscription, items: tuple[Item, ...], percent_off: int = 0, reason: str = UPDATE
    ) -> Events:
        """The rest of every item's period is given back, and a new one begins."""
        begun = tuple(self._begun(item) for item in items)
        after = replace(before, items=begun, anchor=self.now, pending=())
        lines = [*before.pending, *(self._proration(before, item, gives_back=True) for item in before.items)]
        lines += [line for item in begun for line in self._full_lines(after, item)]
        return self._billed(after, reason, lines, "customer.subscription.updated", percent_off)

    def _begun(self, item: Item) -> Item:
        starts, ends = period_at(self.now, item.price, self.now)
        return replace(item, starts=starts, ends=ends)

    def ends(self, subscription_id: str) -> datetime:
        """When its running period ends."""
        return self._get(subscription_id, Subscription).ends

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

    def cancel(
        self, subscription_id: str, at: datetime | None = None, reason: str | None = None, prorates: bool = False
    ) -> Events:
        """The subscription ends at once, or has ended `at` an instant. `prorates`: what is left of the period is
        invoiced in the customer's favour.
        """
        at = at or self.now
        held = self._get(subscription_id, Subscription)
        changes = {"status": "canceled", "ended_at": at, "canceled_at": held.canceled_at or at}
        changes["reason"] = reason or held.reason or "cancellation_requested"
        events = self._stands(subscription_id, "customer.subscription.deleted", **changes)
        if not prorates:
            return events
        lines = [*held.pending, *(self._proration(held, item, gives_back=True) for item in held.items)]
        after = replace(self._get(subscription_id, Subscription), pending=())
        return events + self._billed(after, "manual", lines, None)

    def threshold(self, subscription_id: str, bought: OrderLine) -> Events:
        """An invoice within the cycle, because enough was used."""
        held = self._get(subscription_id, Subscription)
        lines = self._full_lines(held, replace(self._item(bought, held.anchor), item_id=held.items[0].item_id))
        return self._billed(held, "subscription_threshold", lines, None)
