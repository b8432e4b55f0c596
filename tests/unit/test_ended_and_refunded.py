"""A year paid in tranches that ends and is refunded: one reckoning, whatever is known first and whenever it is swept.

The year begins on 5 January and brings two credits a month, 24 in all, for 90.00. It ends on 20 March: six
come, 18 no longer do. An upgrade of 10 February brings two more a month from March on, 20 in all, for 55.00: two come.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import permutations

import pytest
from tests.support.builders import DAY, HOUR, cancelled, created
from tests.unit.test_money_back import dispute, refund
from tests.unit.test_money_back_histories import BEGINS, ENDS, MARCH, follow
from tests.unit.test_plan_change_histories import balance, proration
from tests.unit.test_plan_changes import Practice, cycle

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.ledger.entries import EntryKind
from client_credits.domain.ledger.tranches import Ended, Plan, last_of, part_of_those_that_come
from client_credits.domain.payments.facts import MoneyBack
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, Context
from client_credits.store.records import Wanted

APRIL, FEBRUARY = MARCH + 20 * DAY, datetime.fromisoformat("2026-02-10T09:00:00+00:00")
Step = Callable[[Practice], None]


def paid(practice: Practice) -> None:
    practice.pay("in_1", BEGINS, cycle("price_year", BEGINS, ENDS), payment_intent="pi_1")


def upgraded(practice: Practice) -> None:
    change = (
        proration("il_old", "price_year", -4_500, FEBRUARY, ENDS),
        proration("il_new", "price_year", 9_000, FEBRUARY, ENDS, quantity=2),
    )
    practice.pay("in_2", FEBRUARY, *change, payment_intent="pi_2")


def ended(practice: Practice) -> None:
    practice.news("ended", MARCH, MARCH)


def replaced(practice: Practice) -> None:
    """From the same instant on a full period of another price runs in place of the year."""
    line = cycle("price_0", MARCH, MARCH + 30 * DAY, line_id="il_month")
    practice.pay("in_3", MARCH, line, payment_intent="pi_3")


def stated(what: MoneyBack) -> Step:
    return lambda practice: follow(practice, what)


def back(amount: int, status: str = "succeeded", hours: int = 1, money: str = "pi_1") -> Step:
    return stated(refund(f"re_{money}", amount, status, MARCH + hours * HOUR, payment_intent=money))


PENDING, FAILED = back(9_000, "pending"), back(9_000, "failed", 2)
LOST = stated(dispute("lost", 7_875, at=MARCH + 2 * HOUR))
# What is known, and the credits in the end, reckoned by hand: of 24 the refund's part, first from the 18.
CASES: dict[str, tuple[list[Step], int]] = {
    "ended": ([paid, ended], 6),
    "replaced": ([paid, replaced], 6),
    "half back": ([paid, back(4_500), ended], 6),  # 12 of 24, all of them of the 18
    "half back, replaced": ([paid, back(4_500), replaced], 6),
    "three quarters back": ([paid, back(6_750), ended], 6),  # just the 18
    "seven eighths back": ([paid, back(7_875), ended], 3),  # 21: the 18 and 3
    "all but a cent back": ([paid, back(8_999), ended], 1),  # 23.99, rounded down: the 18 and 5
    "all back": ([paid, back(9_000), ended], 0),
    "failed": ([paid, PENDING, ended, FAILED], 6),
    "dispute lost": ([paid, stated(dispute("open", 7_875, at=MARCH + HOUR)), ended, LOST], 3),
    "dispute won": ([paid, stated(dispute("open", at=MARCH - DAY)), ended, stated(dispute("won", at=MARCH + DAY))], 6),
    "upgrade refunded": ([paid, upgraded, ended, back(9_000, money="pi_2")], 6),
    "a third of the upgrade back": ([paid, upgraded, ended, back(3_000, money="pi_2")], 8),  # 6 of the 18 of its 20
    "year refunded, not its upgrade": ([paid, upgraded, ended, back(9_000)], 2),
}


def sweep(practice: Practice, until: datetime, every: timedelta | None) -> None:
    while every and practice.now + every < until:
        practice.now += every
        balance(practice)
    practice.now = until


def after(steps: list[Step], first: datetime, apart: timedelta, every: timedelta | None) -> Practice:
    """The practice once each step was heard, so long apart, and the year is over."""
    practice = Practice(now=BEGINS + HOUR)
    sweep(practice, first, every)
    for step in steps:
        step(practice)
        sweep(practice, practice.now + apart, every)
    sweep(practice, ENDS + DAY, 30 * DAY if every else None)
    balance(practice)
    return practice


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("every", [None, 20 * DAY], ids=["swept in the end", "swept often"])
@pytest.mark.parametrize("apart", [HOUR, 45 * DAY], ids=["at once", "months apart"])
def test_an_end_and_money_back_come_to_the_same_in_any_order(
    name: str, apart: timedelta, every: timedelta | None
) -> None:
    steps, left = CASES[name]
    for order in permutations(steps):
        practice = after(list(order), APRIL, apart, every)
        assert practice.wallet().balance == left, [steps.index(step) for step in order]
        assert practice.wallet().debt == 0
        never_below_nothing(practice)


def test_news_after_the_whole_year_still_count_what_never_came() -> None:
    for order in permutations([ended, back(7_875)]):
        practice = after([paid], BEGINS + HOUR, HOUR, None)
        assert practice.wallet().balance == 24
        for step in order:
            step(practice)
        assert practice.wallet().balance == 3


def eight_booked() -> Practice:
    """January's to April's eight credits are all booked; April's came after the end."""
    practice = Practice(now=BEGINS + HOUR)
    paid(practice)
    practice.now = APRIL
    for number in range(8):
        event = created(f"b{number}", occurred_at=practice.now, starts_at=practice.now + DAY)
        spending.book(Context(practice.store, "p1", BOOKINGS, practice.now), event)
    return practice


