"""What rolls over is the same whether its payment, or what returned to it, is heard in time or two cycles later.

A subscription by the month from 5 January on: five credits a cycle, of which at most five roll over.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.builders import DAY, HOUR, a_catalogue, a_package, cancelled, created
from tests.unit.test_money_back import refund
from tests.unit.test_money_back_histories import follow, sell
from tests.unit.test_plan_change_histories import balance
from tests.unit.test_plan_changes import Practice, cycle

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.payments.facts import MoneyBack
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, Context

MONTHS = [datetime(2026, month, 5, 9, tzinfo=UTC) for month in range(1, 6)]
JAN, FEB, MAR, APR, MAY = MONTHS
CYCLE_END = Expiry(ExpiryKind.CYCLE_END)
SOLD = [
    a_package(f"of-{n}", credits={"follow-up": n}, stripe_prices=(f"price_{n}",), expiry=CYCLE_END, rollover_cap=5)
    for n in (4, 5, 9)
]
Step = Callable[[Practice], None]


def a_practice() -> Practice:
    practice = Practice(now=JAN, restore_grace_days_practice=0)
    sell(practice.store, replace(a_catalogue(*SOLD), version=0))
    return practice


def pays(month: int, credits: int = 5, hours: int = 2, item: str = "si_1") -> Step:
    """A cycle's payment, so long after its start."""
    starts, ends = MONTHS[month - 1 : month + 1]
    line = replace(cycle(f"price_{credits}", starts, ends), subscription_item=item)
    name = f"in_{month}_{item}"

    def step(p: Practice) -> None:
        assert p.pay(name, starts + hours * HOUR, line, payment_intent=f"pi_{month}_{item}") == {"granted"}

    return step


def books(seats: int, name: str = "b1") -> Step:
    def step(p: Practice) -> None:
        event = created(name, occurred_at=p.now, starts_at=p.now + DAY, seats=seats)
        spending.book(Context(p.store, "p1", BOOKINGS, p.now), event)

    return step


def cancels(name: str, at: datetime) -> Step:
    def step(p: Practice) -> None:
        event = cancelled(name, CancelledBy.PRACTICE, occurred_at=at)
        spending.cancel(Context(p.store, "p1", BOOKINGS, p.now), event)

    return step


def told(news: MoneyBack) -> Step:
    return lambda p: follow(p, news)


def lived(*steps: tuple[datetime, Step], until: datetime = MAR + 6 * DAY, swept: bool = True) -> Practice:
    """The practice once all has happened, each at its time."""
    practice = a_practice()
    for at, step in steps:
        while swept and practice.now + DAY < at:
            practice.now += DAY
            balance(practice)
        practice.now = at
        step(practice)
    practice.now = until
    balance(practice)
    return practice


def left(practice: Practice) -> list[tuple[int, datetime]]:
    return sorted((lot.remaining, lot.end) for lot in practice.wallet().open_lots)


LATE = MAR + 5 * DAY
ALONE = [(FEB + 3 * HOUR, pays(2)), (FEB + DAY, books(5)), (MAR + 3 * HOUR, pays(3))]
BESIDE = [(JAN + 3 * HOUR, pays(1)), (FEB + 3 * HOUR, pays(2)), (FEB + DAY, books(10)), (MAR + 3 * HOUR, pays(3))]
CANCELLED = [
    (JAN + 3 * HOUR, pays(1)),
    (JAN + DAY, books(1, "b0")),
    (FEB + 3 * HOUR, pays(2)),
    (FEB + DAY, books(7)),
    (MAR + 3 * HOUR, pays(3)),
]
CASES: dict[str, tuple[list[tuple[datetime, Step]], Step, datetime, int]] = {
    # Five of January are there for February's sessions, or else February's five are, and roll over.
    "a cycle": (ALONE, pays(1), JAN + 3 * HOUR, 10),
    # January's other five used up the cap and were spent.
    "an older payment of a cycle": (BESIDE, pays(1, 4, 1, "si_2"), JAN + 2 * HOUR, 5),
    "a cancellation": (CANCELLED, cancels("b0", JAN + 9 * DAY), JAN + 9 * DAY, 8),
}


@pytest.mark.parametrize("swept", [True, False], ids=["swept daily", "never swept"])
@pytest.mark.parametrize("name", CASES)
def test_what_rolls_over_is_the_same_however_late_it_is_heard(name: str, swept: bool) -> None:
    steps, late, in_time, credits = CASES[name]
    first = lived(*sorted([*steps, (in_time, late)], key=lambda step: step[0]), swept=swept)
    then = lived(*steps, (LATE, late), swept=swept)
    assert first.wallet().balance == then.wallet().balance == credits
    assert sum(n for n, _ in left(then)) == credits


@pytest.mark.parametrize("swept", [True, False], ids=["swept daily", "never swept"])
@pytest.mark.parametrize("heard", [FEB - HOUR, FEB + DAY], ids=["in time", "after the cycle"])
def test_what_a_failed_refund_gave_back_shares_the_cap_of_its_cycle(heard: datetime, swept: bool) -> None:
    """Four of nine were away for an hour: they end an hour after the other five, which the cap is used up by."""
    taken = refund("re_1", 4_000, "pending", FEB - 3 * HOUR, payment_intent="pi_1_si_1")
    failed = refund("re_1", 4_000, "failed", FEB - 2 * HOUR, payment_intent="pi_1_si_1")
    practice = lived(
        (JAN + 3 * HOUR, pays(1, 9)),
        (FEB - 2 * HOUR, told(taken)),
        (heard, told(failed)),
        until=FEB + 2 * DAY,
        swept=swept,
    )
    assert practice.wallet().balance == 5
    assert {end for _, end in left(practice)} == {MAR}, "what was away does not shift the cycles to come"


@pytest.mark.parametrize("swept", [True, False], ids=["swept daily", "never swept"])
def test_a_cycle_heard_late_moves_no_end_that_has_passed_of_a_lot_that_was_emptied(swept: bool) -> None:
    """January's five rolled over to 5 March and were spent; that February lasted to 9 March is heard on 10 March."""
    february = replace(cycle("price_5", FEB, MAR + 4 * DAY), subscription_item="si_1")

    def pays_february(p: Practice) -> None:
        assert p.pay("in_2", FEB + HOUR, february, payment_intent="pi_2") == {"granted"}

    practice = lived((JAN + 3 * HOUR, pays(1)), (FEB + DAY, books(5)), (LATE, pays_february), swept=swept)
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    assert [(str(e.kind), e.amount) for e in entries if e.amount or e.kind == "extended"] == [
        ("granted", 5),
        ("spent", -5),
        ("granted", 5),
    ]
    assert left(practice) == [(5, MAR + 4 * DAY + 32 * DAY)]
