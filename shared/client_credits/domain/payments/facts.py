"""What a payment provider tells us, in the domain's words.

Owns the shape of a payment as the rules see it. Knows no provider's field names.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from client_credits.domain.payments.plan_changes import Interval
from client_credits.domain.words import Unknown

OWN_ACCOUNT = "own"  # the account of Stripe's of events that name none: the practice's own


class Trial(StrEnum):
    """Whether a line costs nothing because its subscription was in trial, as the line itself tells."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"  # it costs nothing, and nothing of it says why


class QuantityFrom(StrEnum):
    """What says how often a payment bought the package that it names."""

    METADATA = "metadata"
    ITEMS = "items"  # those of the checkout session, as Stripe was asked for them
    PRICE = "price"  # what was charged, by the package's price
    ASSUMED = "assumed"  # nothing does: once


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """What a payment is for: one line, or all lines of one subscription item and period together.

    What it is follows from itself alone: with `proration` a part of a period, for a change of plan; else
    with a subscription item and a period a cycle; else a purchase. `amount` is in minor units of
    `currency`, before discounts; a proration's is negative where it gives back what remained of the plan
    before. `charged` is what was charged for it, after discounts and without tax, where that is known. A proration
    of nothing that is `credited` gives back what had cost nothing. A line billed ahead pays several `periods` of its
    price at once; a proration is within as many.
    """

    line_id: str
    price: str | None
    quantity: int
    amount: int
    currency: str
    package_id: str | None = None  # named by the payment itself, where it names no price
    subscription_item: str | None = None
    period_start: datetime | None = None
    period_end: datetime | None = None
    proration: bool = False
    trial: Trial | Unknown = Trial.NO
    subscription: str | None = None  # where the line names one of its own
    also: tuple[str, ...] = ()  # the other lines that are counted in this one
    charged: int | None = None
    interval: Interval | None = None  # how long its price lasts, where the event tells
    within_cycle: bool = False  # bills use so far of a period that another payment is for
    quantity_from: QuantityFrom | Unknown | None = None  # of the package that the payment itself names
    credited: bool = False
    periods: int = 1

    @property
    def units(self) -> int:
        """How many times it brings its package's credits."""
        return self.quantity * self.periods

    @property
    def gives_back(self) -> bool:
        """Whether it is for what no longer comes, or for units that are returned."""
        return self.credited or self.amount < 0

    @property
    def of_cycle(self) -> bool:
        """Whether it pays a full period of a subscription's item."""
        return self.subscription_item is not None and not self.proration

    @property
    def worth(self) -> int:
        """What its credits cost, in minor units."""
        return self.amount if self.charged is None else self.charged


@dataclass(frozen=True, slots=True)
class PaidWith:
    """One money that paid a payment, by the names that are stated, and the minor units it paid of it.

    `amount` is None where it is not stated. A charge has a payment intent too, or stands alone.
    """

    payment_intent: str | None = None
    charge: str | None = None
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that succeeded. Instants are UTC; `paid_at` is when the money came, not when we heard.

    `paid` is what money and the customer's balance paid of it, with tax and after discounts: what a
    refund is measured by. All amounts are in minor units.
    """

    payment_id: str
    account: str
    mode: str
    event_id: str
    paid_at: datetime
    customer: str | None
    client_id: str | None
    subscription: str | None
    payment_intent: str | None
    lines: tuple[PaymentLine, ...]
    lines_missing: bool = False  # the payment has more lines than the event carried
    paid: int = 0
    charge: str | None = None
    by_balance: int = 0  # of `paid`, what the customer's balance paid
    overpaid: int = 0  # beyond `paid`: it went to the customer's balance
    credited_before: int = 0  # by credit notes before it was paid, so that it never was
    credited_after: int = 0  # by credit notes since
    paid_with: tuple[PaidWith, ...] = ()  # every money that paid it, where the event lists them
    items: tuple[PaymentLine, ...] = ()  # of a session whose first line is the package it names: see `selling`

    @property
    def moneys(self) -> tuple[PaidWith, ...]:
        """Every money stated to have paid it; none where nothing is stated. One alone paid all that money paid."""
        if len(self.paid_with) > 1 or not (self.paid_with or self.payment_intent or self.charge):
            return self.paid_with
        one = self.paid_with[0] if self.paid_with else PaidWith(self.payment_intent, self.charge)
        return (one if one.amount is not None else replace(one, amount=self.paid - self.by_balance),)

    @property
    def is_own_intent(self) -> bool:
        """Whether it is a payment intent of the practice's own: a sale at a terminal, or in a custom checkout."""
        return self.payment_id == self.payment_intent

    @property
    def names_package(self) -> bool:
        """Whether it is a checkout session that names the package it sold; that is its first line."""
        return not self.is_own_intent and any(line.quantity_from for line in self.lines)


@dataclass(frozen=True, slots=True)
class CustomerLink:
    """A checkout that grants nothing itself but says which client a customer is."""

    event_id: str
    customer: str | None
    client_id: str
    subscription: str | None = None


class RefundStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # or cancelled: the money stays with the practice


