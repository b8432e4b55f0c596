"""What a Stripe account holds, as far as the sandbox plays it: plain facts, in no version's shape.

Amounts are in minor units of the one currency, instants are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

CURRENCY = "usd"

Metadata = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to `up_to`, beyond those of the tiers before, cost `unit_amount` each, and `flat_amount` once.

    The last tier has no `up_to`.
    """

    up_to: int | None
    unit_amount: int
    flat_amount: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """`interval` is day, week, month or year; None for what is bought once.

    With `tiers` each unit costs what its tier says (`graduated`), and `unit_amount` is 0.
    """

    price_id: str
    unit_amount: int
    interval: str | None = None
    interval_count: int = 1
    tiers: tuple[Tier, ...] = ()

    def amount(self, quantity: int) -> int:
        """What so many units cost."""
        tiered = sum(tier.unit_amount * units + tier.flat_amount for tier, units in self.by_tier(quantity))
        return tiered if self.tiers else self.unit_amount * quantity

    def by_tier(self, quantity: int) -> list[tuple[Tier, int]]:
        """The tiers that so many units reach, with those in each."""
        tops = [quantity if tier.up_to is None else min(quantity, tier.up_to) for tier in self.tiers]
        found = zip(self.tiers, [0, *tops], tops, strict=False)
        return [(tier, top - below) for tier, below, top in found if top > below]

    @property
    def product(self) -> str:
        return f"prod_{self.price_id.removeprefix('price_')}"

    @property
    def rhythm(self) -> tuple[str | None, int]:
        return self.interval, self.interval_count


@dataclass(frozen=True, slots=True)
class Customer:
    """`balance` below zero is the customer's credit, taken off the next invoices."""

    customer_id: str
    created: datetime
    metadata: Metadata
    balance: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """What a subscription is for, with its period, half open, which may be several `periods` of its price at once. An
    offer lets it be `tried_until` then.
    """

    item_id: str
    price: Price
    quantity: int
    created: datetime
    starts: datetime
    ends: datetime
    tried_until: datetime | None = None
    periods: int = 1

    @property
    def amount(self) -> int:
        return self.price.amount(self.quantity) * self.periods