def test_what_was_spent_of_a_tranche_that_came_too_late_is_owed_as_if_it_had_not_come() -> None:
    practice = eight_booked()
    ended(practice)
    assert (practice.wallet().balance, practice.wallet().debt) == (-2, 2)
    back(7_875)(practice)  # 3 of the six that came in time
    assert (practice.wallet().balance, practice.wallet().debt) == (-5, 5)


def cancel(practice: Practice, number: int) -> int:
    """The balance then."""
    event = cancelled(f"b{number}", CancelledBy.PRACTICE, occurred_at=practice.now)
    spending.cancel(Context(practice.store, "p1", BOOKINGS, practice.now), event)
    return practice.wallet().balance


def test_what_returns_to_a_tranche_that_came_too_late_lessens_what_is_owed_then_frees_the_others() -> None:
    practice = eight_booked()
    ended(practice)
    assert [cancel(practice, number) for number in reversed(range(8))] == [-1, 0, 1, 2, 3, 4, 5, 6]


def test_sessions_that_a_tranche_which_came_too_late_had_paid_are_paid_by_the_others() -> None:
    practice = eight_booked()
    assert [cancel(practice, number) for number in range(6)] == [1, 2, 3, 4, 5, 6]
    ended(practice)  # two sessions stand, and six credits came in time
    assert (practice.wallet().balance, practice.wallet().debt) == (4, 0)
    assert [cancel(practice, number) for number in (6, 7)] == [5, 6]


def test_no_credits_are_taken_before_they_came() -> None:
    practice = Practice(now=BEGINS + HOUR)
    paid(practice)
    practice.now = MARCH + 60 * DAY
    ended(practice)
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    (taken,) = [entry for entry in entries if entry.kind is EntryKind.CLAWED_BACK]
    (last, *_) = [entry for entry in reversed(entries) if entry.kind is EntryKind.GRANTED]
    assert (taken.amount, taken.occurred_at) == (-4, last.occurred_at)
    assert taken.cause.ids == {"payment": "in_1", "subscription": "sub_1"}
    never_below_nothing(practice)


def never_below_nothing(practice: Practice) -> None:
    """As of any instant no lot has less than nothing: what took credits is not dated before they came."""
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    came = {p.lot_id: e.occurred_at for e in reversed(entries) for p in e.postings if p.facts}
    for entry in entries:
        taken = (p for p in entry.postings if p.lot_id and p.amount < 0)
        assert all(came[p.lot_id] <= entry.occurred_at for p in taken), entry


def test_heard_again_an_end_changes_nothing() -> None:
    practice = after([paid, ended, back(7_875)], APRIL, HOUR, DAY)
    before = dict(practice.table.items)
    ended(practice)
    back(7_875)(practice)
    assert practice.table.items == before


def test_what_no_longer_comes_is_taken_first() -> None:
    plan = Plan(BEGINS, ENDS, first=1, count=12, each=2)
    ends = [Ended("sub_1", MARCH)]
    assert last_of(plan, ends) == 3
    parts = [int(6 * part_of_those_that_come(plan, ends, part)) for part in (Fraction(n, 12) for n in range(13))]
    assert parts == [0] * 10 + [2, 4, 6]  # of 24: two more a twelfth, the first 18 of those that do not come


def test_the_record_keeps_the_payments_ends() -> None:
    practice = after([paid, ended], APRIL, HOUR, None)
    record = practice.store.load("p1", Wanted(payments=("in_1",))).payments["in_1"]
    assert record.ends == (Ended("sub_1", MARCH),)


@pytest.mark.parametrize("corrected", [FEBRUARY, BEGINS + DAY], ids=["to February", "to January"])
def test_an_end_corrected_to_an_earlier_instant_is_dated_then(corrected: datetime) -> None:
    """Of what it takes: the tranches of months that start after it, each not before it came."""
    practice = Practice(now=BEGINS + HOUR)
    paid(practice)
    practice.now = APRIL
    ended(practice)
    practice.now = APRIL + 3 * DAY
    for _ in range(2):  # a repeat changes nothing
        practice.news("ended", practice.now, corrected)
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    came = {p.lot_id: e.occurred_at for e in entries for p in e.postings if e.kind is EntryKind.GRANTED}
    *_, taken = [e for e in entries if e.kind is EntryKind.CLAWED_BACK]
    assert taken.occurred_at == max(came[p.lot_id] for p in taken.postings) < APRIL
    assert practice.wallet().balance == (4 if corrected is FEBRUARY else 2)


@pytest.mark.parametrize("end_heard", [FEBRUARY, MARCH + 21 * DAY], ids=["at once", "last"])
def test_what_comes_back_of_tranches_after_the_end_is_taken_and_of_those_before_it_stays(end_heard: datetime) -> None:
    practice = Practice(now=BEGINS + HOUR)
    paid(practice)
    pending, failed = (
        refund("re_1", 3_000, status, BEGINS + 21 * DAY, payment_intent="pi_1") for status in ("pending", "failed")
    )
    happenings: list[tuple[datetime, Step]] = [
        (BEGINS + 21 * DAY, stated(pending)),
        (end_heard, lambda practice: practice.news("ended", FEBRUARY, FEBRUARY)),
        (MARCH + 20 * DAY, stated(failed)),
    ]
    for practice.now, step in sorted(happenings, key=lambda each: each[0]):
        balance(practice)
        step(practice)
    assert balance(practice) == 4, "January's two and February's"
