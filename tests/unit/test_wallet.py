"""A wallet's numbers: burn order, usable lots, balance, what is available."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_debt, a_hold, a_lot, a_wallet, freezes

from client_credits.domain.dates import FOREVER
from client_credits.domain.ledger.wallet import DebtCause, Lot, LotSource, available, burn_order, take
from client_credits.domain.practice.settings import Settings

MICROSECOND = timedelta(microseconds=1)

RULES, ANY_END = Settings(), Settings(credit_must_cover="booking")


def ids(lots: list[Lot]) -> list[str]:
    return [lot.lot_id for lot in lots]


# -- burn order --------------------------------------------------------------------------------


def test_a_lower_priority_number_burns_before_a_sooner_end() -> None:
    rolled = a_lot("rolled", priority=40)
    gift = a_lot("gift", priority=60, expires_at=NOW + 2 * DAY)
    bought = a_lot("bought", priority=100, expires_at=NOW + DAY)
    assert ids(burn_order([bought, gift, rolled])) == ["rolled", "gift", "bought"]


def test_a_debit_takes_the_lot_that_expires_first_and_one_that_never_does_last() -> None:
    never = a_lot("a-never", effective_at=NOW - 9 * DAY)
    soon = a_lot("b-soon", expires_at=NOW + DAY)
    later = a_lot("c-later", expires_at=NOW + 2 * DAY)
    assert ids(burn_order([never, later, soon])) == ["b-soon", "c-later", "a-never"]


def test_of_equal_ends_the_older_lot_burns_first_and_then_the_smaller_id() -> None:
    end = NOW + DAY
    old = a_lot("z", effective_at=NOW - 2 * DAY, expires_at=end)
    twin_a = a_lot("a", effective_at=NOW - DAY, expires_at=end)
    twin_b = a_lot("b", effective_at=NOW - DAY, expires_at=end)
    assert ids(burn_order([twin_b, twin_a, old])) == ["z", "a", "b"]


def test_burn_order_is_total_whatever_the_order_of_arrival() -> None:
    lots = [
        a_lot("p60", priority=60),
        a_lot("end1", expires_at=NOW + DAY),
        a_lot("end2-old", effective_at=NOW - 2 * DAY, expires_at=NOW + 2 * DAY),
        a_lot("end2-a", expires_at=NOW + 2 * DAY),
        a_lot("end2-b", expires_at=NOW + 2 * DAY),
    ]
    orders = {tuple(ids(burn_order(shuffled))) for shuffled in permutations(lots)}
    assert orders == {("p60", "end1", "end2-old", "end2-a", "end2-b")}


def test_take_splits_an_amount_over_lots_in_order_and_skips_the_empty() -> None:
    one, two, three = a_lot("1"), a_lot("2"), a_lot("3")
    parts = [(lot.lot_id, part) for lot, part in take([(one, 2), (two, 0), (three, 5)], 4)]
    assert parts == [("1", 2), ("3", 2)]


def test_take_gives_what_there_is_and_no_more() -> None:
    assert [part for _, part in take([(a_lot(), 2)], 9)] == [2]
    assert list(take([], 3)) == []


# -- when a lot is usable ----------------------------------------------------------------------


def test_a_lot_is_usable_from_its_start_up_to_and_not_at_its_end() -> None:
    lot = a_lot(effective_at=NOW, expires_at=NOW + DAY)
    assert not lot.usable(NOW - MICROSECOND)
    assert lot.usable(NOW)
    assert lot.usable(NOW + DAY - MICROSECOND)
    assert not lot.usable(NOW + DAY)


def test_a_lot_pays_a_session_only_if_it_ends_after_the_session_starts() -> None:
    lot = a_lot(expires_at=NOW + DAY)
    assert lot.usable(NOW, NOW + DAY - MICROSECOND)
    assert not lot.usable(NOW, NOW + DAY)
    assert a_lot().usable(NOW, FOREVER - DAY)


def test_a_frozen_lot_is_not_usable_while_any_cause_stands() -> None:
    lot = a_lot(frozen=freezes("dispute/1", "dispute/2"))
    assert not lot.usable(NOW)
    assert not replace(lot, frozen=freezes("dispute/2")).usable(NOW)
    assert replace(lot, frozen=()).usable(NOW)


# -- balance -----------------------------------------------------------------------------------


def test_the_balance_is_what_lots_hold_minus_what_is_owed_and_may_be_negative() -> None:
    assert a_wallet(a_lot("1", 3), a_lot("2", 2), debts=(a_debt(amount=1),)).balance == 4
    assert a_wallet(debts=(a_debt("b1", 2), a_debt("b2", 1))).balance == -3
    assert a_wallet().balance == 0


def test_a_lot_counts_for_the_balance_until_its_end_and_not_at_it() -> None:
    wallet = a_wallet(a_lot(remaining=3, expires_at=NOW), a_lot("2", 1), debts=(a_debt(amount=2),))
    assert wallet.balance_at(NOW - MICROSECOND) == 2
    assert wallet.balance_at(NOW) == -1
    assert wallet.balance == 2  # not yet written off


def test_future_and_frozen_credits_count_for_the_balance_but_are_not_available() -> None:
    wallet = a_wallet(a_lot("f", 2, effective_at=NOW + DAY), a_lot("z", 3, frozen=freezes("dispute/1")))
    assert wallet.balance_at(NOW) == 5
    assert available(wallet, NOW, settings=RULES) == 0
    assert available(wallet, NOW + DAY, settings=RULES) == 2


# -- available ---------------------------------------------------------------------------------


def test_what_a_living_hold_sets_aside_is_not_available() -> None:
    wallet = a_wallet(a_lot("1", 3), a_lot("2", 2), holds=(a_hold(("1", 2), ("2", 1)),))
    assert available(wallet, NOW, settings=RULES) == 2
    assert [wallet.free(lot, NOW) for lot in wallet.open_lots] == [1, 1]


def test_a_hold_lapses_at_its_instant_before_any_job_runs() -> None:
    wallet = a_wallet(a_lot("1", 3), holds=(a_hold(("1", 2), until=NOW + HOUR),))
    assert available(wallet, NOW + HOUR - MICROSECOND, settings=RULES) == 1
    assert available(wallet, NOW + HOUR, settings=RULES) == 3


def test_two_holds_on_one_lot_add_up() -> None:
    holds = (a_hold(("1", 2)), a_hold(("1", 1), hold_id="h2", until=NOW + 2 * HOUR))
    wallet = a_wallet(a_lot("1", 5), holds=holds)
    assert wallet.held("1", NOW) == 3
    assert available(wallet, NOW, settings=RULES) == 2
    assert available(wallet, NOW + HOUR, settings=RULES) == 4


def test_debts_that_lots_could_repay_are_not_available_again() -> None:
    assert available(a_wallet(a_lot(remaining=3), debts=(a_debt(amount=2),)), NOW, settings=RULES) == 1
    assert available(a_wallet(a_lot(remaining=3), debts=(a_debt(amount=5),)), NOW, settings=RULES) == 0


def test_a_debt_for_a_session_after_a_lots_end_does_not_lessen_that_lot() -> None:
    lot = a_lot(remaining=3, expires_at=NOW + DAY)
    debt = a_debt(amount=2, starts_at=NOW + DAY)
    assert available(a_wallet(lot, debts=(debt,)), NOW, settings=RULES) == 3
    assert available(a_wallet(lot, debts=(replace(debt, starts_at=NOW + DAY - MICROSECOND),)), NOW, settings=RULES) == 1


def test_a_debt_without_a_session_can_be_repaid_by_any_usable_lot() -> None:
    lot = a_lot(remaining=3, expires_at=NOW + HOUR)
    debt = a_debt("op-1", 2, cause=DebtCause.STAFF, starts_at=None)
    assert available(a_wallet(lot, debts=(debt,)), NOW, settings=RULES) == 1


def test_when_credits_must_only_cover_the_booking_any_lot_could_repay_any_debt() -> None:
    wallet = a_wallet(a_lot(remaining=3, expires_at=NOW + DAY), debts=(a_debt(starts_at=NOW + 9 * DAY),))
    assert available(wallet, NOW, settings=RULES) == 3
    assert available(wallet, NOW, settings=ANY_END) == 2
    assert available(wallet, NOW, NOW + 9 * DAY, settings=ANY_END) == 2


def test_debts_are_set_against_lots_so_that_as_many_as_possible_would_be_repaid() -> None:
    """The late session fits only the lasting lot, the early one only needs the short lot."""
    short, lasting = a_lot("short", 1, expires_at=NOW + 2 * DAY), a_lot("lasting", 1)
    early = a_debt("early", 1, starts_at=NOW + DAY)
    late = a_debt("late", 1, starts_at=NOW + 9 * DAY)
    assert available(a_wallet(short, lasting, debts=(early, late)), NOW, settings=RULES) == 0
    assert available(a_wallet(lasting, short, debts=(late, early)), NOW, settings=RULES) == 0


def test_neither_future_nor_frozen_lots_could_repay_so_debts_weigh_on_the_usable_ones_alone() -> None:
    wallet = a_wallet(
        a_lot("now", 2),
        a_lot("future", 5, effective_at=NOW + DAY),
        a_lot("frozen", 5, frozen=freezes("dispute/1")),
        debts=(a_debt(amount=1),),
    )
    assert available(wallet, NOW, settings=RULES) == 1


def test_available_for_a_session_counts_only_lots_that_last_until_it_starts() -> None:
    wallet = a_wallet(a_lot("1", 2, expires_at=NOW + DAY), a_lot("2", 3, expires_at=NOW + 3 * DAY))
    assert available(wallet, NOW, NOW + HOUR, settings=RULES) == 5
    assert available(wallet, NOW, NOW + 2 * DAY, settings=RULES) == 3
    assert available(wallet, NOW, NOW + 3 * DAY, settings=RULES) == 0


# -- replacing lots and debts ------------------------------------------------------------------


def test_an_emptied_lot_stays_known_until_it_is_stored_apart() -> None:
    lot = a_lot("1", 2, frozen=freezes("dispute/1"))
    emptied = a_wallet(lot).with_lot(replace(lot, remaining=0))
    assert (emptied.open_lots, emptied.open_count) == ((), 0)
    assert emptied.lot("1") == replace(lot, remaining=0)
    emptied = a_wallet(*emptied.lots, *(a_lot(n, 0, granted=1) for n in ("2", "3")))
    kept, closed = emptied.without_closed(NOW, most=20)
    assert ([each.lot_id for each in kept.lots], closed) == (["2", "3"], (replace(lot, remaining=0, frozen=()),))
    assert kept.knowing(closed).lot("1") == closed[0]


def test_no_more_emptied_lots_leave_than_there_is_room_for() -> None:
    wallet = a_wallet(*(a_lot(str(n), 0, granted=1, expires_at=NOW) for n in range(5)), a_lot("full", 1))
    kept, closed = wallet.without_closed(NOW, most=3)
    assert (len(closed), [lot.lot_id for lot in kept.lots]) == (3, ["3", "4", "full"])


def test_an_emptied_lot_that_rolled_over_stays_while_its_end_may_be_corrected() -> None:
    rolled = a_lot("1", 0, granted=2, source=LotSource.ROLLED_OVER, expires_at=NOW + DAY)
    assert a_wallet(rolled).without_closed(NOW, most=20)[1] == ()
    assert a_wallet(rolled).without_closed(NOW + DAY, most=20)[1] == (rolled,)


def test_a_debt_of_nothing_leaves_the_wallet_and_one_debt_replaces_only_its_own() -> None:
    of_booking, of_staff = a_debt("x", 2), a_debt("x", 3, cause=DebtCause.STAFF)
    wallet = a_wallet(debts=(of_booking, of_staff))
    assert wallet.with_debt(replace(of_booking, amount=0)).debts == (of_staff,)
    assert wallet.with_debt(replace(of_booking, amount=1)).debt == 4


@pytest.mark.parametrize("remaining", [-1, 4])
def test_a_lot_beyond_its_bounds_is_a_programmers_mistake(remaining: int) -> None:
    with pytest.raises(AssertionError):
        a_wallet().with_lot(replace(a_lot(remaining=3), remaining=remaining))


def test_a_lots_source_reads_as_its_word() -> None:
    assert [str(source) for source in (LotSource.PURCHASE, LotSource.GRACE)] == ["purchase", "grace"]
