"""Bringing a wallet up to date: lots written off at their end, debts repaid by lots that can."""

from dataclasses import replace
from datetime import timedelta
from time import perf_counter

import pytest
from tests.support.builders import (
    DAY,
    HOUR,
    NOW,
    a_debt,
    a_hold,
    a_lot,
    a_wallet,
    an_act,
    freezes,
    held_by_lot,
    stated,
)

from client_credits.domain.ledger.entries import CauseKind, Change, EntryKind, Posting, untouched
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.wallet import DebtCause, Mark, Wallet
from client_credits.domain.practice.settings import Settings

RULES = Settings()
MICROSECOND = timedelta(microseconds=1)


def settled(wallet: Wallet, at: object = NOW, settings: Settings = RULES, **more: object) -> Change:
    return settle(untouched(wallet), at, settings, **more)  # type: ignore[arg-type]


# -- lots past their end -----------------------------------------------------------------------


def test_a_lot_is_gone_at_its_very_end_and_whole_a_moment_before() -> None:
    wallet = a_wallet(a_lot(remaining=3, expires_at=NOW))
    assert not settled(wallet, NOW - MICROSECOND).made
    change = settled(wallet, NOW)
    assert stated(change) == [("expired", -3)]
    assert change.wallet.open_lots == ()


def test_an_expiry_is_dated_at_the_end_of_the_lot_however_late_it_is_written() -> None:
    (entry,) = settled(a_wallet(a_lot("l1", 2, expires_at=NOW - 5 * DAY))).entries
    assert (entry.occurred_at, entry.recorded_at) == (NOW - 5 * DAY, NOW)
    assert entry.postings == (Posting(-2, lot_id="l1"),)
    assert entry.source_id == "expire/l1/2026-11-17T12:00:00Z"
    assert (entry.cause.kind, entry.cause.ids) == (CauseKind.SCHEDULE, {"lot_id": "l1"})
    assert (entry.actor.kind, entry.actor.actor_id) == ("system", "schedule")


def test_lots_are_written_off_oldest_end_first_each_in_its_own_entry() -> None:
    wallet = a_wallet(a_lot("c", 1), a_lot("b", 2, expires_at=NOW - HOUR), a_lot("a", 3, expires_at=NOW - DAY))
    change = settled(wallet)
    assert stated(change) == [("expired", -3), ("expired", -2)]
    assert [(e.sequence, e.balance_before, e.balance_after) for e in change.entries] == [(1, 6, 3), (2, 3, 1)]
    assert held_by_lot(change.wallet) == {"c": 1}


def test_lots_that_end_together_are_written_off_in_one_order_however_they_are_stored() -> None:
    lots = [a_lot(name, 1, expires_at=NOW - HOUR) for name in "abc"]
    assert settled(a_wallet(*lots)).entries == settled(a_wallet(*reversed(lots))).entries


def test_frozen_credits_expire_too() -> None:
    change = settled(a_wallet(a_lot("z", 2, expires_at=NOW, frozen=freezes("dispute/1"))))
    assert stated(change) == [("expired", -2)]
    assert change.wallet.open_lots == ()
    assert not settled(change.wallet, NOW + DAY).made


def test_credits_that_came_back_while_their_payment_is_in_dispute_are_frozen() -> None:
    marks = (Mark("in_1/il_1", freezes("dispute/dp_1")),)
    wallet = a_wallet(a_lot("1", 2, payment="in_1/il_1"), a_lot("2", 1), marks=marks)
    frozen = {lot.lot_id: lot.frozen for lot in settled(wallet).wallet.open_lots}
    assert frozen == {"1": freezes("dispute/dp_1"), "2": ()}


def test_held_credits_end_with_their_lot() -> None:
    wallet = a_wallet(a_lot("1", 2, expires_at=NOW), holds=(a_hold(("1", 1), until=NOW),))
    change = settled(wallet)
    assert stated(change) == [("expired", -2)]
    assert change.wallet.holds == ()


