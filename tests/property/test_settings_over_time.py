"""Settings change while a client's credits live: how often the sweep comes by changes no number.

The same history is lived through three times: swept at every instant at which something falls due, swept now
and then and twice, and never. Changes are made at half past, everything else happens on the hour: a sweep in
the very second of a change may come before it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.ledger.settling import next_due
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.records import Account, Client
from client_credits.operations import sweeping
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import paying
from client_credits.operations.queries.credits import credits_of
from client_credits.operations.staff import editing, practices
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from tests.support.builders import (
    DAY,
    HOUR,
    NOW,
    a_catalogue,
    a_line,
    a_package,
    a_payment,
    cancelled,
    created,
)
from tests.support.memory_table import memory_store

STAFF = Actor("staff", "s1")
ASKED = Wanted(client_id="c1", types=("follow-up",))
PACKAGES = [
    a_package("forever", credits={"follow-up": 2}, stripe_prices=("price_forever",)),
    a_package("short", credits={"follow-up": 3}, stripe_prices=("price_short",), expiry=Expiry(ExpiryKind.DAYS, 1)),
    a_package(
        "year",
        credits={"follow-up": 2},
        stripe_prices=("price_year",),
        expiry=Expiry(ExpiryKind.DAYS, 3),
        monthly_tranches=True,
    ),
]
VALUES: dict[str, list[Any]] = {
    "auto_repay": [True, False, None],
    "credit_must_cover": ["booking", "session", None],
    "restore_grace_days_client": [0, 1, 5],
    "restore_grace_days_practice": [0, 3, None],
    "timezone": ["Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", None],
}


@dataclass(frozen=True)
class Step:
    """Something that happens `hours` after the step before."""

    hours: int
    name: str
    args: tuple[Any, ...] = ()


def _step(name: str, *drawn: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    hours = st.sampled_from([1, 1, 3, 10, 30, 800])
    return st.builds(Step, hours, st.just(name), st.tuples(*drawn))


_change = st.sampled_from([(name, value) for name, values in VALUES.items() for value in values])
_repaying = st.sampled_from([("auto_repay", True), ("auto_repay", False), ("credit_must_cover", "booking")])
steps = st.lists(
    st.one_of(
        _step("pay", st.sampled_from(["price_forever", "price_short", "price_year"]), st.sampled_from([0, 0, 5])),
        _step("book", st.sampled_from([2, 20, 60, 200]), st.integers(1, 4), st.sampled_from([0, 0, 2])),
        _step("cancel", st.integers(0, 5), st.sampled_from(CancelledBy), st.sampled_from([0, 0, 4])),
        _step("receive", st.integers(1, 2)),
        _step("change", st.booleans(), _change),
        _step("change", st.booleans(), _repaying),
    ),
    min_size=4,
    max_size=14,
)


class Practice:
    """One client's history. `sweeps` says which sweeps come by until an instant: of those due, or whenever."""

    def __init__(self, sweeps: Callable[["Practice", datetime], None]) -> None:
        self.store, _ = memory_store()
        self.now, self.number, self._sweeps = NOW, 0, sweeps
        account = Account("p1", {}, NOW, catalogue_version=1)
        catalogue = replace(a_catalogue(*PACKAGES), version=0)
        client = writes.client("p1", Client("c1", created_at=NOW))
        self.store.commit([writes.account(account), writes.catalogue("p1", catalogue), client])
        self.booked: list[str] = []
        payment = a_payment("in_0", a_line(price="price_forever", quantity=30), client_id="c2")
        paying.pay(Context(self.store, "p1", STRIPE, NOW), payment)

    def live(self, history: list[Step]) -> None:
        for step in history:
            self.reach(self.now + step.hours * HOUR)
            self.number += 1
            getattr(self, step.name)(*step.args)
        self.reach(self.now + 500 * DAY)
        self.sweep()

    def reach(self, instant: datetime) -> None:
        self._sweeps(self, instant)
        self.now = instant

    def sweep(self) -> None:
        sweeping.settle_one(Context(self.store, "p1", STRIPE, self.now), "c1", "follow-up")

    def loaded(self) -> Loaded:
        return self.store.load("p1", ASKED)

    # -- what happens ------------------------------------------------------------------------

    def pay(self, price: str, hours_ago: int) -> None:
        paid_at = self.now - hours_ago * HOUR
        period: dict[str, Any] = {}
        if price == "price_year":
            ends = paid_at.replace(year=paid_at.year + 1)
            period = {"subscription_item": "si_1", "period_start": paid_at, "period_end": ends}
        subscription = f"sub_{self.number}" if period else None
        line = a_line(f"il_{self.number}", price=price, **period)
        payment = a_payment(f"in_{self.number}", line, paid_at=paid_at, subscription=subscription)
        paying.pay(Context(self.store, "p1", STRIPE, self.now), payment)

    def book(self, ahead: int, seats: int, hours_ago: int) -> None:
        booking_id, at = f"b{self.number}", self.now - hours_ago * HOUR
        event = created(booking_id, seats=seats, starts_at=self.now + ahead * HOUR, occurred_at=at)
        bookings.book(Context(self.store, "p1", BOOKINGS, self.now), event)
        self.booked.append(booking_id)

    def cancel(self, which: int, by: CancelledBy, hours_ago: int) -> None:
        if self.booked:
            booking_id = self.booked.pop(which % len(self.booked))
            event = cancelled(booking_id, by, occurred_at=self.now - hours_ago * HOUR)
            bookings.cancel(Context(self.store, "p1", BOOKINGS, self.now), event)

    def receive(self, amount: int) -> None:
        """Credits of another client, as old as all this is: a transfer keeps when they began."""
        keyed = Keyed(f"transfer-{self.number}", str(amount))
        editing.transfer(Context(self.store, "p1", STAFF, self.now), "c2", "c1", "follow-up", amount, keyed)

    def change(self, for_client: bool, changed: tuple[str, Any]) -> None:
        self.now += HOUR / 2
        name, value = changed
        if for_client and name != "timezone":
            practices.change_client_settings(Context(self.store, "p1", STAFF, self.now), "c1", {name: value})
        else:
            practices.change_account_settings(Context(self.store, "p1", STAFF, self.now), {name: value})
        self._sweeps(self, self.now)
        self.now += HOUR / 2

    # -- what came of it ---------------------------------------------------------------------

    def stated(self) -> list[tuple[object, ...]]:
        entries = self.store.entries_after("p1", "c1", "follow-up", 0)
        known = self.store.load("p1", replace(ASKED, bookings=tuple(f"b{n}" for n in range(1, self.number + 1))))
        assert breaches(known.wallets["follow-up"], entries, known.bookings.values()) == []
        return [(e.kind, e.amount, e.balance_after, e.occurred_at, e.source_id) for e in entries]

    def numbers(self) -> tuple[object, ...]:
        wallet = self.loaded().wallets["follow-up"]
        return frozenset(wallet.open_lots), frozenset(wallet.debts), wallet.granted_total, wallet.sequence


