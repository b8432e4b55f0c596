"""The laws of the domain, each for any wallet: what every settling, decision, spend and return keeps."""

from dataclasses import replace
from datetime import datetime
from itertools import product

from hypothesis import assume, given
from hypothesis import strategies as st

from client_credits.domain.bookings.booking import BookingState, after_cancelled, restore, spend
from client_credits.domain.bookings.deciding import Rule, decide
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Change, Entry, untouched
from client_credits.domain.ledger.settling import next_due, settle
from client_credits.domain.ledger.wallet import Lot, Wallet, available, burn_order
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.practice.settings import Settings
from tests.property.strategies import act_at, hour, lots, opened, plain_wallets, rules, wallets
from tests.support.builders import DAY, HOUR, NOW, a_booking, cancelled

seats = st.integers(1, 6)


def settled(wallet: Wallet, at: datetime, settings: Settings, **more: object) -> Change:
    return settle(untouched(wallet), at, settings, **more)  # type: ignore[arg-type]


def contents(wallet: Wallet) -> tuple[object, ...]:
    """What a wallet holds, whatever the order it is stored in and however many entries led there."""
    coming = frozenset((c.source_id, c.number, c.count) for c in wallet.coming)
    return frozenset(wallet.open_lots), frozenset(wallet.debts), frozenset(wallet.holds), coming


def said(entries: tuple[Entry, ...]) -> list[object]:
    """What entries tell, without when they were written and as which number."""
    return [(e.kind, e.source_id, e.amount, e.balance_after, e.postings, e.occurred_at) for e in entries]


# -- settling ----------------------------------------------------------------------------------


@given(wallets(), rules(), hour())
def test_settling_keeps_every_law(wallet: Wallet, settings: Settings, now: datetime) -> None:
    known, history = opened(wallet)
    assert breaches(known, history) == []
    change = settled(known, now, settings)
    assert breaches(change.wallet, [*history, *change.entries]) == []
    assert change.wallet.balance == wallet.balance + sum(e.amount for e in change.entries)
    assert all(e.occurred_at <= e.recorded_at == now for e in change.entries)


@given(plain_wallets(), rules(auto_repay=False), hour())
def test_writing_lots_off_changes_nothing_about_now(wallet: Wallet, settings: Settings, now: datetime) -> None:
    """An ended lot is worth nothing at its instant, written off or not."""
    assert settled(wallet, now, settings).wallet.balance_at(now) == wallet.balance_at(now)


@given(wallets(), rules(), hour())
def test_settling_twice_is_settling_once(wallet: Wallet, settings: Settings, now: datetime) -> None:
    assert not settled(settled(wallet, now, settings).wallet, now, settings).made


@given(wallets(), rules(), hour(), hour())
def test_settling_in_between_makes_no_difference(
    wallet: Wallet, settings: Settings, one: datetime, other: datetime
) -> None:
    first, last = sorted([one, other])
    half = settled(wallet, first, settings)
    whole = settled(wallet, last, settings)
    rest = settled(half.wallet, last, settings)
    assert contents(rest.wallet) == contents(whole.wallet)
    assert said(half.entries + rest.entries) == said(whole.entries)


@given(wallets(), rules(), hour(), st.integers(2, 5))
def test_settling_in_parts_comes_to_the_same_wallet(
    wallet: Wallet, settings: Settings, now: datetime, limit: int
) -> None:
    whole = settled(wallet, now, settings)
    parts: list[Entry] = []
    for _ in range(60):
        change = settled(wallet, now, settings, limit=limit)
        assert len(change.entries) + len(change.repayments) <= limit
        parts += change.entries
        if not change.made:
            break
        wallet = change.wallet
    assert contents(wallet) == contents(whole.wallet)
    assert [e.occurred_at for e in parts] == sorted(e.occurred_at for e in parts)


@given(wallets(), rules(), hour(), st.randoms(use_true_random=False))
def test_the_order_in_which_lots_and_debts_are_stored_is_irrelevant(
    wallet: Wallet, settings: Settings, now: datetime, chance: object
) -> None:
    shuffled_lots, shuffled_debts = list(wallet.open_lots), list(wallet.debts)
    chance.shuffle(shuffled_lots)  # type: ignore[attr-defined]
    chance.shuffle(shuffled_debts)  # type: ignore[attr-defined]
    other = replace(wallet, lots=tuple(shuffled_lots), debts=tuple(shuffled_debts), coming=wallet.coming[::-1])
    one, two = settled(wallet, now, settings), settled(other, now, settings)
    assert contents(one.wallet) == contents(two.wallet)
    assert one.entries == two.entries
    assert one.repayments == two.repayments
    assert next_due(one.wallet, now, settings) == next_due(two.wallet, now, settings)
    for count in (1, 3):
        asked = [decide(c.wallet, count, now + 3 * HOUR, now, settings) for c in (one, two)]
        assert asked[0] == asked[1]


