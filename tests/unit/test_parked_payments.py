"""Parked payments: closed by the grant itself, found by what they wait for, at a cost that nothing parked changes."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from tests.support.builders import DAY, NOW, a_catalogue, a_line, a_package, a_payment, cancelled, created
from tests.support.memory_table import memory_store

from client_credits.domain.errors import AlreadyResolved
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.payments.facts import (
    CustomerLink,
    MoneyBack,
    Payment,
    PaymentLine,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
    Trial,
)
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.domain.practice.catalogue import Package
from client_credits.domain.practice.records import Account, Client
from client_credits.operations import sweeping
from client_credits.operations.bookings import spending
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import linking, money_back, parking, paying, replaying, resolving
from client_credits.operations.staff import practices
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.table import Write

STAFF = Actor("staff", "s1")
THREE = a_package()
TYPES = tuple(f"type-{n:02d}" for n in range(50))


class Practice:
    """A practice in memory that sells three follow-ups at price_1, and other packages where said."""

    def __init__(self, *packages: Package, types: tuple[str, ...] = ("follow-up", "initial")) -> None:
        self.store, self.table = memory_store()
        catalogue = replace(a_catalogue(*(packages or (THREE,)), types=types), version=0)
        account = Account("p1", created_at=NOW, catalogue_version=1)
        self.store.commit([writes.account(account), writes.catalogue("p1", catalogue)])
        self.calls: Counter[str] = Counter()
        self.table.watch = lambda moment, call: self.calls.update([call] if moment == "before" else [])

    @property
    def context(self) -> Context:
        return Context(self.store, "p1", STRIPE, NOW)

    def pay(self, payment: Payment) -> list[str]:
        return [outcome.fate for outcome in paying.pay(self.context, payment)]

    def open(self) -> list[Parked]:
        return list(parking.every_open(self.store, "p1"))

    def record(self, payment: Payment) -> Parked:
        (record,) = self.store.parked("p1", [parking.id_of(payment)])
        return record

    def balance(self, client_id: str = "c1", kind: str = "follow-up") -> int:
        return self.store.load("p1", Wanted(client_id=client_id, types=(kind,))).wallets[kind].balance

    def link(self, customer: str = "cus_1", client_id: str = "c1") -> None:
        self.store.commit([writes.link("p1", "customer", customer, client_id, None)])

    def sweep(self) -> int:
        """Every shard to its end; how many pages of parked payments that took."""
        pages = 0
        for shard in sweeping.shards():
            more = True
            while more:
                swept = sweeping.sweep_shard(self.store, shard, NOW)
                pages, more = pages + swept.replays, swept.more
        return pages


def bought(payment_id: str = "in_1", *lines: Any, **fields: Any) -> Payment:
    """A one-off purchase for whom nobody knows, unless said."""
    values = {"client_id": None, "subscription": None} | fields
    return a_payment(payment_id, *lines, **values)


# -- closed by the grant


def test_the_transaction_that_grants_a_parked_payment_closes_it() -> None:
    practice, payment = Practice(), bought()
    practice.pay(payment)
    practice.link()
    transactions: list[set[str]] = []
    commit = practice.store.table.transact

    def noted(items: list[Write]) -> None:
        transactions.append({str(item["Put"]["Item"]["kind"]["S"]) for item in items})
        commit(items)

    practice.store.table.transact = noted  # type: ignore[method-assign,assignment]
    practice.pay(payment)
    (granting,) = (kinds for kinds in transactions if "entry" in kinds)
    assert "parked" in granting
    record = practice.record(payment)
    assert (record.state, record.closed_by) == (ParkedState.RESOLVED, "system/stripe")
    assert (practice.open(), practice.balance()) == ([], 3)


def test_staff_cannot_grant_again_what_another_delivery_has_granted() -> None:
    practice, payment = Practice(), bought()
    practice.pay(payment)
    practice.pay(replace(payment, client_id="c1", event_id="evt_second"))
    with pytest.raises(AlreadyResolved):
        resolving.resolve(Context(practice.store, "p1", STAFF, NOW), parking.id_of(payment), "c2", "three-pack")
    assert (practice.balance(), practice.balance("c2")) == (3, 0)


def test_a_payment_of_several_lines_closes_with_the_last_that_was_missing() -> None:
    lines = [a_line(f"il_{n}", price=f"price_{n}") for n in (1, 2, 3)]
    practice, payment = Practice(), bought("in_1", *lines, client_id="c1")
    assert practice.pay(payment) == ["granted", "unknown_package", "unknown_package"]
    assert practice.record(payment).missing == ("il_2", "il_3")
    for number, (state, missing) in ((2, ("open", ("il_3",))), (3, ("resolved", ()))):
        package = a_package(f"pack-{number}", stripe_prices=(f"price_{number}",))
        practices.put_package(Context(practice.store, "p1", STRIPE, NOW), package, False)
        record = practice.record(payment)
        assert (record.state, record.missing) == (state, missing)
    assert practice.balance() == 9


def test_a_line_that_turns_out_to_grant_nothing_closes_the_payment_too() -> None:
    practice, payment = Practice(), bought("in_1", a_line("il_1", price="price_x", trial=Trial.YES), client_id="c1")
    practice.pay(payment)
    assert [parked.reason for parked in practice.open()] == ["unknown_package"]
    practices.put_package(
        Context(practice.store, "p1", STRIPE, NOW), a_package("pack-x", stripe_prices=("price_x",)), False
    )
    assert (practice.open(), practice.balance()) == ([], 0)


def test_a_closed_payment_is_forgotten_by_what_it_waited_for() -> None:
    practice, payment = Practice(), bought()
    practice.pay(payment)
    assert [p.parked_id for p in parking.open_for(practice.store, "p1", ("customer", "cus_1"))] == [
        parking.id_of(payment)
    ]
    resolving.dismiss(Context(practice.store, "p1", STAFF, NOW), parking.id_of(payment), "cash")
    for waits_for in practice.record(payment).waits_for:
        assert practice.store.waiting_page("p1", waits_for, None, 10) == ([], None), waits_for


def test_a_payment_of_more_prices_than_a_transaction_holds_is_parked_and_closed() -> None:
    lines = [a_line(f"il_{n}", price=f"price_x{n}") for n in range(150)]
    practice, payment = Practice(), bought("in_1", *lines, client_id="c1")
    practice.pay(payment)
    assert len(practice.open()) == 1
    assert practice.store.waiting_page("p1", ("price", "price_x149"), None, 10)[0] == [parking.id_of(payment)]
    resolving.dismiss(Context(practice.store, "p1", STAFF, NOW), parking.id_of(payment), "cash")
    assert practice.store.waiting_page("p1", ("price", "price_x149"), None, 10)[0] == []


# -- parking beside the news that explain it


def test_a_payment_parked_just_after_its_link_was_written_is_granted() -> None:
    practice, payment = Practice(), bought()

    def link_first(moment: str, call: str) -> None:
        if (moment, call) == ("before", "transact_write_items"):  # the parking is about to be written
            practice.table.watch = lambda moment, call: None
            linking.apply_link(Context(practice.store, "p1", STRIPE, NOW), CustomerLink("evt_l", "cus_1", "c1"))

    practice.table.watch = link_first
    assert practice.pay(payment) == ["granted"]
    assert (practice.open(), practice.balance()) == ([], 3)


def test_a_price_given_to_a_package_while_its_payment_is_parked_is_granted() -> None:
    practice, payment = Practice(), bought("in_1", a_line(price="price_x"), client_id="c1")

    def sold_first(moment: str, call: str) -> None:
        if (moment, call) == ("before", "transact_write_items"):
            practice.table.watch = lambda moment, call: None
            package = a_package("pack-x", stripe_prices=("price_x",))
            practices.put_package(Context(practice.store, "p1", STRIPE, NOW), package, False)

    practice.table.watch = sold_first
    assert practice.pay(payment) == ["granted"]
    assert (practice.open(), practice.balance()) == ([], 3)


def test_a_plan_change_stated_by_another_account_than_the_subscriptions_is_parked() -> None:
    """It was tried again without end: the other account's period seemed to explain it."""
    practice = Practice()
    period = {"subscription_item": "si_1", "period_start": NOW, "period_end": NOW + 30 * DAY}
    practice.pay(a_payment("in_1", a_line(**period)))
    rest = period | {"period_start": NOW + 10 * DAY, "proration": True}
    before = a_line("il_old", amount=-3_000, **rest)
    theirs = a_payment("in_2", before, a_line(**rest), account="acct_A", paid_at=NOW + 10 * DAY)
    assert practice.pay(theirs) == ["waits_for_cycle"] * 2
    assert [parked.reason for parked in practice.open()] == ["waits_for_cycle"]
    practice.pay(a_payment("in_3", a_line(**period)))
    assert [parked.reason for parked in practice.open()] == ["waits_for_cycle"], "woken, and still not explained"


