"""What a payment provider told us, in the domain's words.

Owns the shape of a payment as the rules see it. Knows no provider's field names.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PaymentKind(StrEnum):
    """Why the money came in."""

    CHECKOUT = "checkout"  # a one-off purchase
    FIRST = "first"  # the first invoice of a subscription
    CYCLE = "cycle"  # a later billing cycle of a subscription
    MANUAL = "manual"  # an invoice made by hand


@dataclass(frozen=True, slots=True)
class PaymentLine:
    """One line of a payment. `amount` is in minor units of `currency`, before discounts."""

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
    trial: bool = False  # a subscription's zero line for its trial: not a first payment


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment that succeeded. Instants are UTC; `paid_at` is when the money came, not when we heard."""

    payment_id: str
    kind: PaymentKind
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


@dataclass(frozen=True, slots=True)
class CustomerLink:
    """A checkout that grants nothing itself but says which client a customer is."""

    event_id: str
    customer: str | None
    client_id: str
    subscription: str | None = None


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


Facts = Payment | CustomerLink | Ignored | Unsupported
