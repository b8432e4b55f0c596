"""A table whose reads may be late: a spend reads consistently and is right, and without that it goes wrong."""

from dataclasses import replace
from typing import Any

from tests.support.builders import HOUR, NOW, a_catalogue, a_package, a_payment, created
from tests.support.memory_table import MemoryDynamoDB, memory_store
from tests.support.requests import TEXT, a_put, an_update, ask, asking, reading, writing

from client_credits.domain.bookings.booking import BookingState
from client_credits.domain.practice.records import Account, Client
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, STRIPE, Context
from client_credits.operations.payments import paying
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Table


def granted_a_moment_ago() -> tuple[Store, MemoryDynamoDB]:
    """Practice p1 whose client c1 was granted three follow-ups; whatever else a spend reads was written before,
    so that only the grant can be missed."""
    store, table = memory_store(stale_reads=True)
    account = Account("p1", {"max_negative": 0}, NOW, catalogue_version=1)
    catalogue = a_catalogue(a_package("three-pack"))
    client = Client("c1", created_at=NOW)
    for version in (0, 1):
        put = (writes.account(replace(account, version=version)), writes.client("p1", replace(client, version=version)))
        store.commit([*put, writes.catalogue("p1", replace(catalogue, version=version))])
    paying.pay(Context(store, "p1", STRIPE, NOW), a_payment())
    return store, table


class Hasty:
    """A client whose reads are not consistent, whatever is asked for."""

    def __init__(self, table: MemoryDynamoDB) -> None:
        self._table = table
        self.transact_write_items = table.transact_write_items

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        return self._table.batch_get_item(
            {name: asked | {"ConsistentRead": False} for name, asked in RequestItems.items()}
        )

    def query(self, **asked: Any) -> dict[str, Any]:
        return self._table.query(**asked | {"ConsistentRead": False})


def spend(store: Store) -> BookingState:
    booking = created("b1", occurred_at=NOW, starts_at=NOW + HOUR)
    return bookings.book(Context(store, "p1", BOOKINGS, NOW), booking).booking.state


def balance(store: Store) -> int:
    return store.load("p1", Wanted(client_id="c1", types=("follow-up",))).wallets["follow-up"].balance


def test_a_spend_sees_what_was_granted_a_moment_before() -> None:
    store, table = granted_a_moment_ago()
    assert spend(store) is BookingState.BOOKED
    table.stale_reads = False
    assert balance(store) == 2


def test_a_spend_whose_reads_are_not_consistent_misses_the_grant() -> None:
    """The control: whoever switches ConsistentRead off is noticed."""
    _, table = granted_a_moment_ago()
    assert spend(Store(Table(Hasty(table), "credits"))) is BookingState.REFUSED
    table.stale_reads = False
    assert balance(Store(Table(table, "credits"))) == 3


def test_a_history_tells_the_entry_written_a_moment_before() -> None:
    store, _ = granted_a_moment_ago()
    assert [entry.amount for entry in store.history_page("p1", "c1", "follow-up", None, 10)[0]] == [3]


def test_a_late_read_answers_with_the_item_before_its_last_write() -> None:
    table = MemoryDynamoDB(stale_reads=True)

    def bodies(consistent: bool) -> list[str]:
        found = ask(table, reading(("p", "a"), consistent=consistent))
        return [item["body"]["S"] for item in found["Responses"]["credits"]]

    seen = []
    for length in (1, 2, 3):
        ask(table, writing(a_put("a", length)))
        seen.append((bodies(consistent=False), bodies(consistent=True)))
    assert seen == [([], ["x"]), (["x"], ["xx"]), (["xx"], ["xxx"])]
    ask(table, writing(a_put("b")))
    assert bodies(consistent=False) == ["xx"]
    table.stale_reads = False
    assert bodies(consistent=False) == ["xxx"]


def test_a_late_query_answers_with_each_item_before_its_last_write() -> None:
    table = MemoryDynamoDB(stale_reads=True)
    for sk, length in (("a", 1), ("b", 1), ("a", 2)):
        ask(table, writing(a_put(sk, length)))

    def found(**how: Any) -> list[tuple[str, str]]:
        return [(item["sk"]["S"], item["body"]["S"]) for item in ask(table, asking(**how))["Items"]]

    assert found() == [("a", "x")]
    assert found(ConsistentRead=True) == [("a", "xx"), ("b", "x")]


def test_a_late_index_answers_as_before_the_last_transaction() -> None:
    table = MemoryDynamoDB(stale_reads=True)
    due = {"due_shard": {"S": "p"}, "due_at": TEXT}

    def found() -> list[str]:
        request = asking(by="due_shard = :pk", IndexName="due")
        return [item["sk"]["S"] for item in ask(table, request)["Items"]]

    ask(table, writing(a_put("a", **due), a_put("b", **due)))
    assert found() == []
    ask(table, writing(an_update("REMOVE due_shard, due_at")))
    assert found() == ["a", "b"]
    ask(table, writing(a_put("c")))
    assert found() == ["b"]
