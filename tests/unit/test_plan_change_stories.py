"""Stories of plan changes, refunds and replaced periods: the same credits of each payment in every order of telling."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest
from tests.support.builders import DAY, HOUR, a_catalogue, a_package
from tests.unit.test_money_back import refund
from tests.unit.test_money_back_histories import sell
from tests.unit.test_plan_change_histories import proration
from tests.unit.test_plan_changes import END, PLANS, START, Practice, cycle

from client_credits.domain.payments.facts import PaymentLine
from client_credits.domain.payments.plan_changes import Interval
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import money_back

Step = Callable[[Practice], None]
MONTH, YEAR = Interval(months=1), 365 * DAY
SOLD = [
    *(a_package(f"n{n}", credits={"follow-up": n}, stripe_prices=(f"price_n{n}",)) for n in (5, 6, 7, 12)),
    a_package("once", credits={"follow-up": 10}, stripe_prices=("price_once",), renews_each_cycle=False),
    *PLANS,
]


def pays(payment_id: str, day: float, *lines: PaymentLine) -> Step:
    """An invoice, paid on a day of the period by money of its own."""
    at = START + day * DAY
    money = f"pi_{payment_id}"
    return lambda p: p.pay(payment_id, at, *lines, payment_intent=money) and None


def first(price: str = "price_4") -> Step:
    return pays("in_1", 0, cycle(price))


def changed(payment_id: str, day: int, old: str, new: str, paid_on: int | None = None) -> Step:
    at = START + day * DAY
    lines = (proration("il_old", old, -3_000, at), proration("il_new", new, 6_000, at))
    return pays(payment_id, day if paid_on is None else paid_on, *lines)


def refunded(payment_id: str, day: int, amount: int = 9_000, status: str = "succeeded") -> Step:
    news = refund(f"re_{payment_id}", amount, status, START + day * DAY, payment_intent=f"pi_{payment_id}")
    return lambda p: money_back.apply_money_back(Context(p.store, "p1", STRIPE, p.now), news) and None


def restarted(payment_id: str, day: int, price: str = "price_4", length: timedelta = 30 * DAY) -> Step:
    """A new period from this day on: what was left of the one before is given back."""
    at = START + day * DAY
    old = proration("il_old", "price_4", -2_000, at)
    return pays(payment_id, day, old, replace(cycle(price, at, at + length), line_id="il_full"))


def gone(payment_id: str, day: int, item: str = "si_1", price: str = "price_4") -> Step:
    return pays(payment_id, day, proration("il_gone", price, -2_000, START + day * DAY, item=item))


def added(payment_id: str, day: int, price: str, item: str = "si_2") -> Step:
    line = proration("il_new", price, 2_000, START + day * DAY, item=item)
    return pays(payment_id, day, replace(line, interval=MONTH))


@dataclass(frozen=True)
class Story:
    """What happens, and what is left of each payment's credits, worked out by hand."""

    steps: tuple[Step, ...]
    left: dict[str, int]
    rule: str = "difference"