# -- room


@pytest.mark.parametrize("types", [TYPES[:25], TYPES], ids=["the same types twice", "fifty types"])
def test_two_lines_of_25_types_are_both_granted(types: tuple[str, ...]) -> None:
    packs = [
        a_package(f"pack-{n}", credits=dict.fromkeys(kinds, 2), stripe_prices=(f"price_{n}",))
        for n, kinds in enumerate((types[:25], types[-25:]))
    ]
    practice = Practice(*packs, types=types)
    lines = [a_line("il_0", price="price_0"), a_line("il_1", price="price_1")]
    assert practice.pay(bought("in_1", *lines, client_id="c1", paid=9_000)) == ["granted", "granted"]
    assert sum(practice.balance(kind=kind) for kind in types) == 100
    assert practice.open() == []
    back = Refund("re_1", 9_000, RefundStatus.SUCCEEDED, NOW)
    news = MoneyBack("evt_r", "own", "test", NOW, payment_id="in_1", payment_intent="pi_1", refunds=(back,))
    assert money_back.apply_money_back(Context(practice.store, "p1", STRIPE, NOW), news) == "followed"
    assert [practice.balance(kind=kind) for kind in types] == [0] * len(types)


# -- cost


def clutter(practice: Practice, customer: str) -> None:
    """400 closed payments of this customer and price, and 300 open ones of others."""
    for n in range(400):
        payment = bought(f"in_c{n}", customer=customer, lines=(a_line(price="price_1"),))
        record = Parked(parking.id_of(payment), "unknown_client", "evt", NOW, customer, payment=payment)
        closed = parking.closed(record, ParkedState.DISMISSED, STAFF)
        practice.store.commit(parking.record_writes("p1", closed, NOW))
    for n in range(300):
        payment = bought(f"in_o{n}", customer=f"cus_other{n}", lines=(a_line(price=f"price_other{n}"),))
        record = Parked(parking.id_of(payment), "unknown_client", "evt", NOW, payment.customer, payment=payment)
        practice.store.commit(parking.record_writes("p1", record, NOW))


