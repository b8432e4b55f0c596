"""The words in which stories are written: steps, packages on offer, and the one who tells.

Knows the Stripe sandbox and how a booking event looks; the stories themselves stand in `stories`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from client_credits.samples.stripe_account.books import Tier
from client_credits.samples.stripe_account.checkout import Event, Sandbox

DAY = timedelta(days=1)
SESSION, ASSESSMENT = "story-session", "story-assessment"
TYPES = {SESSION: "Session", ASSESSMENT: "Assessment"}

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """`events` are Stripe's, `bookings` entries for the bus; `balances` count from the story's beginning."""

    says: str
    events: tuple[Event, ...]
    bookings: tuple[Event, ...]
    balances: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Offer:
    """A package of the stories: what it grants, and what its price is in minor units, by `tiers` where it has some."""

    package_id: str
    name: str
    credits: Mapping[str, int]
    unit_amount: int
    interval: str | None = None
    rules: Mapping[str, Any] = field(default_factory=dict)
    tiers: tuple[Tier, ...] = ()
    own_price: str | None = None

    @property
    def price(self) -> str:
        return self.own_price or f"price_{self.package_id}"

    @property
    def body(self) -> Body:
        """What the API is asked to make of it."""
        written = {"name": self.name, "credits": dict(self.credits), "stripe_prices": [self.price]}
        return written | dict(self.rules)


FOUR, EIGHT, CYCLE, YEAR, SEATS, TEN, CHECKUP = (
    f"story-{name}" for name in ("four", "eight", "cycle", "year", "seats", "ten", "checkup")
)
OFFERS = {
    offer.package_id: offer
    for offer in (
        Offer(FOUR, "Four sessions a month", {SESSION: 4}, 36000, "month"),
        Offer(EIGHT, "Eight sessions a month", {SESSION: 8, ASSESSMENT: 1}, 68000, "month"),
        Offer(
            *(CYCLE, "Four sessions a month, two may wait", {SESSION: 4}, 34000, "month"),
            rules={"expiry": {"kind": "cycle_end"}, "rollover_cap": 2},
        ),
        Offer(YEAR, "Two sessions a month, by the year", {SESSION: 2}, 180000, "year", {"monthly_tranches": True}),
        Offer(
            *(SEATS, "A session a month for each seat", {SESSION: 1}, 0, "month"),
            tiers=(Tier(10, 9500, 5000), Tier(None, 8000)),
        ),
        Offer(TEN, "Ten sessions", {SESSION: 10}, 90000),
        Offer(CHECKUP, "An assessment", {ASSESSMENT: 1}, 12000),
    )
}


class Telling:
    """A story as it is written: its sandbox, the client it is about, and the steps so far."""

    def __init__(
        self, sandbox: Sandbox, until: datetime, client_id: str, practice_id: str, prefix: str, offers: Iterable[Offer]
    ) -> None:
        self.sandbox = sandbox
        self.steps: list[Step] = []
        self.named = {"client_id": client_id}
        self.customer = f"cus_{prefix}"
        self._until = until
        self._practice_id = practice_id
        self._prefix = prefix
        self._bookings = 0
        self.offers = dict(zip(OFFERS, offers, strict=True))
        for offer in self.offers.values():
            if offer.interval and offer.tiers:
                sandbox.tiered_price(offer.price, offer.interval, *offer.tiers)
            else:
                sandbox.price(offer.price, offer.unit_amount, offer.interval)
        sandbox.customer(self.customer, self.named)

    def price(self, name: str) -> str:
        return self.offers[name].price

    def days_ago(self, days: int) -> None:
        self.sandbox.advance_to(self._until - days * DAY)

    def step(
        self,
        says: str,
        events: Iterable[Event] = (),
        bookings: Iterable[Event] = (),
        session: int = 0,
        assessment: int = 0,
    ) -> None:
        balances = {SESSION: session, ASSESSMENT: assessment}
        self.steps.append(Step(says, tuple(events), tuple(bookings), balances))

    def subscribe(self, name: str, quantity: int = 1, **more: Any) -> list[Event]:
        return self.sandbox.subscribe(self.customer, (self.price(name), quantity), metadata=self.named, **more)

    def subscribe_at_checkout(self, name: str, **more: Any) -> list[Event]:
        """A subscription whose session alone tells the client: from then on its customer is the client's."""
        return self.sandbox.checkout_subscription(self.customer, self.price(name), metadata=self.named, **more)

    @property
    def subscription(self) -> str:
        return self.sandbox.last("subscription")

    @property
    def invoice(self) -> str:
        return self.sandbox.last("invoice")

    def cycle(self, **more: Any) -> list[Event]:
        return self.sandbox.cycle(self.subscription, **more)

    def checkout(self, name: str, **more: Any) -> list[Event]:
        """A purchase of one package; the session names it, for its events carry no items."""
        return self.sandbox.checkout(self.price(name), customer=self.customer, metadata=self.naming(name), **more)

    def naming(self, name: str, **more: str) -> dict[str, str]:
        """What a payment's metadata say of whose it is and what it bought."""
        return {**self.named, "package_id": self.offers[name].package_id, **more}

    def sell(self, name: str, quantity: int) -> list[Event]:
        """A sale at a terminal, by a payment intent alone."""
        amount = self.offers[name].unit_amount * quantity
        return self.sandbox.sell(amount, self.naming(name, quantity=str(quantity)), self.customer)

    def by_hand(self, *names: str) -> list[Event]:
        """An invoice for packages, paid."""
        return self.sandbox.invoice(self.customer, *map(self.price, names), metadata=self.named)

    def refund(self, amount: int) -> list[Event]:
        return self.sandbox.refund(self.invoice, amount)

    def booked(self, count: int) -> list[Event]:
        """So many sessions booked now, each for two days later."""
        return [self._booking(self.sandbox.now) for _ in range(count)]

    def _booking(self, at: datetime) -> Event:
        self._bookings += 1
        detail = {
            "practice_id": self._practice_id,
            "booking_id": f"story-{self._prefix}-{self._bookings}",
            "client_id": self.named["client_id"],
            "appointment_type": SESSION,
            "starts_at": f"{at + 2 * DAY:%Y-%m-%dT%H:%M:%SZ}",
            "occurred_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "seats": 1,
            "kind": "appointment",
            "origin": "client",
        }
        return {"source": "booking.story", "detail-type": "booking.created", "detail": detail}
