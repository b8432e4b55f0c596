"""The table in memory behind a real client: botocore's requests answered from tables of this process.

Other services, and tables that are not in memory, stay moto's. Faults can be put between client and table as
with any engine. One request at a time.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ClientError

from client_credits.store.table import Table
from tests.support.engines import Engine, moto_stubber
from tests.support.expressions import Scope, condition
from tests.support.memory_table import MemoryDynamoDB

Reply = tuple[int, dict[str, str], bytes]
_IGNORED = ("ReturnConsumedCapacity", "ClientRequestToken")  # what no answer of ours depends on


class Tables:
    """Tables in memory by name, and the HTTP requests that ask for them."""

    def __init__(self, others: Callable[[AWSPreparedRequest], Any]) -> None:
        self.by_name: dict[str, MemoryDynamoDB] = {}
        self._others = others
        self._lock = Lock()

    def process_request(self, request: AWSPreparedRequest) -> Any:
        """The answer to a request for one of these tables; whoever else answers the others."""
        target = _text(request.headers.get("X-Amz-Target", ""))
        if target.startswith("DynamoDB_"):
            asked = json.loads(request.body)
            with self._lock:
                if table := self.by_name.get(_table_of(asked)):
                    return _answer(table, target.partition(".")[2], asked)
        return self._others(request)


@dataclass(frozen=True, kw_only=True)
class MemoryEngine(Engine):
    """An engine whose new tables are in memory."""

    tables: Tables

    def fresh_table(self) -> Table:
        return Table(self.shared_client, self.add_table(f"memory-{len(self.tables.by_name)}"))

    def add_table(self, name: str) -> str:
        """An empty table of this name."""
        self.tables.by_name[name] = MemoryDynamoDB()
        return name


@contextlib.contextmanager
def memory_engine() -> Iterator[MemoryEngine]:
    """Within a mock of moto's, whose handler every client has."""
    stubber = moto_stubber()
    engine = MemoryEngine("memory", tables=Tables(stubber.process_request))
    stubber.process_request = engine.tables.process_request
    try:
        yield engine
    finally:
        del stubber.process_request


def _table_of(asked: dict[str, Any]) -> str:
    if "TransactItems" in asked:
        return str(next((body["TableName"] for write in asked["TransactItems"] for body in write.values()), ""))
    return str(asked.get("TableName") or next(iter(asked.get("RequestItems", {})), ""))


def _answer(table: MemoryDynamoDB, api: str, asked: dict[str, Any]) -> Reply:
    try:
        answer = _CALLS[api](table, **{name: value for name, value in asked.items() if name not in _IGNORED})
    except ClientError as error:
        stated = {name: value for name, value in error.response.items() if name == "CancellationReasons"}
        code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
        kind = f"com.amazonaws.dynamodb.v20120810#{code}"
        return 400, {}, json.dumps({"__type": kind, "message": message, **stated}).encode()
    return 200, {}, json.dumps(answer).encode()


# -- what tests do to a table beside what the package asks of it ----------------------------------


def _scan(
    table: MemoryDynamoDB, TableName: str, FilterExpression: str = "", ConsistentRead: bool = False, **given: Any
) -> dict[str, Any]:
    if not FilterExpression:
        return {"Items": list(table.items.values())}
    scope = Scope(given.get("ExpressionAttributeNames"), given.get("ExpressionAttributeValues"))
    where = condition(FilterExpression)
    return {"Items": [item for item in table.items.values() if scope.holds(where, item)]}


def _get(table: MemoryDynamoDB, TableName: str, Key: Any, ConsistentRead: bool = False) -> dict[str, Any]:
    found = table.batch_get_item({TableName: {"Keys": [Key], "ConsistentRead": ConsistentRead}})
    items = found["Responses"][TableName]
    return {"Item": items[0]} if items else {}


def _put(table: MemoryDynamoDB, TableName: str, Item: Any) -> dict[str, Any]:
    return table.transact_write_items([{"Put": {"TableName": TableName, "Item": Item}}])


def _delete(table: MemoryDynamoDB, TableName: str, Key: Any) -> dict[str, Any]:
    return table.transact_write_items([{"Delete": {"TableName": TableName, "Key": Key}}])


def _write_many(table: MemoryDynamoDB, RequestItems: dict[str, Any]) -> dict[str, Any]:
    ((name, wanted),) = RequestItems.items()
    kinds = {"PutRequest": "Put", "DeleteRequest": "Delete"}
    table.transact_write_items([{kinds[k]: {"TableName": name, **body}} for w in wanted for k, body in w.items()])
    return {"UnprocessedItems": {}}


_CALLS: dict[str, Callable[..., dict[str, Any]]] = {
    "BatchGetItem": MemoryDynamoDB.batch_get_item,
    "Query": MemoryDynamoDB.query,
    "TransactWriteItems": MemoryDynamoDB.transact_write_items,
    "Scan": _scan,
    "GetItem": _get,
    "PutItem": _put,
    "DeleteItem": _delete,
    "BatchWriteItem": _write_many,
}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture(scope="module")
def memory(moto: Engine) -> Iterator[Engine]:
    """DynamoDB in memory beside moto's other services, for one module."""
    with memory_engine() as engine:
        yield engine