@pytest.mark.parametrize("news", ["link", "client", "price"])
def test_what_else_is_parked_costs_news_nothing(news: str) -> None:
    counts = []
    for is_cluttered in (False, True):
        practice = Practice()
        practice.pay(bought())
        if is_cluttered:
            clutter(practice, "cus_1")
        practice.calls.clear()
        tell(practice, news)
        counts.append(dict(practice.calls))
        assert practice.balance() == (0 if news == "price" else 3)
    assert counts[0] == counts[1]


def tell(practice: Practice, news: str) -> None:
    match news:
        case "link":
            linking.apply_link(Context(practice.store, "p1", STRIPE, NOW), CustomerLink("evt_l", "cus_1", "c1"))
        case "client":
            practices.put_client(Context(practice.store, "p1", STRIPE, NOW), Client("c1", stripe_customers=("cus_1",)))
        case "price":
            practices.put_package(Context(practice.store, "p1", STRIPE, NOW), replace(THREE, name="Other"), False)


def test_a_client_of_40_customers_costs_one_query_each_whatever_is_parked() -> None:
    customers = tuple(f"cus_{n}" for n in range(40))
    practice = Practice()
    clutter(practice, "cus_0")
    practice.calls.clear()
    practices.put_client(Context(practice.store, "p1", STRIPE, NOW), Client("c1", stripe_customers=customers))
    assert practice.calls["query"] == 40
    assert practice.calls.total() <= 45


