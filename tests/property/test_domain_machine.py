"""Histories of one wallet, step by step, against the naive model; every law holds after every step.

A second wallet lives through the same history without a single sweep: lateness changes no number.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from client_credits.domain.bookings.booking import Booking, BookingState, CancelledBy, after_cancelled, restore, spend
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Act, Change, Entry, untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import DEFAULT_PRIORITY, Lot, LotSource, Wallet, available
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.practice.settings import Settings
from tests.property.model import ENDLESS, Credit, NaiveWallet, Rules
from tests.support.builders import DAY, HOUR, NOW, a_booking, a_wallet, an_act, cancelled

often = st.sampled_from  # a value listed twice comes up twice as often
rules_drawn = st.builds(
    Rules,
    allow_booking_without_credits=often([True, True, True, False]),
    restore_on_cancel=often([True, True, True, True, False]),
    must_cover_session=often([True, True, False]),
    grace_days_client=often([0, 0, 1]),
    grace_days_practice=often([0, 1, 3]),
    max_negative=often([None, None, None, 3]),
    auto_repay=often([True, True, False]),
)
ago = often([0, 0, 0, 1, 5, 30])  # hours between the happening and our hearing of it
GRANTS = {
    "amount": st.integers(1, 4),
    "hours_ago": ago,
    "ahead": often([0, 0, 0, 3, 26]),
    "lasts": often([None, None, 6, 24, 72, 1]),
    "priority": often([DEFAULT_PRIORITY, DEFAULT_PRIORITY, 60]),
}
BOOKINGS = {
    "seats": often([1, 1, 1, 2, 5]),
    "ahead": often([1, 5, 30, 100, -2]),
    "hours_ago": ago,
    "without": often([False, False, True]),
}
CANCELLATIONS = {"which": st.integers(0, 9), "by": often(CancelledBy), "hours_ago": ago}
TIME = {"hours": often([1, 1, 2, 7, 24, 50])}
# A run of the rules alone is often short or one-sided; each begins with a history that is neither.
opening = st.lists(
    st.one_of(
        st.tuples(st.just(name), st.fixed_dictionaries(drawn))
        for name, drawn in {
            "credits_are_granted": GRANTS,
            "a_session_is_booked": BOOKINGS,
            "a_booking_is_cancelled": CANCELLATIONS,
            "time_passes": TIME,
        }.items()
    ),
    min_size=6,
    max_size=15,
)


def settings_of(rules: Rules) -> Settings:
    return Settings(
        allow_booking_without_credits=rules.allow_booking_without_credits,
        restore_on_cancel=rules.restore_on_cancel,
        credit_must_cover="session" if rules.must_cover_session else "booking",
        restore_grace_days_client=rules.grace_days_client,
        restore_grace_days_practice=rules.grace_days_practice,
        max_negative="unlimited" if rules.max_negative is None else rules.max_negative,
        auto_repay=rules.auto_repay,
    )


class Ledger:
    """A wallet with its entries and bookings, kept as operations keep them, in memory."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.wallet = a_wallet()
        self.entries: list[Entry] = []
        self.bookings: dict[str, Booking] = {}

    def settled(self, now: datetime) -> Wallet:
        return settle(untouched(self.wallet), now, self.settings).wallet

    def commit(self, change: Change) -> None:
        for repayment in change.repayments:
            booking = self.bookings[repayment.booking_id]
            self.bookings[repayment.booking_id] = booking.paid_by(change.wallet, (repayment,))
        self.wallet = change.wallet
        self.entries += change.entries

    def sweep(self, now: datetime) -> None:
        self.commit(settle(untouched(self.wallet), now, self.settings))

    def grant(self, lot: Lot, act: Act) -> None:
        before = settle(untouched(self.wallet), act.now, self.settings)
        self.commit(add_lot(before, lot, act, self.settings, room=40))

    def book(self, booking: Booking, act: Act, without: bool) -> BookingState:
        before = settle(untouched(self.wallet), act.now, self.settings)
        change, booked, _ = spend(before, booking, act, self.settings, without)
        if booked.state is BookingState.BOOKED:
            self.commit(change)
        self.bookings[booking.booking_id] = booked
        return booked.state

    def cancel(self, booking_id: str, by: CancelledBy, act: Act) -> None:
        self.sweep(act.now)  # so that the booking knows who repaid it
        asked, _ = after_cancelled(self.bookings[booking_id], cancelled(booking_id, by, occurred_at=act.occurred_at))
        change, after = restore(untouched(self.wallet), asked, act, self.settings, room=40)
        self.commit(change)
        self.bookings[booking_id] = after