STORIES = {
    "two upgrades": Story(
        (first(), changed("in_2", 2, "price_4", "price_n7"), changed("in_3", 4, "price_n7", "price_n12")),
        {"in_1": 4, "in_2": 3, "in_3": 5},
    ),
    "the later upgrade refunded": Story(
        (
            first(),
            changed("in_2", 2, "price_4", "price_n7"),
            changed("in_3", 4, "price_n7", "price_n12"),
            refunded("in_3", 6),
        ),
        {"in_1": 4, "in_2": 3},
    ),
    "the earlier upgrade refunded": Story(
        (
            first(),
            changed("in_2", 2, "price_4", "price_n7"),
            changed("in_3", 4, "price_n7", "price_n12"),
            refunded("in_2", 6),
        ),
        {"in_1": 4, "in_3": 5},
    ),
    "half of the earlier upgrade refunded": Story(  # 1.5 of 3, rounded down
        (
            first(),
            changed("in_2", 2, "price_4", "price_n7"),
            changed("in_3", 4, "price_n7", "price_n12"),
            refunded("in_2", 6, 4_500),
        ),
        {"in_1": 4, "in_2": 2, "in_3": 5},
    ),
    "refunded and bought again": Story(
        (
            first(),
            changed("in_2", 2, "price_4", "price_8"),
            refunded("in_2", 4),
            changed("in_3", 5, "price_8", "price_4"),
            changed("in_4", 6, "price_4", "price_8"),
        ),
        {"in_1": 4, "in_4": 4},
    ),
    "bought again before it was refunded": Story(
        (
            first(),
            changed("in_2", 2, "price_4", "price_8"),
            changed("in_3", 3, "price_8", "price_4"),
            changed("in_4", 4, "price_4", "price_8"),
            refunded("in_2", 6),
        ),
        {"in_1": 4},
    ),
    "a refund that fails": Story(
        (
            first(),
            changed("in_2", 2, "price_4", "price_8"),
            refunded("in_2", 3, status="pending"),
            changed("in_3", 4, "price_8", "price_n12"),
            refunded("in_2", 6, status="failed"),
        ),
        {"in_1": 4, "in_2": 4, "in_3": 4},
    ),
    "small rises, rounded together": Story(  # 0.67, 1.2, 1.67 of a credit
        (
            first(),
            changed("in_2", 10, "price_4", "price_n5"),
            changed("in_3", 14, "price_n5", "price_n6"),
            changed("in_4", 16, "price_n6", "price_n7"),
        ),
        {"in_1": 4, "in_2": 1, "in_4": 1},
        "prorated",
    ),
    "up and down and up": Story(
        (
            first(),
            changed("in_2", 2, "price_4", "price_8"),
            changed("in_3", 3, "price_8", "price_4"),
            changed("in_4", 4, "price_4", "price_8"),
        ),
        {"in_1": 4, "in_2": 4},
    ),
    "paid in another order than changed": Story(
        (
            first(),
            changed("in_2", 2, "price_4", "price_n7", paid_on=8),
            changed("in_3", 4, "price_n7", "price_n12"),
        ),
        {"in_1": 4, "in_2": 3, "in_3": 5},
    ),
    "a period restarted": Story(  # 20 of 30 days: 2.67 of 4
        (first(), restarted("in_2", 10)),
        {"in_1": 1, "in_2": 4},
    ),
    "a restarted period refunded for less": Story(  # 1.33 down to 1, and 2.67: the larger counts
        (first(), restarted("in_2", 10), refunded("in_1", 11, 3_000)),
        {"in_1": 1, "in_2": 4},
    ),
    "a restarted period refunded for more": Story(  # 3.56 down to 3
        (first(), restarted("in_2", 10), refunded("in_1", 11, 8_000)),
        {"in_1": 1, "in_2": 4},
    ),
    "an upgraded period restarted": Story(  # 2 of 3 thirds of 4, and of the upgrade 20 of 25 days of 4: 3.2
        (first(), changed("in_2", 5, "price_4", "price_8"), restarted("in_3", 10)),
        {"in_1": 1, "in_2": 1, "in_3": 4},
    ),
    "a month given way to a year that is heard of first": Story(  # 4 more for 25 of 30 days: 3.33; then 20 of 25: 2.4
        (
            first(),
            changed("in_2", 5, "price_4", "price_8"),
            restarted("in_3", 10, "price_n12", YEAR),
        ),
        {"in_1": 1, "in_2": 1, "in_3": 12},
        "prorated",
    ),
    "an item removed and another added": Story(  # half of 4 given back; half of 12 granted
        (first(), gone("in_2", 15), added("in_3", 15, "price_n12")),
        {"in_1": 2, "in_3": 6},
    ),
    "an added item that changes": Story(  # 6 for the half, then 4 more of 4 for a third: 1.33
        (first(), added("in_2", 15, "price_n12"), changed("in_3", 20, "price_4", "price_8")),
        {"in_1": 4, "in_2": 6, "in_3": 1},
        "prorated",
    ),
    "a package that grants once beside": Story(
        (first(), added("in_2", 15, "price_once"), gone("in_3", 20, "si_2", "price_once")),
        {"in_1": 4, "in_2": 10},
    ),
}


def left(practice: Practice) -> dict[str, int]:
    """The credits left of each payment."""
    found: dict[str, int] = {}
    for lot in practice.wallet().open_lots:
        payment = str(lot.payment).split("/")[0]
        found[payment] = found.get(payment, 0) + lot.remaining
    return found


def heard(story: Story, order: tuple[Step, ...]) -> Practice:
    practice = Practice(now=END - HOUR, upgrade_grant=story.rule)
    sell(practice.store, a_catalogue(*SOLD))
    for step in order:
        step(practice)
    return practice


@pytest.mark.parametrize("name", STORIES)
def test_a_story_leaves_the_same_credits_of_each_payment_in_every_order(name: str) -> None:
    story = STORIES[name]
    for order in permutations(story.steps):
        practice = heard(story, order)
        assert (left(practice), practice.parked()) == (story.left, []), [story.steps.index(step) for step in order]


SHORT = 3  # of longer ones there are many orders
TWICE = [
    pytest.param(name, marks=[pytest.mark.prove] if len(story.steps) > SHORT else []) for name, story in STORIES.items()
]


@pytest.mark.parametrize("name", TWICE)
def test_a_story_whose_steps_are_heard_twice_each_leaves_the_same_in_every_order(name: str) -> None:
    """The second time a step may know what itself began: a new period, say, in place of one not heard of yet."""
    story = STORIES[name]
    for order in permutations(story.steps):
        twice = heard(story, tuple(step for step in order for _ in range(2)))
        assert (left(twice), twice.parked()) == (story.left, []), [story.steps.index(step) for step in order]


@pytest.mark.parametrize("name", STORIES)
def test_a_story_heard_again_adds_nothing(name: str) -> None:
    story = STORIES[name]
    practice = heard(story, story.steps[::-1])
    stated = practice.kinds()
    for step in (*story.steps, *story.steps[::-1]):
        step(practice)
    assert (left(practice), practice.kinds()) == (story.left, stated)


def test_what_is_taken_of_an_upgrade_for_an_earlier_one_heard_later_names_its_subscription() -> None:
    practice = heard(STORIES["two upgrades"], STORIES["two upgrades"].steps[::-1])
    (taken,) = [e for e in practice.store.entries_after("p1", "c1", "follow-up", 0) if e.kind == "clawed_back"]
    assert (taken.amount, taken.cause.kind, taken.cause.ids["subscription"]) == (-3, "subscription", "sub_1")
    assert datetime.fromisoformat("2026-11-01T00:00:00+00:00") < taken.occurred_at <= practice.now
