"""Histories of a practice through operations and table, with inputs doubled and out of order.

After every step all of the table is read back: no law is broken, and it says what the naive model says.
"""

from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

from hypothesis import Phase
from hypothesis import settings as search
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from client_credits.domain.bookings.booking import Cancelled, CancelledBy, Created
from client_credits.domain.ledger.entries import untouched
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.settling import settle
from client_credits.domain.payments.facts import Payment
from client_credits.domain.practice.settings import effective
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import paying as payments
from client_credits.store.writes import sortable
from tests.property.memory import PRACTICE, Stored, a_practice, everything, sweep
from tests.property.model import ENDLESS, Rules
from tests.property.practice_model import NaivePractice
from tests.support.builders import DAY, HOUR, NOW, a_line, a_payment, cancelled, created

often = st.sampled_from  # a value listed twice comes up twice as often
rules_drawn = st.builds(
    Rules,
    allow_booking_without_credits=often([True, True, True, False]),
    restore_on_cancel=often([True, True, True, True, False]),
    must_cover_session=often([True, True, False]),
    grace_days_client=often([0, 0, 1]),
    grace_days_practice=often([0, 3]),
    max_negative=often([None, None, None, 2]),
    auto_repay=often([True, True, True, False]),
)
# What may happen, each with its choices; a choice listed twice comes up twice as often.
CLIENTS = ["c1"] * 8 + ["c2", None]
AGO = [0, 0, 1, 30]  # hours between the happening and its being said
HEARD = [True, True, True, False]  # at once; else only when something is heard again
HAPPENINGS: dict[str, dict[str, list[Any]]] = {
    "somebody_pays": {
        "client": CLIENTS,
        "prices": [
            ["price_starter"],
            ["price_starter"],
            ["price_monthly"],
            ["price_three"],
            ["price_once"],
            ["price_three", "price_starter"],
            ["price_nothing", "price_unheard_of"],
        ],
        "cycle": [None, 1, 1, 2],  # the subscription, None for a one-off purchase
        "quantity": [1, 1, 2],
        "hours_ago": AGO,
        "stated": HEARD,
    },
    "a_session_is_booked": {
        "client": CLIENTS,
        "kind": ["follow-up"] * 7 + ["initial", "initial", "massage"],
        "seats": [1, 1, 3],
        "ahead": [1, 30, 100],
        "hours_ago": AGO,
        "stated": HEARD,
    },
    "a_booking_is_cancelled": {
        "which": list(range(10)),
        "by": [None, *CancelledBy],
        "hours_ago": AGO,
        "named": [True, False],  # whether it says whose and of which type the booking is
        "stated": HEARD,
    },
    "it_is_asked_for_again": {
        "which": list(range(10)),
        "hours": [0, 1],
        "client": ["as before"] * 4 + ["c1", "c1", None],
    },
    "something_is_heard_again": {"which": list(range(30))},
    "time_passes": {"hours": [1, 24, 60, 60]},
}


def choosing(happening: str) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.sampled_from(choices) for name, choices in HAPPENINGS[happening].items()}


def a_history(seed: int) -> list[tuple[str, dict[str, Any]]]:
    """Fourteen things that happen. Hypothesis prefers what is simple; with so few runs chance is better."""
    chance = Random(seed)
    names = [*HAPPENINGS, "somebody_pays", "a_session_is_booked", "time_passes"]
    return [
        (name, {what: chance.choice(choices) for what, choices in HAPPENINGS[name].items()})
        for name in chance.choices(names, k=14)
    ]


def account_values(rules: Rules) -> dict[str, object]:
    return {
        "allow_booking_without_credits": rules.allow_booking_without_credits,
        "restore_on_cancel": rules.restore_on_cancel,
        "credit_must_cover": "session" if rules.must_cover_session else "booking",
        "restore_grace_days_client": rules.grace_days_client,
        "restore_grace_days_practice": rules.grace_days_practice,
        "max_negative": "unlimited" if rules.max_negative is None else rules.max_negative,
        "auto_repay": rules.auto_repay,
    }


