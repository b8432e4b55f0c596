"""A practice in DynamoDB in memory, and everything in its table read back as records.

The engine is slow and knows one thread: small tables, short histories, a new table each time.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import botocore.session
from moto import mock_aws

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
from client_credits.store.table import Table
from tests.property.practice_model import OFFERS, TYPES
from tests.support.builders import NOW
from tests.support.table import create_table

PRACTICE = "p1"
CLIENTS = ("c1", "c2")
_EXPIRY = {
    "never": Expiry(),
    "two days": Expiry(ExpiryKind.DAYS, n=2),
    "cycle": Expiry(ExpiryKind.CYCLE_END),
}


@cache
def _client() -> Any:
    return botocore.session.Session().create_client("dynamodb", region_name="us-east-1")


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
    with mock_aws():
        create_table(_client(), "credits")
        store = Store(Table(_client(), "credits"))
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


class Snapshot:
    """All items of a table, read in one request, to be read from as from the table itself."""

    def __init__(self, name: str) -> None:
        items = _client().scan(TableName=name, ConsistentRead=True)["Items"]
        self.items = {(item["pk"]["S"], item["sk"]["S"]): item for item in items}

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        ((name, asked),) = RequestItems.items()
        keys = [(key["pk"]["S"], key["sk"]["S"]) for key in asked["Keys"]]
        return {"Responses": {name: [self.items[key] for key in keys if key in self.items]}}

    def query(self, **asked: Any) -> dict[str, Any]:
        """Only what a history asks for: one partition, one beginning, the newest first."""
        values = asked["ExpressionAttributeValues"]
        pk, begins = values[":pk"]["S"], values[":begins"]["S"]
        assert not asked["ScanIndexForward"]
        keys = [key for key in sorted(self.items, reverse=True) if key[0] == pk and key[1].startswith(begins)]
        return {"Items": [self.items[key] for key in keys]}


def everything(store: Store) -> Stored:
    """Read as another worker would: with a store of its own, whatever form the records are kept in."""
    stored = Stored({}, {}, defaultdict(list), {}, set())
    snapshot = Snapshot(store.table.name)
    reader, booked = Store(Table(snapshot, store.table.name)), []
    for (pk, sk), item in snapshot.items.items():
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
        stored.entries[client_id, kind] = reader.history_page(PRACTICE, client_id, kind, None, 1000)[::-1]
    if booked:
        stored.bookings = reader.load(PRACTICE, Wanted(bookings=tuple(booked))).bookings
    return stored
