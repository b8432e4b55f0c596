"""Subscriptions: what a change of plan grants, payments after the end, being past due, tranches and the end."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_line, a_package, a_payment, created
from tests.support.memory_table import memory_store

from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.ledger.tranches import brings
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.facts import PaymentLine, SubscriptionNews, SubscriptionStatus
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import parking, paying, resolving
from client_credits.operations.payments import subscriptions as subscribing
from client_credits.store import writes
from client_credits.store.records import Wanted

STAFF = Actor("staff", "s1")
WHOLE_RISES = {"upgrade_grant": "difference"}  # plain numbers, unless a test is about another rule
START = NOW - 10 * DAY
END = START + 30 * DAY
PLANS = [
    a_package("four", credits={"follow-up": 4}, stripe_prices=("price_4",)),
    a_package("eight", credits={"follow-up": 8, "initial": 1}, stripe_prices=("price_8",)),
    a_package("nothing", credits={}, stripe_prices=("price_0",)),
    a_package("year", credits={"follow-up": 2}, stripe_prices=("price_year",), monthly_tranches=True),
    a_package("cycle", credits={"follow-up": 4}, stripe_prices=("price_c",), expiry=Expiry(ExpiryKind.CYCLE_END)),
]


class Practice:
    def __init__(self, now: datetime = NOW, **settings: object) -> None:
        self.store, self.table = memory_store()
        account = Account("p1", WHOLE_RISES | settings, START, catalogue_version=1)
        catalogue = replace(a_catalogue(*PLANS), version=0)
        client = writes.client("p1", Client("c1", created_at=START))
        self.store.commit([writes.account(account), writes.catalogue("p1", catalogue), client])
        self.now = now

    def pay(self, payment_id: str, paid_at: datetime, *lines: PaymentLine, **fields: Any) -> set[str]:
        payment = a_payment(payment_id, *lines, paid_at=paid_at, paid=9_000, **fields)
        return {outcome.fate for outcome in paying.pay(Context(self.store, "p1", STRIPE, self.now), payment)}

    def news(self, status: str, at: datetime, ended_at: datetime | None = None) -> None:
        stated = SubscriptionNews("evt", "own", "test", at, "sub_1", SubscriptionStatus(status), ended_at)
        subscribing.apply_news(Context(self.store, "p1", STRIPE, self.now), stated)

    def wallet(self, kind: str = "follow-up") -> Wallet:
        wallet = self.store.load("p1", Wanted(client_id="c1", types=(kind,))).wallets[kind]
        assert breaches(wallet, self.store.entries_after("p1", "c1", kind, 0)) == []
        return wallet

    def parked(self) -> list[str]:
        return [parked.reason for parked in parking.every_open(self.store, "p1")]

    def kinds(self) -> list[tuple[str, int]]:
        return [(str(e.kind), e.amount) for e in self.store.entries_after("p1", "c1", "follow-up", 0)]


def cycle(price: str = "price_4", starts: datetime = START, ends: datetime = END, **fields: Any) -> PaymentLine:
    return a_line(price=price, period_start=starts, period_end=ends, subscription_item="si_1", **fields)


def change(old: str, new: str, at: datetime, quantity: int = 1) -> tuple[PaymentLine, PaymentLine]:
    """The two lines of a change of plan: what remained of the old is given back, the new is charged."""
    rest: dict[str, Any] = {"period_start": at, "period_end": END, "proration": True, "subscription_item": "si_1"}
    return (
        a_line("il_old", price=old, amount=-3_000, **rest),
        a_line("il_new", price=new, amount=6_000, quantity=quantity, **rest),
    )


def upgraded(practice: Practice, payment_id: str, old: str, new: str, at: datetime, quantity: int = 1) -> set[str]:
    return practice.pay(payment_id, at, *change(old, new, at, quantity))


def test_an_upgrade_grants_the_difference_and_up_down_up_mints_nothing() -> None:
    practice = Practice()
    practice.pay("in_1", START, cycle())
    assert upgraded(practice, "in_2", "price_4", "price_8", START + DAY) == {"proration", "granted"}
    assert (practice.wallet().balance, practice.wallet("initial").balance) == (8, 1)
    assert upgraded(practice, "in_3", "price_8", "price_4", START + 2 * DAY) == {"proration", "nothing_more"}
    assert upgraded(practice, "in_4", "price_4", "price_8", START + 3 * DAY) == {"proration", "nothing_more"}
    assert upgraded(practice, "in_2", "price_4", "price_8", START + DAY) == {"proration", "granted"}
    assert (practice.wallet().balance, practice.wallet("initial").balance) == (8, 1)


def test_a_change_of_quantity_grants_what_is_more() -> None:
    practice = Practice()
    practice.pay("in_1", START, cycle())
    upgraded(practice, "in_2", "price_4", "price_4", START + DAY, quantity=3)
    assert practice.wallet().balance == 12


@pytest.mark.parametrize(("rule", "balance"), [("difference", 8), ("none", 4), ("prorated", 7)])
def test_the_setting_says_what_an_upgrade_grants(rule: str, balance: int) -> None:
    practice = Practice(upgrade_grant=rule)
    practice.pay("in_1", START, cycle())
    upgraded(practice, "in_2", "price_4", "price_8", START + 10 * DAY)  # 20 of 30 days remain: 2.67
    assert practice.wallet().balance == balance


def test_a_change_before_its_periods_own_invoice_waits_for_it() -> None:
    practice = Practice()
    assert upgraded(practice, "in_2", "price_4", "price_8", START + DAY) == {"waits_for_cycle"}
    assert practice.parked() == ["waits_for_cycle"]
    practice.pay("in_1", START, cycle())
    assert practice.wallet().balance == 8
    assert practice.parked() == []


def test_changes_in_any_order_grant_the_same() -> None:
    steps = {
        "first": lambda p: p.pay("in_1", START, cycle()),
        "up": lambda p: upgraded(p, "in_2", "price_4", "price_8", START + DAY),
        "down": lambda p: upgraded(p, "in_3", "price_8", "price_4", START + 2 * DAY),
        "more": lambda p: upgraded(p, "in_4", "price_4", "price_4", START + 3 * DAY, quantity=3),
    }
    for order in permutations(steps):
        practice = Practice()
        for step in order:
            steps[step](practice)
        assert (practice.wallet().balance, practice.wallet("initial").balance, practice.parked()) == (12, 1, []), order


def test_an_item_replaced_by_another_is_a_change_and_not_a_purchase() -> None:
    practice = Practice()
    practice.pay("in_1", START, cycle())
    old, new = change("price_4", "price_8", START + DAY)
    practice.pay("in_2", START + DAY, old, replace(new, subscription_item="si_2"))
    assert (practice.wallet().balance, practice.parked()) == (8, [])


def test_a_full_line_of_a_new_period_is_a_cycle() -> None:
    practice = Practice()
    practice.pay("in_1", START, cycle())
    old = a_line("il_old", price="price_4", amount=-2_000, proration=True, period_start=NOW, subscription_item="si_1")
    full = (
        cycle("price_8", NOW, NOW + 365 * DAY, line_id="il_full")
        if False
        else replace(cycle("price_8", NOW, NOW + 365 * DAY), line_id="il_full")
    )
    assert practice.pay("in_2", NOW, old, full) == {"proration", "granted"}
    assert practice.wallet().balance == 12


def test_a_payment_after_the_end_is_parked_whichever_is_heard_first() -> None:
    ended = START + 20 * DAY
    late = (ended + DAY, cycle(starts=END, ends=END + 30 * DAY))
    for end_first in (True, False):
        practice = Practice(now=END + 5 * DAY)
        practice.pay("in_1", START, cycle())
        for step in (0, 1) if end_first else (1, 0):
            practice.pay("in_2", *late) if step else practice.news("ended", ended, ended)
        assert practice.wallet().balance == 4, end_first
        assert practice.parked() == ["subscription_ended"], end_first
        (parked,) = parking.every_open(practice.store, "p1")
        resolving.resolve(Context(practice.store, "p1", STAFF, practice.now), parked.parked_id)
        assert practice.wallet().balance == 8, end_first
        practice.news("ended", ended, ended)
        assert (practice.wallet().balance, practice.parked()) == (8, []), end_first


def test_a_news_of_running_after_the_end_resurrects_nothing() -> None:
    practice = Practice(now=END)
    practice.news("ended", START + DAY, START + DAY)
    practice.news("running", START + 2 * DAY)
    assert practice.pay("in_1", START + 3 * DAY, cycle()) == {"subscription_ended"}


def test_past_due_freezes_until_the_next_paid_invoice_in_any_order() -> None:
    first = ("in_1", START, cycle())
    second = ("in_2", START + 3 * DAY, cycle(starts=START + 2 * DAY, ends=END))
    steps = {
        "first": lambda p: p.pay(*first),
        "due": lambda p: p.news("past_due", START + 2 * DAY),
        "second": lambda p: p.pay(*second),
    }
    for order in permutations(steps):
        practice = Practice(past_due="freeze")
        for number, step in enumerate(order):
            steps[step](practice)
            heard = set(order[: number + 1])
            frozen = [bool(lot.frozen) for lot in practice.wallet().open_lots]
            assert frozen == ["due" in heard and "second" not in heard] * len(frozen), order
        assert practice.wallet().balance == 8


def test_past_due_is_kept_by_default_and_freed_by_the_end() -> None:
    kept = Practice()
    kept.pay("in_1", START, cycle())
    kept.news("past_due", START + DAY)
    assert not kept.wallet().open_lots[0].frozen
    frozen = Practice(past_due="freeze")
    frozen.pay("in_1", START, cycle())
    frozen.news("past_due", START + DAY)
    assert frozen.wallet().open_lots[0].frozen
    frozen.news("ended", START + 2 * DAY, START + 2 * DAY)
    assert not frozen.wallet().open_lots[0].frozen
    assert [kind for kind, _ in frozen.kinds()] == ["granted", "frozen", "unfrozen"]


def test_an_end_stops_the_tranches_whenever_it_is_heard() -> None:
    begins = datetime(2026, 1, 31, 9, tzinfo=UTC)
    ended = datetime(2026, 4, 10, tzinfo=UTC)
    line = cycle("price_year", begins, datetime(2027, 1, 31, 9, tzinfo=UTC))
    for heard_late in (False, True):
        practice = Practice(now=begins + HOUR)
        practice.pay("in_1", begins, line)
        assert practice.wallet().balance == 2
        practice.now = datetime(2026, 7, 1, tzinfo=UTC) if heard_late else ended + HOUR
        if heard_late:  # a booking settles the wallet: April's, May's and June's have come by now
            event = created("b1", occurred_at=practice.now, starts_at=practice.now + DAY)
            bookings.book(Context(practice.store, "p1", BOOKINGS, practice.now), event)
            assert practice.wallet().balance == 11
        practice.news("ended", ended, ended)
        practice.now = datetime(2026, 9, 1, tzinfo=UTC)
        event = created("b2", occurred_at=practice.now, starts_at=practice.now + DAY)
        bookings.book(Context(practice.store, "p1", BOOKINGS, practice.now), event)
        assert practice.wallet().balance == 6 - 1 - heard_late  # January, February, March
        assert not any(brings(coming) for coming in practice.wallet().coming)