@given(wallets(), rules(), hour())
def test_nothing_falls_due_before_the_next_due_instant(wallet: Wallet, settings: Settings, now: datetime) -> None:
    """The sweep may sleep until then: a moment before it there is nothing to write."""
    wallet = settled(wallet, now, settings).wallet
    due = next_due(wallet, now, settings)
    assert due is None or due > now
    for ahead in range(1, 40):
        moment = now + ahead * HOUR
        if due is None or moment < due:
            assert settled(wallet, moment, settings).entries == ()


def left(wallet: Wallet, lot: Lot, now: datetime) -> int:
    """What a lot has beyond what living holds set aside."""
    held = [n for hold in wallet.holds if now < hold.expires_at for lot_id, n in hold.parts if lot_id == lot.lot_id]
    return lot.remaining - sum(held)


# -- numbers -----------------------------------------------------------------------------------


def most_repaid(wallet: Wallet, usable: list[Lot], now: datetime, cover: bool) -> int:
    """How many credits of debts `usable` lots could repay: the best matching of single credits."""
    credits = [lot for lot in usable for _ in range(left(wallet, lot, now))]
    owed = [debt for debt in wallet.debts for _ in range(debt.amount)]
    fits = [
        [i for i, lot in enumerate(credits) if not cover or debt.starts_at is None or lot.end > debt.starts_at]
        for debt in owed
    ]
    taken: dict[int, int] = {}  # credit -> owed

    def place(unit: int, seen: set[int]) -> bool:
        for credit in fits[unit]:
            if credit not in seen:
                seen.add(credit)
                if credit not in taken or place(taken[credit], seen):
                    taken[credit] = unit
                    return True
        return False

    return sum(place(unit, set()) for unit in range(len(owed)))


@given(wallets(), hour(), st.none() | hour(), st.booleans())
def test_available_is_what_is_left_when_as_many_debts_as_possible_are_repaid(
    wallet: Wallet, now: datetime, starts_at: datetime | None, cover: bool
) -> None:
    usable = [
        lot
        for lot in wallet.open_lots
        if lot.effective_at <= now < lot.end
        and not lot.frozen
        and (starts_at is None or not cover or lot.end > starts_at)
    ]
    free = sum(left(wallet, lot, now) for lot in usable)
    expected = free - most_repaid(wallet, usable, now, cover)
    assert (
        available(wallet, now, starts_at, settings=Settings(credit_must_cover="session" if cover else "booking"))
        == expected
    )


@given(wallets(), st.permutations(range(5)))
def test_burn_order_is_one_order(wallet: Wallet, order: list[int]) -> None:
    shuffled = [wallet.open_lots[n] for n in order if n < len(wallet.open_lots)]
    assert burn_order(shuffled) == burn_order(wallet.open_lots)


# -- deciding ----------------------------------------------------------------------------------


@given(wallets(), rules(), seats, hour(0), st.booleans())
def test_a_decision_takes_only_what_is_free_and_accounts_for_every_seat(
    wallet: Wallet, settings: Settings, count: int, starts_at: datetime, bookable: bool
) -> None:
    wallet = settled(wallet, NOW, settings).wallet
    decision = decide(wallet, count, starts_at, NOW, settings, bookable)
    cover = settings.credit_must_cover == "session"
    assert decision.available == available(wallet, NOW, starts_at, settings=settings)
    if not decision.allowed:
        assert decision.takes == ()
        assert decision.rule is None
        assert decision.shortfall == count - min(count, decision.available) > 0
        return
    assert sum(part for _, part in decision.takes) + decision.shortfall == count
    assert sum(part for _, part in decision.takes) == min(count, decision.available)
    taken = [lot for lot, _ in decision.takes]
    assert taken == burn_order(taken)
    for lot, part in decision.takes:
        assert 0 < part <= left(wallet, lot, NOW)
        assert lot.usable(NOW, starts_at if cover else None)


@given(wallets(), rules(), seats, hour(0), st.booleans())
def test_every_accepted_shortfall_names_a_rule_and_stays_within_the_limit(
    wallet: Wallet, settings: Settings, count: int, starts_at: datetime, bookable: bool
) -> None:
    wallet = settled(wallet, NOW, settings).wallet
    decision = decide(wallet, count, starts_at, NOW, settings, bookable)
    if decision.allowed and decision.shortfall:
        by_setting, by_type = Rule.ALLOWED_WITHOUT_CREDITS, Rule.TYPE_BOOKABLE_WITHOUT_CREDITS
        assert decision.rule is (by_setting if settings.allow_booking_without_credits else by_type)
        assert settings.allow_booking_without_credits or bookable
        limit = settings.max_negative
        assert limit == "unlimited" or wallet.debt + decision.shortfall <= limit
    else:
        assert decision.rule is None


