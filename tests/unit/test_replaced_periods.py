"""What is given back of a period that gave way before it was over: worked out by hand."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from client_credits.domain.ledger.tranches import Ended
from client_credits.domain.payments.replaced import Span, given_back, undone_of

START = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
END = START + 30 * DAY
CYCLE = Span("a", START, END)


def ended(day: int, item: str | None = "a", until: datetime | None = END) -> Ended:
    return Ended("sub_1", START + day * DAY, item, until)


@pytest.mark.parametrize(
    ("span", "part"),
    [
        (CYCLE, Fraction(1, 3)),
        (Span("a", START + 10 * DAY, END), Fraction(1, 2)),  # an upgrade of day 10
        (Span("a", START + 20 * DAY, END), Fraction(1)),  # one of that very instant
        (Span("b", START, END), Fraction(0)),
        (Span("a", START + 20 * DAY, END + 20 * DAY), Fraction(0)),  # the cycle that took its place
        (None, Fraction(0)),
    ],
)
def test_the_part_given_back_goes_by_each_grants_own_time(span: Span | None, part: Fraction) -> None:
    assert given_back(span, [ended(20)]) == part


def test_an_end_without_money_back_gives_nothing_back() -> None:
    assert given_back(CYCLE, [ended(20, until=None), ended(10, item=None, until=None)]) == 0


def test_of_a_package_that_grants_once_something_is_given_back_only_with_its_subscription() -> None:
    once = Span("a", START, END, once=True)
    assert given_back(once, [ended(20)]) == 0
    assert given_back(once, [ended(20), ended(25, item=None, until=None)]) == 0
    assert given_back(once, [ended(20), ended(20, item=None, until=None)]) == Fraction(1, 3)


@pytest.mark.parametrize(
    ("refunded", "back", "taken"),
    [
        (Fraction(0), Fraction(1, 3), 3),  # 3.33
        (Fraction(0), Fraction(1, 4), 2),  # 2.5: the half is the client's
        (Fraction(0), Fraction(26, 100), 3),
        (Fraction(39, 100), Fraction(1, 3), 3),  # 3.9 down, 3.33: not their sum
        (Fraction(1, 2), Fraction(1, 3), 5),
        (Fraction(1), Fraction(1, 3), 10),
    ],
)
def test_the_larger_of_what_was_refunded_and_given_back_counts(refunded: Fraction, back: Fraction, taken: int) -> None:
    assert undone_of(10, None, refunded, back) == taken


@pytest.mark.parametrize(
    ("owned", "refunded", "taken"), [(3, Fraction(0), 2), (3, Fraction(1, 2), 3), (0, Fraction(0), 5)]
)
def test_what_a_payment_does_not_own_is_taken_beside_its_refunds(owned: int, refunded: Fraction, taken: int) -> None:
    assert undone_of(5, owned, refunded, Fraction(0)) == taken
