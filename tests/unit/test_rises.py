"""What each change of plan of a period owns: worked out by hand, in whatever order it was heard."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import permutations

import pytest

from client_credits.domain.payments.plan_changes import (
    MONTHLY,
    Base,
    Interval,
    PlanChange,
    PlanPeriod,
    owned,
    stub_credits,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
END = START + 30 * DAY


def four(item: str = "a", credits: int = 4, starts: datetime = START) -> Base:
    return Base(item, starts, {"s": credits})


def to(invoice: str, day: int, undone: int | None = None, **levels: int) -> PlanChange:
    """On this day of the period the items stand for these credits, 0 for one that gave way to another."""
    stated = {item: ({"s": n} if n else {}) for item, n in levels.items()}
    return PlanChange(invoice, START + day * DAY, stated, undone_at=None if undone is None else START + undone * DAY)


def gone(invoice: str, day: int, *items: str) -> PlanChange:
    at = START + day * DAY
    return PlanChange(invoice, at, gone=dict.fromkeys(items, at))


def period(*known: Base | PlanChange) -> PlanPeriod:
    made = PlanPeriod(START, END)
    for each in known:
        made = made.with_base(each) if isinstance(each, Base) else made.with_change(each)
    return made


def grants(rule: str, *known: Base | PlanChange) -> dict[str, int]:
    """What each invoice owns of the one type; the same in every order of telling."""
    own, *others = (owned(period(*order), lambda at: rule) for order in _orders(known))
    assert all(other == own for other in others), others
    return {invoice: credits.get("s", 0) for invoice, credits in own.items()}


def _orders(known: tuple[Base | PlanChange, ...]) -> list[tuple[Base | PlanChange, ...]]:
    return list(permutations(known)) if len(known) < 6 else [known, known[::-1]]


@pytest.mark.parametrize(("rule", "second", "third"), [("difference", 4, 8), ("prorated", 3, 1), ("none", 0, 0)])
def test_each_rise_is_counted_by_the_part_of_the_period_that_is_left(rule: str, second: int, third: int) -> None:
    # 4 more with 20 of 30 days left: 2.67. Then 8 more with 5 left: 1.33. Together 4.
    assert grants(rule, four(), to("in_2", 10, a=8), to("in_3", 25, a=16)) == {"in_2": second, "in_3": third}


def test_up_down_up_mints_nothing() -> None:
    changes = (to("in_2", 1, a=8), to("in_3", 2, a=4), to("in_4", 3, a=8))
    assert grants("difference", four(), *changes) == {"in_2": 4, "in_3": 0, "in_4": 0}


def test_each_upgrade_owns_the_rise_of_its_own_instant() -> None:
    assert grants("difference", four(), to("b", 1, a=7), to("c", 2, a=12)) == {"b": 3, "c": 5}


def test_what_was_refunded_in_full_can_be_bought_again() -> None:
    again = to("in_3", 5, a=8)
    assert grants("difference", four(), to("in_2", 1, undone=4, a=8), again) == {"in_2": 4, "in_3": 4}
    assert grants("difference", four(), to("in_2", 1, undone=5, a=8), again) == {"in_2": 4, "in_3": 4}
    assert grants("difference", four(), to("in_2", 1, undone=6, a=8), again) == {"in_2": 4, "in_3": 0}


def test_items_count_together_and_one_may_take_anothers_place() -> None:
    assert grants("difference", four(), to("in_2", 1, a=0, b=6)) == {"in_2": 2}
    assert grants("difference", four(), four("b"), to("in_2", 1, a=8, b=0)) == {"in_2": 0}


def test_an_item_added_for_its_part_is_no_rise_of_the_changes_after_it() -> None:
    added = four("b", 8, START + 15 * DAY)
    assert grants("prorated", four(), added, to("in_3", 20, a=8)) == {"in_3": 1}  # 4 x 10/30
    assert grants("prorated", four(), added, to("in_3", 20, b=16)) == {"in_3": 3}  # 8 x 10/30
    assert grants("difference", four(), added, to("in_3", 20, b=16)) == {"in_3": 4}  # 8, for the half it was paid for


def test_an_item_added_after_up_and_down_makes_no_room_for_the_up_again() -> None:
    changes = (to("in_2", 1, a=8), to("in_3", 2, a=4), four("b", 8, START + 3 * DAY), to("in_4", 4, a=8))
    assert grants("difference", four(), *changes)["in_4"] == 0


def test_what_ended_with_money_back_can_be_bought_again() -> None:
    changes = (to("in_2", 1, a=8), gone("in_3", 2, "a"), four("b", 8, START + 3 * DAY), to("in_4", 4, b=12))
    assert grants("prorated", four(), *changes) == {"in_2": 4, "in_3": 0, "in_4": 3}  # 3.87 + 3.47 = 7.33


def test_an_item_that_ends_beside_a_change_leaves_the_height_of_the_others() -> None:
    changes = (to("in_2", 1, a=8), to("in_3", 2, a=4), gone("in_4", 3, "b"), to("in_5", 4, a=8))
    assert grants("difference", four(), four("b"), *changes)["in_5"] == 0


def test_credits_by_the_month_rise_whole() -> None:
    made = PlanPeriod(START, END, (Base("a", START, {f"s{MONTHLY}": 2}),))
    made = made.with_change(PlanChange("in_2", START + 20 * DAY, {"a": {f"s{MONTHLY}": 3}}))
    assert owned(made, lambda at: "prorated") == {"in_2": {f"s{MONTHLY}": 1}}


def test_nothing_is_owned_while_the_period_is_not_paid() -> None:
    assert grants("difference", to("in_2", 1, a=8)) == {"in_2": 0}


def test_the_setting_counts_as_it_held_at_each_change() -> None:
    known = period(four(), to("in_2", 10, a=8), to("in_3", 20, a=16))
    own = owned(known, lambda at: "none" if at < START + 15 * DAY else "difference")
    assert own == {"in_2": {}, "in_3": {"s": 8}}


@pytest.mark.parametrize(
    ("interval", "ends", "begins"),
    [
        (Interval(months=1), datetime(2027, 3, 31, 9, tzinfo=UTC), datetime(2027, 2, 28, 9, tzinfo=UTC)),
        (Interval(months=12), datetime(2027, 1, 15, tzinfo=UTC), datetime(2026, 1, 15, tzinfo=UTC)),
        (Interval(days=7), datetime(2027, 1, 15, tzinfo=UTC), datetime(2027, 1, 8, tzinfo=UTC)),
    ],
)
def test_an_interval_is_counted_back_from_its_end(interval: Interval, ends: datetime, begins: datetime) -> None:
    assert interval.before(ends) == begins


def test_an_interval_begins_on_the_anchors_day_where_it_ends_on_it() -> None:
    ends, anchor = datetime(2027, 2, 28, 9, tzinfo=UTC), datetime(2026, 10, 31, 9, tzinfo=UTC)
    assert Interval(months=1).before(ends, [anchor]) == datetime(2027, 1, 31, 9, tzinfo=UTC)
    assert Interval(months=1).before(ends, [anchor - 11 * DAY]) == datetime(2027, 1, 28, 9, tzinfo=UTC)


def test_an_interval_begins_by_the_newest_anchor_that_held_when_it_ended() -> None:
    first, restarted = datetime(2026, 12, 31, 9, tzinfo=UTC), datetime(2027, 3, 28, 9, tzinfo=UTC)
    february, april = datetime(2027, 2, 28, 9, tzinfo=UTC), datetime(2027, 4, 28, 9, tzinfo=UTC)
    for anchors in ([first, restarted], [restarted, first]):
        assert Interval(months=1).before(february, anchors) == datetime(2027, 1, 31, 9, tzinfo=UTC)
        assert Interval(months=1).before(april, anchors) == restarted
    of_a_period_cut_short = datetime(2027, 2, 14, 9, tzinfo=UTC)
    assert Interval(months=1).before(february, [first, of_a_period_cut_short]) == datetime(2027, 1, 31, 9, tzinfo=UTC)


def test_without_an_anchor_the_last_day_of_a_short_month_does_not_tell_when_its_interval_began() -> None:
    february = datetime(2027, 2, 28, 9, tzinfo=UTC)
    assert Interval(months=1).before(february) is None
    assert Interval(months=1).before(february, [february + DAY]) is None
    assert Interval(months=1).before(datetime(2027, 3, 31, 9, tzinfo=UTC)) == february
    assert Interval(days=28).before(february) == datetime(2027, 1, 31, 9, tzinfo=UTC)


def test_a_stub_grants_its_part_rounded_up() -> None:
    assert stub_credits([("s", Fraction(4) * Fraction(1, 3)), ("t", Fraction(2))]) == {"s": 2, "t": 2}
    assert stub_credits([("s", Fraction(1, 3)), ("s", -Fraction(1, 3))]) == {}


def test_months_that_end_together_are_one_period_though_their_first_days_were_clipped() -> None:
    february = PlanPeriod(datetime(2027, 1, 28, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC))
    assert february.is_same(datetime(2027, 1, 31, tzinfo=UTC), february.ends)
    assert not february.is_same(datetime(2027, 2, 14, tzinfo=UTC), february.ends)
    assert not february.is_same(february.starts - 335 * DAY, february.ends)


def test_who_took_whose_place_is_known_through_several_changes() -> None:
    made = period(four(), to("in_2", 1, a=0, b=6), to("in_3", 2, b=0, c=8), gone("in_4", 3, "c"))
    assert made.predecessors("c") == {"a", "b"}
    assert made.predecessors("a") == frozenset()