def test_a_lot_that_never_ends_never_expires() -> None:
    assert not settled(a_wallet(a_lot()), NOW + 100_000 * DAY).made


# -- holds -------------------------------------------------------------------------------------


def test_lapsed_holds_are_dropped_without_an_entry_and_living_ones_stay() -> None:
    living = a_hold(("1", 1), until=NOW + MICROSECOND, hold_id="living")
    change = settled(a_wallet(a_lot("1", 3), holds=(a_hold(("1", 1), until=NOW), living)))
    assert change.wallet.holds == (living,)
    assert change.made
    assert change.entries == ()


# -- debts repaid ------------------------------------------------------------------------------


def test_a_lot_repays_a_debt_and_becomes_the_bookings_payer() -> None:
    lot = a_lot("l1", 3)
    change = settled(a_wallet(lot, debts=(a_debt("b1", 2, since=NOW - HOUR),)))
    assert stated(change) == [("repaid", 0)]
    assert change.entries[0].postings == (Posting(-2, lot_id="l1"), Posting(2, debt="b1"))
    assert (held_by_lot(change.wallet), change.wallet.debts) == ({"l1": 1}, ())
    (repayment,) = change.repayments
    assert (repayment.booking_id, repayment.lot_id, repayment.amount) == ("b1", lot.lot_id, 2)


def test_a_repayment_leaves_the_balance_as_it_was() -> None:
    wallet = a_wallet(a_lot(remaining=3), debts=(a_debt(amount=2),))
    change = settled(wallet)
    assert wallet.balance == change.wallet.balance == 1
    assert (change.entries[0].balance_before, change.entries[0].balance_after) == (1, 1)


def test_the_oldest_debt_is_repaid_first() -> None:
    debts = (a_debt("young", 2, since=NOW - HOUR), a_debt("old", 2, since=NOW - DAY))
    change = settled(a_wallet(a_lot(remaining=3, effective_at=NOW), debts=debts))
    assert [(d.ref, d.amount) for d in change.wallet.debts] == [("young", 1)]


def test_debts_are_repaid_in_burn_order_of_the_lots() -> None:
    wallet = a_wallet(a_lot("never", 2), a_lot("ends", 2, expires_at=NOW + 9 * DAY), debts=(a_debt(amount=3),))
    assert held_by_lot(settled(wallet).wallet) == {"never": 1}


def test_several_lots_may_repay_one_debt_and_each_becomes_a_payer() -> None:
    wallet = a_wallet(a_lot("1", 1), a_lot("2", 1), a_lot("3", 1), debts=(a_debt("b1", 5),))
    change = settled(wallet)
    assert [(r.lot_id, r.amount) for r in change.repayments] == [("1", 1), ("2", 1), ("3", 1)]
    assert (change.wallet.open_lots, change.wallet.debt) == ((), 2)
    assert stated(change) == [("repaid", 0)]


def test_a_debt_of_staff_is_repaid_but_has_no_payer() -> None:
    debt = a_debt("op-1", 1, cause=DebtCause.STAFF, starts_at=None)
    change = settled(a_wallet(a_lot(expires_at=NOW + HOUR), debts=(debt,)))
    assert (stated(change), change.repayments) == ([("repaid", 0)], ())


def test_a_lot_does_not_repay_a_debt_for_a_session_it_could_not_have_paid() -> None:
    wallet = a_wallet(a_lot(expires_at=NOW + DAY), debts=(a_debt(starts_at=NOW + DAY),))
    assert not settled(wallet).made
    assert stated(settled(wallet, settings=Settings(credit_must_cover="booking"))) == [("repaid", 0)]


def test_with_auto_repay_off_debts_stand_beside_credits() -> None:
    wallet = a_wallet(a_lot(), debts=(a_debt(),))
    assert not settled(wallet, settings=Settings(auto_repay=False)).made


