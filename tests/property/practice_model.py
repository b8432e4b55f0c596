"""A naive model of a whole practice: what payments and booking events come to, whatever their order.

Written from the law, over the naive wallets. Knows one fixed catalogue and no storage.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from client_credits.domain.bookings.booking import Cancelled, CancelledBy, Created
from client_credits.domain.payments.facts import Payment, PaymentLine
from client_credits.operations.payments import parking
from tests.property.model import ENDLESS, Credit, NaiveWallet, Rules

# price -> (credits per type, whether it renews, how its credits end)
OFFERS: dict[str, tuple[dict[str, int], bool, str]] = {
    "price_three": ({"follow-up": 3}, True, "never"),
    "price_starter": ({"follow-up": 2, "initial": 1}, False, "two days"),
    "price_monthly": ({"follow-up": 4}, True, "cycle"),
    "price_once": ({"follow-up": 5}, False, "never"),
    "price_nothing": ({}, True, "never"),
}
TYPES = {"follow-up": False, "initial": True}  # type -> bookable without credits


@dataclass
class NaiveBooking:
    state: str
    client: str | None = None
    type: str | None = None  # None while only its cancellation is known
    tried_at: datetime | None = None
    stated_at: datetime | None = None  # what the event said, which may lie ahead
    spent: bool = False
    unidentified: bool = False


@dataclass
class NaivePractice:
    rules: Rules
    wallets: dict[tuple[str, str], NaiveWallet] = field(default_factory=dict)
    bookings: dict[str, NaiveBooking] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)  # what has been granted or settled for good
    parked: set[str] = field(default_factory=set)
    owners: dict[str, str] = field(default_factory=dict)  # of subscriptions, as the last payment granted said
    nobodys: dict[str, Payment] = field(default_factory=dict)  # payments of subscriptions that name no client

    def wallet(self, client: str, kind: str) -> NaiveWallet:
        return self.wallets.setdefault((client, kind), NaiveWallet(self.rules))

    def pass_time(self, now: datetime) -> None:
        for wallet in self.wallets.values():
            wallet.pass_time(now)

    # -- payments ----------------------------------------------------------------------------

    def pay(self, payment: Payment, now: datetime) -> None:
        """Then what waited to be said whose the subscription is."""
        self._apply(payment, now)
        waiting = [each for each in self.nobodys.values() if each.subscription == payment.subscription]
        for each in sorted(waiting, key=parking.id_of):
            self._apply(each, now)

    def _apply(self, payment: Payment, now: datetime) -> None:
        for line in payment.lines:
            if not self._pay_line(payment, line, now):
                self.parked.add(payment.payment_id)
        if payment.client_id is None and payment.subscription:
            self.nobodys[payment.payment_id] = payment

    def _pay_line(self, payment: Payment, line: PaymentLine, now: datetime) -> bool:
        """False when no rule explains the line: then the payment waits, and nothing is lost."""
        client_id = payment.client_id or self.owners.get(payment.subscription or "")
        name = f"{payment.payment_id}/{line.line_id}"
        if name in self.done:
            return True
        if line.price not in OFFERS:
            return False
        credits, renews, ends = OFFERS[line.price or ""]
        start = payment.paid_at
        if line.subscription_item and line.period_start:
            start = max(start, line.period_start)
        if ends == "cycle" and not line.period_end:
            return False
        if client_id is None:
            return False
        self.done.add(name)
        if payment.subscription and line.subscription_item:
            self.owners[payment.subscription] = client_id
            first = f"{payment.subscription}/{line.subscription_item}"
            if not renews and first in self.done:
                return True
            self.done.add(first)
        for kind, amount in credits.items():
            end = _end(ends, start, line)
            self.wallet(client_id, kind).grant(
                Credit(name, start, end, 100), amount * line.quantity, payment.paid_at, now
            )
        return True

    # -- bookings ----------------------------------------------------------------------------

    def book(self, event: Created, now: datetime) -> None:
        known, at = self.bookings.get(event.booking_id), min(event.occurred_at, now)
        if known is None:
            known = self.bookings[event.booking_id] = NaiveBooking("booked")
        elif (
            known.state == "refused" and known.tried_at and known.stated_at != event.occurred_at and at > known.tried_at
        ):
            pass  # a refusal binds nobody
        elif known.state == "booked" and known.unidentified and event.client_id:
            pass  # what spent nothing for want of a client spends once one is named
        elif known.type is None:
            known.type = event.session.appointment_type  # cancelled before created: nothing is spent
            known.client = known.client or event.client_id
            return
        else:
            known.client = known.client or event.client_id
            return
        known.client = known.client or event.client_id
        known.type, known.tried_at, known.stated_at = event.session.appointment_type, at, event.occurred_at
        known.unidentified = known.client is None and known.type in TYPES
        if known.type not in TYPES or known.client is None:
            known.state = "booked"
            return
        known.spent = self.wallet(known.client, known.type).book(
            event.booking_id,
            event.session.starts_at,
            event.session.seats,
            event.occurred_at,
            now,
            TYPES[known.type],
        )
        known.state = "booked" if known.spent else "refused"

    def cancel(self, event: Cancelled, now: datetime) -> None:
        known = self.bookings.setdefault(event.booking_id, NaiveBooking("cancelled", event.client_id))
        known.client = known.client or event.client_id
        if known.state == "booked" and known.spent:
            assert known.client
            assert known.type
            wallet = self.wallet(known.client, known.type)
            wallet.cancel(event.booking_id, event.by is CancelledBy.PRACTICE, event.occurred_at, now)
        known.state = "cancelled"


def _end(ends: str, start: datetime, line: PaymentLine) -> datetime:
    if ends == "never":
        return ENDLESS
    if ends == "cycle":
        assert line.period_end
        return line.period_end
    last_day = start.date() + timedelta(days=2)
    return datetime.combine(last_day + timedelta(days=1), time.min, tzinfo=UTC)
