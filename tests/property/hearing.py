"""A practice in memory that hears of what happened, in any order, doubled and late, and what it comes to.

`hear` is the one way from here into the operations. `heard` is a whole history: who has what at each of
some instants, whether or not what fell due by then is written.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from client_credits.domain.bookings.booking import Cancelled, Created
from client_credits.domain.invariants import breaches
from client_credits.domain.ledger.entries import Actor, Entry, EntryKind, untouched
from client_credits.domain.ledger.settling import SCHEDULE, settle
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.payments.facts import MoneyBack, Payment, SubscriptionNews
from client_credits.domain.practice.catalogue import Package
from client_credits.domain.practice.records import Account, Client
from client_credits.operations import sweeping
from client_credits.operations.bookings import spending
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import money_back, parking, paying
from client_credits.operations.staff import practices
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from tests.support.builders import DAY, HOUR, a_catalogue
from tests.support.memory_table import memory_store

PRACTICE, TYPES, STAFF = "p1", ("follow-up", "initial"), Actor("staff", "s1")
MINUTE = timedelta(minutes=1)
FREEZING = (EntryKind.FROZEN, EntryKind.UNFROZEN)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a setting, of the account or of one client."""

    client_id: str | None
    name: str
    value: Any


Fact = Payment | MoneyBack | SubscriptionNews | Created | Cancelled | Change


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened at `at`. It is heard from then on, and before `by`; none: at that very instant.

    Those of one `queue` are heard in the order in which they stand.
    """

    at: datetime
    fact: Fact
    by: datetime | None = None
    queue: str = ""


class Sweeps(StrEnum):
    """When what fell due is written, beside what each operation settles on its way."""

    NONE = "none before the end"
    OFTEN = "often"
    LATE = "now and then, late"


Fields = tuple[datetime, Fact]


def an_order(happenings: Iterable[Happening], number: int) -> list[Fields]:
    """When each is heard, in one of many orders: at once, some time later, or all in a row at the last moment;
    and some of them twice."""
    rng, stated = random.Random(number), []
    at_last = rng.random() < 0.3
    queues: dict[str, list[tuple[datetime, Fact]]] = {}
    for each in happenings:
        latest = each.by - each.at if each.by else 0 * DAY
        delays = [latest * rng.uniform(0.9, 1)] if at_last else [0 * DAY, latest * rng.random(), latest * rng.random()]
        when = each.at + rng.choice(delays) * (number > 0)
        (queues.setdefault(each.queue, []) if each.queue else stated).append((when, each.fact))
        if each.by and rng.random() < 0.25:
            stated.append((when + 90 * DAY * rng.random(), each.fact))
    for queue in queues.values():
        times = sorted(when for when, _ in queue)
        stated += zip(times, (fact for _, fact in queue), strict=True)
    order = sorted(range(len(stated)), key=lambda n: (stated[n][0], rng.random() if number else n))
    return [stated[n] for n in order]


class Practice:
    """A practice whose clients each had an entry before anything else, since when its settings have dates."""

    def __init__(self, begins: datetime, packages: Iterable[Package], clients: Iterable[str], first: Payment) -> None:
        self.store, self._table = memory_store()
        self.clients = tuple(clients)
        account = Account(PRACTICE, {}, begins, catalogue_version=1)
        catalogue = replace(a_catalogue(*packages), version=0)
        profiles = [writes.client(PRACTICE, Client(c, created_at=begins)) for c in self.clients]
        self.store.commit([writes.account(account), writes.catalogue(PRACTICE, catalogue), *profiles])
        for client in self.clients:
            paid = replace(first, payment_id=f"in_first_{client}", client_id=client)
            hear(self.store, paid, begins)

    def sweep(self, now: datetime) -> None:
        for client in self.clients:
            for kind in TYPES:
                sweeping.settle_one(Context(self.store, PRACTICE, SCHEDULE, now), client, kind)

    def wallets(self, now: datetime) -> list[Wallet]:
        """All wallets as they are at `now`, whether or not what fell due is written."""
        pairs = tuple((client, kind) for client in self.clients for kind in TYPES)
        loaded = self.store.load(PRACTICE, Wanted(also=pairs, others=self.clients))
        return [settle(untouched(loaded.also[pair]), now, loaded.dated_of(pair[0])).wallet for pair in pairs]

    def parked(self) -> list[str]:
        return sorted(parked.parked_id for parked in parking.every_open(self.store, PRACTICE))

    def check(self, now: datetime) -> None:
        """No law of the ledger is broken, and nothing moves a lot before the lot came."""
        for wallet in self.wallets(now):
            entries = self.store.entries_after(PRACTICE, wallet.client_id, wallet.appointment_type, 0)
            if len(entries) == wallet.sequence:  # else part of it is not written
                assert breaches(wallet, entries) == []
            assert taken_before_they_came(entries) == []


def taken_before_they_came(entries: Iterable[Entry]) -> list[str]:
    """Entries that claw back a lot before it came, or freeze or free it before it began, by their dates."""
    came: dict[str | None, datetime] = {}
    began: dict[str | None, datetime] = {}
    for entry in entries:
        for posting in entry.postings:
            if posting.facts and posting.amount > 0:
                came.setdefault(posting.lot_id, entry.occurred_at)
                began.setdefault(posting.lot_id, min(entry.occurred_at, posting.facts.effective_at))
    found = []
    for entry in entries:
        bound = came if entry.kind is EntryKind.CLAWED_BACK else began if entry.kind in FREEZING else {}
        if any(p.lot_id in bound and entry.occurred_at < bound[p.lot_id] for p in entry.postings):
            found.append(f"{entry.source_id} at {entry.occurred_at}")
    return found


def hear(store: Store, fact: Fact, now: datetime) -> None:
    """One delivery, by the operation that the queue's worker or staff would call."""
    stripe = Context(store, PRACTICE, STRIPE, now)
    match fact:
        case Payment():
            paying.pay(stripe, fact)
        case MoneyBack():
            money_back.apply_money_back(stripe, fact)
        case SubscriptionNews():
            paying.subscription_heard(stripe, fact)
        case Created():
            spending.book(stripe.by(BOOKINGS), fact)
        case Cancelled():
            spending.cancel(stripe.by(BOOKINGS), fact)
        case Change(client_id=None):
            practices.change_account_settings(stripe.by(STAFF), {fact.name: fact.value})
        case Change():
            assert fact.client_id
            practices.change_client_settings(stripe.by(STAFF), fact.client_id, {fact.name: fact.value})


def heard(
    practice: Practice,
    stated: list[Fields],
    sweeps: Sweeps,
    instants: Iterable[datetime],
    look: Callable[[Wallet], object],
) -> list[object]:
    """Delivers everything; at each instant what `look` sees of every wallet, and what waits there unexplained."""
    rng, seen, waiting = random.Random(len(stated)), [], list(stated)
    for instant in sorted(instants):
        while waiting and waiting[0][0] < instant:
            now, fact = waiting.pop(0)
            if sweeps is Sweeps.OFTEN or (sweeps is Sweeps.LATE and rng.random() < 0.2):
                practice.sweep(now)
            hear(practice.store, fact, now)
        if sweeps is Sweeps.OFTEN:
            practice.sweep(instant - MINUTE)
        seen.append(([look(wallet) for wallet in practice.wallets(instant)], practice.parked()))
    practice.sweep(instant + HOUR)
    practice.check(instant + HOUR)
    return seen