@pytest.mark.parametrize("fields", [{"effective_at": NOW + HOUR}, {"frozen": freezes("dispute/1")}])
def test_a_lot_that_is_not_usable_repays_nothing(fields: dict[str, object]) -> None:
    assert not settled(a_wallet(a_lot(**fields), debts=(a_debt(),))).made  # type: ignore[arg-type]


def test_held_credits_repay_nothing_while_the_hold_lives() -> None:
    wallet = a_wallet(a_lot("1", 2), debts=(a_debt(amount=2),), holds=(a_hold(("1", 1)),))
    change = settled(wallet)
    assert (held_by_lot(change.wallet), change.wallet.debt) == ({"1": 1}, 1)


def test_a_repayment_is_dated_when_both_the_debt_and_the_credit_were_there() -> None:
    old_lot = a_wallet(a_lot(effective_at=NOW - 5 * DAY), debts=(a_debt(since=NOW - 2 * DAY),))
    old_debt = a_wallet(a_lot(effective_at=NOW - 2 * DAY), debts=(a_debt(since=NOW - 5 * DAY),))
    for wallet in (old_lot, old_debt):
        (entry,) = settled(wallet).entries
        assert (entry.occurred_at, entry.recorded_at) == (NOW - 2 * DAY, NOW)
    assert settled(old_debt).entries[0].source_id == "repay/lot-1/b1/2026-11-20T12:00:00Z"


def test_credits_set_aside_repay_a_debt_from_the_instant_their_hold_lapses() -> None:
    """`ends` burns first but was held until an hour ago; by then `never` had repaid."""
    wallet = a_wallet(
        a_lot("ends", 1, expires_at=NOW + 9 * DAY),
        a_lot("never", 1),
        debts=(a_debt("b1", 2, since=NOW - 3 * HOUR),),
        holds=(a_hold(("ends", 1), until=NOW - HOUR),),
    )
    change = settled(wallet)
    assert stated(change) == [("repaid", 0), ("repaid", 0)]
    assert [e.occurred_at for e in change.entries] == [NOW - 3 * HOUR, NOW - HOUR]
    assert [r.lot_id for r in change.repayments] == ["never", "ends"]


def test_a_debt_waits_for_the_lapse_of_a_hold() -> None:
    wallet = a_wallet(a_lot("1", 1), debts=(a_debt(),), holds=(a_hold(("1", 1), until=NOW + HOUR),))
    assert next_due(wallet, NOW, RULES) == NOW + HOUR


# -- both, in the order in which they fell due -------------------------------------------------


def test_a_lot_that_lived_when_the_debt_was_made_repays_it_before_it_ends() -> None:
    lot = a_lot(remaining=3, effective_at=NOW - 9 * DAY, expires_at=NOW - DAY)
    debt = a_debt(amount=1, since=NOW - 3 * DAY, starts_at=NOW - 2 * DAY)
    change = settled(a_wallet(lot, debts=(debt,)))
    assert stated(change) == [("repaid", 0), ("expired", -2)]
    assert change.wallet.balance == 0


def test_a_lot_that_had_ended_when_the_debt_was_made_expires_and_repays_nothing() -> None:
    lot = a_lot(remaining=3, effective_at=NOW - 9 * DAY, expires_at=NOW - 3 * DAY)
    debt = a_debt(amount=1, since=NOW - 3 * DAY, starts_at=NOW - 3 * DAY - HOUR)
    change = settled(a_wallet(lot, debts=(debt,)))
    assert stated(change) == [("expired", -3)]
    assert change.wallet.debt == 1


