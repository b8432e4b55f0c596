"""A practice in DynamoDB in memory, and everything in its table read back as records.

A new table each time, which knows one thread.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.invariants import Breach, breaches
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.catalogue import AppointmentType, Catalogue, Expiry, ExpiryKind, Package
from client_credits.domain.practice.records import Account
from client_credits.operations import sweeping
from client_credits.store import writes
from client_credits.store.codec import from_attributes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from tests.property.practice_model import OFFERS, TYPES
from tests.support.builders import NOW
from tests.support.memory_table import memory_store

PRACTICE = "p1"
CLIENTS = ("c1", "c2")
_EXPIRY = {
    "never": Expiry(),
    "two days": Expiry(ExpiryKind.DAYS, n=2),
    "cycle": Expiry(ExpiryKind.CYCLE_END),
}


def the_catalogue() -> Catalogue:
    """The catalogue of the naive model, as a practice would have made it."""
    packages = {
        price.removeprefix("price_"): Package(
            package_id=price.removeprefix("price_"),
            name=price,
            credits=credits,
            renews_each_cycle=renews,
            expiry=_EXPIRY[ends],
            stripe_prices=(price,),
        )
        for price, (credits, renews, ends) in OFFERS.items()
    }
    types = {name: AppointmentType(name, name.title(), free) for name, free in TYPES.items()}
    return Catalogue(types=types, packages=packages)


@contextmanager
def a_practice(**settings: object) -> Iterator[Store]:
    """A store over a new table that holds one practice with these account settings."""
    store, _ = memory_store()
    account = Account(PRACTICE, dict(settings), NOW, catalogue_version=1)
    store.commit([writes.account(account), writes.catalogue(PRACTICE, the_catalogue())])
    yield store


@dataclass
class Stored:
    """All of a table's records, and each wallet's raw item for what stands beside its body."""

    wallets: dict[tuple[str, str], Wallet]
    items: dict[tuple[str, str], dict[str, Any]]
    entries: dict[tuple[str, str], list[Entry]]
    bookings: dict[str, Booking]
    parked: set[str]

    def breaches(self) -> list[Breach]:
        """Every broken law of every wallet."""
        bookings = list(self.bookings.values())
        return [
            breach for key, wallet in self.wallets.items() for breach in breaches(wallet, self.entries[key], bookings)
        ]


def sweep(store: Store, now: datetime, limit: int = sweeping.PAGE) -> int:
    """What the schedule does, on every shard; the number of entries written."""
    entries = 0
    for shard in sweeping.shards():
        more = True
        while more:
            swept = sweeping.sweep_shard(store, shard, now, limit)
            entries, more = entries + swept.entries, swept.more
    return entries


def everything(store: Store) -> Stored:
    """Read as another worker would: with a store of its own, whatever form the records are kept in."""
    stored = Stored({}, {}, defaultdict(list), {}, set())
    table: Any = store.table._client
    reader, booked = Store(store.table), []
    for (pk, sk), item in table.items.items():
        owner, kind = pk.split("#"), sk.split("#")
        if kind[0] == "wallet":
            stored.items[owner[1], kind[1]] = from_attributes(item)
        elif owner[1:2] == ["booking"]:
            booked.append(owner[2])
        elif owner[1:2] == ["parked"]:
            stored.parked.add(owner[2])
    for client_id, kind in stored.items:
        wallets = reader.load(PRACTICE, Wanted(client_id=client_id, types=(kind,))).wallets
        stored.wallets[client_id, kind] = wallets[kind]
        stored.entries[client_id, kind] = reader.history_page(PRACTICE, client_id, kind, None, 1000)[0][::-1]
    if booked:
        stored.bookings = reader.load(PRACTICE, Wanted(bookings=tuple(booked))).bookings
    return stored
