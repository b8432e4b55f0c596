"""What was answered once is what is answered about that instant later, whoever sweeps and whatever was set since."""

from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.practice.records import Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, OPERATOR, STRIPE, Context
from client_credits.operations.payments import paying as payments
from client_credits.operations.queries.credits import credits_of
from client_credits.operations.queries.past import balances_at
from client_credits.operations.staff import editing, practices
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store.store import Store
from tests.property.memory import PRACTICE, a_practice, everything, sweep
from tests.support.builders import HOUR, NOW, a_line, a_payment, cancelled, created

CLIENT = "c1"
PRICES = ("price_three", "price_starter", "price_once")
SETTINGS: list[dict[str, Any]] = [
    {"auto_repay": False},
    {"auto_repay": True},
    {"credit_must_cover": "booking"},
    {"credit_must_cover": "session"},
    {"restore_on_cancel": False},
    {"restore_grace_days_practice": 0},
    {"timezone": "Pacific/Auckland"},
    {"timezone": "UTC"},
]
LATE = st.sampled_from([0, 0, 0, 5, 60])  # hours between what happens and what is heard
STEPS = st.one_of(
    st.tuples(st.just("pays"), st.sampled_from(PRICES), LATE),
    st.tuples(st.just("books"), st.integers(1, 3), LATE),
    st.tuples(st.just("cancels"), st.integers(0, 9), LATE),
    st.tuples(st.just("adjusts"), st.sampled_from([-3, -1, 1, 4]), st.just(0)),
    st.tuples(st.just("sets"), st.sampled_from(SETTINGS), st.just(0)),
    st.tuples(st.just("sweeps"), st.none(), st.just(0)),
)
HISTORIES = st.lists(st.tuples(st.integers(1, 40), STEPS), min_size=1, max_size=14)


def answered(store: Store, now: datetime) -> dict[str, int]:
    found = credits_of(Context(store, PRACTICE, STRIPE, now), CLIENT)
    return {line.appointment_type: line.balance for line in found.credits}


def answered_about(store: Store, at: datetime, now: datetime) -> dict[str, int]:
    found = balances_at(Context(store, PRACTICE, STRIPE, now), CLIENT, at)
    return {line.appointment_type: line.balance for line in found.credits}


class Life:
    """One client's credits; `said` is what was answered at each instant, until something earlier is heard."""

    def __init__(self, store: Store) -> None:
        self.store, self.now, self.number = store, NOW, 0
        self.booked: list[str] = []
        self.said: dict[datetime, dict[str, int]] = {}

    def step(self, hours: int, what: tuple[str, Any, int]) -> None:
        self.now += hours * HOUR
        self.number += 1
        verb, about, late = what
        happened = max(NOW, self.now - late * HOUR)
        getattr(self, verb)(about, happened)
        self.said = {at: said for at, said in self.said.items() if at < happened}
        self.said[self.now] = answered(self.store, self.now)

    def context(self, actor: Any = STRIPE) -> Context:
        return Context(self.store, PRACTICE, actor, self.now)

    def pays(self, price: str, happened: datetime) -> None:
        line = a_line(price=price)
        payment = a_payment(f"in_{self.number}", line, customer=None, paid_at=happened)
        payments.pay(self.context(), payment)

    def books(self, seats: int, happened: datetime) -> None:
        booking_id = f"b{self.number}"
        self.booked.append(booking_id)
        event = created(booking_id, client_id=CLIENT, starts_at=happened + 50 * HOUR, seats=seats, occurred_at=happened)
        bookings.book(self.context(BOOKINGS), event)

    def cancels(self, which: int, happened: datetime) -> None:
        if self.booked:
            event = cancelled(self.booked[which % len(self.booked)], by=CancelledBy.PRACTICE, occurred_at=happened)
            bookings.cancel(self.context(BOOKINGS), event)

    def adjusts(self, amount: int, _: datetime) -> None:
        keyed = Keyed(f"k{self.number}", str(amount))
        editing.adjust(self.context(OPERATOR), CLIENT, "follow-up", amount, keyed, "by hand")

    def sets(self, values: dict[str, Any], _: datetime) -> None:
        practices.change_account_settings(self.context(OPERATOR), values)

    def sweeps(self, _: None, __: datetime) -> None:
        sweep(self.store, self.now)


@given(HISTORIES, st.integers(0, 500))
def test_a_past_balance_is_what_was_answered_then_and_the_sum_of_what_had_occurred(
    history: list[tuple[int, tuple[str, Any, int]]], hours_since: int
) -> None:
    with a_practice() as store:
        practices.put_client(Context(store, PRACTICE, OPERATOR, NOW), Client(CLIENT, created_at=NOW))
        life = Life(store)
        for hours, what in history:
            life.step(hours, what)
        asked_at = life.now + timedelta(hours=hours_since)
        for at, said in life.said.items():
            assert answered_about(store, at, asked_at) == said
        begins = NOW - HOUR
        instants = [begins + n * (asked_at - begins) / 7 for n in range(8)]
        unswept = [answered_about(store, at, asked_at) for at in instants]
        sweep(store, asked_at)
        written = everything(store).entries
        for at, said in zip(instants, unswept, strict=True):
            summed = {
                kind: sum(e.amount for e in written.get((CLIENT, kind), ()) if e.occurred_at <= at) for kind in said
            }
            assert said == summed == answered_about(store, at, asked_at)
