"""What fans out stays within a transaction: forty wallets of a payment, 25 types, a subscription's hundreds."""

from datetime import timedelta
from random import Random
from string import ascii_letters, digits
from typing import Any

import pytest
from tests.support.builders import DAY, HOUR, NOW, a_catalogue, a_line, a_package, a_wallet
from tests.support.limits import size_of
from tests.unit.test_bounds import longest, stored_bytes
from tests.unit.test_disputes_won import disputed
from tests.unit.test_money_back import PAID, Practice, dispute, refund
from tests.unit.test_money_back_histories import sell

from client_credits.domain.errors import LimitReached
from client_credits.domain.ledger.tranches import Plan
from client_credits.domain.ledger.wallet import MAX_OPEN, Coming, Wallet
from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus
from client_credits.domain.payments.payment_record import MAX_HOLDERS, Holder, PaidGrant, PaymentRecord, Taken
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind
from client_credits.domain.practice.records import Client
from client_credits.operations import sweeping
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import subscriptions as subscribing
from client_credits.store import codec, writes
from client_credits.store.codec import from_attributes
from client_credits.store.records import Wanted

TYPES = tuple(f"t{number:02}" for number in range(25))


class Wide(Practice):
    """A practice that counts the items of its transactions."""

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.sizes: list[int] = []
        commit = self.table.transact_write_items

        def counted(TransactItems: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
            self.sizes.append(len(TransactItems))
            return commit(TransactItems=TransactItems, **more)

        self.table.transact_write_items = counted  # type: ignore[method-assign]

    def clients(self, count: int) -> list[str]:
        names = [f"r{number:03}" for number in range(count)]
        for name in names:
            self.store.commit([writes.client("p1", Client(name, created_at=NOW))])
        return names

    def all_of(self, names: list[str]) -> list[Wallet]:
        found = self.store.load("p1", Wanted(also=tuple((name, "follow-up") for name in names))).also
        return list(found.values())

    def settle(self, names: list[str]) -> None:
        for name in names:
            sweeping.settle_one(Context(self.store, "p1", STRIPE, self.now), name, "follow-up")

    def news(self, status: SubscriptionStatus, ended: bool = False) -> None:
        self.now += HOUR
        stated = SubscriptionNews("evt", "own", "test", self.now, "sub_1", status, self.now if ended else None)
        subscribing.apply_news(Context(self.store, "p1", STRIPE, self.now), stated)


def in_many_wallets(count: int, expiry: Expiry) -> tuple[Wide, list[str]]:
    """Credits of one payment, one with each of so many clients beside the buyer, who has what is left of 40."""
    practice = Wide()
    forty = a_package("forty", credits={"follow-up": 40}, stripe_prices=("price_1",), expiry=expiry)
    sell(practice.store, a_catalogue(forty))
    practice.pay("in_1", a_line(amount=PAID))
    names = practice.clients(count - 1)
    for name in names:
        practice.give(1, "c1", name)
    return practice, ["c1", *names]


@pytest.mark.parametrize("count", [2, 20, 33, MAX_HOLDERS])
def test_a_refund_that_fails_after_the_lots_of_all_its_wallets_have_ended(count: int) -> None:
    practice, names = in_many_wallets(count, Expiry(ExpiryKind.DAYS, 30))
    began = practice.now
    practice.tell(refund("re_1", PAID, "pending", at=began))
    assert [wallet.balance for wallet in practice.all_of(names)] == [0] * count
    practice.now += 60 * DAY
    practice.tell(refund("re_1", PAID, "failed", at=began + HOUR))  # said long after: its lots ended an hour later
    practice.settle(names)
    for name in names:
        assert [kind for kind, _ in practice.kinds(name)][-2:] == ["reinstated", "expired"]
        practice.check(name)
    assert max(practice.sizes) <= 100


def test_a_forty_first_wallet_is_given_none_of_a_payments_credits() -> None:
    practice, names = in_many_wallets(MAX_HOLDERS, Expiry())
    before = dict(practice.table.items)
    with pytest.raises(LimitReached, match=f"at most {MAX_HOLDERS} wallets"):
        practice.give(1, "c1", "c2")
    assert practice.table.items == before
    practice.give(1, "c1", names[1])  # who has some of them may be given more
    assert practice.numbers(names[1]) == (2, 0)


def test_a_dispute_of_forty_wallets_freezes_takes_and_gives_back() -> None:
    practice, names = in_many_wallets(MAX_HOLDERS, Expiry(ExpiryKind.DAYS, 30))
    practice.tell(dispute("open", at=practice.now))
    assert all(lot.frozen for wallet in practice.all_of(names) for lot in wallet.open_lots)
    practice.tell(refund("re_1", PAID, at=practice.now))
    practice.now += 60 * DAY
    practice.tell(refund("re_1", PAID, "failed", at=practice.now))
    practice.tell(dispute("won", at=practice.now))
    practice.settle(names)
    assert not any(lot.frozen for wallet in practice.all_of(names) for lot in wallet.open_lots)
    for name in names:
        practice.check(name)


def test_a_dispute_of_forty_wallets_that_is_won_gives_back_what_ended_in_each() -> None:
    practice, names = in_many_wallets(MAX_HOLDERS, Expiry(ExpiryKind.DAYS, 29))
    practice.tell(disputed(10, "open", 10))
    practice.now = NOW + 35 * DAY
    practice.settle(names)
    assert [wallet.balance for wallet in practice.all_of(names)] == [0] * MAX_HOLDERS
    practice.now = NOW + 40 * DAY
    for _ in range(2):
        practice.tell(disputed(10, "won", 40))
    wallets = practice.all_of(names)
    assert [wallet.balance for wallet in wallets] == [1] * MAX_HOLDERS
    ends = {lot.expires_at for wallet in wallets for lot in wallet.open_lots}
    assert ends == {NOW.replace(hour=0) + 60 * DAY}  # 30 days after the midnight that ends the 29th day
    assert not any(lot.frozen for wallet in wallets for lot in wallet.open_lots)
    assert max(practice.sizes) <= 100


def test_cycles_of_twenty_five_types_that_roll_over_are_heard_after_they_have_ended() -> None:
    practice = Wide()
    many = a_package(
        "many",
        credits=dict.fromkeys(TYPES, 2),
        stripe_prices=("price_1",),
        expiry=Expiry(ExpiryKind.CYCLE_END),
        rollover_cap=1,
    )
    sell(practice.store, a_catalogue(many, types=TYPES))
    starts = [NOW + n * 30 * DAY for n in range(4)]
    practice.now = starts[3] + DAY
    for number in (0, 2, 1):  # the second is heard last
        line = a_line(period_start=starts[number], period_end=starts[number + 1], subscription_item="si_1")
        practice.pay(f"in_{number}", line, paid_at=starts[number], payment_intent=None)
    for kind in TYPES:
        sweeping.settle_one(Context(practice.store, "p1", STRIPE, practice.now), "c1", kind)
    wallets = practice.store.load("p1", Wanted(client_id="c1", types=TYPES)).wallets
    assert {(wallet.granted_total, wallet.balance) for wallet in wallets.values()} == {(6, 1)}
    assert max(practice.sizes) <= 100


def a_subscription_of_many_wallets() -> tuple[Wide, list[str]]:
    """Three cycles, each given on to 39 others: 118 wallets in all, of which every lot has an end."""
    practice = Wide(past_due="freeze")
    package = a_package(
        "many", credits={"follow-up": 39}, stripe_prices=("price_1",), expiry=Expiry(ExpiryKind.DAYS, 60)
    )
    sell(practice.store, a_catalogue(package))
    names = practice.clients(117)
    for cycle in range(3):
        starts = practice.now = NOW + cycle * DAY
        line = a_line(period_start=starts, period_end=starts + DAY, subscription_item="si_1")
        practice.pay(f"in_{cycle}", line, paid_at=starts, payment_intent=f"pi_{cycle}")
        for name in names[cycle * 39 : (cycle + 1) * 39]:
            practice.give(1, "c1", name)
    return practice, ["c1", *names]


def frozen(practice: Wide, names: list[str]) -> set[bool]:
    return {bool(lot.frozen) for wallet in practice.all_of(names) for lot in wallet.open_lots}


def test_a_subscription_of_a_hundred_wallets_is_frozen_and_freed_wherever_its_credits_are() -> None:
    practice, names = a_subscription_of_many_wallets()
    practice.now = NOW + 5 * DAY
    practice.news(SubscriptionStatus.PAST_DUE)
    assert frozen(practice, names) == {True}
    practice.news(SubscriptionStatus.ENDED, ended=True)
    assert frozen(practice, names) == {False}
    assert max(practice.sizes) <= 100


def test_freezing_goes_on_where_a_worker_died_between_two_steps() -> None:
    practice, names = a_subscription_of_many_wallets()
    practice.now = NOW + 5 * DAY
    steps = len(practice.sizes)

    def die(moment: str, call: str) -> None:
        if moment == "before" and call == "transact_write_items" and len(practice.sizes) == steps + 6:
            raise Died

    practice.table.watch = die
    with pytest.raises(Died):
        practice.news(SubscriptionStatus.PAST_DUE)
    assert frozen(practice, names) == {True, False}
    practice.table.watch = lambda moment, call: None
    practice.news(SubscriptionStatus.ENDED, ended=True)  # which frees what had been frozen
    assert frozen(practice, names) == {False}


class Died(Exception):
    """The worker died."""


def test_a_subscriptions_record_does_not_grow_with_its_wallets() -> None:
    practice, _ = a_subscription_of_many_wallets()
    state = practice.store.load("p1", Wanted(subscription="sub_1")).subscription
    assert len(codec.to_json(state)) < 2_000


def test_sixty_partial_refunds_of_one_lot_stay_within_a_small_record() -> None:
    practice = Practice()
    sell(practice.store, a_catalogue(a_package("sixty", credits={"follow-up": 60}, stripe_prices=("price_1",))))
    practice.pay("in_1", a_line(amount=6_000), paid=6_000)
    for number in range(60):
        practice.tell(refund(f"re_{number}", 100, at=NOW + timedelta(minutes=number)))
    record = practice.store.load("p1", Wanted(payments=("in_1",))).payments["in_1"]
    assert practice.numbers() == (0, 0)
    assert [grant.taken_back for grant in record.grants] == [60]
    assert size_of(writes.payment("p1", record)["Put"]["Item"]) < 20_000


def test_a_payment_of_forty_lines_of_twenty_five_types_fits_into_its_record() -> None:
    """All ids as long as they come and like no other, each line a year in tranches, a lot of each taken from."""
    chance = Random(1)

    def an_id(begins: str, length: int) -> str:
        return begins + "".join(chance.choices(ascii_letters + digits, k=length - len(begins)))

    clients, types = [an_id("", 128) for _ in range(MAX_HOLDERS)], [an_id("", 128) for _ in range(25)]
    grants = []
    for _ in range(40):
        line, item = an_id("il_", 30), an_id("si_", 20)
        for kind in types:
            plan = Plan(NOW, NOW + 365 * DAY, 1, 12, 2, item)
            grant = PaidGrant(line, clients[0], kind, 10_000, an_id("lot_", 24), plan=plan)
            grants.append(grant.with_taken(Taken(chance.choice(clients), an_id("lot_", 24), 10, an_id("re_", 27), NOW)))
    holders = tuple(Holder(client, chance.choice(types), 1_000) for client in clients)
    record = PaymentRecord("in_1", grants=tuple(grants), holders=holders)
    stored = writes.payment("p1", record)["Put"]["Item"]
    assert size_of(stored) < 150_000
    assert codec.from_json(PaymentRecord, codec.unpacked(from_attributes(stored))) == record


def test_twenty_five_full_wallets_fit_into_one_transaction() -> None:
    chance = Random(2)
    full = a_wallet(*(longest(chance) for _ in range(MAX_OPEN)))
    assert 25 * stored_bytes(full) < 4 * 1024 * 1024


def test_a_wallet_full_of_plans_of_tranches_fits_into_its_item() -> None:
    chance = Random(3)
    expiry = Expiry(ExpiryKind.CYCLE_END)
    lots = [longest(chance) for _ in range(MAX_OPEN)]
    coming = tuple(
        Coming(
            f"stripe/own/live/{lot.payment}",
            lot,
            NOW,
            2,
            12,
            expiry,
            NOW + 365 * DAY,
            {"package_id": str(lot.package_id), "payment": str(lot.payment), "line": lot.lot_id},
        )
        for lot in lots
    )
    assert stored_bytes(a_wallet(coming=coming)) < 400 * 1024
    assert len(codec.to_json(a_wallet(coming=coming))) > 400 * 1024, "else packing would not be needed"
