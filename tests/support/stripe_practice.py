"""A practice in memory beside a Stripe account in miniature: what happens there is heard here, event by event."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from client_credits.domain.invariants import breaches
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind, PackagePrice
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import parking
from client_credits.operations.queries.credits import credits_of
from client_credits.samples.stripe_account.books import Tier
from client_credits.samples.stripe_account.checkout import Events, Sandbox
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.stripe import work as stripe_work
from client_credits.stripe.api.queries import StripeApi
from tests.support.builders import a_catalogue, a_package, cancelled, created
from tests.support.memory_table import memory_store

BEGINS = datetime(2025, 1, 31, 9, 30, tzinfo=UTC)
TYPES = ("follow-up", "initial")
CYCLE_END = Expiry(ExpiryKind.CYCLE_END)
ME = {"client_id": "c1"}

WHOLE_RISES = {"upgrade_grant": "difference"}  # plain numbers, unless a test is about another rule
PACKAGES = [
    a_package("ten", credits={"follow-up": 10}, stripe_prices=("price_ten",), renews_each_cycle=False),
    a_package("four", credits={"follow-up": 4}, stripe_prices=("price_four",)),
    a_package("eight", credits={"follow-up": 8, "initial": 1}, stripe_prices=("price_eight",)),
    a_package("rolling", credits={"follow-up": 5}, stripe_prices=("price_roll",), expiry=CYCLE_END, rollover_cap=3),
    a_package(
        "rolling-ten", credits={"follow-up": 10}, stripe_prices=("price_roll_10",), expiry=CYCLE_END, rollover_cap=4
    ),
    a_package("year", credits={"follow-up": 2}, stripe_prices=("price_year",), monthly_tranches=True),
    a_package("taster", credits={"follow-up": 1}, stripe_prices=("price_taste",), trial_grants=True),
    a_package("priced", credits={"follow-up": 2}, stripe_prices=(), price=PackagePrice(20_000, "usd")),
    a_package("intro", credits={"follow-up": 1}, stripe_prices=("price_intro",), limit_per_client=1),
    a_package("set-up", credits={}, stripe_prices=("price_setup",)),
    a_package("starter", credits={"follow-up": 10}, stripe_prices=("price_starter",), renews_each_cycle=False),
    a_package("by-piece", credits={"follow-up": 1}, stripe_prices=("price_tiers", "price_free_tier")),
    a_package("gratis", credits={"follow-up": 4}, stripe_prices=("price_nothing",)),
    a_package("pieces", credits={"follow-up": 1}, stripe_prices=("price_tiers_once",), renews_each_cycle=False),
]
PRICES: dict[str, tuple[int, str | None]] = {
    "price_ten": (90_000, None),
    "price_four": (40_000, "month"),
    "price_eight": (80_000, "month"),
    "price_roll": (50_000, "month"),
    "price_roll_10": (100_000, "month"),
    "price_year": (120_000, "year"),
    "price_taste": (10_000, "month"),
    "price_pair": (20_000, None),  # of no package
    "price_intro": (3_000, None),
    "price_setup": (5_000, None),
    "price_unknown": (7_000, None),
    "price_starter": (60_000, "month"),
    "price_nothing": (0, "month"),
}
# Ten units for 40.00 each and 20.00 once, those beyond for 30.00. And: five for nothing, those beyond for 50.00.
TIERS = (Tier(10, 4_000, 2_000), Tier(None, 3_000))
TIERED = {"price_tiers": TIERS, "price_tiers_once": TIERS, "price_free_tier": (Tier(5, 0), Tier(None, 5_000))}


class StripePractice:
    """Practice p1 with client c1, and its Stripe account with customer cus_1, in one API version."""

    def __init__(self, version: str, begins: datetime = BEGINS, **settings: object) -> None:
        self.stripe = Sandbox(version, begins)
        for price, (amount, interval) in PRICES.items():
            self.stripe.price(price, amount, interval)
        for price, tiers in TIERED.items():
            self.stripe.tiered_price(price, "month", *tiers)
        self.stripe.customer("cus_1")
        self.store, self.table = memory_store()
        account = Account("p1", WHOLE_RISES | settings, begins, catalogue_version=1)
        catalogue = replace(a_catalogue(*PACKAGES), version=0)
        client = writes.client("p1", Client("c1", created_at=begins))
        self.store.commit([writes.account(account), writes.catalogue("p1", catalogue), client])

    @property
    def now(self) -> datetime:
        return self.stripe.now + timedelta(minutes=5)

    def hear(self, events: Events, api: StripeApi | None = None) -> list[str]:
        """Each event through the worker's own path; how each ended, without those ignored. `api`: with a key."""
        outcomes = [
            stripe_work.handle(Context(self.store, "p1", STRIPE, self.now), api, "test", e, "{}") for e in events
        ]
        return [outcome for outcome in outcomes if not outcome.startswith("ignored")]

    def at(self, instant: datetime) -> "StripePractice":
        self.stripe.advance_to(instant)
        return self

    def book(self, *numbers: int) -> None:
        for number in numbers:
            event = created(f"b{number}", occurred_at=self.now, starts_at=self.now + timedelta(hours=2))
            bookings.book(Context(self.store, "p1", BOOKINGS, self.now), event)

    def cancel(self, number: int) -> None:
        bookings.cancel(Context(self.store, "p1", BOOKINGS, self.now), cancelled(f"b{number}", occurred_at=self.now))

    def entries(self, appointment_type: str = "follow-up", client_id: str = "c1") -> list[tuple[str, int]]:
        """Every entry of a type as (kind, amount), the oldest first."""
        stored = self.store.entries_after("p1", client_id, appointment_type, 0)
        wallet = self.store.load("p1", Wanted(client_id=client_id, types=(appointment_type,))).wallets[appointment_type]
        assert breaches(wallet, stored) == []
        return [(str(entry.kind), entry.amount) for entry in stored]

    def numbers(self, appointment_type: str = "follow-up") -> tuple[int, int, int]:
        """(balance, available, frozen) as the API answers them now."""
        stated: Any = credits_of(Context(self.store, "p1", STRIPE, self.now), "c1")
        (one,) = [each for each in stated.credits if each.appointment_type == appointment_type]
        return one.balance, one.available, one.frozen

    def parked(self) -> list[str]:
        return [parked.reason for parked in parking.every_open(self.store, "p1")]