class WalletMachine(RuleBasedStateMachine):
    @initialize(rules=rules_drawn, happened=opening)
    def open(self, rules: Rules, happened: list[tuple[str, dict[str, Any]]]) -> None:
        self.now = NOW
        self.step = 0
        self.model = NaiveWallet(rules)
        self.swept, self.unswept = Ledger(settings_of(rules)), Ledger(settings_of(rules))
        for step, drawn in happened:
            if step != "a_booking_is_cancelled" or any(b.stands for b in self.model.bookings.values()):
                getattr(self, step)(**drawn)
                self.no_law_is_broken()
                self.the_wallet_says_what_the_model_says()

    def act(self, name: str, hours_ago: int, booking_id: str | None = None) -> Act:
        self.step += 1
        act = an_act(self.now, self.now - hours_ago * HOUR, f"{name}/{self.step}")
        ids = {"booking_id": booking_id} if booking_id else {}
        return replace(act, cause=replace(act.cause, ids=ids))

    # -- what happens ------------------------------------------------------------------------

    @rule(**TIME)
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        self.model.pass_time(self.now)

    @rule()
    def a_sweep_comes_by(self) -> None:
        self.swept.sweep(self.now)

    @rule(**GRANTS)
    def credits_are_granted(self, amount: int, hours_ago: int, ahead: int, lasts: int | None, priority: int) -> None:
        act = self.act("grant", hours_ago)
        start = act.occurred_at + ahead * HOUR
        end = None if lasts is None else start + lasts * HOUR
        lot = Lot(
            lot_id=f"lot-{self.step:03}",
            granted=amount,
            remaining=amount,
            effective_at=start,
            expires_at=end,
            source=LotSource.PURCHASE,
            priority=priority,
        )
        self.swept.grant(lot, act)
        self.unswept.grant(lot, act)
        self.model.grant(Credit(lot.lot_id, start, end or ENDLESS, priority), amount, act.occurred_at, self.now)

    @rule(**BOOKINGS)
    def a_session_is_booked(self, seats: int, ahead: int, hours_ago: int, without: bool) -> None:
        booking_id = f"b{self.step:03}"
        act = self.act("book", hours_ago, booking_id)
        starts_at = self.now + ahead * HOUR
        stands = self.model.book(booking_id, starts_at, seats, act.occurred_at, self.now, without)
        for ledger in (self.swept, self.unswept):
            state = ledger.book(a_booking(booking_id, seats, starts_at=starts_at), act, without)
            assert state is (BookingState.BOOKED if stands else BookingState.REFUSED)

    @precondition(lambda self: any(b.stands for b in self.model.bookings.values()))
    @rule(**CANCELLATIONS)
    def a_booking_is_cancelled(self, which: int, by: CancelledBy, hours_ago: int) -> None:
        standing = sorted(name for name, booked in self.model.bookings.items() if booked.stands)
        booking_id = standing[which % len(standing)]
        act = self.act("cancel", hours_ago, booking_id)
        self.model.cancel(booking_id, by is CancelledBy.PRACTICE, act.occurred_at, self.now)
        for ledger in (self.swept, self.unswept):
            ledger.cancel(booking_id, by, act)

    # -- what must hold after every step -----------------------------------------------------

    @invariant()
    def no_law_is_broken(self) -> None:
        for ledger in (self.swept, self.unswept):
            assert breaches(ledger.wallet, ledger.entries, ledger.bookings.values()) == []

    @invariant()
    def the_wallet_says_what_the_model_says(self) -> None:
        for ledger in (self.swept, self.unswept):
            wallet = ledger.settled(self.now)
            held: Counter[tuple[datetime, datetime, int]] = Counter()
            for lot in wallet.open_lots:
                held[lot.effective_at, lot.expires_at or ENDLESS, lot.priority] += lot.remaining
            assert held == self.model.lots()
            assert {debt.ref: debt.amount for debt in wallet.debts} == dict(self.model.debts())
            assert wallet.balance_at(self.now) == self.model.balance(self.now)
            assert wallet.granted_total == self.model.granted_ever
            for session in (None, self.now + 2 * HOUR, self.now + 2 * DAY):
                expected = self.model.available(self.now, session)
                assert available(wallet, self.now, session, settings=ledger.settings) == expected

    @invariant()
    def bookings_know_their_payers(self) -> None:
        for booking_id, booked in self.model.bookings.items():
            known = self.unswept.bookings[booking_id]
            assert known.state is (BookingState.BOOKED if booked.stands else BookingState.CANCELLED)

    def teardown(self) -> None:
        """A year later both have written down the same."""
        if not hasattr(self, "model"):
            return
        end = self.now + timedelta(days=365)
        for ledger in (self.swept, self.unswept):
            ledger.sweep(end)
            assert breaches(ledger.wallet, ledger.entries, ledger.bookings.values()) == []
        assert set(self.swept.wallet.open_lots) == set(self.unswept.wallet.open_lots)
        assert set(self.swept.wallet.debts) == set(self.unswept.wallet.debts)
        self.model.pass_time(end)
        assert self.swept.wallet.balance == self.model.balance(end)
        for booking_id, booked in self.model.bookings.items():
            for ledger in (self.swept, self.unswept):
                paid = sum(payer.kept for payer in ledger.bookings[booking_id].payers)
                assert paid == len(booked.paid)


TestWallet = WalletMachine.TestCase
TestWallet.settings = search(stateful_step_count=15)
