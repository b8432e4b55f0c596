"""The table in memory answers like an engine: every call of whole stories goes to both, and both say the same."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.test_stripe_any_order import NOW, STORIES, World
from tests.support.builders import HOUR, created
from tests.support.engines import Engine
from tests.support.memory_table import MemoryDynamoDB

from client_credits.domain.practice.records import Client
from client_credits.operations import sweeping
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.context import BOOKINGS, Context
from client_credits.operations.payments import parking
from client_credits.store import keys, writes
from client_credits.store.store import Store
from client_credits.store.table import Conflicted, Table, Write


class Both:
    """A client whose every call goes to the table in memory and to an engine's. Keeps what was asked."""

    def __init__(self, engine: Engine) -> None:
        self.memory = MemoryDynamoDB()
        self.table = engine.fresh_table()
        self.engine = engine
        self.asked: set[str] = set()
        self.refused = 0

    def __getattr__(self, call: str) -> Any:
        def ask(**asked: Any) -> Any:
            answers = [said(getattr(client, call), asked) for client in (self.engine.shared_client, self.memory)]
            assert answers[0][0] == answers[1][0], (call, asked)
            self.asked.add(call)
            if isinstance(answers[1][1], ClientError):
                self.refused += 1
                raise answers[1][1]
            return answers[1][1]

        return ask


def said(call: Any, asked: dict[str, Any]) -> tuple[Any, Any]:
    """What a client says, in a form in which two can be compared, and as it is."""
    try:
        answer = call(**asked)
    except ClientError as error:
        reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", [])]
        return (error.response["Error"]["Code"], reasons), error
    found = {name: answer.get(name) for name in ("Items", "Responses", "LastEvaluatedKey")}
    for items in (found["Responses"] or {}).values():
        items.sort(key=lambda item: (item["pk"]["S"], item["sk"]["S"]))  # a batch read has no order
    if "IndexName" in asked:  # an index holds what it projects, and each engine pages it by keys of its own
        found = {
            "Items": [(item["pk"], item["sk"]) for item in found["Items"]],
            "more": bool(found["LastEvaluatedKey"]),
        }
    return found, answer


@pytest.fixture
def both(engine: Engine) -> Both:
    return Both(engine)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_answered_alike_call_by_call(both: Both, name: str) -> None:
    world = World(STORIES[name], Store(Table(both, both.table.name)))
    for facts in [*STORIES[name].facts, *STORIES[name].facts[::-1]]:
        world.tell(facts)
    book = created("b1", occurred_at=NOW, starts_at=NOW + HOUR)
    bookings.book(Context(world.store, "p1", BOOKINGS, NOW), book)
    sweeping.sweep_shard(world.store, keys.due_shard(keys.wallet("p1", "c1", "follow-up")), NOW + 400 * 24 * HOUR)
    list(parking.every_open(world.store, "p1"))
    list(parking.open_for(world.store, "p1", ("customer", "cus_1")))
    assert world.store.any_wallet("p1")
    assert world.store.any_entry("p1", "c1")
    assert not world.store.any_entry("p1", "nobody")
    world.store.history_page("p1", "c1", "follow-up", None, 2)
    assert both.asked == {"batch_get_item", "transact_write_items", "query"}


def test_what_a_condition_forbids_is_refused_alike(both: Both) -> None:
    store = Store(Table(both, both.table.name))
    client = Client("c1", created_at=NOW)
    forbidden: list[list[Write]] = [
        [writes.client("p1", client)],
        [writes.client("p1", Client("c1", version=7))],
        [writes.client("p1", Client("c2")), writes.client("p1", client)],
        [writes.link("p1", "customer", "cus_1", "c2", None)],
        [writes.link("p1", "customer", "cus_1", "c2", "c3")],
    ]
    store.commit([writes.client("p1", client), writes.link("p1", "customer", "cus_1", "c1", None)])
    for items in forbidden:
        with pytest.raises(Conflicted):
            store.commit(items)
    assert both.refused == len(forbidden)
