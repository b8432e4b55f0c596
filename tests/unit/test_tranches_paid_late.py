"""A year paid late: each of its months' credits lasts as long as it would have, from the payment on."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.builders import DAY, HOUR
from tests.unit.test_tranches import DATES, END, START, paid, settled

from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind

TO_CYCLE_END = Expiry(ExpiryKind.CYCLE_END)
LATE = st.integers(0, 500 * 24 * 3600).map(lambda seconds: END + timedelta(seconds=seconds))
IN_TIME = st.integers(0, int((END - START).total_seconds()) - 1).map(lambda s: START + timedelta(seconds=s))


def lots_of(wallet: Wallet) -> list[Lot]:
    """Every tranche that came, by when it ends: of a year paid late the first month's ends last."""
    return sorted(wallet.open_lots, key=lambda lot: lot.end, reverse=True)


@given(LATE, st.integers(0, 40))
def test_each_month_of_a_year_paid_after_its_end_lasts_from_the_payment_as_long_as_it_paid_for(
    paid_at: datetime, hours_unheard: int
) -> None:
    change = paid(paid_at=paid_at, expiry=TO_CYCLE_END, now=paid_at + hours_unheard * HOUR)
    lots = lots_of(settled(change.wallet, paid_at).wallet)
    assert [lot.effective_at for lot in lots] == [paid_at] * 12
    assert [lot.expires_at for lot in lots] == [paid_at + (END - starts) for starts in DATES]
    assert {lot.granted for lot in lots} == {2}
    assert all(lot.rollover is None for lot in lots)


@given(LATE)
def test_a_month_paid_for_late_is_gone_at_the_end_of_that_time_and_does_not_roll_over(paid_at: datetime) -> None:
    wallet = paid(paid_at=paid_at, expiry=TO_CYCLE_END, cap=None).wallet
    for n, starts in reversed(list(enumerate(DATES, 1))):
        ends = paid_at + (END - starts)
        assert settled(wallet, ends - timedelta(seconds=1)).wallet.balance == 2 * n
        assert settled(wallet, ends).wallet.balance == 2 * (n - 1)


@given(IN_TIME)
def test_each_month_of_a_year_paid_before_its_end_ends_with_the_year(paid_at: datetime) -> None:
    wallet = settled(paid(paid_at=paid_at, expiry=TO_CYCLE_END).wallet, END - timedelta(seconds=1)).wallet
    assert {lot.expires_at for lot in wallet.open_lots} == {END}
    assert sorted(lot.effective_at for lot in wallet.open_lots) == sorted(max(day, paid_at) for day in DATES)


@given(LATE)
def test_months_that_end_after_a_month_count_from_the_payment(paid_at: datetime) -> None:
    wallet = paid(paid_at=paid_at, expiry=Expiry(ExpiryKind.MONTHS, 1)).wallet
    assert len({lot.expires_at for lot in wallet.open_lots}) == 1
    assert all(lot.end >= paid_at + 28 * DAY for lot in wallet.open_lots)
    assert wallet.balance == 24


@given(LATE, st.integers(1, 364))
def test_a_change_by_the_month_paid_after_its_year_lasts_as_long_as_it_would_have(paid_at: datetime, day: int) -> None:
    changed = START + day * DAY
    change = paid(paid_at=paid_at, starts=changed, within=START, proration=True, expiry=TO_CYCLE_END)
    months = [starts for starts in DATES if starts >= changed]
    assert [lot.expires_at for lot in lots_of(change.wallet)] == [paid_at + (END - starts) for starts in months]


@pytest.mark.parametrize("late", [0, 1, 30, 400])
def test_how_late_the_sweep_is_changes_nothing_of_a_year_paid_late(late: int) -> None:
    wallet = paid(paid_at=END + DAY, expiry=TO_CYCLE_END).wallet
    at = END + DAY + late * DAY
    assert settled(settled(wallet, END + 2 * DAY).wallet, at + 2 * DAY).wallet.balance == (
        settled(wallet, at + 2 * DAY).wallet.balance
    )
