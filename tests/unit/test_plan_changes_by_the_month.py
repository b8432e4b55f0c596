"""Upgrades of a year that brings credits by the month: what each owns comes, in whatever order it is heard.

The year begins on 5 January with two credits a month. What a change brings comes with the months that start from its
instant on: nine from 20 March on, five from 20 July on.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from tests.support.builders import DAY, HOUR
from tests.unit.test_ended_and_refunded import never_below_nothing
from tests.unit.test_money_back import refund
from tests.unit.test_money_back_histories import BEGINS, ENDS, JULY, MARCH, follow
from tests.unit.test_plan_change_histories import balance, proration
from tests.unit.test_plan_change_stories import left
from tests.unit.test_plan_changes import Practice, cycle

Step = Callable[[Practice], None]
APRIL, AUGUST, OCTOBER = MARCH + 31 * DAY, JULY + 31 * DAY, JULY + 92 * DAY
JULY_5 = datetime.fromisoformat("2026-07-05T09:00:00+00:00")


def pays(payment_id: str, at: datetime, old: int = 0, new: int = 1) -> Step:
    """The year itself or, with `old`, a change from so many of it to so many more or fewer."""
    lines = [cycle("price_year", BEGINS, ENDS, quantity=new)]
    if old:
        lines = [
            proration("il_old", "price_year", -4_500 * old, at, ENDS, quantity=old),
            proration("il_new", "price_year", 4_500 * new, at, ENDS, quantity=new),
        ]
    return lambda p: p.pay(payment_id, at, *lines, payment_intent=f"pi_{payment_id}") and None


def back(payment_id: str, at: datetime, amount: int = 9_000, status: str = "succeeded") -> Step:
    news = refund(f"re_{payment_id}", amount, status, at, payment_intent=f"pi_{payment_id}")
    return lambda p: follow(p, news)


def ended(at: datetime) -> Step:
    return lambda p: p.news("ended", at, at)


FIRST = pays("in_1", BEGINS)
TO_TWO, TO_THREE = pays("in_2", MARCH, 1, 2), pays("in_3", JULY, 2, 3)
MADE_ROOM = (FIRST, TO_TWO, back("in_2", APRIL), TO_THREE)
# What is heard, and what comes of each payment in the end, worked out by hand.
STORIES: dict[str, tuple[tuple[Step, ...], dict[str, int]]] = {
    "two upgrades": ((FIRST, TO_TWO, TO_THREE), {"in_1": 24, "in_2": 18, "in_3": 10}),
    "the earlier one refunded before the later": (MADE_ROOM, {"in_1": 24, "in_3": 20}),
    "the earlier one refunded after the later": (
        (FIRST, TO_TWO, back("in_2", AUGUST), TO_THREE),
        {"in_1": 24, "in_3": 10},
    ),
    "a refund that fails": (
        (
            FIRST,
            TO_TWO,
            back("in_2", APRIL, status="pending"),
            TO_THREE,
            back("in_2", AUGUST, status="failed"),
        ),
        {"in_1": 24, "in_2": 18, "in_3": 10},
    ),
    "refunded and bought again": (
        (FIRST, TO_TWO, back("in_2", APRIL), pays("in_3", APRIL + DAY, 2, 1), pays("in_4", JULY, 1, 2)),
        {"in_1": 24, "in_4": 10},
    ),
    "bought again before it was refunded": (
        (FIRST, TO_TWO, back("in_2", AUGUST), pays("in_3", APRIL, 2, 1), pays("in_4", JULY, 1, 2)),
        {"in_1": 24},
    ),
    "bought again on the day a month starts": (
        (FIRST, TO_TWO, back("in_2", APRIL), pays("in_3", JULY_5, 2, 3)),
        {"in_1": 24, "in_3": 24},
    ),
    "half of the later refunded too": (
        (*MADE_ROOM, back("in_3", AUGUST, 4_500)),
        {"in_1": 24, "in_3": 10},
    ),
    "all of the later refunded too": (
        (*MADE_ROOM, back("in_3", AUGUST)),
        {"in_1": 24},
    ),
    "the subscription ended": (  # 18 December is three months later: 10 and 3 months came
        (*MADE_ROOM, ended(OCTOBER)),
        {"in_1": 20, "in_3": 12},
    ),
    "an upgrade refunded in part, and ended": (  # 10 of 20: the eight that never came, and two
        (*MADE_ROOM, back("in_3", AUGUST, 4_500), ended(OCTOBER)),
        {"in_1": 20, "in_3": 10},
    ),
    "two upgrades, and ended": (
        (FIRST, TO_TWO, TO_THREE, ended(OCTOBER)),
        {"in_1": 20, "in_2": 14, "in_3": 6},
    ),
    "two upgrades, the later refunded in part, and ended": (  # 5 of 10: the four that never came, and one
        (FIRST, TO_TWO, TO_THREE, back("in_3", AUGUST, 4_500), ended(OCTOBER)),
        {"in_1": 20, "in_2": 14, "in_3": 5},
    ),
    "a third of an upgrade refunded": (  # 6 of 18
        (FIRST, TO_TWO, TO_THREE, back("in_2", AUGUST, 3_000)),
        {"in_1": 24, "in_2": 12, "in_3": 10},
    ),
}


def heard(order: tuple[Step, ...], first: datetime, apart: timedelta) -> Practice:
    """The practice once it heard all of it, so long apart, and the year is over."""
    practice = Practice(now=first)
    for step in order:
        step(practice)
        balance(practice)
        practice.now += apart
    practice.now = max(practice.now, ENDS + DAY)
    balance(practice)
    return practice


HEARD = {
    "in October": (OCTOBER + HOUR, timedelta(0)),
    "weeks apart": (OCTOBER + HOUR, 20 * DAY),
    "after the year": (ENDS + 3 * DAY, timedelta(0)),
}
FEW = 7  # orders of each story that are tried every time


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("when", HEARD)
def test_each_payment_brings_what_it_owns_by_the_month_in_any_order(name: str, when: str) -> None:
    steps, _ = STORIES[name]
    orders = list(permutations(steps))
    for order in (*orders[1 :: -(-len(orders) // FEW)], orders[-1]):
        same_whatever_the_order(name, order, when)


@pytest.mark.prove
@pytest.mark.parametrize("name", STORIES)
def test_each_payment_brings_what_it_owns_by_the_month_in_every_order(name: str) -> None:
    steps, _ = STORIES[name]
    for number, order in enumerate(permutations(steps)):
        same_whatever_the_order(name, order, list(HEARD)[number % len(HEARD)])


def same_whatever_the_order(name: str, order: tuple[Step, ...], when: str) -> None:
    steps, expected = STORIES[name]
    practice = heard(order, *HEARD[when])
    numbers = [steps.index(step) for step in order]
    assert (left(practice), practice.parked(), practice.wallet().debt) == (expected, [], 0), numbers
    never_below_nothing(practice)


@pytest.mark.parametrize("name", STORIES)
def test_a_year_by_the_month_heard_again_adds_nothing(name: str) -> None:
    steps, expected = STORIES[name]
    practice = heard(steps[::-1], OCTOBER + HOUR, timedelta(0))
    kinds = practice.kinds()
    for step in (*steps, *steps[::-1]):
        step(practice)
    assert (left(practice), practice.kinds()) == (expected, kinds)


def test_what_a_refund_makes_room_for_comes_with_the_months_it_is_for() -> None:
    practice = heard((FIRST, TO_TWO, TO_THREE), OCTOBER + HOUR, timedelta(0))
    dated = [(e.occurred_at, e.amount) for e in practice.store.entries_after("p1", "c1", "follow-up", 0)]
    in_order = heard(MADE_ROOM, OCTOBER + HOUR, timedelta(0))
    late = heard((FIRST, TO_TWO, TO_THREE, back("in_2", APRIL)), OCTOBER + HOUR, timedelta(0))
    assert dated != []
    for at in (JULY + 20 * DAY, OCTOBER + 2 * DAY, ENDS):
        assert as_of(late, at, "in_3") == as_of(in_order, at, "in_3")


def as_of(practice: Practice, at: datetime, payment: str) -> int:
    """What of a payment had come by then."""
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    return sum(e.amount for e in entries if e.occurred_at <= at and e.cause.ids.get("payment") == payment)