class DisputeStatus(StrEnum):
    WARNED = "warned"  # an inquiry: no money moved
    CALMED = "calmed"  # the inquiry ended without a dispute
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Refund:
    """Money given back, in minor units; `at` is when this status was reported, `made_at` when it was made.

    `money` is what it is of, where that is known.
    """

    refund_id: str
    amount: int
    status: RefundStatus | Unknown
    at: datetime
    made_at: datetime | None = None
    money: str = ""

    @property
    def since(self) -> datetime:
        """When it began to count or, where it failed, ceased to."""
        return self.at if self.status is RefundStatus.FAILED else self.made

    @property
    def made(self) -> datetime:
        return min(self.made_at or self.at, self.at)


@dataclass(frozen=True, slots=True)
class Dispute:
    """Money a client's bank asks back, in minor units; `at` is when this status was reported.

    `won_at` is when it was first reported won, where that was before `at`.
    """

    dispute_id: str
    amount: int
    status: DisputeStatus | Unknown
    at: datetime
    opened_at: datetime | None = None  # when the bank asked, whatever the status is now
    won_at: datetime | None = None
    money: str = ""  # what it is about

    @property
    def since(self) -> datetime:
        return min(self.opened_at or self.at, self.at)

    @property
    def closed(self) -> datetime:
        """When it was won, if it was."""
        return self.won_at or self.at


@dataclass(frozen=True, slots=True)
class CreditNote:
    """What was credited of a payment, and which lines that is for. `total` is the note's, `lines` are
    (line id, amount) of the lines it names; under an empty id what it credits beside them, for the
    payment as a whole.

    Of the total `before_payment` was never paid, `beside_refunds` was given to the customer's balance or
    outside of Stripe, the rest by its refunds; with `rest_beside` what these leave was given to the
    balance too.
    """

    note_id: str
    total: int
    lines: tuple[tuple[str, int], ...]
    refunds: tuple[str, ...]
    voided: bool = False
    before_payment: int = 0
    beside_refunds: int = 0
    rest_beside: bool = False
    at: datetime | None = None
    payment: str = ""  # the payment it is of

    @property
    def counts(self) -> bool:
        return not self.voided and self.total > 0


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """What one event tells of money given back or asked back.

    The payment is found by `payment_id` where the event names it, else by the payment intent, else
    by the charge. `refunded_total` is the charge's sum of refunds so far.
    """

    event_id: str
    account: str
    mode: str
    occurred_at: datetime
    payment_id: str | None = None
    payment_intent: str | None = None
    charge: str | None = None
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    notes: tuple[CreditNote, ...] = ()
    refunded_total: int | None = None


@dataclass(frozen=True, slots=True)
class PaymentMade:
    """Which payment intent or charge paid an invoice: an index for refunds, granting nothing.

    `amount` is what it paid of it, in minor units; `detached`, that from `at` on it pays it no more.
    """

    event_id: str
    account: str
    mode: str
    payment_id: str
    payment_intent: str | None = None
    charge: str | None = None
    amount: int | None = None
    at: datetime | None = None
    detached: bool = False


class SubscriptionStatus(StrEnum):
    RUNNING = "running"  # active, trialing, or not begun yet
    PAST_DUE = "past_due"  # or unpaid
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SubscriptionNews:
    """How a subscription stands, as heard at `occurred_at`; `ended_at` is set for good once it ended.

    `trial` is when it is or was in trial, `prices` are its (item, price) pairs, `intervals` tell how long
    prices last, `anchor` is the instant that its periods are counted from, `client_id` whose it says it is.
    `item_trials` are the items that an offer lets try, each with when: `start <= t < end`.
    """

    event_id: str
    account: str
    mode: str
    occurred_at: datetime
    subscription: str
    status: SubscriptionStatus
    ended_at: datetime | None = None
    customer: str | None = None
    trial: tuple[datetime, datetime] | None = None
    prices: tuple[tuple[str, str], ...] = ()
    intervals: dict[str, Interval] = field(default_factory=dict)
    anchor: datetime | None = None
    client_id: str | None = None
    item_trials: tuple[tuple[str, datetime, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that changes nothing here, with the reason."""

    event_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An event that may matter but cannot be turned into a grant: it is parked, never lost."""

    event_id: str
    reason: str
    payment_id: str | None = None
    customer: str | None = None
    prices: tuple[str, ...] = ()
    related: str | None = None  # what the event is about, where fetching it would explain the event
    event_type: str | None = None  # as an event that carries it whole would call it
    account: str | None = None


Facts = Payment | CustomerLink | MoneyBack | PaymentMade | SubscriptionNews | Ignored | Unsupported


def not_ahead(facts: Facts, now: datetime) -> Facts:
    """The facts with whatever is said to have happened ahead of `now` counted as of now.

    The starts and ends of periods stay as they are.
    """
    match facts:
        case Payment():
            return replace(facts, paid_at=min(facts.paid_at, now))
        case SubscriptionNews():
            ended_at = min(facts.ended_at, now) if facts.ended_at else None
            return replace(facts, occurred_at=min(facts.occurred_at, now), ended_at=ended_at)
        case MoneyBack():
            return replace(
                facts,
                occurred_at=min(facts.occurred_at, now),
                refunds=tuple(replace(refund, at=min(refund.at, now)) for refund in facts.refunds),
                disputes=tuple(replace(dispute, at=min(dispute.at, now)) for dispute in facts.disputes),
                notes=tuple(replace(note, at=min(note.at, now) if note.at else None) for note in facts.notes),
            )
        case PaymentMade():
            return replace(facts, at=min(facts.at, now) if facts.at else None)
        case _:
            return facts
