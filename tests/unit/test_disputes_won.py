"""What disputes that were won, and refunds that failed, give back: credits that ended meanwhile, and their time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from tests.support.builders import DAY, NOW, a_line, a_package
from tests.unit.test_money_back import PAID, STAFF, Practice, news, refund

from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.facts import (
    Dispute,
    DisputeStatus,
    MoneyBack,
    PaymentMade,
    SubscriptionNews,
    SubscriptionStatus,
)
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.operations.committing import settle_wallet
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import subscriptions
from client_credits.operations.staff import editing
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes
from client_credits.store.records import Wanted

CYCLE = Expiry(ExpiryKind.CYCLE_END)
END = 30  # the day on which the credits end
WORLD = {"restore_grace_days_practice": 0}


def day(number: float) -> datetime:
    return NOW + number * DAY


class Calendar(Practice):
    """A practice whose things happen on given days. Its package ends with the cycle, on day 30."""

    def __init__(self, package: Any = None, **settings: object) -> None:
        super().__init__(**(WORLD | settings))
        known = self.store.load("p1", Wanted()).catalogue
        ten = package or a_package("ten", credits={"follow-up": 10}, expiry=CYCLE)
        self.store.commit([writes.catalogue("p1", replace_package(known, ten))])

    def on(self, number: float) -> "Calendar":
        self.now = day(number)
        return self

    def sweep(self, client: str = "c1") -> None:
        loaded = self.store.load("p1", Wanted(client_id=client, types=("follow-up",)))
        settle_wallet(self.store, loaded.wallets["follow-up"], self.now, loaded.dated)

    def dispute(self, opened: float, status: str, at: float, name: str = "dp_1") -> None:
        self.tell(disputed(opened, status, at, name))

    def balance(self, client: str = "c1") -> int:
        """What the client has today, whether or not what has ended was written off."""
        self.check(client)
        return self.wallet(client).balance_at(self.now)

    def ends(self, client: str = "c1") -> list[float]:
        """On which days the lots with credits end."""
        return sorted((lot.end - NOW) / DAY for lot in self.wallet(client).open_lots)


def replace_package(known: Any, package: Any) -> Any:
    known.packages[package.package_id] = package
    return known


def disputed(opened: float, status: str, at: float, name: str = "dp_1") -> MoneyBack:
    stated = Dispute(name, PAID, DisputeStatus(status), day(at), day(opened))
    return news(disputes=(stated,))


def only_lot(wallet: Wallet) -> Lot:
    (lot,) = wallet.open_lots
    return lot


# Disputes that were won


@pytest.mark.parametrize("swept", [None, 31, 39])
def test_what_expired_in_a_dispute_comes_back_when_it_is_won_and_ends_later(swept: float | None) -> None:
    practice = Calendar()
    practice.pay()
    practice.on(10).dispute(10, "open", 10)
    if swept:
        practice.on(swept).sweep()
    practice.on(40).dispute(10, "won", 40)
    assert (practice.balance(), practice.ends()) == (10, [END + 30])
    assert practice.kinds() == [
        ("granted", 10),
        ("frozen", 0),
        ("expired", -10),
        ("extended", 0),
        ("reinstated", 10),
        ("unfrozen", 0),
    ]
    extended, reinstated = practice.store.entries_after("p1", "c1", "follow-up", 3)[:2]
    assert (extended.source_id, reinstated.source_id) == ("extend/dp_1/won", "clawback/dp_1/won")
    assert {extended.occurred_at, reinstated.occurred_at} == {day(40)}
    assert extended.postings[0].facts and extended.postings[0].facts.end == day(60)
    assert not only_lot(practice.wallet()).frozen


def test_a_dispute_won_of_a_money_that_paid_two_invoices_gives_both_their_time_back() -> None:
    practice = Calendar()
    practice.pay()
    practice.pay("in_2", payment_intent=None)
    practice.hear(PaymentMade("evt", "own", "test", "in_2", "pi_1", amount=PAID, at=NOW))
    practice.on(10).dispute(10, "open", 10)
    practice.on(40).dispute(10, "won", 40)
    assert (practice.balance(), practice.ends()) == (20, [END + 30] * 2)
    named = [e.source_id for e in practice.store.entries_after("p1", "c1", "follow-up", 0) if e.kind == "extended"]
    assert named == ["extend/dp_1/won/in_1", "extend/dp_1/won/in_2"]


@pytest.mark.parametrize(("heard_on", "left"), [(41, 10), (59, 10), (60, 0), (90, 0)])
def test_a_dispute_heard_late_to_be_won_ends_the_lots_when_it_would_have_in_time(heard_on: float, left: int) -> None:
    for known, swept in ((True, True), (True, False), (False, True), (False, False)):
        practice = Calendar()
        practice.pay()
        if known:
            practice.on(10).dispute(10, "open", 10)
        if swept:
            practice.on(heard_on - 0.5).sweep()
        practice.on(heard_on).dispute(10, "won", 40)
        assert practice.balance() == left
        practice.on(61).sweep()
        assert practice.wallet().balance == 0


@pytest.mark.parametrize("order", permutations(range(3)))
def test_a_dispute_won_after_the_end_of_a_subscription_gives_back_what_ended_meanwhile(order: tuple[int, ...]) -> None:
    practice = Calendar(past_due="freeze")
    practice.pay()
    practice.on(45)

    def ended() -> None:
        stated = SubscriptionNews("evt", "own", "test", day(20), "sub_1", SubscriptionStatus.ENDED, day(20))
        subscriptions.apply_news(Context(practice.store, "p1", STRIPE, practice.now), stated)

    stated = [partial(practice.dispute, 10, "open", 10), ended, partial(practice.dispute, 10, "won", 40)]
    for number in order:
        stated[number]()
    assert (practice.balance(), practice.ends()) == (10, [END + 30])
    assert not only_lot(practice.wallet()).frozen


@pytest.mark.parametrize("order", permutations(range(4)))
def test_the_times_of_disputes_that_overlap_count_once_in_any_order(order: tuple[int, ...]) -> None:
    stated = [
        disputed(10, "open", 10),
        disputed(20, "open", 20, "dp_2"),
        disputed(10, "won", 40),
        disputed(20, "won", 50, "dp_2"),
    ]
    practice = Calendar()
    practice.pay()
    practice.on(55)
    for number in order:
        practice.tell(stated[number])
        practice.sweep()
        practice.tell(stated[order[0]])
    assert (practice.balance(), practice.ends()) == (10, [END + 40])


def test_disputes_one_after_the_other_each_count() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(15).dispute(10, "won", 15)
    assert practice.ends() == [35]
    practice.on(40).dispute(32, "won", 40, "dp_2")
    assert (practice.balance(), practice.ends()) == (10, [43])


def test_a_dispute_that_opened_after_the_end_gives_nothing_back() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(31).dispute(31, "open", 31)
    practice.on(40).dispute(31, "won", 40)
    assert practice.kinds() == [("granted", 10), ("expired", -10)]


def test_credits_given_away_end_later_and_come_back_less_what_was_booked() -> None:
    for won, ends in ((20, 40), (40, 60)):
        practice = Calendar()
        practice.pay()
        practice.on(5).give(4)
        practice.on(6).book(0, "c2")
        practice.on(10).dispute(10, "open", 10)
        practice.on(won).dispute(10, "won", won)
        assert (practice.balance(), practice.ends()) == (6, [ends])
        assert (practice.balance("c2"), practice.ends("c2")) == (3, [ends])


def test_a_lot_emptied_before_ends_later_too_for_what_returns_to_it() -> None:
    practice = Calendar()
    practice.pay()
    for number in range(10):
        practice.book(number)
    practice.on(10).dispute(10, "open", 10)
    practice.on(40).dispute(10, "won", 40)
    practice.on(41).cancel(0)
    assert (practice.balance(), practice.ends()) == (1, [60])


def test_what_staff_voided_or_lowered_in_a_dispute_stays_so() -> None:
    for take, left in ((void, 0), (lower, 6)):
        practice = Calendar()
        practice.pay()
        practice.on(10).dispute(10, "open", 10)
        take(practice.on(15))
        practice.on(40).dispute(10, "won", 40)
        assert practice.balance() == left


def void(practice: Calendar) -> None:
    lot_id = practice.wallet().lots[0].lot_id
    args = (Context(practice.store, "p1", STAFF, practice.now), "c1", "follow-up", lot_id)
    editing.change_lot(*args, void=True, expires_at=None, reason="left")


def lower(practice: Calendar) -> None:
    keyed = Keyed("lower", "")
    editing.adjust(Context(practice.store, "p1", STAFF, practice.now), "c1", "follow-up", -4, keyed, "a mistake", None)


def test_an_end_that_staff_moved_is_put_off_from_there() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(10).dispute(10, "open", 10)
    lot_id = practice.on(15).wallet().lots[0].lot_id
    args = (Context(practice.store, "p1", STAFF, practice.now), "c1", "follow-up", lot_id)
    editing.change_lot(*args, void=False, expires_at=day(35), reason="a holiday")
    practice.on(40).dispute(10, "won", 40)
    assert (practice.balance(), practice.ends()) == (10, [65])


@pytest.mark.parametrize("swept", [None, 31])
def test_what_rolled_over_in_a_dispute_ends_later_by_its_own_time_also_once_the_next_cycle_is_paid(
    swept: float | None,
) -> None:
    practice = Calendar(a_package("ten", credits={"follow-up": 10}, expiry=CYCLE, rollover_cap=None))
    practice.pay()
    practice.on(10).dispute(10, "open", 10)
    if swept:
        practice.on(swept).sweep()
    practice.on(40).dispute(10, "won", 40)
    assert (practice.balance(), practice.ends()) == (10, [61 + 10])  # 22 January, and ten days
    line = a_line("il_2", amount=PAID, period_start=day(30), period_end=day(61), subscription_item="si_1")
    practice.on(45).pay("in_2", line, payment_intent="pi_2", paid_at=day(30))
    assert (practice.balance(), practice.ends()) == (20, [61, 71])


def test_what_was_put_off_does_not_shift_the_cycle_it_rolls_into() -> None:
    practice = Calendar(a_package("ten", credits={"follow-up": 10}, expiry=CYCLE, rollover_cap=None))
    practice.pay()
    practice.on(15).dispute(10, "won", 15)
    assert practice.ends() == [35]
    practice.on(36).sweep()
    assert (practice.balance(), practice.ends()) == (10, [61])


def test_what_the_cap_cost_in_a_dispute_comes_back_but_does_not_roll_over_again() -> None:
    practice = Calendar(a_package("ten", credits={"follow-up": 10}, expiry=CYCLE, rollover_cap=4))
    practice.pay()
    practice.on(10).dispute(10, "open", 10)
    practice.on(40).dispute(10, "won", 40)
    assert (practice.balance(), practice.ends()) == (10, [60, 71])
    practice.on(60).sweep()
    assert (practice.balance(), practice.ends()) == (4, [71])


def test_tranches_end_later_by_what_of_the_dispute_they_were_there_for() -> None:
    sixty = Expiry(ExpiryKind.DAYS, 60)
    practice = Calendar(a_package("ten", credits={"follow-up": 10}, expiry=sixty, monthly_tranches=True))
    line = a_line(amount=PAID, period_start=NOW, period_end=day(90), subscription_item="si_1")
    practice.pay("in_1", line)
    practice.on(1).sweep()
    (first,) = practice.ends()
    practice.on(10).dispute(10, "open", 10)
    practice.on(31).sweep()
    _, second = practice.ends()
    practice.on(40).dispute(10, "won", 40)
    assert (practice.balance(), practice.ends()) == (20, sorted([first + 30, second + 10]))


def test_what_was_refunded_in_the_dispute_does_not_come_back_until_that_refund_fails() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(10).dispute(10, "open", 10)
    practice.on(31).tell(refund("re_1", PAID // 2, at=day(31)))
    practice.on(40).dispute(10, "won", 40)
    assert (practice.balance(), practice.ends()) == (5, [60])
    practice.on(42).tell(refund("re_1", PAID // 2, "failed", at=day(42)))
    assert practice.balance() == 10


def test_an_end_is_put_off_by_the_dispute_whatever_newer_is_known() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(45).tell(refund("re_1", PAID // 2, at=day(42)))
    practice.dispute(10, "won", 40)
    (extended,) = [e for e in practice.store.entries_after("p1", "c1", "follow-up", 0) if e.kind == "extended"]
    assert (extended.source_id, extended.cause.ids["dispute"]) == ("extend/dp_1/won", "dp_1")
    assert (extended.occurred_at, practice.balance()) == (day(40), 5)


def test_a_dispute_that_is_won_and_then_lost_leaves_nothing() -> None:
    for order in permutations(("won", "lost")):
        practice = Calendar()
        practice.pay()
        practice.on(40)
        for status in order:
            practice.dispute(10, status, {"won": 20, "lost": 25}[status])
        assert practice.wallet().balance == 0


# Refunds that fail


@pytest.mark.parametrize("swept", [None, 31])
def test_a_refund_that_failed_gives_back_to_a_lot_that_ends_later_by_as_long_as_it_lasted(swept: float | None) -> None:
    practice = Calendar()
    practice.pay()
    first = only_lot(practice.wallet())
    practice.on(5).tell(refund("re_1", PAID, "pending", at=day(5)))
    if swept:
        practice.on(swept).sweep()
    practice.on(36).tell(refund("re_1", PAID, "failed", at=day(35)))
    assert (practice.balance(), practice.ends()) == (10, [60])
    assert only_lot(practice.wallet()).parent == first.lot_id
    reinstated = practice.store.entries_after("p1", "c1", "follow-up", 0)[-1]
    assert (str(reinstated.kind), reinstated.occurred_at) == ("reinstated", day(35))


def test_of_a_lot_that_ended_meanwhile_just_what_the_refund_took_comes_back() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(5).tell(refund("re_1", PAID // 2, "pending", at=day(5)))
    practice.on(31).sweep()
    practice.on(35).tell(refund("re_1", PAID // 2, "failed", at=day(35)))
    assert (practice.balance(), practice.ends()) == (5, [60])


def test_the_refund_that_failed_gives_back_its_own_part_not_that_of_one_that_stands() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(5).give(5)
    practice.on(6).tell(refund("re_1", PAID // 2, "pending", at=day(6)))
    assert (practice.balance(), practice.balance("c2")) == (0, 5)
    practice.on(7).tell(refund("re_2", PAID // 2, at=day(7)))
    practice.on(8).tell(refund("re_1", PAID // 2, "failed", at=day(8)))
    assert (practice.balance(), practice.balance("c2")) == (5, 0)
    assert practice.ends() == [32]


def test_what_a_refund_took_of_a_lot_that_staff_voided_since_stays_gone() -> None:
    practice = Calendar()
    practice.pay()
    practice.on(5).tell(refund("re_1", PAID // 2, "pending", at=day(5)))
    void(practice.on(6))
    practice.on(7).tell(refund("re_1", PAID // 2, "failed", at=day(7)))
    assert practice.wallet().balance == 0
    practice.check("c1")


def in_debt(practice: Calendar) -> Calendar:
    """Four booked, all refunded, and the debt of four repaid by another payment's credits."""
    practice.pay()
    for number in range(4):
        practice.book(number)
    practice.on(2).tell(refund("re_1", PAID, at=day(2)))
    practice.on(3).pay("in_2", payment_intent="pi_2")
    assert practice.balance() == 6
    return practice