# -- spending and returning --------------------------------------------------------------------


@given(wallets(), rules(), seats, hour(0), st.booleans())
def test_a_spend_keeps_every_law(
    wallet: Wallet, settings: Settings, count: int, starts_at: datetime, bookable: bool
) -> None:
    known, history = opened(wallet)
    before = settled(known, NOW, settings)
    booking = a_booking("new", count, starts_at=starts_at)
    change, booked, _ = spend(before, booking, act_at(NOW), settings, bookable)
    assert breaches(change.wallet, [*history, *change.entries], [booked]) == []
    if booked.state is BookingState.REFUSED:
        assert change is before
    else:
        assert change.wallet.balance == before.wallet.balance - count


@given(wallets(), rules(restore_on_cancel=True, allow_booking_without_credits=True), seats, hour(0, 3))
def test_a_spend_undone_at_once_leaves_the_wallet_as_it_was(
    wallet: Wallet, settings: Settings, count: int, starts_at: datetime
) -> None:
    """Nothing has expired in between, and no grace applies."""
    settings = replace(settings, restore_grace_days_client=0, max_negative="unlimited")
    before = settled(wallet, NOW, settings)
    change, booked, _ = spend(before, a_booking("new", count, starts_at=starts_at), act_at(NOW), settings, False)
    known, _ = after_cancelled(booked, cancelled("new", occurred_at=NOW))
    change, after = restore(change, known, act_at(NOW, source_id="op/2"), settings, room=40)
    assert contents(change.wallet) == contents(before.wallet)
    assert after.returned == count


@given(wallets(), rules(restore_on_cancel=True), seats, hour(0, 3), hour(0), st.booleans())
def test_a_cancellation_gives_back_all_that_was_taken_and_keeps_every_law(
    wallet: Wallet, settings: Settings, count: int, starts_at: datetime, later: datetime, by_practice: bool
) -> None:
    known, history = opened(wallet)
    change, booked, _ = spend(
        settled(known, NOW, settings), a_booking("new", count, starts_at=starts_at), act_at(NOW), settings, True
    )
    assume(booked.state is BookingState.BOOKED)
    change = settle(change, later, settings)
    booked = booked.paid_by(change.wallet, change.repayments)
    before = change.wallet.balance
    by = "practice" if by_practice else "client"
    event = cancelled("new", by, occurred_at=later)  # type: ignore[arg-type]
    asked, _ = after_cancelled(booked, event)
    change, after = restore(change, asked, act_at(later, source_id="op/2"), settings, room=40)
    returned = [e for e in change.entries if e.source_id == "op/2" and e.kind == "restored"]
    assert [e.amount for e in returned] == [count] == [after.returned]
    lost = sum(e.amount for e in change.entries if e.source_id == "op/2" and e.kind == "expired")
    assert change.wallet.balance == before + count + lost
    assert breaches(change.wallet, [*history, *change.entries], [after]) == []


@given(wallets(), rules(), lots("new"), hour(-6, 0))
def test_a_grant_however_late_keeps_every_law(wallet: Wallet, settings: Settings, lot: Lot, paid_at: datetime) -> None:
    known, history = opened(wallet)
    lot = replace(lot, remaining=lot.granted, effective_at=max(lot.effective_at, paid_at), frozen=())
    before = settled(known, NOW, settings)
    change = add_lot(before, lot, act_at(NOW, paid_at), settings, room=40)
    assert breaches(change.wallet, [*history, *change.entries]) == []
    assert change.wallet.granted_total == before.wallet.granted_total + lot.granted
    assert not settled(change.wallet, NOW, settings).made


@given(wallets(), rules(), seats, hour(0))
def test_the_same_question_has_the_same_answer(
    wallet: Wallet, settings: Settings, count: int, starts_at: datetime
) -> None:
    answers = [
        spend(settled(w, NOW, settings), a_booking("new", count, starts_at=starts_at), act_at(NOW), s, False)
        for w, s in product([wallet, replace(wallet)], [settings, replace(settings)])
    ]
    assert all(answer == answers[0] for answer in answers)


@given(lots("a"), lots("b"), rules(auto_repay=True), st.integers(1, 3))
def test_a_million_years_later_only_what_never_ends_is_left(one: Lot, two: Lot, settings: Settings, owed: int) -> None:
    wallet = Wallet("p1", "c1", "follow-up", lots=(one, two))
    after = settled(wallet, NOW + 300_000 * DAY, settings).wallet
    assert after.balance == sum(lot.remaining for lot in (one, two) if lot.expires_at is None)
