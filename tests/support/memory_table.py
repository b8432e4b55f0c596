"""DynamoDB in a dictionary: what the store asks for, and nothing more, for tests that need thousands of histories.

Knows exactly the conditions the store writes and refuses any other, so it cannot say yes to what it
does not understand. One thread; whole transactions or none. `tests/integration/test_memory_table.py` holds
it against the engines, call by call.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from client_credits.store.store import Store
from client_credits.store.table import Table

Item = dict[str, dict[str, str]]
NAME = "credits"


class MemoryDynamoDB:
    """The calls of a DynamoDB client that the table makes. `watch` is told before and after each of them."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Item] = {}
        self.watch: Callable[[str, str], None] = lambda moment, call: None

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.watch("before", "batch_get_item")
        ((name, asked),) = RequestItems.items()
        found = [self.items[key] for key in map(_key, asked["Keys"]) if key in self.items]
        self.watch("after", "batch_get_item")
        return {"Responses": {name: found}}

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:
        self.watch("before", "transact_write_items")
        bodies = [next(iter(write.items())) for write in TransactItems]
        keys = [_key(body["Item"] if kind == "Put" else body["Key"]) for kind, body in bodies]
        assert len(set(keys)) == len(keys), "an item may occur once in a transaction"
        reasons = [
            {"Code": "None" if self._holds(key, body) else "ConditionalCheckFailed"}
            for key, (_, body) in zip(keys, bodies, strict=True)
        ]
        if any(reason["Code"] != "None" for reason in reasons):
            refused = {"Error": {"Code": "TransactionCanceledException", "Message": ""}, "CancellationReasons": reasons}
            raise ClientError(refused, "TransactWriteItems")  # type: ignore[arg-type]
        for key, (kind, body) in zip(keys, bodies, strict=True):
            self.items[key] = body["Item"] if kind == "Put" else _updated(self.items[key], body)
        self.watch("after", "transact_write_items")
        return {}

    def query(self, **asked: Any) -> dict[str, Any]:
        self.watch("before", "query")
        values = asked["ExpressionAttributeValues"]
        if "IndexName" in asked:
            found = self._index(asked["IndexName"], asked["KeyConditionExpression"], values)
        else:
            found = self._partition(asked, values)
        limit = asked.get("Limit") or len(found) + 1
        page = found[:limit]  # a full page may be the last: the engine stops there and does not look further
        kept = [item for item in page if _passes(item, asked.get("FilterExpression"), values)]
        self.watch("after", "query")
        index = asked.get("IndexName", "")
        named = [name for name in ("pk", "sk", f"{index}_pk", f"{index}_sk") if page and name in page[-1]]
        last = {name: page[-1][name] for name in named} if len(page) == limit else None
        return {"Items": kept} | ({"LastEvaluatedKey": last} if last else {})

    def _partition(self, asked: dict[str, Any], values: Item) -> list[Item]:
        pk, begins = values[":pk"]["S"], values.get(":begins", {"S": ""})["S"]
        newest_first = not asked["ScanIndexForward"]
        start = asked.get("ExclusiveStartKey", {}).get("sk", {}).get("S")
        keys = sorted((k for k in self.items if k[0] == pk and k[1].startswith(begins)), reverse=newest_first)
        if start is not None:
            keys = [k for k in keys if (k[1] < start if newest_first else k[1] > start)]
        return [self.items[key] for key in keys]

    def _index(self, index: str, condition: str, values: Item) -> list[Item]:
        if index in ("roster", "names"):
            return self._range(index, condition, values)
        assert (index, condition) == ("due", "due_shard = :shard AND due_at <= :until"), (index, condition)
        shard, until = values[":shard"]["S"], values[":until"]["S"]
        due = [
            item
            for item in self.items.values()
            if item.get("due_shard", {}).get("S") == shard and item["due_at"]["S"] <= until
        ]
        return sorted(due, key=lambda item: item["due_at"]["S"])

    def _range(self, index: str, condition: str, values: Item) -> list[Item]:
        """One partition of an index with a range key, in its order."""
        pk, sk = f"{index}_pk", f"{index}_sk"
        match condition.removeprefix(f"{pk} = :pk").replace(sk, "sk"):
            case "":
                low, high = "", None
            case " AND sk > :after":
                low, high = values[":after"]["S"] + "\x00", None
            case " AND sk BETWEEN :low AND :high":
                low, high = values[":low"]["S"], values[":high"]["S"]
            case other:
                raise AssertionError(f"a range nobody taught this table: {other}")
        own = [item for item in self.items.values() if item.get(pk) == values[":pk"]]
        within = [i for i in own if low <= i[sk]["S"] and (high is None or i[sk]["S"] <= high)]
        return sorted(within, key=lambda item: item[sk]["S"])

    def _holds(self, key: tuple[str, str], body: dict[str, Any]) -> bool:
        item, values = self.items.get(key), body.get("ExpressionAttributeValues", {})
        match body["ConditionExpression"]:
            case "attribute_not_exists(pk)":
                return item is None
            case "version = :seen":
                return item is not None and item.get("version") == values[":seen"]
            case "client_id = :seen":
                return item is not None and item.get("client_id") == values[":seen"]
            case "attribute_not_exists(client_id)":
                return item is None or "client_id" not in item
            case "version = :seen AND due_at <= :now":
                due = item.get("due_at") if item else None
                return (
                    item is not None
                    and item["version"] == values[":seen"]
                    and bool(due and due["S"] <= values[":now"]["S"])
                )
            case other:
                raise AssertionError(f"a condition nobody taught this table: {other}")


def memory_store() -> tuple[Store, MemoryDynamoDB]:
    """A store over an empty table in memory."""
    client = MemoryDynamoDB()
    return Store(Table(client, NAME)), client


def _key(of: Item) -> tuple[str, str]:
    return of["pk"]["S"], of["sk"]["S"]


def _updated(item: Item, body: dict[str, Any]) -> Item:
    match body["UpdateExpression"]:
        case "SET due_at = :due":
            return item | {"due_at": body["ExpressionAttributeValues"][":due"]}
        case "REMOVE due_shard, due_at":
            return {name: value for name, value in item.items() if name not in ("due_shard", "due_at")}
        case other:
            raise AssertionError(f"an update nobody taught this table: {other}")


def _passes(item: Item, where: str | None, values: Item) -> bool:
    if where is None:
        return True
    for term in where.split(" AND "):
        match term:
            case "#state = :open":
                fine = item.get("state") == values[":open"]
            case "customer = :customer":
                fine = item.get("customer") == values[":customer"]
            case "entry_kind = :kind":
                fine = item.get("entry_kind") == values[":kind"]
            case "occurred_at >= :since":
                fine = item["occurred_at"]["S"] >= values[":since"]["S"]
            case "occurred_at < :until":
                fine = item["occurred_at"]["S"] < values[":until"]["S"]
            case other:
                raise AssertionError(f"a filter nobody taught this table: {other}")
        if not fine:
            return False
    return True