def test_one_request_grants_twenty_and_the_sweep_the_rest() -> None:
    practice = Practice()
    for n in range(65):
        practice.pay(bought(f"in_{n}"))
    practice.calls.clear()
    practices.put_client(Context(practice.store, "p1", STRIPE, NOW), Client("c1", stripe_customers=("cus_1",)))
    assert practice.balance() == 3 * replaying.INLINE
    requests = practice.calls.total()
    assert requests <= 8 * replaying.INLINE
    assert practice.sweep() == 3
    assert (practice.balance(), practice.open()) == (195, [])
    assert practice.sweep() == 0, "nothing is due any more"


def test_what_the_sweep_cannot_explain_stays_parked_and_is_due_no_more() -> None:
    practice = Practice()
    for n in range(30):
        practice.pay(bought(f"in_{n}", a_line(price="price_x")))
    practices.put_client(Context(practice.store, "p1", STRIPE, NOW), Client("c1", stripe_customers=("cus_1",)))
    assert practice.sweep() == 1
    assert (len(practice.open()), practice.sweep()) == (30, 0)


def test_news_that_come_while_the_sweep_is_at_it_begin_anew() -> None:
    practice = Practice()
    for n in range(50):
        practice.pay(bought(f"in_{n}", a_line(price="price_x")))
    known = [("price", "price_x")]
    replaying.replay(Context(practice.store, "p1", STRIPE, NOW), known)
    assert replaying.work_off(Context(practice.store, "p1", STRIPE, NOW), known[0])
    practice.link()
    practices.put_package(
        Context(practice.store, "p1", STRIPE, NOW), a_package("pack-x", stripe_prices=("price_x",)), False
    )
    practice.sweep()
    assert (practice.balance(), practice.open()) == (150, [])


# -- waiting for a client who does not exist yet


def parking_practice() -> Practice:
    practice = Practice()
    account = practice.store.load("p1", Wanted()).account
    practice.store.commit([writes.account(replace(account, values={"unknown_clients": "park"}))])
    return practice


def by_booking(practice: Practice, client_id: str) -> None:
    spending.book(practice.context, created(f"b-{client_id}", client_id=client_id))


def by_cancellation(practice: Practice, client_id: str) -> None:
    spending.cancel(practice.context, cancelled(f"b-{client_id}", client_id=client_id))


def by_api(practice: Practice, client_id: str) -> None:
    practices.put_client(practice.context, Client(client_id))


WAYS = {
    "an invoice": bought("in_1", client_id="c1"),
    "an invoice for a subscription's item": a_payment(
        "in_1", a_line(subscription_item="si_1", period_start=NOW, period_end=NOW + DAY), client_id="c1"
    ),
    "a session": bought("cs_1", a_line("three-pack", price=None, package_id="three-pack"), client_id="c1"),
    "a payment intent": bought(
        "pi_1", a_line("three-pack", price=None, package_id="three-pack"), client_id="c1", payment_intent="pi_1"
    ),
}


@pytest.mark.parametrize("comes", [by_booking, by_cancellation, by_api], ids=lambda way: way.__name__)
@pytest.mark.parametrize("way", WAYS)
def test_a_payment_parked_for_a_client_is_granted_when_that_client_comes(way: str, comes: Any) -> None:
    practice = parking_practice()
    assert practice.pay(WAYS[way]) == ["unknown_client"]
    assert practice.store.load("p1", Wanted(others=("c1",))).others == {}
    comes(practice, "c2")
    assert practice.balance() == 0
    comes(practice, "c1")
    assert (practice.open(), practice.balance() + spent(practice)) == ([], 3)


