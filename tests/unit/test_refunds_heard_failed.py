"""A refund that failed before it was heard took nothing, so nothing comes back and no end is put off."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_package
from tests.unit.test_money_back import PAID, Practice, refund
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
