"""Histories of two wallets with all that may happen to credits, lived through three times at once.

One life is swept whenever something falls due, one late and twice, one never: they tell alike after every step,
no law of a wallet is broken, and each operation keeps its own. Settings change at half past, all else happens on
the hour.
"""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from client_credits.domain.bookings.booking import CancelledBy
from client_credits.domain.payments.facts import Dispute, DisputeStatus, MoneyBack, Refund, RefundStatus
from client_credits.domain.payments.payment_record import PaymentRecord
from tests.property import wallet_laws as laws
from tests.property.wallet_life import CLIENTS, Book, WalletLife, a_lot, late_and_doubled, never, whenever_due
from tests.support.builders import DAY, HOUR, NOW, a_booking

PAID = 9_000  # minor units, what each payment paid
ONE = ["c1", "c1", "c1", "c2"]
AGO = [0, 0, 0, 5]  # hours between the happening and its being said
WHICH = list(range(12))
LASTS = [None, 5, 50, 900]  # hours
# What may happen, each with its choices; a choice listed twice comes up twice as often.
HAPPENINGS: dict[str, dict[str, list[Any]]] = {
    "time_passes": {"hours": [1, 10, 30, 100, 800]},
    "somebody_buys": {
        "client": ONE,
        "amount": [1, 2, 4],
        "lasts": [None, 40, 200],
        "months": [1, 1, 12, 12],
        "hours_ago": AGO,
    },
    "a_session_is_booked": {
        "client": ONE,
        "seats": [1, 1, 2, 4],
        "ahead": [2, 20, 60, 200, 900],
        "hours_ago": AGO,
    },
    "a_booking_is_cancelled": {"which": WHICH, "by": list(CancelledBy), "hours_ago": AGO},
    "staff_add_or_take": {"client": ONE, "amount": [1, 3, -1, -2, -6], "lasts": LASTS},
    "staff_replace_the_number": {"client": ONE, "balance": [0, 1, 4, -2], "lasts": LASTS},
    "credits_are_given": {"giver": ONE, "amount": [1, 1, 2, 3]},
    "a_lot_is_extended": {"client": ONE, "which": WHICH, "lasts": LASTS},
    "a_lot_is_voided": {"client": ONE, "which": WHICH},
    "money_goes_back": {"which": WHICH, "amount": [1, 900, 4_500, 6_750, 7_875, PAID], "hours_ago": AGO},
    "a_refund_fails": {"which": WHICH},
    "a_dispute_is_opened": {"which": WHICH, "amount": [3_000, PAID]},
    "a_dispute_ends": {"which": WHICH, "status": [DisputeStatus.WON, DisputeStatus.LOST]},
    "a_subscription_ends": {"which": WHICH, "hours_ago": [0, 0, 100]},
    "a_subscription_is_past_due": {"which": WHICH, "is_so": [True, True, False]},
    "a_setting_changes": {
        "client": [None, "c1", "c2"],
        "change": [
            *(("auto_repay", value) for value in (True, False, None)),
            *(("credit_must_cover", value) for value in ("booking", "session")),
            ("restore_grace_days_client", 5),
            ("restore_grace_days_practice", 0),
            *(("restore_on_cancel", value) for value in (False, None)),
            *(("past_due", value) for value in ("freeze", "freeze", "keep")),
            ("max_negative", 2),
            *(("allow_booking_without_credits", value) for value in (False, None)),
        ],
    },
}
COMMON = [*["time_passes"] * 2, *["somebody_buys"] * 2, *["a_session_is_booked"] * 4, "a_booking_is_cancelled"]
STEPS = 25
Law = Callable[[dict[str, Book], dict[str, Book]], None]


def choosing(happening: str) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.sampled_from(choices) for name, choices in HAPPENINGS[happening].items()}


