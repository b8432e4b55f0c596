"""Bookings: folded from events in any order; spent once, refused, restored to the very lots that paid."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from tests.support.builders import (
    DAY,
    HOUR,
    NOW,
    a_booking,
    a_debt,
    a_hold,
    a_lot,
    a_wallet,
    an_act,
    cancelled,
    created,
    freezes,
    held_by_lot,
    plain,
    stated,
)

from client_credits.domain.bookings.booking import (
    BookedAs,
    Booking,
    BookingSource,
    BookingState,
    CancelledBy,
    Next,
    Origin,
    Payer,
    Refusal,
    after_cancelled,
    after_created,
    restore,
    spend,
)
from client_credits.domain.bookings.deciding import Reason, SessionToBook
from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.ledger.entries import Change, Posting, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import MAX_OPEN, Debt, DebtCause, Lot, LotSource, Wallet
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.practice.settings import Settings


def a_payer(lot: Lot, amount: int = 1) -> Payer:
    return Payer("c1", "follow-up", lot.lot_id, amount)


RULES = Settings()
STRICT = Settings(allow_booking_without_credits=False)
BY_CLIENT, BY_PRACTICE = CancelledBy.CLIENT, CancelledBy.PRACTICE
MICROSECOND = timedelta(microseconds=1)


def spent(
    wallet: Wallet, booking: Booking, settings: Settings = RULES, now: datetime = NOW, **more: bool
) -> tuple[Change, Booking]:
    act = an_act(now, source_id=f"booking/{booking.booking_id}/created")
    change, booked, _ = spend(untouched(wallet), booking, act, settings, more.get("bookable_without_credits", False))
    return change, booked


def returned(
    wallet: Wallet,
    booking: Booking,
    settings: Settings = RULES,
    by: CancelledBy | None = BY_CLIENT,
    at: datetime = NOW + HOUR,
    now: datetime | None = None,
) -> tuple[Change, Booking]:
    """What a cancellation does, the wallet settled before it as every operation does."""
    now = now or at
    act = an_act(now, at, source_id=f"booking/{booking.booking_id}/cancelled")
    event = cancelled(booking.booking_id, by, occurred_at=at)
    booking, step = after_cancelled(booking, event)
    assert step is Next.RESTORE
    before = settle(untouched(wallet), now, settings)
    change, after = restore(before, booking.paid_by(before.wallet, before.repayments), act, settings, room=40)
    return replace(change, entries=change.entries[len(before.entries) :]), after


# -- folding events ----------------------------------------------------------------------------


def test_a_booking_not_heard_of_spends() -> None:
    booking, step = after_created(None, created("b1", seats=2, kind=BookedAs.EVENT, origin=Origin.STAFF))
    assert step is Next.SPEND
    assert booking
    assert (booking.state, booking.client_id, booking.created_at) == (BookingState.BOOKED, "c1", NOW)
    assert booking.session == SessionToBook("follow-up", NOW + 2 * DAY, 2)
    assert (booking.kind, booking.origin) == ("event", "staff")


@pytest.mark.parametrize("later", [timedelta(0), HOUR, -HOUR])
def test_a_booking_that_stands_is_not_spent_again(later: timedelta) -> None:
    booking = a_booking(created_at=NOW)
    assert after_created(booking, created(occurred_at=NOW + later, seats=9)) == (booking, Next.NOTHING)


def a_refused() -> Booking:
    refusal = Refusal(Reason.INSUFFICIENT, 0, 1, NOW)
    return replace(a_booking(), state=BookingState.REFUSED, refusal=refusal)


def test_a_refused_booking_is_tried_again_by_a_newer_event_only() -> None:
    again, step = after_created(a_refused(), created(occurred_at=NOW + MICROSECOND, seats=2))
    assert step is Next.SPEND
    assert again
    assert again.session == SessionToBook("follow-up", NOW + 2 * DAY, 2)
    for old in (NOW, NOW - HOUR):
        assert after_created(a_refused(), created(occurred_at=old)) == (a_refused(), Next.NOTHING)


def test_cancelled_before_created_is_remembered_and_spends_nothing() -> None:
    booking, step = after_cancelled(None, cancelled(client_id=None, occurred_at=NOW))
    assert (booking.state, booking.session, step) == (BookingState.CANCELLED, None, Next.NOTE)
    for when in (NOW - HOUR, NOW + HOUR):
        known, step = after_created(booking, created(occurred_at=when))
        assert known
        assert (known.state, known.client_id, step) == (BookingState.CANCELLED, "c1", Next.NOTE)
        assert known.session == created().session
        assert after_created(known, created(occurred_at=when + DAY))[1] is Next.NOTHING


@pytest.mark.parametrize("later", [timedelta(0), DAY, -DAY])
def test_a_cancelled_booking_is_not_cancelled_again(later: timedelta) -> None:
    once, step = after_cancelled(a_booking(), cancelled(occurred_at=NOW))
    assert step is Next.RESTORE
    again = cancelled(by=BY_PRACTICE, occurred_at=NOW + later)
    assert after_cancelled(once, again) == (once, Next.NOTHING)


def test_a_refused_booking_that_is_cancelled_gives_nothing_back() -> None:
    booking, step = after_cancelled(a_refused(), cancelled(occurred_at=NOW + HOUR))
    assert (booking.state, step) == (BookingState.CANCELLED, Next.NOTE)
    assert after_created(booking, created(occurred_at=NOW + DAY))[1] is Next.NOTHING


def test_the_client_is_learned_from_whichever_event_names_one_and_then_stays() -> None:
    unnamed = replace(a_booking(), client_id=None)
    assert after_cancelled(unnamed, cancelled(client_id="c7"))[0].client_id == "c7"
    assert after_cancelled(a_booking(), cancelled(client_id="c7"))[0].client_id == "c1"
    early, _ = after_cancelled(None, cancelled(client_id="c7"))
    known, _ = after_created(early, created(client_id="c8"))
    assert known
    assert known.client_id == "c7"


def test_a_booking_keeps_where_it_comes_from_and_what_it_belongs_to() -> None:
    ids = {"series_id": "s1", "hold_id": "h1", "location_id": "room-7", "provider_id": "dr-3"}
    source = BookingSource("square", "sq_1", 2)
    booking, _ = after_created(None, created(previous_booking_id="b0", source=source, **ids))
    assert {name: getattr(booking, name) for name in ids} == ids
    assert (booking.moved_from, booking.source) == ("b0", source)


def unidentified(refused: bool) -> Booking:
    """A booking without a client: refused, or standing and free."""
    begun = a_booking(client_id=None, created_at=NOW)
    if refused:
        return replace(begun, state=BookingState.REFUSED, refusal=Refusal(Reason.UNIDENTIFIED, 0, 1, NOW))
    return replace(begun, free=Reason.UNIDENTIFIED)


@pytest.mark.parametrize("refused", [True, False])
@pytest.mark.parametrize("later", [timedelta(0), HOUR, -HOUR])
def test_the_created_that_names_the_client_spends_whatever_its_time(refused: bool, later: timedelta) -> None:
    before = unidentified(refused)
    named = created(occurred_at=NOW + later, seats=2)
    booking, step = after_created(before, named)
    assert (step, booking.client_id, booking.free) == (Next.SPEND, "c1", None)
    assert booking.session == named.session
    assert after_created(before, created(client_id=None, occurred_at=NOW))[1] is Next.NOTHING


@pytest.mark.parametrize("free", [Reason.CREDITS_DISABLED, Reason.NOT_TRACKED])
def test_a_booking_that_is_free_for_another_reason_only_learns_its_client(free: Reason) -> None:
    before = replace(a_booking(client_id=None), free=free)
    assert after_created(before, created()) == (replace(before, client_id="c1"), Next.NOTE)


def test_a_cancelled_booking_learns_its_client_from_any_later_event_and_spends_nothing() -> None:
    dropped, _ = after_cancelled(unidentified(refused=False), cancelled(client_id=None))
    assert after_created(dropped, created()) == (replace(dropped, client_id="c1"), Next.NOTE)
    assert after_cancelled(dropped, cancelled(client_id="c1")) == (replace(dropped, client_id="c1"), Next.NOTE)


def test_a_refusal_dated_ahead_is_repeated_by_nothing_but_a_newer_event() -> None:
    ahead = NOW + 900 * DAY
    refused = replace(a_refused(), created_stated_at=ahead)
    assert after_created(refused, created(occurred_at=NOW + HOUR, stated_at=ahead))[1] is Next.NOTHING
    assert after_created(refused, created(occurred_at=ahead))[1] is Next.NOTHING, "its time has come meanwhile"
    assert after_created(refused, created(occurred_at=NOW + HOUR))[1] is Next.SPEND
    assert after_created(refused, created(occurred_at=NOW + HOUR, stated_at=ahead + DAY))[1] is Next.SPEND


# -- spending ----------------------------------------------------------------------------------


def test_a_booking_spends_one_credit_per_seat_over_several_lots_and_lists_each() -> None:
    never, ends = a_lot("never", 5), a_lot("ends", 2, expires_at=NOW + 9 * DAY)
    change, booked = spent(a_wallet(never, ends), a_booking(seats=3))
    assert stated(change) == [("spent", -3)]
    assert plain(change.entries[0].postings) == (Posting(-2, lot_id="ends"), Posting(-1, lot_id="never"))
    assert held_by_lot(change.wallet) == {"never": 4}
    assert booked.payers == (a_payer(ends, 2), a_payer(never, 1))
    assert (booked.state, booked.rule, booked.refusal) == (BookingState.BOOKED, None, None)


def test_a_spend_that_credits_cover_makes_no_debt_and_names_no_rule() -> None:
    change, _ = spent(a_wallet(a_lot()), a_booking())
    assert change.wallet.debts == ()
    assert "rule" not in change.entries[0].cause.ids


def test_the_missing_part_becomes_debt_by_the_rule_that_the_entry_names() -> None:
    change, booked = spent(a_wallet(a_lot("l1", 1)), a_booking("b9", seats=3))
    assert stated(change) == [("spent", -3)]
    assert plain(change.entries[0].postings) == (Posting(-1, lot_id="l1"), Posting(-2, debt="b9"))
    assert change.wallet.debts == (Debt(DebtCause.BOOKING, "b9", 2, NOW, NOW + 2 * DAY),)
    assert change.wallet.balance == -2
    assert change.entries[0].cause.ids["rule"] == booked.rule == "allow_booking_without_credits"


def test_a_type_bookable_without_credits_is_named_as_the_rule() -> None:
    change, booked = spent(a_wallet(), a_booking(), STRICT, bookable_without_credits=True)
    assert change.entries[0].cause.ids["rule"] == booked.rule == "bookable_without_credits"


def test_a_refusal_is_recorded_with_its_numbers_and_changes_no_wallet() -> None:
    wallet = a_wallet(a_lot(remaining=1))
    change, refused = spent(wallet, a_booking(seats=3), STRICT)
    assert (change.wallet, change.entries) == (wallet, ())
    assert refused.state is BookingState.REFUSED
    assert refused.refusal == Refusal(Reason.INSUFFICIENT, 1, 2, NOW)
    assert refused.payers == ()


@pytest.mark.parametrize(
    ("wallet", "settings", "reason"),
    [
        (a_wallet(), STRICT, Reason.INSUFFICIENT),
        (a_wallet(a_lot(expires_at=NOW + 2 * DAY)), STRICT, Reason.EXPIRES_BEFORE_SESSION),
        (a_wallet(a_lot(effective_at=NOW + HOUR)), STRICT, Reason.NOT_EFFECTIVE_YET),
        (a_wallet(a_lot(frozen=freezes("dispute/1"))), STRICT, Reason.FROZEN),
        (a_wallet(), Settings(max_negative=0), Reason.LIMIT_REACHED),
    ],
)
def test_each_refusal_says_why(wallet: Wallet, settings: Settings, reason: Reason) -> None:
    _, refused = spent(wallet, a_booking(), settings)
    assert refused.refusal
    assert refused.refusal.reason is reason


def test_a_refused_booking_that_is_let_through_later_is_refused_no_more() -> None:
    _, booked = spent(a_wallet(a_lot()), a_refused())
    assert (booked.state, booked.refusal) == (BookingState.BOOKED, None)


def test_of_two_bookings_of_the_last_credit_the_first_gets_it() -> None:
    first, one = spent(a_wallet(a_lot(remaining=1)), a_booking("b1"), STRICT)
    second, two = spent(first.wallet, a_booking("b2"), STRICT)
    assert (one.state, two.state) == (BookingState.BOOKED, BookingState.REFUSED)
    assert second.wallet.balance == 0


def test_held_credits_are_not_spent_by_a_booking() -> None:
    _, refused = spent(a_wallet(a_lot("1", 1), holds=(a_hold(("1", 1)),)), a_booking(), STRICT)
    assert refused.state is BookingState.REFUSED


def test_a_booking_heard_late_owes_since_it_was_booked() -> None:
    act = an_act(NOW, NOW - DAY)
    change, _, _ = spend(untouched(a_wallet()), a_booking(), act, RULES, False)
    assert change.wallet.debts[0].since == NOW - DAY
    early = an_act(NOW, NOW + DAY)  # a clock that runs ahead: never dated later than recorded
    change, _, _ = spend(untouched(a_wallet()), a_booking(), early, RULES, False)
    assert (change.wallet.debts[0].since, change.entries[0].occurred_at) == (NOW, NOW)


def test_a_later_grant_repays_the_debt_and_becomes_a_payer() -> None:
    change, booked = spent(a_wallet(), a_booking("b1", seats=2))
    grown = add_lot(untouched(change.wallet), a_lot("l1", 3), an_act(source_id="g"), RULES, 40)
    assert stated(grown) == [("granted", 3), ("repaid", 0)]
    assert [(p.lot_id, p.amount) for p in booked.paid_by(grown.wallet, grown.repayments).payers] == [("l1", 2)]
    assert replace(booked, booking_id="b2").paid_by(grown.wallet, grown.repayments).payers == ()


# -- restoring ---------------------------------------------------------------------------------


def test_a_cancellation_returns_credits_to_the_very_lots_that_paid() -> None:
    wallet = a_wallet(a_lot("never", 5), a_lot("ends", 2, expires_at=NOW + 9 * DAY))
    change, booked = spent(wallet, a_booking(seats=3))
    change, after = returned(change.wallet, booked)
    assert stated(change) == [("restored", 3)]
    assert plain(change.entries[0].postings) == (Posting(2, lot_id="ends"), Posting(1, lot_id="never"))
    assert set(change.wallet.open_lots) == set(wallet.open_lots)
    assert (after.state, after.returned, [p.kept for p in after.payers]) == (BookingState.CANCELLED, 3, [0, 0])


def test_a_lot_that_had_closed_opens_again_as_it_was() -> None:
    lot = a_lot("l1", 1, granted=4, expires_at=NOW + 9 * DAY, package_id="three-pack", payment="in_1/il_1")
    change, booked = spent(a_wallet(lot), a_booking())
    assert change.wallet.open_lots == ()
    assert returned(change.wallet, booked)[0].wallet.open_lots == (lot,)


def test_the_debt_goes_first_then_the_credits() -> None:
    change, booked = spent(a_wallet(a_lot("l1", 1)), a_booking("b1", seats=3))
    change, after = returned(change.wallet, booked)
    assert plain(change.entries[0].postings) == (Posting(2, debt="b1"), Posting(1, lot_id="l1"))
    assert (change.wallet.debts, held_by_lot(change.wallet)) == ((), {"l1": 1})
    assert after.returned == 3


def test_a_booking_on_debt_alone_returns_its_debt() -> None:
    change, booked = spent(a_wallet(debts=(a_debt("other"),)), a_booking("b1"))
    change, _ = returned(change.wallet, booked)
    assert [d.ref for d in change.wallet.debts] == ["other"]
    assert change.wallet.balance == -1


def test_a_debt_that_was_repaid_returns_to_the_lot_that_repaid_it() -> None:
    owing, booked = spent(a_wallet(), a_booking("b1", seats=2))
    grown = add_lot(untouched(owing.wallet), a_lot("l1", 3), an_act(source_id="g"), RULES, 40)
    change, _ = returned(grown.wallet, booked.paid_by(grown.wallet, grown.repayments))
    assert held_by_lot(change.wallet) == {"l1": 3}


def test_a_debt_repaid_only_by_the_settling_before_the_cancellation_returns_to_that_lot() -> None:
    future = a_lot("l1", 3, effective_at=NOW + HOUR)
    owing, booked = spent(a_wallet(future), a_booking("b1", seats=2))
    assert owing.wallet.debt == 2
    change, _ = returned(owing.wallet, booked, at=NOW + 2 * HOUR)
    assert stated(change) == [("restored", 2)]
    assert (held_by_lot(change.wallet), change.wallet.debts) == ({"l1": 3}, ())


def test_returned_credits_repay_another_debt() -> None:
    change, paid = spent(a_wallet(a_lot("l1", 1)), a_booking("b1"))
    change, _ = spent(change.wallet, a_booking("b2"))
    change, _ = returned(change.wallet, paid)
    assert stated(change) == [("restored", 1), ("repaid", 0)]
    assert (change.wallet.open_lots, change.wallet.debts) == ((), ())
    assert [(r.booking_id, r.lot_id) for r in change.repayments] == [("b2", "l1")]


def test_a_lot_that_paid_twice_gets_both_parts_back() -> None:
    lot = a_lot("l1", 2)
    booked = replace(a_booking(seats=2), payers=(a_payer(lot), a_payer(lot)))
    change, _ = returned(a_wallet(replace(lot, remaining=0)), booked)
    assert change.wallet.open_lots == (lot,)


# -- grace -------------------------------------------------------------------------------------

ENDS = NOW + 3 * DAY


def paid_by_a_lot_that_ends() -> tuple[Wallet, Booking, Lot]:
    lot = a_lot("l1", 2, granted=3, expires_at=ENDS, package_id="three-pack", payment="in_1/il_1")
    change, booked = spent(a_wallet(lot), a_booking(seats=2))
    return change.wallet, booked, lot


def test_while_the_lot_lasts_a_client_gets_the_credits_back_into_it() -> None:
    wallet, booked, lot = paid_by_a_lot_that_ends()
    assert returned(wallet, booked, at=ENDS - MICROSECOND)[0].wallet.open_lots == (lot,)


@pytest.mark.parametrize("by", [BY_CLIENT, None])
def test_without_grace_what_returns_to_an_ended_lot_is_restored_and_expired_in_two_entries(
    by: CancelledBy | None,
) -> None:
    wallet, booked, _ = paid_by_a_lot_that_ends()
    change, after = returned(wallet, booked, by=by, at=ENDS)
    assert stated(change) == [("restored", 2), ("expired", -2)]
    assert [e.occurred_at for e in change.entries] == [ENDS, ENDS]
    assert change.wallet.open_lots == ()
    assert after.returned == 2


def test_several_ended_lots_are_restored_and_expired_in_two_entries_all_the_same() -> None:
    lots = (a_lot("1", 1, expires_at=ENDS), a_lot("2", 1, expires_at=ENDS + DAY))
    change, booked = spent(a_wallet(*lots), a_booking(seats=2))
    change, _ = returned(change.wallet, booked, at=ENDS + 2 * DAY)
    assert stated(change) == [("restored", 2), ("expired", -2)]


def test_the_practices_cancellation_gives_fourteen_days_where_the_lot_ends_sooner() -> None:
    wallet, booked, lot = paid_by_a_lot_that_ends()
    change, _ = returned(wallet, booked, by=BY_PRACTICE, at=NOW + DAY)
    assert stated(change) == [("restored", 2)]
    (grace,) = change.wallet.open_lots
    assert (grace.source, grace.parent) == (LotSource.GRACE, "l1")
    assert (grace.granted, grace.remaining, grace.priority) == (2, 2, lot.priority)
    assert (grace.effective_at, grace.expires_at) == (NOW + DAY, NOW + 15 * DAY)
    assert (grace.payment, grace.value, grace.package_id) == (lot.payment, lot.value, lot.package_id)


def test_a_lot_that_outlasts_the_grace_gets_its_credits_itself() -> None:
    lot = a_lot("l1", 2, expires_at=NOW + 15 * DAY)
    change, booked = spent(a_wallet(lot), a_booking())
    assert returned(change.wallet, booked, by=BY_PRACTICE, at=NOW + DAY)[0].wallet.open_lots == (lot,)
    never = a_lot("l1", 2)
    change, booked = spent(a_wallet(never), a_booking())
    assert returned(change.wallet, booked, by=BY_PRACTICE, at=NOW + DAY)[0].wallet.open_lots == (never,)


def test_each_side_has_its_own_grace() -> None:
    settings = Settings(restore_grace_days_client=5, restore_grace_days_practice=0)
    wallet, booked, lot = paid_by_a_lot_that_ends()
    (grace,) = returned(wallet, booked, settings, BY_CLIENT, NOW + DAY)[0].wallet.open_lots
    assert grace.expires_at == NOW + 6 * DAY
    assert returned(wallet, booked, settings, BY_PRACTICE, NOW + DAY)[0].wallet.open_lots == (lot,)


def test_grace_runs_from_the_cancellation_and_may_be_over_when_it_is_heard() -> None:
    wallet, booked, _ = paid_by_a_lot_that_ends()
    change, _ = returned(wallet, booked, by=BY_PRACTICE, at=NOW + DAY, now=NOW + 20 * DAY)
    assert stated(change) == [("restored", 2), ("expired", -2)]
    assert [e.occurred_at for e in change.entries] == [NOW + DAY, NOW + 15 * DAY]


def test_a_cancellation_heard_after_the_lot_ended_expires_when_the_lot_did() -> None:
    wallet, booked, _ = paid_by_a_lot_that_ends()
    change, _ = returned(wallet, booked, at=NOW + DAY, now=ENDS + DAY)
    assert stated(change) == [("restored", 2), ("expired", -2)]
    assert [e.occurred_at for e in change.entries] == [NOW + DAY, ENDS]


def test_credits_restored_late_repay_a_debt_of_their_time_before_they_expire() -> None:
    """Cancelled on day 1 while the lot lived to day 3, said on day 9: a debt of day 2 is repaid by it."""
    wallet, booked, _ = paid_by_a_lot_that_ends()
    owing = replace(wallet, debts=(a_debt("b2", 1, since=NOW + 2 * DAY, starts_at=NOW + 2 * DAY + HOUR),))
    change, _ = returned(owing, booked, at=NOW + DAY, now=NOW + 9 * DAY)
    assert stated(change) == [("restored", 2), ("repaid", 0), ("expired", -1)]
    assert [e.occurred_at for e in change.entries] == [NOW + DAY, NOW + 2 * DAY, ENDS]
    assert len({(e.source_id, e.kind) for e in change.entries}) == 3


def test_a_grace_lot_is_spent_like_any_other_and_restored_to() -> None:
    wallet, booked, _ = paid_by_a_lot_that_ends()
    graced, _ = returned(wallet, booked, by=BY_PRACTICE, at=NOW + DAY)
    again, rebooked = spent(graced.wallet, a_booking("b2", starts_at=NOW + 10 * DAY), now=NOW + 2 * DAY)
    assert again.wallet.balance == 1
    back, _ = returned(again.wallet, rebooked, at=NOW + 3 * DAY)
    assert back.wallet.open_lots == graced.wallet.open_lots


# -- restoring switched off --------------------------------------------------------------------


@pytest.mark.parametrize("by", [BY_CLIENT, BY_PRACTICE, None])
def test_with_restoring_off_nothing_returns_whoever_cancels_and_history_says_so(by: CancelledBy | None) -> None:
    off = Settings(restore_on_cancel=False)
    change, booked = spent(a_wallet(a_lot("l1", 1)), a_booking("b1", seats=2))
    change, after = returned(change.wallet, booked, off, by)
    assert stated(change) == [("forfeited", 0)]
    assert (change.wallet.open_lots, change.wallet.debt) == ((), 1)
    assert (after.state, after.returned) == (BookingState.CANCELLED, 0)
    assert after.payers == booked.payers  # so that it can be forgiven later


# -- bounds ------------------------------------------------------------------------------------


def test_a_cancellation_returns_its_credits_to_a_wallet_that_is_full() -> None:
    wallet = a_wallet(*(a_lot(f"l{n}", 1) for n in range(MAX_OPEN)), a_lot("gone", 0, granted=1))
    lot = a_lot("gone", 1)
    booked = replace(a_booking(), payers=(a_payer(lot),))
    change, _ = returned(wallet, booked)
    assert (len(change.wallet.open_lots), held_by_lot(change.wallet)["gone"]) == (MAX_OPEN + 1, 1)


def test_a_cancellation_may_pass_a_million_credits() -> None:
    gone = a_lot("gone", 1)
    booked = replace(a_booking(), payers=(a_payer(gone),))
    change, _ = returned(a_wallet(a_lot("all", MAX_CREDITS), replace(gone, remaining=0)), booked)
    assert change.wallet.balance == MAX_CREDITS + 1


def test_more_than_a_lot_was_granted_cannot_return_to_it() -> None:
    lot = a_lot("l1", 3)
    booked = replace(a_booking(), payers=(a_payer(lot),))
    with pytest.raises(AssertionError):
        returned(a_wallet(lot), booked)