def spent(practice: Practice) -> int:
    """What a booking that brought the client has used or owes of the credits."""
    entries = practice.store.entries_after("p1", "c1", "follow-up", 0)
    return -sum(entry.amount for entry in entries if entry.kind == "spent")


def test_whose_a_parked_payment_is_may_be_heard_after_it_was_parked() -> None:
    practice, payment = parking_practice(), bought()
    practice.pay(payment)
    linking.apply_link(practice.context, CustomerLink("evt_l", "cus_1", "c1"))
    assert [parked.reason for parked in practice.open()] == ["unknown_client"]
    by_api(practice, "c1")
    assert (practice.open(), practice.balance()) == ([], 3)


def test_a_booking_heard_again_wakes_what_its_worker_died_before_waking() -> None:
    practice = parking_practice()
    practice.pay(bought("in_1", client_id="c1"))

    def dies(moment: str, call: str) -> None:
        if moment == "after" and call == "transact_write_items":
            practice.table.watch = lambda moment, call: None
            raise RuntimeError("the worker died")

    practice.table.watch = dies
    with pytest.raises(RuntimeError):
        by_booking(practice, "c1")
    assert [parked.reason for parked in practice.open()] == ["unknown_client"]
    by_booking(practice, "c1")
    assert practice.open() == []


# -- woken by whatever its lines name


def zero(line_id: str, subscription: str, price: str = "price_1") -> PaymentLine:
    """A line of nothing: for a trial of its subscription, or for free."""
    item = {"subscription_item": f"si_{line_id}", "period_start": NOW, "period_end": NOW + 30 * DAY}
    return a_line(line_id, price=price, amount=0, subscription=subscription, trial=Trial.UNKNOWN, **item)


def heard_of(practice: Practice, subscription: str) -> None:
    running = SubscriptionNews("evt_s", "own", "test", NOW, subscription, SubscriptionStatus.RUNNING)
    paying.subscription_heard(practice.context, running)


@pytest.mark.parametrize("first", ["sub_1", "sub_2"])
def test_a_payment_is_woken_by_each_subscription_its_lines_name(first: str) -> None:
    practice = Practice()
    payment = a_payment("in_1", zero("il_1", "sub_1"), zero("il_2", "sub_2"), subscription=None)
    assert practice.pay(payment) == ["trial_not_known"] * 2
    heard_of(practice, first)
    assert (practice.balance(), len(practice.open())) == (3, 1)
    heard_of(practice, "sub_2" if first == "sub_1" else "sub_1")
    assert (practice.balance(), practice.open()) == (6, [])
    states = [practice.store.load("p1", Wanted(subscription=each)).subscription for each in ("sub_1", "sub_2")]
    assert [state.waiting for state in states] == [(), ()]


def test_a_payment_waits_with_its_lines_subscription_though_another_is_its_own() -> None:
    practice = Practice()
    payment = a_payment("in_1", zero("il_1", "sub_2"), subscription="sub_1")
    practice.pay(payment)
    heard_of(practice, "sub_1")
    assert len(practice.open()) == 1
    heard_of(practice, "sub_2")
    assert (practice.balance(), practice.open()) == (3, [])


def test_a_payment_for_nobody_is_woken_by_whose_its_lines_subscription_is() -> None:
    practice = Practice()
    lines = [a_line("il_1"), a_line("il_2", subscription="sub_2")]
    payment = bought("in_1", *lines, subscription="sub_1", customer=None)
    assert practice.pay(payment) == ["unknown_client"] * 2
    linking.apply_link(practice.context, CustomerLink("evt_l", None, "c2", subscription="sub_2"))
    assert (practice.balance("c1"), practice.balance("c2"), len(practice.open())) == (0, 3, 1)
    linking.apply_link(practice.context, CustomerLink("evt_l", None, "c1", subscription="sub_1"))
    assert (practice.balance("c1"), practice.balance("c2"), practice.open()) == (3, 3, [])