def test_each_debt_waits_for_the_first_lot_that_can_repay_it() -> None:
    """By hand: at -4d `first` repays the old debt, ends at -3d with 1 left; at -2d `second` repays the other."""
    wallet = a_wallet(
        a_lot("first", 2, effective_at=NOW - 4 * DAY, expires_at=NOW - 3 * DAY),
        a_lot("second", 2, effective_at=NOW - 2 * DAY),
        debts=(
            a_debt("old", 1, since=NOW - 5 * DAY, starts_at=NOW - 4 * DAY),
            a_debt("late", 1, since=NOW - 5 * DAY, starts_at=NOW - DAY),
        ),
    )
    change = settled(wallet)
    assert stated(change) == [("repaid", 0), ("expired", -1), ("repaid", 0)]
    assert [e.occurred_at for e in change.entries] == [NOW - 4 * DAY, NOW - 3 * DAY, NOW - 2 * DAY]
    assert held_by_lot(change.wallet) == {"second": 1}
    assert change.wallet.debts == ()


def test_settling_a_settled_wallet_changes_nothing() -> None:
    lots = (a_lot("1", 1, expires_at=NOW - DAY), a_lot("2", 2), a_lot("3", 1, expires_at=NOW + DAY))
    once = settled(a_wallet(*lots, debts=(a_debt(amount=1, starts_at=NOW),)))
    assert once.made
    assert not settled(once.wallet).made


def test_settling_with_nothing_due_leaves_the_very_same_wallet() -> None:
    wallet = a_wallet(a_lot(), a_lot("2", expires_at=NOW + DAY))
    assert settled(wallet).wallet is wallet


# -- as part of an operation -------------------------------------------------------------------


def test_within_an_operation_nothing_falls_due_before_it_happened() -> None:
    wallet = a_wallet(a_lot(expires_at=NOW - 9 * DAY), debts=(a_debt(since=NOW - 8 * DAY),))
    act = an_act(occurred_at=NOW - 2 * DAY, source_id="api/1")
    (entry,) = settled(wallet, act=act).entries
    assert (entry.kind, entry.occurred_at) == (EntryKind.EXPIRED, NOW - 2 * DAY)


def test_an_operation_writes_off_all_lots_at_once_in_one_entry() -> None:
    """One operation makes one entry of a kind in a wallet; it lists each lot."""
    lots = (a_lot("1", 1, expires_at=NOW - DAY), a_lot("2", 2, expires_at=NOW - HOUR))
    change = settled(a_wallet(*lots), act=an_act(source_id="api/1"))
    assert stated(change) == [("expired", -3)]
    assert set(change.entries[0].postings) == {Posting(-1, lot_id="1"), Posting(-2, lot_id="2")}


# -- in parts ----------------------------------------------------------------------------------


def test_with_a_limit_the_oldest_is_done_first_and_the_rest_stays_due() -> None:
    lots = [a_lot(f"l{n}", n, expires_at=NOW - n * DAY) for n in (1, 2, 3)]
    change = settled(a_wallet(*lots), limit=2)
    assert stated(change) == [("expired", -3), ("expired", -2)]
    assert stated(settled(change.wallet, limit=2)) == [("expired", -1)]


def test_a_limit_counts_the_bookings_that_learn_who_repaid_them() -> None:
    """One entry and two bookings: with a limit of 3 the third debt waits."""
    debts = tuple(a_debt(f"b{n}", 1, since=NOW - HOUR) for n in (1, 2, 3))
    change = settled(a_wallet(a_lot(remaining=5), debts=debts), limit=3)
    assert (len(change.entries), len(change.repayments)) == (1, 2)
    assert [d.ref for d in change.wallet.debts] == ["b3"]
    assert not settled(settled(change.wallet, limit=3).wallet).made


def test_a_repayment_that_finds_no_room_keeps_its_turn_before_what_fell_due_later() -> None:
    """With room for one record the repayment (an entry and a booking) must wait; so must the later end."""
    wallet = a_wallet(
        a_lot("gone", 1, expires_at=NOW - 3 * HOUR),
        a_lot("payer", 1, effective_at=NOW - 2 * HOUR, expires_at=NOW - HOUR),
        debts=(a_debt("b1", 1, since=NOW - 2 * HOUR, starts_at=NOW - 90 * timedelta(minutes=1)),),
    )
    change = settled(wallet, limit=2)
    assert stated(change) == [("expired", -1)]
    assert stated(settled(change.wallet, limit=2)) == [("repaid", 0)]