class PracticeMachine(RuleBasedStateMachine):
    @initialize(rules=rules_drawn, seed=st.integers(0, 2**32))
    def open(self, rules: Rules, seed: int) -> None:
        self.now = NOW
        self.number = 0
        self.model = NaivePractice(rules)
        self.settings = effective(account_values(rules))
        self.paid: list[Payment] = []
        self.booked: list[Created] = []
        self.dropped: list[Cancelled] = []
        self.first_answers: dict[str, Operation] = {}
        self.closing = ExitStack()
        self.store = self.closing.enter_context(a_practice(**account_values(rules)))
        self.stored = everything(self.store)
        for step, drawn in a_history(seed):
            if self.booked or step in {"somebody_pays", "a_session_is_booked", "time_passes"}:
                getattr(self, step)(**drawn)

    def teardown(self) -> None:
        if hasattr(self, "closing"):
            self.closing.close()

    # -- what happens in the world; said at once, or only later by a redelivery ----------------

    @rule(**choosing("time_passes"))
    def time_passes(self, hours: int) -> None:
        self.now += hours * HOUR
        self.model.pass_time(self.now)

    @rule(**choosing("somebody_pays"))
    def somebody_pays(
        self, client: str | None, prices: list[str], cycle: int | None, quantity: int, hours_ago: int, stated: bool
    ) -> None:
        self.number += 1
        paid_at = self.now - hours_ago * HOUR
        lines = []
        for n, price in enumerate(prices):
            line = a_line(f"il_{n}", price=price, quantity=quantity)
            if cycle:
                period = {"period_start": paid_at + n * HOUR, "period_end": paid_at + 2 * DAY}
                line = replace(line, subscription_item=f"si_{price}", **period)
            lines.append(line)
        payment = a_payment(
            f"in_{self.number}",
            *lines,
            client_id=client,
            customer=None,
            subscription=f"sub_{cycle}_of_{client}" if cycle else None,  # or it would say who the client is
            paid_at=paid_at,
        )
        self.paid.append(payment)
        if stated:
            self.tell_payment(payment)

    @rule(**choosing("a_session_is_booked"))
    def a_session_is_booked(
        self, client: str | None, kind: str, seats: int, ahead: int, hours_ago: int, stated: bool
    ) -> None:
        self.number += 1
        event = created(
            f"b{self.number}",
            client_id=client,
            appointment_type=kind,
            starts_at=self.now + ahead * HOUR,
            seats=seats,
            occurred_at=self.now - hours_ago * HOUR,
        )
        self.booked.append(event)
        if stated:
            self.tell_booking(event)

    @precondition(lambda self: self.booked)
    @rule(**choosing("it_is_asked_for_again"))
    def it_is_asked_for_again(self, which: int, hours: int, client: str | None) -> None:
        event = self.booked[which % len(self.booked)]
        client_id = event.client_id if client == "as before" else client
        again = replace(event, occurred_at=self.now + hours * HOUR, client_id=client_id)
        self.booked.append(again)
        self.tell_booking(again)

    @precondition(lambda self: self.booked)
    @rule(**choosing("a_booking_is_cancelled"))
    def a_booking_is_cancelled(
        self, which: int, by: CancelledBy | None, hours_ago: int, named: bool, stated: bool
    ) -> None:
        event = self.booked[which % len(self.booked)]
        about = {"client_id": event.client_id, "appointment_type": event.session.appointment_type}
        fields = about if named else dict.fromkeys(about)
        cancellation = cancelled(event.booking_id, by, occurred_at=self.now - hours_ago * HOUR, **fields)
        self.dropped.append(cancellation)
        if stated:
            self.tell_cancellation(cancellation)

    # -- what is known, once, again, late --------------------------------------------------------

    @precondition(lambda self: self.paid or self.booked or self.dropped)
    @rule(**choosing("something_is_heard_again"))
    def something_is_heard_again(self, which: int) -> None:
        known: list[Payment | Created | Cancelled] = [*self.paid, *self.booked, *self.dropped]
        match known[which % len(known)]:
            case Payment() as payment:
                self.tell_payment(payment)
            case Created() as event:
                self.tell_booking(event)
            case Cancelled() as event:
                self.tell_cancellation(event)

    def tell_payment(self, payment: Payment) -> None:
        for outcome in payments.pay(Context(self.store, PRACTICE, STRIPE, self.now), payment):
            if outcome.operation:
                first = self.first_answers.setdefault(outcome.operation.source_id, outcome.operation)
                assert outcome.operation == first
        self.model.pay(payment, self.now)
        self.read_back()

    def tell_booking(self, event: Created) -> None:
        answer = bookings.book(Context(self.store, PRACTICE, BOOKINGS, self.now), event)
        self.model.book(event, self.now)
        self.read_back()
        assert answer.booking.state == self.model.bookings[event.booking_id].state
        assert not (answer.repeated and answer.entries)

    def tell_cancellation(self, event: Cancelled) -> None:
        answer = bookings.cancel(Context(self.store, PRACTICE, BOOKINGS, self.now), event)
        self.model.cancel(event, self.now)
        self.read_back()
        assert answer.booking.state == "cancelled"

    @rule()
    def a_sweep_comes_by(self) -> None:
        sweep(self.store, self.now, limit=2)
        self.read_back()
        for wallet in self.stored.wallets.values():
            assert not settle(untouched(wallet), self.now, self.settings).entries

    # -- what must hold after every step ---------------------------------------------------------

    def read_back(self) -> None:
        """History only grows: what stood in the table before still stands there, unchanged."""
        before: Stored = self.stored
        self.stored = everything(self.store)
        for key, entries in before.entries.items():
            now = {entry.sequence: entry for entry in self.stored.entries[key]}
            assert all(now[entry.sequence] == entry for entry in entries)
        for key, wallet in self.stored.wallets.items():
            if wallet != before.wallets.get(key):  # whoever touched it has settled it, too
                assert not settle(untouched(wallet), self.now, self.settings).entries

    @invariant()
    def no_law_is_broken(self) -> None:
        assert self.stored.breaches() == []

    @invariant()
    def the_table_says_what_the_model_says(self) -> None:
        for key, naive in self.model.wallets.items():
            stored = self.stored.wallets.get(key)
            if stored is None:
                assert not naive.credits
                assert not naive.owed
                continue
            wallet = settle(untouched(stored), self.now, self.settings).wallet
            held: Counter[tuple[datetime, datetime, int]] = Counter()
            for lot in wallet.open_lots:
                held[lot.effective_at, lot.expires_at or ENDLESS, lot.priority] += lot.remaining
            assert held == naive.lots()
            assert {debt.ref: debt.amount for debt in wallet.debts} == dict(naive.debts())
            assert wallet.granted_total == naive.granted_ever
        assert set(self.stored.wallets) <= set(self.model.wallets)
        assert len(self.stored.parked) == len(self.model.parked)

    @invariant()
    def bookings_stand_as_the_model_says(self) -> None:
        states = {booking_id: str(booking.state) for booking_id, booking in self.stored.bookings.items()}
        assert states == {booking_id: booking.state for booking_id, booking in self.model.bookings.items()}

    @invariant()
    def the_table_knows_what_stands_beside_each_wallet(self) -> None:
        """The balance of lists and reports, and the instant at which the sweep will look."""
        for key, wallet in self.stored.wallets.items():
            item = self.stored.items[key]
            assert (item["balance"], item["debt"]) == (wallet.balance, wallet.debt)
            assert item["version"] == wallet.version
            for ahead in (0, 1, 5, 24, 48, 72, 100, 1000):
                moment = self.now + ahead * HOUR
                if settle(untouched(wallet), moment, self.settings).entries:
                    assert item["due_shard"]
                    assert item["due_at"] <= sortable(moment)


TestPractice = PracticeMachine.TestCase
TestPractice.settings = search(
    max_examples=max(25, search.default.max_examples // 6),
    stateful_step_count=max(4, search.default.stateful_step_count // 4),
    phases=[Phase.generate],  # histories are short already; to shrink one on this engine takes minutes
)