def test_what_repaid_the_debt_of_a_refund_that_failed_returns_to_the_lot_that_repaid() -> None:
    practice = in_debt(Calendar())
    practice.on(4).tell(refund("re_1", PAID, "failed", at=day(4)))
    by_payment = {lot.payment: lot.remaining for lot in practice.wallet().open_lots}
    assert by_payment == {"in_1/il_1": 6, "in_2/il_1": 10}
    before = dict(practice.table.items)
    practice.tell(refund("re_1", PAID, "failed", at=day(4)))
    assert practice.table.items == before
    practice.on(5).tell(refund("re_2", PAID, at=day(5), payment_intent="pi_2"))
    assert (practice.balance(), practice.wallet().debt) == (6, 0)
    assert practice.kinds()[-1] == ("clawed_back", -10), "what returned is not spent, so nothing is owed"


def test_where_the_lot_that_repaid_has_ended_a_lot_made_from_it_ends_later() -> None:
    practice = in_debt(Calendar())
    practice.on(33).tell(refund("re_1", PAID, "failed", at=day(33)))
    assert practice.balance() == 10
    assert all(END + 29 < ends < END + 32 for ends in practice.ends())


@pytest.mark.parametrize("shortfall", ["debt", "report"])
def test_what_returns_to_lots_of_a_payment_given_back_since_belongs_to_that_first(shortfall: str) -> None:
    practice = in_debt(Calendar())
    account = practice.store.load("p1", Wanted()).account
    values = {**account.values, "clawback_shortfall": shortfall}
    practice.store.commit([writes.account(replace(account, values=values))])
    practice.on(4).tell(refund("re_2", PAID, at=day(4), payment_intent="pi_2"))
    practice.on(5).tell(refund("re_1", PAID, "failed", at=day(5)))
    assert practice.wallet().balance == 6
    practice.check("c1")


Steps = dict[str, Callable[[Calendar], None]]


@pytest.mark.parametrize("sweeps", [(), (31,), (31, 36, 41)])
def test_news_heard_late_in_any_order_give_the_same_credits_and_ends(sweeps: tuple[float, ...]) -> None:
    steps: Steps = {
        "opened": lambda p: p.dispute(10, "open", 10),
        "won": lambda p: p.dispute(10, "won", 40),
        "refund": lambda p: p.tell(refund("re_1", 3_000, at=day(12))) and None,
        "again": lambda p: p.dispute(20, "won", 45, "dp_2"),
    }
    results = set()
    for order in permutations(steps):
        practice = Calendar()
        practice.pay()
        practice.book(0)
        practice.on(5).give(4)
        for at in sweeps:
            practice.on(at).sweep()
            practice.sweep("c2")
        practice.on(50)
        for name in order:
            steps[name](practice)
        stated = (practice.balance(), practice.balance("c2"))
        results.add((sum(stated), *practice.ends(), *practice.ends("c2")))
    assert {total for total, *_ in results} == {10 - 1 - 3}
    assert all(set(ends) == {END + 35} for _, *ends in results)
