"""The table in memory keeps DynamoDB's limits, reads its expressions and fills its indexes as the engines do.

Each limit is a request of its own. Where an engine does not know one, or words its refusal otherwise, it is
named here, and the limit is held against the other.
"""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.integration.test_memory_table import Both
from tests.support.engines import Engine
from tests.support.memory_table import memory_store
from tests.support.requests import OWN_BYTES, TEXT, a_put, an_update, ask, asking, reading, writing
from tests.support.table import Index, declared_schema

MOST = 400 * 1024  # bytes of an item
TAKEN = {
    "an item of 400 KB": writing(a_put(body_bytes=MOST - OWN_BYTES)),
    "100 writes": writing(*(a_put(str(n)) for n in range(100))),
    "almost 4 MB": writing(*(a_put(str(n), MOST - 100) for n in range(10))),
    "100 keys": reading(*(("p", str(n)) for n in range(100))),
    "a partition key of 2048 bytes": writing(a_put(pk={"S": "p" * 2048})),
    "a sort key of 1024 bytes": writing(a_put("s" * 1024)),
    "an update of what is not there": writing(an_update("SET a = :a, b = :b", a=TEXT, b=TEXT)),
    "an update that adds, removes and keeps": writing(
        an_update("SET c = if_not_exists(c, :a) REMOVE body ADD n :one", a=TEXT, one={"N": "1"})
    ),
    "a filter of many terms": asking(
        "(body = :b OR NOT begins_with(body, :b)) AND attribute_exists(body) AND body BETWEEN :b AND :z",
        values={":b": TEXT, ":z": {"S": "z"}},
    ),
    "names for words": asking("#state = :b", values={":b": TEXT}, ExpressionAttributeNames={"#state": "state"}),
}
REFUSED = {
    "an item over 400 KB": writing(a_put(body_bytes=MOST - OWN_BYTES + 1)),
    "an item over 400 KB in letters of two bytes": writing(a_put(body={"S": "ü" * (MOST // 2)})),
    "an update to more than 400 KB": writing(an_update("SET more = :x", x={"S": "x" * MOST})),
    "101 writes": writing(*(a_put(str(n)) for n in range(101))),
    "more than 4 MB": writing(*(a_put(str(n), MOST - 100) for n in range(11))),
    "two writes of one item": writing(a_put(), a_put()),
    "a write and an update of one item": writing(a_put(), an_update("SET n = :n", n=TEXT)),
    "101 keys": reading(*(("p", str(n)) for n in range(101))),
    "a key asked for twice": reading(("p", "a"), ("p", "a")),
    "an empty partition key": writing(a_put(pk={"S": ""})),
    "an empty sort key": writing(a_put("")),
    "an empty key of an index": writing(a_put(due_shard={"S": ""}, due_at=TEXT)),
    "a number as a sort key": writing(an_update("SET a = :a", a=TEXT), a_put("b", sk={"N": "1"})),
    "a number as an index's key": writing(a_put(due_shard={"N": "1"}, due_at=TEXT)),
    "a partition key over 2048 bytes": writing(a_put(pk={"S": "p" * 2049})),
    "a sort key over 1024 bytes": writing(a_put("s" * 1025)),
    "an update of the key": writing(an_update("SET sk = :x", x=TEXT)),
    "an update from what is not there": writing(an_update("SET a = b")),
    "a value that is not used": writing(an_update("SET a = :a", a=TEXT, b=TEXT)),
    "a value that is not given": asking("body = :b"),
    "a reserved word": asking("state = :b", values={":b": TEXT}),
    "a filter on the key": asking("sk = :b", values={":b": TEXT}),
    "a query without its partition": asking(by="sk = :pk"),
    "a consistent query of an index": asking(by="due_shard = :pk", IndexName="due", ConsistentRead=True),
    "an index that is not there": asking(by="due_shard = :pk", IndexName="dew"),
}
# Which engine takes what DynamoDB refuses, refuses what it takes, or gives another reason.
UNLIKE = {
    "moto": {
        *("an item of 400 KB", "almost 4 MB", "more than 4 MB", "an update to more than 400 KB"),
        *("a number as a sort key", "a number as an index's key", "an update from what is not there"),
        *("a value that is not used", "a value that is not given", "a filter on the key", "an index that is not there"),
    },
    "emulator": {"an update of the key", "a reserved word", "a filter on the key"},
}


@pytest.fixture
def both(engine: Engine) -> Both:
    return Both(engine)


@pytest.mark.parametrize("limit", TAKEN)
def test_what_is_just_within_a_limit_is_taken(both: Both, limit: str) -> None:
    ask(both, writing(a_put("there")), both.table.name)
    client = both.memory if limit in UNLIKE.get(both.engine.name, set()) else both
    ask(client, TAKEN[limit], both.table.name)
    ask(client, asking(ConsistentRead=True), both.table.name)
    assert both.refused == 0


@pytest.mark.parametrize("limit", REFUSED)
def test_what_is_over_a_limit_is_refused_and_changes_nothing(both: Both, limit: str) -> None:
    client = both.memory if limit in UNLIKE.get(both.engine.name, set()) else both
    with pytest.raises(ClientError):
        ask(client, REFUSED[limit], both.table.name)
    assert both.memory.items == {}


def test_each_limit_but_one_is_held_against_an_engine() -> None:
    assert UNLIKE["moto"] & UNLIKE["emulator"] == {"a filter on the key"}
    assert UNLIKE["moto"] | UNLIKE["emulator"] <= {*TAKEN, *REFUSED}


def test_a_page_of_a_query_ends_before_it_holds_more_than_a_megabyte(both: Both) -> None:
    for number in range(5):
        ask(both, writing(a_put(str(number), 300 * 1024)), both.table.name)
    first = ask(both, asking(ConsistentRead=True), both.table.name)
    rest = ask(both, asking(ConsistentRead=True, ExclusiveStartKey=first["LastEvaluatedKey"]), both.table.name)
    assert [[item["sk"]["S"] for item in page["Items"]] for page in (first, rest)] == [["0", "1", "2"], ["3", "4"]]


def test_a_batch_read_leaves_what_is_over_sixteen_megabytes_for_another() -> None:
    store, table = memory_store()
    for number in range(45):
        ask(table, writing(a_put(str(number), MOST - 100)))
    wanted = [("p", str(number)) for number in range(45)]
    left = ask(table, reading(*wanted))["UnprocessedKeys"]["credits"]["Keys"]
    assert [key["sk"]["S"] for key in left] == ["40", "41", "42", "43", "44"]
    assert set(store.table.get(wanted)) == set(wanted)


@pytest.mark.parametrize("index", declared_schema().indexes, ids=lambda index: index.name)
def test_an_index_holds_the_items_that_have_its_key_and_of_them_what_it_projects(both: Both, index: Index) -> None:
    hashed, ranged = index.key
    attributes = {*(index.holds or ()), *index.key} - {"pk", "sk"}
    for number, left_out in enumerate(["", "", hashed, ranged, ""]):
        own: dict[str, Any] = {name: {"S": name} for name in attributes} | {ranged: {"S": f"at {number}"}}
        own.pop(left_out, None)
        ask(both, writing(a_put(str(9 - number), **own)), both.table.name)
    values = {":pk": {"S": hashed}, ":until": {"S": "at 3"}}
    request = asking(by=f"{hashed} = :pk AND {ranged} <= :until", values=values, IndexName=index.name)
    clients = (both.engine.shared_client, both.memory)
    for_engine, in_memory = (ask(client, request, both.table.name)["Items"] for client in clients)
    assert in_memory == for_engine
    assert [item["sk"]["S"] for item in in_memory] == ["9", "8"]
    assert all(index.holds is None or set(item) == index.holds for item in in_memory)


def test_every_page_of_an_index_goes_on_where_the_last_one_ended(both: Both) -> None:
    for number in range(5):
        ask(both, writing(a_put(str(9 - number), due_shard={"S": "p"}, due_at={"S": f"at {number}"})), both.table.name)
    for client in (both.engine.shared_client, both.memory):
        seen: list[str] = []
        start: dict[str, Any] = {}
        while True:
            request = asking(by="due_shard = :pk", IndexName="due", Limit=2, **start)
            page = ask(client, request, both.table.name)
            seen += [item["sk"]["S"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                break
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
        assert seen == ["9", "8", "7", "6", "5"]
