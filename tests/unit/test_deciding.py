"""May this client book this session: which lots would pay, what is owed by which rule, or why not."""

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_debt, a_hold, a_lot, a_wallet, freezes

from client_credits.domain.bookings.deciding import Decision, Reason, Rule, decide
from client_credits.domain.ledger.wallet import MAX_OPEN, Debt, DebtCause, Wallet
from client_credits.domain.practice.settings import Settings

STRICT = Settings(allow_booking_without_credits=False)
OPEN = Settings()
TOMORROW = NOW + DAY


def asked(wallet: Wallet, seats: int = 1, settings: Settings = STRICT, **more: object) -> Decision:
    starts_at = more.pop("starts_at", TOMORROW)
    return decide(wallet, seats, starts_at, NOW, settings, **more)  # type: ignore[arg-type]


def takes(decision: Decision) -> list[tuple[str, int]]:
    return [(lot.lot_id, part) for lot, part in decision.takes]


# -- enough ------------------------------------------------------------------------------------


def test_with_enough_credits_the_lots_that_would_pay_are_named_in_burn_order() -> None:
    wallet = a_wallet(a_lot("never", 3), a_lot("ends", 1, expires_at=NOW + 9 * DAY))
    decision = asked(wallet, seats=3)
    assert (decision.allowed, decision.reason, decision.available) == (True, Reason.OK, 4)
    assert takes(decision) == [("ends", 1), ("never", 2)]
    assert decision.shortfall == 0
    assert decision.rule is None


def test_the_very_last_credit_can_be_booked() -> None:
    assert takes(asked(a_wallet(a_lot("1", 1)))) == [("1", 1)]


def test_a_lot_that_ends_before_the_session_is_passed_over() -> None:
    wallet = a_wallet(a_lot("short", 2, expires_at=TOMORROW), a_lot("long", 1))
    assert takes(asked(wallet)) == [("long", 1)]


def test_when_a_credit_need_only_cover_the_booking_a_lot_may_end_before_the_session() -> None:
    settings = Settings(allow_booking_without_credits=False, credit_must_cover="booking")
    wallet = a_wallet(a_lot("short", 2, expires_at=NOW + HOUR), a_lot("long", 1))
    assert takes(asked(wallet, settings=settings)) == [("short", 1)]


def test_without_a_start_the_session_is_taken_to_be_now() -> None:
    assert asked(a_wallet(a_lot(remaining=1, expires_at=NOW + HOUR)), starts_at=None).allowed


def test_held_credits_are_not_taken() -> None:
    wallet = a_wallet(a_lot("1", 2), a_lot("2", 2), holds=(a_hold(("1", 1)),))
    assert takes(asked(wallet, seats=3)) == [("1", 1), ("2", 2)]
    assert asked(wallet, seats=4).reason is Reason.INSUFFICIENT


def test_credits_that_debts_wait_for_are_not_taken() -> None:
    decision = asked(a_wallet(a_lot(remaining=3), debts=(a_debt(amount=2),)), seats=2)
    assert (decision.allowed, decision.available, decision.shortfall) == (False, 1, 1)


# -- too little, and refused -------------------------------------------------------------------


def test_with_too_little_it_is_refused_with_what_is_missing_and_takes_nothing() -> None:
    decision = asked(a_wallet(a_lot(remaining=1)), seats=3)
    assert decision == Decision(False, Reason.INSUFFICIENT, 1, 2)


def test_an_empty_wallet_is_refused_for_want_of_credits() -> None:
    assert asked(a_wallet()) == Decision(False, Reason.INSUFFICIENT, 0, 1)


def test_credits_that_end_before_the_session_are_the_reason() -> None:
    decision = asked(a_wallet(a_lot(remaining=2, expires_at=TOMORROW)), seats=2)
    assert (decision.reason, decision.available) == (Reason.EXPIRES_BEFORE_SESSION, 0)


def test_credits_that_start_later_are_the_reason() -> None:
    wallet = a_wallet(a_lot(remaining=2, effective_at=NOW + HOUR))
    assert asked(wallet, seats=2).reason is Reason.NOT_EFFECTIVE_YET


def test_frozen_credits_are_the_reason() -> None:
    wallet = a_wallet(a_lot("free", 1), a_lot("ice", 1, frozen=freezes("dispute/1")))
    assert asked(wallet, seats=2).reason is Reason.FROZEN


def test_a_reason_is_given_only_where_its_absence_would_have_been_enough() -> None:
    wallet = a_wallet(a_lot("future", 1, effective_at=NOW + HOUR), a_lot("ice", 1, frozen=freezes("dispute/1")))
    assert asked(wallet, seats=3).reason is Reason.INSUFFICIENT