def whenever_due(practice: Practice, until: datetime) -> None:
    """The schedule as it should be: at each instant at which something falls due, and once at the end."""
    while True:
        practice.sweep()
        loaded = practice.loaded()
        due = next_due(loaded.wallets["follow-up"], practice.now, loaded.dated)
        if due is None or due > until:
            break
        practice.now = due
    practice.now = until
    practice.sweep()


def now_and_then(chances: Iterator[bool]) -> Callable[[Practice, datetime], None]:
    """Some sweeps are left out, the others come late, and twice."""

    def sweeps(practice: Practice, until: datetime) -> None:
        practice.now = until
        if next(chances):
            practice.sweep()
            practice.sweep()

    return sweeps


def never(_practice: Practice, _until: datetime) -> None:
    pass


def chances(bits: int) -> Iterator[bool]:
    while True:
        yield bool(bits & 1)
        bits = bits >> 1 or 0b1011010


def lived(sweeps: Callable[[Practice, datetime], None], history: list[Step]) -> Practice:
    practice = Practice(sweeps)
    practice.live(history)
    return practice


REPAY_OFF, REPAY_ON = ("auto_repay", False), ("auto_repay", True)
BOOKED, PAID = Step(1, "book", (200, 1, 0)), Step(1, "pay", ("price_forever", 0))


@settings(max_examples=settings.default.max_examples)  # type: ignore[union-attr]
@given(steps, st.integers(0, 2**20))
@example(
    [PAID, BOOKED, BOOKED, BOOKED, Step(1, "change", (True, REPAY_OFF)), PAID, Step(1, "change", (True, REPAY_ON))], 0
)
@example([Step(1, "pay", ("price_year", 0)), Step(3000, "change", (False, ("timezone", "Asia/Tokyo")))], 0)
def test_late_doubled_and_absent_sweeps_change_no_number_though_settings_change(history: list[Step], bits: int) -> None:
    prompt = lived(whenever_due, history)
    for other in (lived(now_and_then(chances(bits)), history), lived(never, history)):
        assert other.stated() == prompt.stated()
        assert other.numbers() == prompt.numbers()


@given(steps, st.integers(0, 13))
def test_an_answer_is_that_of_the_settled_wallet_though_settings_changed_since(history: list[Step], after: int) -> None:
    """Asked without any sweep at some moment, and asked of the practice that was swept in time."""
    answers = []
    for sweeps in (whenever_due, never):
        practice = Practice(sweeps)
        for step in history[: after + 1]:
            practice.reach(practice.now + step.hours * HOUR)
            practice.number += 1
            getattr(practice, step.name)(*step.args)
        practice.reach(practice.now + timedelta(hours=100))
        (credits, _) = credits_of(Context(practice.store, "p1", STRIPE, practice.now), "c1").credits
        answers.append(replace(credits, version=0))
    assert answers[0] == answers[1]
