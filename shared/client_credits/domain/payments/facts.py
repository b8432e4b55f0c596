"""What a payment provider told us, in the domain's words.

Owns the shape of a payment as the rules see it. Knows no provider's field names.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

OWN_ACCOUNT = "own"  # the account of Stripe's of events that name none: the practice's own


class Trial(StrEnum):
    """Whether a line costs nothing because its subscription was in trial, as the line itself tells."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"  # it costs nothing, and nothing of it says why


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """What a payment is for: one line, or all lines of one subscription item and period together.

    What it is follows from itself alone: with `proration` a part of a period, for a change of plan; else
    with a subscription item and a period a cycle; else a purchase. `amount` is in minor units of
    `currency`, before discounts; a proration's is negative where it gives back what remained of the plan
    before. `charged` is what was charged for it, after discounts and without tax, where that is known.
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
    trial: Trial = Trial.NO
    subscription: str | None = None  # where the line names one of its own
    also: tuple[str, ...] = ()  # the other lines that are counted in this one
    charged: int | None = None
    within_cycle: bool = False  # bills use so far of a period that another payment is for

    @property
    def of_cycle(self) -> bool:
        """Whether it pays a full period of a subscription's item."""
        return self.subscription_item is not None and not self.proration

    @property
    def worth(self) -> int:
        """What its credits cost, in minor units."""
        return self.amount if self.charged is None else self.charged


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that succeeded. Instants are UTC; `paid_at` is when the money came, not when we heard."""

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
    paid: int = 0  # minor units, of all lines with tax and after discounts: what a refund is measured by
    charge: str | None = None


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
    """Money given back, in minor units; `at` is when this status was told of."""

    refund_id: str
    amount: int
    status: RefundStatus
    at: datetime


@dataclass(frozen=True, slots=True)
class Dispute:
    """Money a client's bank asks back, in minor units; `at` is when this status was told of.

    `won_at` is when it was first told to be won, where that was before `at`.
    """

    dispute_id: str
    amount: int
    status: DisputeStatus
    at: datetime
    opened_at: datetime | None = None  # when the bank asked, whatever the status is now
    won_at: datetime | None = None

    @property
    def since(self) -> datetime:
        return min(self.opened_at or self.at, self.at)

    @property
    def closed(self) -> datetime:
        """When it was won, if it was."""
        return self.won_at or self.at


@dataclass(frozen=True, slots=True)
class CreditNote:
    """Which lines of a payment its refunds are for. `total` is the note's, `lines` are (line id, amount)
    of the lines it names; under an empty id what it credits beside them, for the payment as a whole."""

    note_id: str
    total: int
    lines: tuple[tuple[str, int], ...]
    refunds: tuple[str, ...]
    voided: bool = False


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
    """Which payment intent or charge paid an invoice: an index for refunds, granting nothing."""

    event_id: str
    account: str
    mode: str
    payment_id: str
    payment_intent: str | None = None
    charge: str | None = None


class SubscriptionStatus(StrEnum):
    RUNNING = "running"  # active, trialing, or not begun yet
    PAST_DUE = "past_due"  # or unpaid
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class SubscriptionNews:
    """How a subscription stands, as told at `occurred_at`; `ended_at` is set for good once it ended.

    `trial` is when it is or was in trial, `prices` are its (item, price) pairs.
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
            )
        case _:
            return facts