def test_credits_that_debts_would_swallow_anyway_are_no_reason() -> None:
    wallet = a_wallet(a_lot(remaining=2, effective_at=NOW + HOUR), debts=(a_debt(amount=2, starts_at=None),))
    assert asked(wallet).reason is Reason.INSUFFICIENT


# -- too little, and let through by a rule -----------------------------------------------------


def test_the_setting_lets_a_booking_through_and_is_named() -> None:
    decision = asked(a_wallet(a_lot("1", 1)), seats=3, settings=OPEN)
    assert (decision.allowed, decision.reason) == (True, Reason.OK)
    assert (takes(decision), decision.shortfall) == ([("1", 1)], 2)
    assert decision.rule is Rule.ALLOWED_WITHOUT_CREDITS


def test_the_type_lets_a_booking_through_and_is_named_where_the_setting_does_not() -> None:
    decision = asked(a_wallet(), bookable_without_credits=True)
    assert (decision.allowed, decision.rule) == (True, Rule.TYPE_BOOKABLE_WITHOUT_CREDITS)


def test_no_rule_is_named_where_credits_were_enough() -> None:
    assert asked(a_wallet(a_lot()), settings=OPEN, bookable_without_credits=True).rule is None


@pytest.mark.parametrize(
    ("max_negative", "owed", "seats", "allowed"),
    [(0, 0, 1, False), (1, 0, 1, True), (1, 0, 2, False), (3, 2, 1, True), (3, 3, 1, False)],
)
def test_the_total_of_debts_stays_within_max_negative(max_negative: int, owed: int, seats: int, allowed: bool) -> None:
    debts = (a_debt("old", owed),) if owed else ()
    decision = asked(a_wallet(debts=debts), seats, Settings(max_negative=max_negative))
    assert decision.allowed is allowed
    assert decision.reason is (Reason.OK if allowed else Reason.LIMIT_REACHED)
    assert decision.shortfall == seats


def test_credits_that_are_there_do_not_count_towards_max_negative() -> None:
    assert asked(a_wallet(a_lot(remaining=2)), 3, Settings(max_negative=1)).allowed


def test_max_negative_binds_types_bookable_without_credits_too() -> None:
    settings = Settings(allow_booking_without_credits=False, max_negative=0)
    decision = asked(a_wallet(), settings=settings, bookable_without_credits=True)
    assert decision.reason is Reason.LIMIT_REACHED


def test_debts_of_staff_and_payments_count_towards_max_negative() -> None:
    debts = (a_debt("op", 1, cause=DebtCause.STAFF), a_debt("in_1", 1, cause=DebtCause.PAYMENT))
    assert not asked(a_wallet(debts=debts), 1, Settings(max_negative=2)).allowed
    assert asked(a_wallet(debts=debts), 1, Settings(max_negative=3)).allowed


# -- a wallet's bound --------------------------------------------------------------------------


def debts(count: int) -> tuple[Debt, ...]:
    return tuple(a_debt(f"d{n}", 1, starts_at=NOW + 99 * DAY) for n in range(count))


def test_a_full_wallet_takes_no_further_debt() -> None:
    assert asked(a_wallet(debts=debts(MAX_OPEN - 1)), settings=OPEN).allowed
    full = asked(a_wallet(debts=debts(MAX_OPEN)), settings=OPEN)
    assert (full.allowed, full.reason) == (False, Reason.LIMIT_REACHED)


def test_a_full_wallet_can_still_spend_what_it_holds() -> None:
    wallet = a_wallet(a_lot(remaining=1), debts=debts(MAX_OPEN - 1))
    wallet = a_wallet(a_lot(remaining=1, expires_at=NOW + 50 * DAY), debts=wallet.debts)
    assert asked(wallet, settings=OPEN).allowed


def test_a_lot_emptied_by_the_spend_makes_place_for_its_debt() -> None:
    lot = a_lot(remaining=1, expires_at=NOW + 50 * DAY)
    decision = asked(a_wallet(lot, debts=debts(MAX_OPEN - 1)), 2, OPEN)
    assert (decision.allowed, decision.shortfall) == (True, 1)


def test_a_lot_only_partly_used_makes_no_place_for_a_debt() -> None:
    """A hold keeps part of the lot, so it stays open beside the new debt."""
    lot = a_lot("1", 3, expires_at=NOW + 50 * DAY)
    wallet = a_wallet(lot, debts=debts(MAX_OPEN - 2), holds=(a_hold(("1", 1)),))
    decision = asked(wallet, 3, OPEN)
    assert (decision.allowed, decision.reason) == (False, Reason.LIMIT_REACHED)
