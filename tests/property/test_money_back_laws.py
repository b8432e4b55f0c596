"""Laws of money given back: order and splitting do not matter, nothing is taken twice, nothing is lost.

With shortfalls owed and credits that never end, what all clients together have is exactly what was
granted, less the target of every payment, less one credit per standing session.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client_credits.domain.errors import InsufficientCredits
from client_credits.domain.payments.facts import (
    CreditNote,
    Dispute,
    DisputeStatus,
    MoneyBack,
    Payment,
    PaymentMade,
)
from client_credits.store.records import Wanted
from tests.support.builders import HOUR, NOW, a_line, a_payment
from tests.unit.test_money_back import PAID, Practice, dispute, news, refund

News = MoneyBack | PaymentMade
PAYMENTS = ("in_1", "in_2")
CLIENTS = ("c1", "c2")


def money(payment: str) -> str:
    return payment.replace("in", "pi")


class Books:
    """A naive account beside the practice: what each payment still stands for, and which sessions stand."""

    def __init__(self, **settings: object) -> None:
        self.practice = Practice(**settings)
        self.paid: set[str] = set()
        self.refunds: dict[str, dict[str, int]] = {p: {} for p in PAYMENTS}
        self.lost: dict[str, dict[str, int]] = {p: {} for p in PAYMENTS}
        self.disputes: dict[str, tuple[int, int]] = {}  # payment -> (how far it went, amount)
        self.standing: set[tuple[int, str]] = set()
        self.gone: set[int] = set()

    @property
    def expected(self) -> int:
        return sum(10 - self.target(payment) for payment in self.paid) - len(self.standing)

    def target(self, payment: str) -> int:
        given_back = sum(self.refunds[payment].values()) + sum(self.lost[payment].values())
        return floor(10 * min(PAID, given_back) / PAID)

    @property
    def total(self) -> int:
        return sum(self.practice.wallet(client).balance for client in CLIENTS)

    def check(self) -> None:
        assert self.total == self.expected
        for client in CLIENTS:
            self.practice.check(client)
        for payment in self.paid:
            self._never_more_than_granted(payment)

    def _never_more_than_granted(self, payment: str) -> None:
        record = self.practice.store.load("p1", Wanted(payments=(payment,))).payments[payment]
        for grant in record.grants:
            assert 0 <= grant.taken_back + grant.owed <= 10


def pay(books: Books, payment: str) -> None:
    books.practice.pay(payment, payment_intent=money(payment))
    books.paid.add(payment)


def refunded(books: Books, payment: str, number: int, amount: int, status: str) -> None:
    name = f"re_{payment}_{number}"
    amount = books.refunds[payment].get(name) or amount
    was_failed = name in books.refunds[payment] and books.refunds[payment][name] == 0
    books.practice.tell(refund(name, amount or 1, status, payment_intent=money(payment)))
    books.refunds[payment][name] = 0 if status == "failed" or was_failed else amount


def lost(books: Books, payment: str, amount: int, status: str) -> None:
    stated = Dispute(f"dp_{payment}", amount, DisputeStatus(status), NOW + HOUR)
    books.practice.tell(news(disputes=(stated,), payment_intent=money(payment)))
    stage = ("open", "lost", "won").index(status)
    stage, amount = max(books.disputes.get(payment, (-1, 0)), (stage, amount))
    books.disputes[payment] = stage, amount
    books.lost[payment] = {"dp": amount if stage == 1 else 0}


def book(books: Books, number: int, client: str) -> None:
    if number in books.gone | {known for known, _ in books.standing}:
        return
    books.practice.book(number, client)
    books.standing.add((number, client))


def cancel(books: Books, number: int) -> None:
    for standing in sorted(books.standing):
        if standing[0] == number:
            books.practice.cancel(number, standing[1])
            books.standing.discard(standing)
            books.gone.add(number)


def give(books: Books, amount: int, giver: str) -> None:
    receiver = "c2" if giver == "c1" else "c1"
    try:
        books.practice.give(amount, giver, receiver)
    except InsufficientCredits:
        return


Step = tuple[Callable[..., None], tuple[Any, ...]]
payments = st.sampled_from(PAYMENTS)
clients = st.sampled_from(CLIENTS)
amounts = st.integers(1, 12_000)
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just(pay), st.tuples(payments)),
    st.tuples(
        st.just(refunded),
        st.tuples(payments, st.integers(1, 2), amounts, st.sampled_from(["pending", "succeeded", "failed"])),
    ),
    st.tuples(st.just(lost), st.tuples(payments, amounts, st.sampled_from(["open", "lost", "won"]))),
    st.tuples(st.just(book), st.tuples(st.integers(0, 9), clients)),
    st.tuples(st.just(cancel), st.tuples(st.integers(0, 9))),
    st.tuples(st.just(give), st.tuples(st.integers(1, 6), clients)),
)


@given(st.lists(steps, min_size=3, max_size=25), st.booleans())
def test_all_clients_together_have_what_was_granted_less_what_was_given_back_and_booked(
    history: list[Step], auto_repay: bool
) -> None:
    books = Books(auto_repay=auto_repay, restore_grace_days_practice=0)
    for do, arguments in [(pay, ("in_1",)), *history]:
        do(books, *arguments)
        books.check()


parts = st.lists(st.integers(1, 4_000), min_size=1, max_size=4)


@given(parts, st.randoms(use_true_random=False), st.integers(0, 10), st.booleans(), st.booleans())
def test_any_order_split_and_repetition_of_news_gives_the_same_result_as_their_sum(
    amounts: list[int], random: Any, spent: int, last_fails: bool, disputed: bool
) -> None:
    stated: list[MoneyBack] = []
    stages = ["pending", "succeeded"]
    for number, amount in enumerate(amounts):
        last = number == len(amounts) - 1
        for status in [*stages, *(["failed"] if last and last_fails else [])]:
            stated.append(refund(f"re_{number}", amount, status))
    if disputed:
        stated += [dispute("open", 3_000), dispute("lost", 3_000, at=NOW + 2 * HOUR)]
    stated += random.sample(stated, k=min(3, len(stated)))
    random.shuffle(stated)
    mixed, at_once = Practice(), Practice()
    for practice in (mixed, at_once):
        practice.pay()
        for number in range(spent):
            practice.book(number)
    for each in stated:
        mixed.tell(each)
    stand = sum(amounts[:-1]) + (0 if last_fails else amounts[-1]) + (3_000 if disputed else 0)
    if stand:
        at_once.tell(refund("re_sum", stand))
    assert mixed.numbers() == at_once.numbers()


@dataclass(frozen=True)
class Paid:
    """How a payment of 10,000 was paid: so much from the balance, by a money of its own, and by the shared one.

    `overpaid` is beyond that, with the money that paid last: the shared one, but while it is detached.
    """

    balance: int
    own: int
    refunded: int  # of its own money
    noted: int  # by a credit note to the balance
    overpaid: int

    @property
    def shared(self) -> int:
        return PAID - self.balance - self.own


@st.composite
def paid(draw: st.DrawFn) -> Paid:
    balance = draw(st.sampled_from([0, 1_000, 4_000]))
    own = draw(st.sampled_from([0, 1_500, 3_000]))
    refunded, noted = draw(st.integers(0, own)), draw(st.sampled_from([0, 0, 700, 2_000]))
    return Paid(balance, own, refunded, noted, draw(st.sampled_from([0, 1_300, 8_000])))


def news_of_moneys(one: Paid, two: Paid, refunds: list[int], last_fails: bool, moves: int) -> list[Payment | News]:
    """Two payments, what paid them and what went back. The shared money was detached and attached `moves` times."""
    stated: list[Payment | News] = []
    for payment_id, each in zip(PAYMENTS, (one, two), strict=True):
        line = a_line(f"il_{payment_id}", amount=PAID)
        amounts = {"paid": PAID, "by_balance": each.balance, "overpaid": each.overpaid}
        stated.append(a_payment(payment_id, line, subscription=None, **amounts))
        stated.append(made(payment_id, "pi_shared", each.shared))
        if each.own:
            stated.append(made(payment_id, money(payment_id), each.own))
        if each.refunded:
            stated.append(refund(f"re_{payment_id}", each.refunded, payment_intent=money(payment_id)))
        if each.noted:
            note = CreditNote(f"cn_{payment_id}", each.noted, (), (), beside_refunds=each.noted, at=NOW + HOUR)
            stated.append(news(payment_id=payment_id, payment_intent=None, notes=(note,)))
    for move in range(moves):
        stated.append(made(PAYMENTS[0], "pi_shared", one.shared, hours=move + 1, detached=move % 2 == 0))
    for number, amount in enumerate(refunds):
        stated.append(refund(f"re_{number}", amount, "pending", payment_intent="pi_shared"))
        if last_fails and number == len(refunds) - 1:
            stated.append(refund(f"re_{number}", amount, "failed", at=NOW + 2 * HOUR, payment_intent="pi_shared"))
    return stated


def made(payment_id: str, intent: str, amount: int, hours: int = 0, *, detached: bool = False) -> PaymentMade:
    about = ("evt", "own", "test", payment_id, intent)
    return PaymentMade(*about, amount=amount, at=NOW + hours * HOUR, detached=detached)


def left_of(one: Paid, two: Paid, given_back: int, detached: bool) -> int:
    """The credits that both payments still stand for, reckoned apart from the code under test."""
    pays = [0 if detached else one.shared, two.shared]
    excess = [0 if detached and one.own else one.overpaid, two.overpaid]  # of the shared money
    shared = max(0, given_back - sum(excess) - (one.shared if detached else 0))  # these pay for nothing
    left = 0
    for each, part, own_excess in zip((one, two), pays, excess, strict=True):
        of_shared = min(Fraction(part), Fraction(shared * part, sum(pays)))
        of_excess = Fraction(min(given_back, sum(excess)) * own_excess, sum(excess) or 1)
        by_money = max(Fraction(0), each.refunded + of_excess + of_shared - each.overpaid)
        gone = by_money + each.noted + (each.shared - part)
        left += 10 - floor(10 * min(Fraction(PAID), gone) / PAID)
    return left


@given(
    paid(),
    paid(),
    st.lists(st.integers(1, 8_000), max_size=3),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 6),
    st.randoms(use_true_random=False),
)
def test_payments_that_share_a_money_stand_for_what_each_of_their_moneys_left_of_them(
    one: Paid, two: Paid, refunds: list[int], last_fails: bool, moves: int, spent: int, random: Any
) -> None:
    stated = news_of_moneys(one, two, refunds, last_fails, moves)
    stated += random.sample(stated, k=min(4, len(stated)))
    random.shuffle(stated)
    practice = Practice(restore_grace_days_practice=0)
    for each in stated:
        practice.hear(each)
    for number in range(spent):
        practice.book(number)
    given_back = sum(refunds[:-1] if last_fails else refunds)
    assert practice.wallet().balance == left_of(one, two, given_back, detached=moves % 2 == 1) - spent
    practice.check("c1")
