"""A year by the month of which some credits have expired: its refund takes of each tranche its own part.

Four credits a month from 5 January on, each month's ending after three weeks. Three quarters go back on
10 February: January's have expired, February's and all that follow keep one of four.
"""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.support.builders import DAY, HOUR, a_catalogue, a_package, cancelled, created
from tests.unit.test_money_back import refund
from tests.unit.test_money_back_histories import BEGINS, ENDS, follow, sell
from tests.unit.test_plan_change_histories import balance
from tests.unit.test_plan_changes import Practice, cycle

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, Context

FEBRUARY, MARCH, MAY = (datetime(2026, month, 10, 9, tzinfo=UTC) for month in (2, 3, 5))
YEAR = a_package(
    "year",
    credits={"follow-up": 4},
    stripe_prices=("price_year",),
    monthly_tranches=True,
    expiry=Expiry(ExpiryKind.DAYS, 20),
)


def a_year(**settings: object) -> Practice:
    practice = Practice(now=BEGINS + HOUR, **settings)
    sell(practice.store, replace(a_catalogue(YEAR), version=0))
    practice.pay("in_1", BEGINS, cycle("price_year", BEGINS, ENDS), payment_intent="pi_1")
    assert balance(practice) == 4
    return practice


def back(practice: Practice, amount: int = 6_750, status: str = "succeeded", name: str = "re_1") -> None:
    follow(practice, refund(name, amount, status, FEBRUARY, payment_intent="pi_1"))


def books(practice: Practice, number: int) -> None:
    event = created(f"b{number}", occurred_at=practice.now, starts_at=practice.now + DAY)
    spending.book(Context(practice.store, "p1", BOOKINGS, practice.now), event)


def entries(practice: Practice) -> list[Entry]:
    balance(practice)
    return practice.store.entries_after("p1", "c1", "follow-up", 0)


def test_what_expired_of_one_tranche_is_not_taken_from_another() -> None:
    practice = a_year()
    practice.now = FEBRUARY
    back(practice)
    assert balance(practice) == 1
    practice.now = MARCH
    assert balance(practice) == 1, "March's one; February's has expired"


@pytest.mark.parametrize("spent", range(5))
@pytest.mark.parametrize("again", [FEBRUARY, MARCH, MAY], ids="{:%B}".format)
def test_a_refund_heard_again_changes_nothing_whatever_has_come_since(again: datetime, spent: int) -> None:
    practice = a_year(auto_repay=False)
    practice.now = FEBRUARY
    for number in range(spent):
        books(practice, number)
    back(practice)
    practice.now = again
    before = entries(practice)
    back(practice)
    assert entries(practice) == before


@pytest.mark.parametrize("heard", [FEBRUARY, MARCH, MAY], ids="{:%B}".format)
def test_a_refund_leaves_the_same_however_late_it_is_heard(heard: datetime) -> None:
    practice = a_year()
    practice.now = heard
    back(practice)
    practice.now = MAY
    assert balance(practice) == 1


def test_what_was_spent_of_one_tranche_is_taken_from_those_that_have_not_expired() -> None:
    practice = a_year()
    for number in range(4):
        books(practice, number)  # all of January's
    practice.now = FEBRUARY
    back(practice)
    assert (balance(practice), practice.wallet().debt) == (-2, 2), "of the eight it stands for two, and four are spent"
    practice.now = MARCH
    assert balance(practice) == -1


def test_a_second_refund_takes_no_more_of_what_had_expired() -> None:
    practice = a_year()
    practice.now = FEBRUARY
    back(practice, 4_500)
    assert balance(practice) == 2
    back(practice, 2_250, name="re_2")
    assert balance(practice) == 1


def test_what_a_failed_refund_took_comes_back_and_nothing_that_had_expired() -> None:
    practice = a_year()
    practice.now = FEBRUARY
    back(practice)
    back(practice, status="failed")
    assert balance(practice) == 4


def test_a_session_given_back_belongs_first_to_what_the_refund_could_not_take() -> None:
    practice = a_year(restore_grace_days_practice=60)
    practice.now = BEGINS + 10 * DAY
    books(practice, 0)
    practice.now = FEBRUARY
    back(practice, 2_250)
    assert balance(practice) == 3
    event = cancelled("b0", occurred_at=practice.now, by="practice")
    spending.cancel(Context(practice.store, "p1", BOOKINGS, practice.now), event)
    assert balance(practice) == 3
    before = entries(practice)
    back(practice, 2_250)
    assert entries(practice) == before
