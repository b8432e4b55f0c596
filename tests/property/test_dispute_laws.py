"""Laws of disputes that were won: whatever ended, moved or was swept meanwhile, nothing is lost and nothing made.

Two payments whose credits end on day 30 are disputed before and won on day 60. Then all clients
together have what was granted, less what was refunded, less one credit per standing session.
"""

from collections.abc import Callable
from math import floor
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from client_credits.domain.errors import InsufficientCredits
from client_credits.domain.payments.facts import Dispute, DisputeStatus
from tests.unit.test_disputes_won import Calendar, day
from tests.unit.test_money_back import PAID, news, refund

WON = 60
PAYMENTS = ("in_1", "in_2")
CLIENTS = ("c1", "c2")


class Account:
    """What the practice should come to, beside the practice."""

    def __init__(self, **settings: object) -> None:
        self.practice = Calendar(**settings)
        self.refunds: dict[str, dict[str, tuple[int, bool]]] = {payment: {} for payment in PAYMENTS}
        self.standing: set[tuple[int, str]] = set()
        self.gone: set[int] = set()

    @property
    def expected(self) -> int:
        return sum(10 - self._target(payment) for payment in PAYMENTS) - len(self.standing)

    def _target(self, payment: str) -> int:
        given_back = sum(amount for amount, stands in self.refunds[payment].values() if stands)
        return floor(10 * min(PAID, given_back) / PAID)

    @property
    def total(self) -> int:
        return sum(self.practice.wallet(client).balance for client in CLIENTS)


def money(payment: str) -> str:
    return payment.replace("in", "pi")


def dispute(account: Account, payment: str, opened: float, status: str, at: float) -> None:
    stated = Dispute(f"dp_{payment}", PAID, DisputeStatus(status), day(at), day(opened))
    account.practice.tell(news(disputes=(stated,), payment_intent=money(payment)))


def refunded(account: Account, payment: str, number: int, amount: int, status: str) -> None:
    name, known = f"re_{payment}_{number}", account.refunds[payment]
    amount, stood = known.get(name, (amount, True))
    account.practice.tell(refund(name, amount, status, at=account.practice.now, payment_intent=money(payment)))
    known[name] = amount, stood and status != "failed"


def book(account: Account, number: int, client: str) -> None:
    if number not in account.gone | {known for known, _ in account.standing}:
        account.practice.book(number, client)
        account.standing.add((number, client))


def cancel(account: Account, number: int) -> None:
    for standing in sorted(account.standing):
        if standing[0] == number:
            account.practice.cancel(*standing)
            account.standing.discard(standing)
            account.gone.add(number)


def give(account: Account, amount: int, giver: str) -> None:
    try:
        account.practice.give(amount, giver, "c2" if giver == "c1" else "c1")
    except InsufficientCredits:
        return


def sweep(account: Account) -> None:
    for client in CLIENTS:
        account.practice.sweep(client)


Step = tuple[float, Callable[..., None], tuple[Any, ...]]
payments, clients = st.sampled_from(PAYMENTS), st.sampled_from(CLIENTS)
days = st.integers(1, 2 * (WON - 1)).map(lambda half: half / 2)
statuses = st.sampled_from(["pending", "succeeded", "failed"])
steps: st.SearchStrategy[Step] = st.one_of(
    st.tuples(days, st.just(book), st.tuples(st.integers(0, 9), clients)),
    st.tuples(days, st.just(cancel), st.tuples(st.integers(0, 9))),
    st.tuples(days, st.just(give), st.tuples(st.integers(1, 6), clients)),
    st.tuples(days, st.just(sweep), st.just(())),
    st.tuples(days, st.just(refunded), st.tuples(payments, st.integers(1, 2), st.integers(1, 12_000), statuses)),
)
opened = st.integers(1, 29)


@given(st.lists(steps, min_size=2, max_size=16), opened, opened, st.booleans(), st.booleans())
def test_what_ended_in_disputes_that_were_won_is_all_there_again(
    history: list[Step], first: int, second: int, auto_repay: bool, both_known: bool
) -> None:
    account = Account(auto_repay=auto_repay)
    for payment in PAYMENTS:
        account.practice.pay(payment, payment_intent=money(payment))
    opening: list[Step] = [(first, dispute, ("in_1", first, "open", first))]
    if both_known:
        opening.append((second, dispute, ("in_2", second, "open", second)))
    for at, do, arguments in sorted([*history, *opening], key=lambda step: step[0]):
        account.practice.now = max(account.practice.now, day(at))
        do(account, *arguments)
    account.practice.on(WON)
    for payment, since in (("in_1", first), ("in_2", second)):
        dispute(account, payment, since, "won", WON)
    assert account.total == account.expected
    for client in CLIENTS:
        account.practice.check(client)
        kept = account.practice.wallet(client)
        assert kept.balance == kept.balance_at(account.practice.now), "nothing there has ended"
    before = dict(account.practice.table.items)
    for payment, since in (("in_1", first), ("in_2", second)):
        dispute(account, payment, since, "won", WON)
    sweep(account)
    assert account.practice.table.items == before
