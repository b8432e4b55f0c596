"""Credits follow the money: refunds, disputes and credit notes, on a practice in memory."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_line, a_package, a_payment, cancelled, created
from tests.support.memory_table import memory_store

from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.facts import (
    CreditNote,
    Dispute,
    DisputeStatus,
    MoneyBack,
    Payment,
    PaymentMade,
    Refund,
    RefundStatus,
)
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import money_back, parking, paying
from client_credits.operations.staff import editing
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes
from client_credits.store.records import Wanted

STAFF = Actor("staff", "s1")
TEN = a_package("ten", credits={"follow-up": 10}, stripe_prices=("price_1",))
PAID = 10_000


class Practice:
    """A practice in memory, with short ways to do things at one instant after the other."""

    def __init__(self, **settings: object) -> None:
        self.store, self.table = memory_store()
        account = Account("p1", dict(settings), NOW, catalogue_version=1)
        clients = [writes.client("p1", Client(c, created_at=NOW)) for c in ("c1", "c2")]
        catalogue = replace(a_catalogue(TEN), version=0)
        self.store.commit([writes.account(account), writes.catalogue("p1", catalogue), *clients])
        self.now = NOW

    def pay(self, payment_id: str = "in_1", *lines: Any, **fields: Any) -> None:
        self._tick()
        values = {"paid": PAID, "payment_intent": "pi_1"} | fields
        lines = lines or (a_line(amount=PAID, period_start=NOW, period_end=NOW + 30 * DAY, subscription_item="si_1"),)
        paying.pay(Context(self.store, "p1", STRIPE, self.now), a_payment(payment_id, *lines, **values))

    def tell(self, news: MoneyBack) -> str:
        self._tick()
        return money_back.apply_money_back(Context(self.store, "p1", STRIPE, self.now), news)

    def hear(self, facts: Payment | PaymentMade | MoneyBack) -> None:
        """Whatever learns of a payment or its money."""
        self._tick()
        context = Context(self.store, "p1", STRIPE, self.now)
        match facts:
            case Payment():
                paying.pay(context, facts)
            case PaymentMade():
                money_back.apply_payment_made(context, facts)
            case MoneyBack():
                money_back.apply_money_back(context, facts)

    def book(self, number: int, client: str = "c1") -> None:
        self._tick()
        event = created(f"b{number}", client_id=client, occurred_at=self.now, starts_at=NOW + 20 * DAY)
        bookings.book(Context(self.store, "p1", BOOKINGS, self.now), event)

    def cancel(self, number: int, client: str = "c1") -> None:
        self._tick()
        bookings.cancel(
            Context(self.store, "p1", BOOKINGS, self.now),
            cancelled(f"b{number}", client_id=client, occurred_at=self.now),
        )

    def give(self, amount: int, giver: str = "c1", receiver: str = "c2") -> None:
        self._tick()
        keyed = Keyed(f"give-{self.now.isoformat()}", "x")
        editing.transfer(Context(self.store, "p1", STAFF, self.now), giver, receiver, "follow-up", amount, keyed)

    def wallet(self, client: str = "c1") -> Wallet:
        return self.store.load("p1", Wanted(client_id=client, types=("follow-up",))).wallets["follow-up"]

    def numbers(self, client: str = "c1") -> tuple[int, int]:
        """(credits in lots, credits owed)"""
        wallet = self.wallet(client)
        self.check(client)
        return wallet.balance + wallet.debt, wallet.debt

    def kinds(self, client: str = "c1") -> list[tuple[str, int]]:
        return [(str(e.kind), e.amount) for e in self.store.entries_after("p1", client, "follow-up", 0)]

    def check(self, client: str) -> None:
        assert breaches(self.wallet(client), self.store.entries_after("p1", client, "follow-up", 0)) == []

    def _tick(self) -> None:
        self.now += timedelta(minutes=1)


def refund(
    refund_id: str, amount: int, status: str = "succeeded", at: datetime = NOW + HOUR, **fields: Any
) -> MoneyBack:
    stated = Refund(refund_id, amount, RefundStatus(status), at)
    return news(refunds=(stated,), **fields)


def dispute(status: str, amount: int = PAID, at: datetime = NOW + HOUR, **fields: Any) -> MoneyBack:
    return news(disputes=(Dispute("dp_1", amount, DisputeStatus(status), at),), **fields)


def news(**fields: Any) -> MoneyBack:
    values = {"event_id": "evt", "account": "own", "mode": "test", "occurred_at": NOW, "payment_intent": "pi_1"}
    return MoneyBack(**(values | fields))


@pytest.mark.parametrize(
    ("spent", "refunded", "left", "owed"),
    [
        (0, 10_000, 0, 0),
        (0, 5_000, 5, 0),
        (0, 999, 10, 0),
        (0, 1_000, 9, 0),
        (0, 9_999, 1, 0),
        (3, 5_000, 2, 0),
        (3, 10_000, 0, 3),
        (8, 5_000, 0, 3),
        (10, 10_000, 0, 10),
        (10, 1_999, 0, 1),
        (0, 50_000, 0, 0),
    ],
)
def test_a_refund_takes_its_part_of_the_grant_and_what_was_spent_of_it_is_owed(
    spent: int, refunded: int, left: int, owed: int
) -> None:
    practice = Practice()
    practice.pay()
    for number in range(spent):
        practice.book(number)
    assert practice.tell(refund("re_1", refunded)) == "followed"
    assert practice.numbers() == (left, owed)


def test_a_refund_heard_again_changes_nothing() -> None:
    practice = Practice()
    practice.pay()
    practice.tell(refund("re_1", 5_000))
    before = dict(practice.table.items)
    practice.tell(refund("re_1", 5_000))
    practice.pay()
    assert practice.table.items == before


def test_several_refunds_are_one_sum_and_the_charges_own_total_adds_nothing() -> None:
    practice = Practice()
    practice.pay()
    practice.tell(refund("re_1", 3_333, refunded_total=3_333))
    practice.tell(refund("re_2", 3_333, refunded_total=6_666))
    assert practice.numbers() == (4, 0)
    practice.tell(news(refunded_total=10_000))
    assert practice.numbers() == (0, 0)


def test_a_pending_refund_counts_and_one_that_failed_reinstates() -> None:
    practice = Practice()
    practice.pay()
    practice.tell(refund("re_1", PAID, "pending"))
    assert practice.numbers() == (0, 0)
    practice.tell(refund("re_1", PAID, "failed", at=NOW + 2 * HOUR))
    assert practice.numbers() == (10, 0)
    assert practice.kinds() == [("granted", 10), ("clawed_back", -10), ("reinstated", 10)]


def test_a_refund_before_its_grant_waits_for_it() -> None:
    practice = Practice()
    assert practice.tell(refund("re_1", 5_000)) == "waiting"
    practice.pay()
    assert practice.numbers() == (5, 0)


def test_the_index_of_a_newer_invoice_finds_the_grant() -> None:
    made = PaymentMade("evt", "own", "test", "in_1", payment_intent="pi_1")
    steps = {
        "pay": lambda p: p.pay(payment_intent=None),
        "made": lambda p: money_back.apply_payment_made(Context(p.store, "p1", STRIPE, p.now), made),
        "refund": lambda p: p.tell(refund("re_1", 5_000)),
    }
    for order in permutations(steps):
        practice = Practice()
        for step in order:
            steps[step](practice)
        assert practice.numbers() == (5, 0), order


def test_a_cancellation_first_lessens_what_the_payment_is_owed() -> None:
    practice = Practice(auto_repay=False)
    practice.pay()
    for number in range(8):
        practice.book(number)
    practice.tell(refund("re_1", 5_000))
    assert practice.numbers() == (0, 3)
    for number, expected in enumerate([(0, 2), (0, 1), (0, 0), (1, 0)]):
        practice.cancel(number)
        assert practice.numbers() == expected, practice.kinds()


def test_a_shortfall_that_is_only_reported_is_shown_and_takes_what_returns() -> None:
    practice = Practice(clawback_shortfall="report")
    practice.pay()
    for number in range(8):
        practice.book(number)
    practice.tell(refund("re_1", PAID))
    assert practice.numbers() == (0, 0)
    stated = practice.store.entries_after("p1", "c1", "follow-up", 0)[-1]
    assert (stated.kind, stated.amount, stated.cause.ids["shortfall"]) == ("clawed_back", -2, "8")
    practice.cancel(0)
    assert practice.numbers() == (0, 0)
    assert practice.kinds()[-2:] == [("restored", 1), ("clawed_back", -1)]


def test_credits_given_to_another_client_are_taken_back_there_and_the_buyer_owes_what_they_spent() -> None:
    practice = Practice()
    practice.pay()
    practice.give(6)
    for number in range(2):
        practice.book(number, "c2")
    practice.tell(refund("re_1", PAID))
    assert practice.numbers() == (0, 2)
    assert practice.numbers("c2") == (0, 0)
    practice.cancel(0, "c2")
    assert (practice.numbers(), practice.numbers("c2")) == ((0, 1), (0, 0))
    practice.tell(refund("re_1", PAID, "failed", at=NOW + 2 * HOUR))
    assert (practice.numbers(), practice.numbers("c2")) == ((4, 0), (5, 0))


def test_an_open_dispute_freezes_and_a_won_one_frees() -> None:
    practice = Practice(allow_booking_without_credits=False)
    practice.pay()
    practice.book(0)
    practice.tell(dispute("open"))
    practice.book(1)
    assert practice.numbers() == (9, 0)
    practice.cancel(0)
    assert practice.numbers() == (10, 0)
    assert all(lot.frozen for lot in practice.wallet().open_lots)
    practice.tell(dispute("won", at=NOW + 2 * HOUR))
    practice.book(2)
    assert practice.numbers() == (9, 0)
    assert practice.kinds() == [
        ("granted", 10),
        ("spent", -1),
        ("frozen", 0),
        ("restored", 1),
        ("unfrozen", 0),
        ("spent", -1),
    ]


def test_a_booking_between_the_steps_of_an_open_dispute_gets_none_of_its_credits() -> None:
    practice = Practice(allow_booking_without_credits=False)
    practice.pay()
    asked = []

    def book_after_each_step(moment: str, call: str) -> None:
        if (moment, call) != ("after", "transact_write_items"):
            return
        practice.table.watch = unwatched
        if practice.kinds()[1:]:
            asked.append(len(asked))
            practice.book(asked[-1])
        practice.table.watch = book_after_each_step

    def unwatched(moment: str, call: str) -> None:
        pass

    practice.table.watch = book_after_each_step
    practice.tell(news(refunds=refund("re_1", 5_000).refunds, disputes=dispute("open", 5_000).disputes))
    assert len(asked) == 2
    assert practice.kinds() == [("granted", 10), ("frozen", 0), ("clawed_back", -5)]


def test_a_lost_dispute_takes_and_a_refund_beside_it_takes_nothing_twice() -> None:
    practice = Practice()
    practice.pay()
    practice.tell(dispute("open", 6_000))
    practice.tell(refund("re_1", 5_000))
    practice.tell(dispute("lost", 6_000, at=NOW + 2 * HOUR))
    assert practice.numbers() == (0, 0)
    assert [kind for kind, _ in practice.kinds()] == ["granted", "frozen", "clawed_back", "clawed_back"]
    assert not practice.wallet().marks


def test_an_inquiry_changes_nothing() -> None:
    practice = Practice()
    practice.pay()
    practice.tell(dispute("warned"))
    practice.tell(dispute("calmed", at=NOW + 2 * HOUR))
    assert practice.kinds() == [("granted", 10)]


def test_a_credit_note_assigns_its_refund_to_the_lines_it_names() -> None:
    practice = Practice()
    lines = tuple(
        a_line(f"il_{n}", amount=5_000, period_start=NOW, period_end=NOW + 30 * DAY, subscription_item=f"si_{n}")
        for n in (1, 2)
    )
    practice.pay("in_1", *lines)
    note = CreditNote("cn_1", 5_000, (("il_2", 5_000),), ("re_1",))
    practice.tell(news(payment_intent=None, payment_id="in_1", notes=(note,)))
    assert practice.numbers() == (20, 0)
    practice.tell(refund("re_1", 5_000))
    assert practice.numbers() == (10, 0)
    assert {lot.payment for lot in practice.wallet().open_lots} == {"in_1/il_1"}


def test_debt_repaid_by_other_credits_comes_back_when_the_refund_fails() -> None:
    practice = Practice()
    practice.pay()
    for number in range(4):
        practice.book(number)
    practice.tell(refund("re_1", PAID))
    assert practice.numbers() == (0, 4)
    practice.pay("in_2", payment_intent="pi_2")
    assert practice.numbers() == (6, 0)
    practice.tell(refund("re_1", PAID, "failed", at=NOW + 2 * HOUR))
    assert practice.numbers() == (16, 0)


def test_news_of_another_account_touch_nothing_whenever_they_come() -> None:
    theirs = {"account": "acct_A"}
    attacks = [
        refund("re_x", PAID, **theirs),
        refund("re_y", PAID, payment_id="in_1", **theirs),
        dispute("lost", **theirs),
    ]
    made = PaymentMade("evt", "acct_A", "test", "in_1", payment_intent="pi_x")
    for before in (True, False):
        practice = Practice()
        for paid in (not before, before):
            if paid:
                practice.pay()
            else:
                for attack in attacks:
                    practice.tell(attack)
                money_back.apply_payment_made(Context(practice.store, "p1", STRIPE, practice.now), made)
        assert practice.numbers() == (10, 0), before
        practice.tell(refund("re_1", 5_000))
        assert practice.numbers() == (5, 0), before


def test_a_payment_of_an_id_that_another_account_was_granted_for_is_parked() -> None:
    practice = Practice()
    practice.pay()
    practice.pay(account="acct_A")
    assert practice.numbers() == (10, 0)
    assert [parked.reason for parked in parking.every_open(practice.store, "p1")] == ["payment_of_another_account"]


def test_another_accounts_payment_does_not_say_whose_a_subscription_is() -> None:
    practice = Practice()
    practice.pay("in_a", account="acct_A", client_id="c2", payment_intent="pi_a")
    practice.pay("in_1", client_id=None, customer=None)
    assert practice.numbers("c2") == (10, 0)
    assert [parked.reason for parked in parking.every_open(practice.store, "p1")] == ["unknown_client"]
    practice.pay("in_2", payment_intent="pi_2")
    assert practice.numbers() == (20, 0)
    assert list(parking.every_open(practice.store, "p1")) == []


def test_a_refund_that_names_two_payments_is_followed_for_the_first_and_parked_for_the_second() -> None:
    """It was retried for ever: two payments cannot both name their taking back after it."""
    for later in ({"payment_id": "in_2"}, {"payment_id": None}):
        practice = Practice()
        practice.pay()
        practice.pay("in_2", payment_intent="pi_2")
        practice.tell(refund("re_1", PAID))
        for _ in range(2):  # heard again, it changes nothing more
            assert practice.tell(refund("re_1", PAID, payment_intent="pi_2", **later)) == "followed"
            assert practice.numbers() == (10, 0)
            (parked,) = parking.every_open(practice.store, "p1")
            assert (parked.reason, parked.event_id, parked.payment_id) == ("of_another_payment", "re_1", "in_2")
        practice.tell(refund("re_2", PAID, payment_intent="pi_2"))
        assert practice.numbers() == (0, 0), "a refund of its own still counts"