# -- woken by the package it names

NAMING = {
    "a session": bought("cs_1", a_line("gone", price=None, package_id="gone"), client_id="c1"),
    "a payment intent": bought(
        "pi_1", a_line("gone", price=None, package_id="gone"), client_id="c1", payment_intent="pi_1"
    ),
    "an invoice without prices": bought("in_1", a_line("il_1", price=None, package_id="gone"), client_id="c1"),
}


@pytest.mark.parametrize("way", NAMING)
def test_a_payment_that_names_a_package_nobody_has_is_granted_when_it_is_created(way: str) -> None:
    practice = Practice()
    assert practice.pay(NAMING[way]) == ["unknown_package"]
    practices.put_package(practice.context, a_package("other", stripe_prices=()), False)
    assert practice.balance() == 0
    practices.put_package(practice.context, a_package("gone", stripe_prices=()), False)
    assert (practice.balance(), practice.open()) == (3, [])


@pytest.mark.parametrize("way", NAMING)
def test_a_payment_that_names_an_archived_package_is_granted_when_it_is_on_sale_again(way: str) -> None:
    practice = Practice(THREE, a_package("gone", stripe_prices=(), archived_at=NOW - DAY))
    assert practice.pay(NAMING[way]) == ["package_archived"]
    practices.put_package(practice.context, a_package("gone", stripe_prices=(), name="New"), True)
    assert practice.balance() == 0, "it is archived still"
    practices.put_package(practice.context, a_package("gone", stripe_prices=()), False)
    assert (practice.balance(), practice.open()) == (3, [])


def test_a_package_that_many_payments_wait_for_grants_twenty_at_once() -> None:
    practice = Practice()
    for n in range(45):
        practice.pay(replace(NAMING["a payment intent"], payment_id=f"pi_{n}", payment_intent=f"pi_{n}"))
    practice.calls.clear()
    practices.put_package(practice.context, a_package("gone", stripe_prices=()), False)
    assert (practice.balance(), practice.calls["query"]) == (60, 1)
    practice.sweep()
    assert (practice.balance(), practice.open()) == (135, [])


def test_a_package_that_no_id_can_name_is_parked_all_the_same() -> None:
    practice = Practice()
    assert practice.pay(bought("pi_1", a_line("#", price=None, package_id="a#b"), client_id="c1")) == [
        "unknown_package"
    ]
    assert len(practice.open()) == 1


# -- the same order every time


def test_subscriptions_of_one_payment_are_worked_off_in_the_order_of_their_ids() -> None:
    practice = Practice()
    names = [f"sub_{n}" for n in (5, 3, 1, 4, 0, 2)]
    for name in names:
        late = SubscriptionNews("evt_s", "own", "test", NOW, name, SubscriptionStatus.PAST_DUE)
        paying.subscription_heard(practice.context, late)
    frozen: list[str] = []
    commit = practice.store.table.transact

    def noted(items: list[Write]) -> None:
        for item in (each["Put"]["Item"] for each in items):
            if item["kind"]["S"] == "subscription" and item["pk"]["S"].rpartition("#")[2] not in frozen:
                frozen.append(item["pk"]["S"].rpartition("#")[2])
        commit(items)

    early = {"subscription_item": "si_1", "period_start": NOW - 30 * DAY, "period_end": NOW + DAY}
    lines = [a_line(f"il_{n}", subscription=name, **early) for n, name in enumerate(names)]
    payment = a_payment("in_1", *lines, paid_at=NOW - DAY, subscription=None)
    practice.pay(payment)
    practice.store.table.transact = noted  # type: ignore[method-assign,assignment]
    for name in names:
        state = practice.store.load("p1", Wanted(subscription=name)).subscription
        commit([writes.subscription("p1", replace(state, frozen=False))])
    practice.pay(payment)
    assert frozen == sorted(names)