def a_history(seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Hypothesis prefers what is simple; with so few runs chance is better."""
    chance = Random(seed)
    chosen = ["somebody_buys", *(chance.choice([*HAPPENINGS, *COMMON]) for _ in range(STEPS))]
    return [(name, {what: chance.choice(choices) for what, choices in HAPPENINGS[name].items()}) for name in chosen]


class WalletLifeMachine(RuleBasedStateMachine):
    @initialize(seed=st.integers(0, 2**32))
    def open(self, seed: int) -> None:
        self.live(a_history(seed))

    def live(self, history: list[tuple[str, dict[str, Any]]]) -> None:
        self.lives = [WalletLife(sweeps) for sweeps in (whenever_due, late_and_doubled, never)]
        self.now, self.number = NOW, 0
        self.refunds: list[tuple[str, Refund]] = []
        self.disputes: dict[str, Dispute] = {}
        self.ends = laws.Ends()
        self.story: list[str] = []  # what happened, for whoever looks into a failure
        for name, drawn in history:
            getattr(self, name)(**drawn)

    def everywhere(self, what: str, act: Callable[[WalletLife], str], *also: Law) -> str:
        """Carries it out in every life; `also` are laws of the operation on the books before and after it."""
        self.number += 1
        answers = []
        for life in self.lives:
            before = life.books()
            answers.append(act(life))
            after = life.books()
            for law in (laws.only_grows, *also):
                law(before, after)
            laws.each_wallet_is_lawful(life, after)
            laws.voided_credits_stay_gone(after)
            self.ends.check(life)
            for payment in life.payments.values():
                laws.a_payment_stands_for_what_was_not_given_back(payment, after)
        self.story.append(f"{self.now:%d %b %H:%M} {what}: {answers}")
        laws.alike([life.books() for life in self.lives])
        (answer,) = set(answers)
        return answer

    @property
    def paid(self) -> list[str]:
        return list(self.lives[0].payments)

    # -- what happens --------------------------------------------------------------------------

    @rule(**choosing("time_passes"))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        self.everywhere("time passes", lambda life: life.reach(self.now))

    @rule(**choosing("somebody_buys"))
    def somebody_buys(self, client: str, amount: int, lasts: int | None, months: int, hours_ago: int) -> None:
        paid_at, name = self.now - hours_ago * HOUR, f"in_{len(self.paid)}"
        subscription = f"sub_{name}"
        ends = paid_at + lasts * HOUR if lasts and months == 1 else None
        lot = a_lot(name, amount, paid_at, ends, subscription)
        payment = PaymentRecord(name, "own", "test", PAID, paid_at=paid_at, subscription=subscription)
        asked = f"{client} buys {amount} x {months} until {ends}"
        self.everywhere(asked, lambda life: life.pay(client, payment, lot, months, paid_at))

    @rule(**choosing("a_session_is_booked"))
    def a_session_is_booked(self, client: str, seats: int, ahead: int, hours_ago: int) -> None:
        booking = a_booking(f"b{self.number}", seats, client_id=client, starts_at=self.now + ahead * HOUR)
        at = self.now - hours_ago * HOUR
        asked = f"{client} books {booking.booking_id} x {seats} in {ahead} h"
        self.everywhere(asked, lambda life: life.book(booking, at), laws.frozen_lots_pay_nothing)

    @precondition(lambda self: self.lives[0].bookings)
    @rule(**choosing("a_booking_is_cancelled"))
    def a_booking_is_cancelled(self, which: int, by: CancelledBy, hours_ago: int) -> None:
        known = list(self.lives[0].bookings)
        if known:
            booking_id, at = known[which % len(known)], self.now - hours_ago * HOUR
            self.everywhere(f"{booking_id} cancelled by {by}", lambda life: life.cancel(booking_id, by, at))

    # -- what staff do -------------------------------------------------------------------------

    @rule(**choosing("staff_add_or_take"))
    def staff_add_or_take(self, client: str, amount: int, lasts: int | None) -> None:
        ends = self.now + lasts * HOUR if lasts else None
        changed = laws.balance_becomes(client, lambda before: before + amount)
        self.everywhere(f"{client} {amount:+}", lambda life: life.adjust(client, amount, ends), changed)

    @rule(**choosing("staff_replace_the_number"))
    def staff_replace_the_number(self, client: str, balance: int, lasts: int | None) -> None:
        ends = self.now + lasts * HOUR if lasts else None
        is_so = laws.balance_becomes(client, lambda _: balance)
        self.everywhere(f"{client} = {balance}", lambda life: life.replace(client, balance, ends), is_so)

    @rule(**choosing("credits_are_given"))
    def credits_are_given(self, giver: str, amount: int) -> None:
        receiver = CLIENTS[1 - CLIENTS.index(giver)]
        own = laws.the_sum_stays, laws.frozen_lots_pay_nothing
        self.everywhere(f"{giver} gives {amount}", lambda life: life.give(giver, receiver, amount), *own)

    @rule(**choosing("a_lot_is_extended"))
    def a_lot_is_extended(self, client: str, which: int, lasts: int | None) -> None:
        ends = self.now + lasts * HOUR if lasts else None
        if lot_id := self.pick(client, which):
            asked = f"{client}'s {lot_id} lasts until {ends}"
            answer = self.everywhere(asked, lambda life: life.extend(client, lot_id, ends), laws.the_sum_stays)
            if answer == "done":
                self.ends.gave(client, lot_id, ends)
                for life in self.lives:
                    self.ends.check(life)

    @rule(**choosing("a_lot_is_voided"))
    def a_lot_is_voided(self, client: str, which: int) -> None:
        if lot_id := self.pick(client, which):
            self.everywhere(f"{client}'s {lot_id} is void", lambda life: life.void(client, lot_id))

    def pick(self, client: str, which: int) -> str | None:
        """A lot that came to a client at some time, emptied ones among them."""
        lots = laws.lots_made(self.lives[0].books()[client])
        return lots[which % len(lots)] if lots else None

    # -- money and subscriptions -----------------------------------------------------------------

    def stated(self, payment_id: str, **news: Any) -> None:
        heard = MoneyBack("evt", "own", "test", self.now, payment_id, **news)
        self.everywhere(f"{payment_id}: {news}", lambda life: life.hear(payment_id, heard))
        self.everywhere("the same again", lambda life: life.hear(payment_id, heard), laws.nothing_changes)

    @rule(**choosing("money_goes_back"))
    def money_goes_back(self, which: int, amount: int, hours_ago: int) -> None:
        payment_id = self.paid[which % len(self.paid)]
        paid_at = self.lives[0].payments[payment_id].paid_at
        at = max(self.now - hours_ago * HOUR, paid_at or NOW)
        refund = Refund(f"re_{len(self.refunds)}", amount, RefundStatus.SUCCEEDED, at)
        self.refunds.append((payment_id, refund))
        self.stated(payment_id, refunds=(refund,))

    @rule(**choosing("a_refund_fails"))
    def a_refund_fails(self, which: int) -> None:
        if self.refunds:
            payment_id, refund = self.refunds[which % len(self.refunds)]
            self.stated(payment_id, refunds=(Refund(refund.refund_id, refund.amount, RefundStatus.FAILED, self.now),))

    @rule(**choosing("a_dispute_is_opened"))
    def a_dispute_is_opened(self, which: int, amount: int) -> None:
        payment_id = self.paid[which % len(self.paid)]
        if payment_id not in self.disputes:
            self.disputes[payment_id] = Dispute(f"dp_{payment_id}", amount, DisputeStatus.OPEN, self.now, self.now)
            self.stated(payment_id, disputes=(self.disputes[payment_id],))

    @rule(**choosing("a_dispute_ends"))
    def a_dispute_ends(self, which: int, status: DisputeStatus) -> None:
        opened = sorted(p for p, dispute in self.disputes.items() if dispute.status is DisputeStatus.OPEN)
        if opened:
            payment_id = opened[which % len(opened)]
            known = self.disputes[payment_id]
            ended = Dispute(known.dispute_id, known.amount, status, self.now, known.opened_at)
            self.disputes[payment_id] = ended
            self.stated(payment_id, disputes=(ended,))

    @rule(**choosing("a_subscription_ends"))
    def a_subscription_ends(self, which: int, hours_ago: int) -> None:
        """At a quarter to, so that nothing else happens then."""
        payment_id = self.paid[which % len(self.paid)]
        at = self.now - hours_ago * HOUR - timedelta(minutes=15)
        self.everywhere(f"{payment_id} ended", lambda life: life.end(payment_id, at))

    @rule(**choosing("a_subscription_is_past_due"))
    def a_subscription_is_past_due(self, which: int, is_so: bool) -> None:
        payment_id = self.paid[which % len(self.paid)]
        self.everywhere(f"{payment_id} past due: {is_so}", lambda life: life.past_due(payment_id, is_so))

    @rule(**choosing("a_setting_changes"))
    def a_setting_changes(self, client: str | None, change: tuple[str, object]) -> None:
        for what in ("half past", "the hour"):
            self.now += HOUR / 2
            self.everywhere(what, lambda life: life.reach(self.now))
            if what == "half past":
                self.everywhere(f"{client or 'all'}: {change}", lambda life: life.change(client, *change))

    def teardown(self) -> None:
        if hasattr(self, "lives"):
            self.now += 800 * DAY
            self.everywhere("years pass", lambda life: life.reach(self.now))


TestWalletLife = WalletLifeMachine.TestCase
TestWalletLife.settings = search(
    max_examples=search.default.max_examples,
    stateful_step_count=2,
    phases=[Phase.generate],  # histories are short already; to shrink one on this engine takes minutes
)


def buys(amount: int = 2, months: int = 1) -> tuple[str, dict[str, Any]]:
    return "somebody_buys", {"client": "c1", "amount": amount, "lasts": None, "months": months, "hours_ago": 0}


def books(seats: int) -> tuple[str, dict[str, Any]]:
    return "a_session_is_booked", {"client": "c1", "seats": seats, "ahead": 900, "hours_ago": 0}


def repays(value: bool) -> tuple[str, dict[str, Any]]:
    return "a_setting_changes", {"client": "c1", "change": ("auto_repay", value)}


def passes(hours: int) -> tuple[str, dict[str, Any]]:
    return "time_passes", {"hours": hours}


def refunded(amount: int) -> tuple[str, dict[str, Any]]:
    return "money_goes_back", {"which": 0, "amount": amount, "hours_ago": 0}


def ended(hours_ago: int = 0) -> tuple[str, dict[str, Any]]:
    return "a_subscription_ends", {"which": 0, "hours_ago": hours_ago}


def extended(lasts: int | None) -> tuple[str, dict[str, Any]]:
    return "a_lot_is_extended", {"client": "c1", "which": 0, "lasts": lasts}


PAST_DUE = "a_subscription_is_past_due", {"which": 0, "is_so": True}
ENDING = "somebody_buys", {"client": "c1", "amount": 2, "lasts": 200, "months": 1, "hours_ago": 0}
BOOKED = "a_session_is_booked", {"client": "c1", "seats": 2, "ahead": 20, "hours_ago": 0}
CANCELLED = "a_booking_is_cancelled", {"which": 0, "by": CancelledBy.CLIENT, "hours_ago": 0}
LOWERED = "staff_add_or_take", {"client": "c1", "amount": -2, "lasts": None}
KNOWN = {
    "an emptied lot is extended": [ENDING, LOWERED, extended(900)],
    "a session paid by a lot that is extended is cancelled": [ENDING, BOOKED, extended(900), CANCELLED, passes(800)],
    "a year ends, then most of it is refunded": [buys(months=12), passes(800), ended(), refunded(7_875)],
    "most of a year is refunded, then it ends": [buys(months=12), passes(800), refunded(7_875), ended()],
    "an end is known after a tranche that came too late": [buys(months=12), passes(800), ended(100)],
    "repaying is off, on for an hour, and off": [repays(False), buys(4), books(6), buys(), repays(True), repays(False)],
    "tranches come while past due is kept": [buys(1, months=12), PAST_DUE, books(4), passes(800), passes(800)],
}


@pytest.mark.parametrize("history", KNOWN.values(), ids=KNOWN)
def test_no_law_is_broken_when(history: list[tuple[str, dict[str, Any]]]) -> None:
    machine = WalletLifeMachine()
    machine.live(history)
    machine.teardown()