@dataclass(frozen=True, slots=True)
class Subscription:
    """`anchor` is the instant its periods are counted from, `reason` says why it was cancelled, `pause` what
    becomes of invoices while their collection is paused."""

    subscription_id: str
    customer: str
    created: datetime
    anchor: datetime
    items: tuple[Item, ...]
    status: str = "active"
    metadata: Metadata = field(default_factory=dict)
    trial_start: datetime | None = None
    trial_end: datetime | None = None
    cancel_at_period_end: bool = False
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    pause: str | None = None
    latest_invoice: str | None = None
    pending: tuple["Line", ...] = ()  # prorations that wait for an invoice

    @property
    def ends(self) -> datetime:
        """The end of the running period; items of one subscription share it here."""
        return self.items[0].ends

    @property
    def in_trial(self) -> bool:
        return self.status == "trialing"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice: of a subscription's `item`, or of an `invoice_item` beside it.

    `discount` is what comes off `amount`; `tier` is the one it is for, of a price that has some. The flat
    amount of a tier has a line of its own, of quantity 0. A proration of what no longer comes `credits` lines of
    an invoice.
    """

    line_id: str
    description: str
    amount: int
    price: Price
    quantity: int
    starts: datetime
    ends: datetime
    subscription: str | None = None
    item: str | None = None
    invoice_item: str | None = None
    proration: bool = False
    discount: int = 0
    metadata: Metadata = field(default_factory=dict)
    tier: Tier | None = None
    credits: tuple[str, tuple[str, ...]] | None = None

    @property
    def each(self) -> int | None:
        """What a unit of it costs, where that is known."""
        if not self.price.tiers:
            return self.price.unit_amount
        return self.tier.unit_amount if self.tier and self.quantity else None


@dataclass(frozen=True, slots=True)
class Invoice:
    """`status` is open, paid, void or uncollectible; `starting_balance` the customer's before it.

    `credited_before` is what credit notes took off while it was open, `unpaid` what is left of it since a
    payment was detached.
    """

    invoice_id: str
    customer: str
    reason: str
    created: datetime
    lines: tuple[Line, ...]
    status: str = "open"
    metadata: Metadata = field(default_factory=dict)
    subscription: str | None = None
    subscription_metadata: Metadata = field(default_factory=dict)
    starting_balance: int = 0
    attempts: int = 0
    closed_at: datetime | None = None
    out_of_band: bool = False
    charge: "Charge | None" = None
    credited_before: int = 0
    overpaid: int = 0
    unpaid: int = 0

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def discount(self) -> int:
        return sum(line.discount for line in self.lines)

    @property
    def total(self) -> int:
        return self.subtotal - self.discount

    @property
    def due(self) -> int:
        return max(0, self.total + self.starting_balance - self.credited_before)

    @property
    def ending_balance(self) -> int:
        return min(0, self.total + self.starting_balance)


@dataclass(frozen=True, slots=True)
class Charge:
    """One payment by card, with its payment intent; `refunded` is the sum of its refunds that did not fail."""

    charge_id: str
    payment_intent: str
    amount: int
    customer: str | None
    created: datetime
    invoice: str | None = None
    refunded: int = 0
    disputed: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """A payment intent by what it charged, with metadata of its own."""

    charge: Charge
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class SandboxSession:
    """A Checkout session. `bought` are its items: (id, price, quantity)."""

    session_id: str
    mode: str
    created: datetime
    bought: tuple[tuple[str, Price, int], ...]
    discount: int = 0
    status: str = "complete"
    payment_status: str = "paid"
    customer: str | None = None
    metadata: Metadata = field(default_factory=dict)
    client_reference: str | None = None
    payment_intent: str | None = None
    payment_link: str | None = None
    subscription: str | None = None
    invoice: str | None = None
    makes_invoice: bool = False
    offered: tuple[str, ...] = ()  # prices of optional items beside what is sold

    @property
    def subtotal(self) -> int:
        return sum(price.amount(quantity) for _, price, quantity in self.bought)


@dataclass(frozen=True, slots=True)
class SandboxRefund:
    """`status` is pending, succeeded or failed."""

    refund_id: str
    charge: Charge
    amount: int
    status: str
    created: datetime


@dataclass(frozen=True, slots=True)
class SandboxDispute:
    """`status` in Stripe's words: warning_needs_response, needs_response, won, lost, …"""

    dispute_id: str
    charge: Charge
    amount: int
    status: str
    created: datetime


@dataclass(frozen=True, slots=True)
class SandboxCreditNote:
    """What is credited of an invoice, by its lines, and the refund that gave it back.

    Of its total `before` was taken off the open invoice, `to_balance` given to the customer's balance, and
    `outside` outside of Stripe.
    """

    note_id: str
    invoice: Invoice
    credited: tuple[tuple[str, Line, int], ...]
    created: datetime
    refund: str | None = None
    voided_at: datetime | None = None
    before: int = 0
    to_balance: int = 0
    outside: int = 0

    @property
    def total(self) -> int:
        return sum(amount for _, _, amount in self.credited)

    @property
    def after(self) -> int:
        return self.total - self.before

    @property
    def type(self) -> str:
        if not self.before:
            return "post_payment"
        return "mixed" if self.after else "pre_payment"


@dataclass(frozen=True, slots=True)
class InvoicePayment:
    """Which charge paid an invoice, and what of it."""

    payment_id: str
    invoice: str
    amount: int
    created: datetime
    charge: Charge | None


Held = (
    Customer
    | Subscription
    | Invoice
    | Charge
    | Intent
    | SandboxSession
    | SandboxRefund
    | SandboxDispute
    | SandboxCreditNote
    | InvoicePayment
)
