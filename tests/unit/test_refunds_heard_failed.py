"""Refunds that fail: what they took ends later by as long as it was away, and one heard failed had taken nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_package
from tests.unit.test_money_back import PAID, Practice, dispute, refund
from tests.unit.test_money_back_histories import sell

from client_credits.domain.practice.catalogue import Expiry, ExpiryKind

TEN_DAYS = a_package("ten", credits={"follow-up": 10}, stripe_prices=("price_1",), expiry=Expiry(ExpiryKind.DAYS, 10))
PENDING, FAILED = (
    refund("re_1", PAID // 2, status, at=NOW + hours * HOUR) for status, hours in (("pending", 1), ("failed", 3))
)


def paid() -> Practice:
    practice = Practice()
    sell(practice.store, replace(a_catalogue(TEN_DAYS), version=0))
    practice.pay()
    return practice


@pytest.mark.parametrize("later", [timedelta(0), DAY], ids=["at once", "a day later"])
def test_a_refund_heard_only_once_it_failed_takes_nothing_and_puts_off_no_end(later: timedelta) -> None:
    practice = paid()
    before = practice.wallet().open_lots
    practice.now = NOW + 4 * HOUR + later
    for news in (FAILED, PENDING, FAILED):
        practice.tell(news)
    assert practice.wallet().open_lots == before
    assert practice.kinds() == [("granted", 10)]


def test_heard_in_time_it_comes_to_the_same_credits_of_which_those_it_took_end_later() -> None:
    practice = paid()
    (lot,) = practice.wallet().open_lots
    for news in (PENDING, FAILED):
        practice.now = NOW + 4 * HOUR
        practice.tell(news)
    ends = sorted((each.end - lot.end, each.remaining) for each in practice.wallet().open_lots)
    assert ends == [(timedelta(0), 5), (2 * HOUR, 5)]


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)], ids=["in order", "the dispute first"])
def test_a_refund_takes_in_its_own_name_and_at_its_own_time_though_a_later_dispute_is_open(
    order: tuple[int, ...],
) -> None:
    """Half was away for two hours. The dispute of a later hour takes nothing, whichever is heard first."""
    practice = paid()
    (lot,) = practice.wallet().open_lots
    practice.now = NOW + 4 * HOUR
    news = [PENDING, dispute("open", at=NOW + 2 * HOUR), FAILED]
    for number in order:
        practice.tell(news[number])
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    taken = [(e.amount, e.occurred_at, e.cause.ids.get("refund")) for e in entries if e.kind == "clawed_back"]
    assert taken == [(-5, NOW + HOUR, "re_1")]
    ends = sorted((each.end - lot.end, each.remaining) for each in practice.wallet().open_lots)
    assert ends == [(timedelta(0), 5), (2 * HOUR, 5)]


def test_a_refund_takes_in_its_own_name_though_another_word_of_an_older_one_was_heard_before() -> None:
    """The first takes two, and its success takes no more. The second takes three, fails, and was away for two hours."""
    practice = paid()
    (lot,) = practice.wallet().open_lots
    practice.now = NOW + 4 * HOUR
    for refund_id, tenths, status, hours in (
        ("re_a", 2, "pending", 1),
        ("re_a", 2, "succeeded", 2),
        ("re_b", 3, "pending", 1),
        ("re_b", 3, "failed", 3),
    ):
        practice.tell(refund(refund_id, PAID // 10 * tenths, status, at=NOW + hours * HOUR))
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    taken = [(e.amount, e.occurred_at, e.cause.ids["refund"]) for e in entries if e.kind == "clawed_back"]
    assert taken == [(-2, NOW + HOUR, "re_a"), (-3, NOW + HOUR, "re_b")]
    ends = sorted((each.end - lot.end, each.remaining) for each in practice.wallet().open_lots)
    assert ends == [(timedelta(0), 5), (2 * HOUR, 3)]
