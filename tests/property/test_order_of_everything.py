"""Any order of delivery, any doubling, any lateness of sweeps, and settings changed in between: one result.

Each random set of happenings is lived through as it happened, and in six other orders, each with three
ways of sweeping. What the law lets depend on order the sets leave out: `sets` says how.
"""

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from client_credits.domain.ledger.wallet import Wallet
from tests.property.happenings import BEGINS, FIRST, PACKAGES, Story, day, month
from tests.property.hearing import Fields, Practice, Sweeps, an_order, heard
from tests.property.sets import (
    BOOKED_BY,
    LAST_HEARD,
    YEAR_OVER,
    a_refund_that_failed,
    a_year_that_ended_early,
    ending,
    heard_in_order_of_their_ends,
    lasting,
    spent_before_they_end,
)
from tests.support.builders import DAY, HOUR

pytestmark = pytest.mark.timeout(900)  # the many sets of `make prove`, on a busy machine
ORDERS, SHARE = 6, 10  # each test tries so small a share of a tier's examples: an example is 21 histories
few = settings(max_examples=settings.default.max_examples // SHARE)  # type: ignore[union-attr]
AFTER_LAST = LAST_HEARD + HOUR
MONTHS_ENDS = [month(number) - DAY for number in range(1, 4)]


def of_each_order(story: Story, first: int, instants: list[datetime], look: Callable[[Wallet], object]) -> None:
    """What `look` sees of every wallet is the same in all orders, at each instant at which all was heard of."""
    instants, seen = all_heard(story, instants), None
    for number in (0, *range(first, first + ORDERS)):
        stated = an_order(story, number)
        for sweeps in Sweeps:
            practice = Practice(BEGINS - DAY, PACKAGES, ["c1"], FIRST)
            result = heard(practice, stated, sweeps, instants, look)
            seen = seen or result
            assert result == seen, as_text(number, sweeps, stated)


def all_heard(story: Story, instants: list[datetime]) -> list[datetime]:
    return [at for at in instants if all(each.at > at or (each.by or each.at) < at for each in story)]


def as_text(number: int, sweeps: Sweeps, stated: list[Fields]) -> str:
    return "\n".join([f"order {number}, swept {sweeps}:", *(f"{when:%m-%d %H:%M} {fact}" for when, fact in stated)])


def total(wallet: Wallet) -> object:
    """The total, and what freezes credits of which payments and subscriptions since when."""
    return wallet.balance, sorted((mark.about, mark.frozen) for mark in wallet.marks if mark.frozen)


@few
@given(lasting(), st.integers(1, 10**6))
@example(a_year_that_ended_early(), 1)
def test_credits_that_never_end_come_to_the_same_total(story: Story, first: int) -> None:
    of_each_order(story, first, [AFTER_LAST, YEAR_OVER], total)


def lots(wallet: Wallet) -> object:
    """The total, and the ends of what is there."""
    open_lots = sorted((lot.end, lot.remaining, bool(lot.frozen)) for lot in wallet.open_lots)
    return wallet.balance, open_lots


@few
@given(ending(), st.integers(1, 10**6))
@example(a_refund_that_failed(), 1)
def test_credits_that_end_come_to_the_same_lots(story: Story, first: int) -> None:
    of_each_order(story, first, [*MONTHS_ENDS, AFTER_LAST, LAST_HEARD + 20 * DAY, YEAR_OVER], lots)


@few
@given(spent_before_they_end(), st.integers(1, 10**6))
def test_credits_that_end_together_and_are_booked_come_to_the_same_total(story: Story, first: int) -> None:
    of_each_order(story, first, [BOOKED_BY + HOUR, day(100)], total)


@few
@given(heard_in_order_of_their_ends(), st.integers(1, 10**6))
def test_lots_heard_in_the_order_of_their_ends_come_to_the_same_total(story: Story, first: int) -> None:
    of_each_order(story, first, [day(38) + HOUR, day(50), day(100)], total)