def test_with_no_room_nothing_is_settled() -> None:
    assert not settled(a_wallet(a_lot(expires_at=NOW)), limit=0).made


# -- entries -----------------------------------------------------------------------------------


def test_an_entry_that_does_not_explain_the_whole_change_is_a_programmers_mistake() -> None:
    change = untouched(a_wallet(a_lot("1", 3)))
    with pytest.raises(AssertionError):
        change.record(a_wallet(a_lot("1", 1)), EntryKind.SPENT, an_act(), (Posting(-1, lot_id="1"),))


def test_an_entry_is_never_dated_later_than_it_is_recorded() -> None:
    early = an_act(NOW, NOW + DAY)
    (entry,) = untouched(a_wallet()).record(a_wallet(), EntryKind.FORFEITED, early, ()).entries
    assert (entry.occurred_at, entry.recorded_at) == (NOW, NOW)


def test_an_entrys_id_follows_from_its_wallet_and_number() -> None:
    def entry_id(number: int, **wallet: object) -> str:
        wallet_at = a_wallet(sequence=number - 1)
        acted = replace(wallet_at, **wallet)  # type: ignore[arg-type]
        return untouched(acted).record(acted, EntryKind.FORFEITED, an_act(), ()).entries[0].entry_id

    assert entry_id(1) == entry_id(1)
    others = [entry_id(2), entry_id(1, client_id="c2"), entry_id(1, practice_id="p2")]
    assert len({entry_id(1), *others, entry_id(1, appointment_type="initial")}) == 5


# -- the next instant --------------------------------------------------------------------------


def test_the_next_thing_due_is_the_first_end_of_a_lot_with_credits() -> None:
    wallet = a_wallet(a_lot("1", expires_at=NOW + 2 * DAY), a_lot("2", expires_at=NOW + DAY), a_lot("3"))
    assert next_due(wallet, NOW, RULES) == NOW + DAY
    assert next_due(wallet, NOW + DAY, RULES) == NOW + 2 * DAY
    assert next_due(wallet, NOW + 2 * DAY, RULES) is None


def test_a_debt_waits_for_the_start_of_a_future_lot_that_could_pay_it() -> None:
    lot = a_lot(effective_at=NOW + HOUR, expires_at=NOW + 10 * DAY)
    wallet = a_wallet(lot, debts=(a_debt(),))
    assert next_due(wallet, NOW, RULES) == NOW + HOUR
    assert next_due(wallet, NOW, Settings(auto_repay=False)) == NOW + 10 * DAY
    assert next_due(replace(wallet, debts=()), NOW, RULES) == NOW + 10 * DAY
    ends_too_soon = a_wallet(replace(lot, expires_at=NOW + DAY), debts=(a_debt(),))
    assert next_due(ends_too_soon, NOW, RULES) == NOW + DAY


def test_an_untouched_wallet_has_nothing_due() -> None:
    assert next_due(a_wallet(), NOW, RULES) is None


# -- a wallet as large as it may get -----------------------------------------------------------


def test_a_full_wallet_is_settled_in_no_time() -> None:
    """250 lots beside 250 debts for sessions after their ends: nothing is due, at any of 500 instants."""
    lots = [a_lot(f"l{n}", 1, effective_at=NOW - n * HOUR - HOUR, expires_at=NOW + n * HOUR + HOUR) for n in range(250)]
    debts = tuple(a_debt(f"b{n}", 1, since=NOW - n * HOUR / 2, starts_at=NOW + 99 * DAY) for n in range(250))
    began = perf_counter()
    assert not settled(a_wallet(*lots, debts=debts)).made
    assert perf_counter() - began < 5
