"""DynamoDB in a dictionary, for tests that need thousands of histories: batch read, transaction, query.

Understands the expressions and refuses the sizes, counts and keys that DynamoDB does; any parameter it
does not know raises AssertionError, so that it cannot say yes to what it does not understand. One thread;
whole transactions or none. `tests/integration/test_memory_table.py` holds it against the engines, call by call.

With `stale_reads` every read that is not consistent is as late as DynamoDB allows, the same way each time:
an item as it was before its last write, an index as it was before the last transaction.
"""

from collections.abc import Callable
from typing import Any

from client_credits.store.store import Store
from client_credits.store.table import Table
from tests.support.expressions import Invalid, Item, Node, Scope, condition, update
from tests.support.limits import (
    BATCH_BYTES,
    PAGE_BYTES,
    TRANSACTION_BYTES,
    batch_fault,
    cancelled,
    item_fault,
    refusal,
    reserved_words,
    size_of,
    transaction_fault,
    type_fault,
)
from tests.support.table import Index, declared_schema

Key = tuple[str, str]
Items = dict[Key, Item]
NAME = "credits"
_WRITES = {"Put": {"Item"}, "Update": {"Key", "UpdateExpression"}, "Delete": {"Key"}, "ConditionCheck": {"Key"}}
_ACTIONS = ("SET", "REMOVE", "ADD")
_EXPRESSION = {"TableName", "ConditionExpression", "ExpressionAttributeNames", "ExpressionAttributeValues"}
_QUERY = {"TableName", "IndexName", "KeyConditionExpression", "FilterExpression", "ScanIndexForward", "Limit"} | {
    *("ExpressionAttributeNames", "ExpressionAttributeValues", "ConsistentRead", "ExclusiveStartKey"),
    "ProjectionExpression",
}


class MemoryDynamoDB:
    """The calls of a DynamoDB client that the table makes. `watch` is known before and after each of them,
    `changed` of each item written: as it was and as it is, None where there was or is none."""

    def __init__(self, *, stale_reads: bool = False) -> None:
        self.items: Items = {}
        self.stale_reads = stale_reads
        self.watch: Callable[[str, str], None] = lambda moment, call: None
        self.changed: Callable[[Item | None, Item | None], None] = lambda before, after: None
        self._schema = declared_schema()
        self._replaced: dict[Key, Item | None] = {}  # each item before its last write
        self._undone: dict[Key, Item | None] = {}  # what the last transaction wrote, as it was before

    # -- reads ---------------------------------------------------------------------------------

    def batch_get_item(self, RequestItems: dict[str, Any]) -> dict[str, Any]:
        self.watch("before", "batch_get_item")
        ((name, asked),) = RequestItems.items()
        assert set(asked) <= {"Keys", "ConsistentRead"}, asked
        if fault := batch_fault(asked["Keys"], self._schema):
            raise refusal("BatchGetItem", fault)
        seen = self.items if self._fresh(asked) else _seen(self.items, self._replaced)
        found, left, room = [], [], BATCH_BYTES
        for key in asked["Keys"]:
            item = seen.get(_key(key))
            room -= size_of(item) if item else 0
            if room < 0:
                left.append(key)
            elif item:
                found.append(item)
        self.watch("after", "batch_get_item")
        undone = {"UnprocessedKeys": {name: asked | {"Keys": left}}} if left else {}
        return {"Responses": {name: found}} | undone

    def query(self, **asked: Any) -> dict[str, Any]:
        self.watch("before", "query")
        assert set(asked) <= _QUERY, asked
        index = self._schema.index(asked.get("IndexName", "")) or Index("", self._schema.key, None)
        if index.name != asked.get("IndexName", ""):
            raise refusal("Query", f"The table does not have the specified index: {asked['IndexName']}")
        scope = Scope(asked.get("ExpressionAttributeNames"), asked.get("ExpressionAttributeValues"))
        where = condition(asked["FilterExpression"]) if "FilterExpression" in asked else None
        by = condition(asked["KeyConditionExpression"])
        only = _named(asked.get("ProjectionExpression", ""))
        if fault := self._query_fault(asked, index, scope, by, where, only):
            raise refusal("Query", fault)
        found = self._in_order(self._indexed(asked, index, scope, by), index, asked)
        page, more = _page(found, asked.get("Limit"))
        kept = [item for item in page if where is None or scope.holds(where, item)]
        if only:
            shown = {scope.name(path) for path in only}
            kept = [{name: value for name, value in item.items() if name in shown} for item in kept]
        self.watch("after", "query")
        last = {name: page[-1][name] for name in {*self._schema.key, *index.key}} if more else None
        return {"Items": kept} | ({"LastEvaluatedKey": last} if last else {})

    def _query_fault(
        self, asked: dict[str, Any], index: Index, scope: Scope, by: Node, where: Node | None, only: list[Node]
    ) -> str | None:
        if index.name and asked.get("ConsistentRead"):
            return "Consistent reads are not supported on global secondary indexes"
        try:
            scope.check(*(node for node in (by, where, *only) if node), reserved=reserved_words())
        except Invalid as fault:
            return str(fault)
        terms = by[1:] if by[0] == "and" else (by,)
        names = [scope.name(term[1]) for term in terms]
        hashed = [term[0] for term, name in zip(terms, names, strict=True) if name == index.key[0]]
        if hashed != ["="] or set(names) - set(index.key) or len(set(names)) < len(names):
            return f"Query condition missed key schema element: {index.key[0]}"
        if where and any(scope.name(path) in index.key for path in _paths(where)):
            return "Filter Expression can only contain non-primary key attributes"
        if (start := asked.get("ExclusiveStartKey")) and set(start) != {*self._schema.key, *index.key}:
            return "The provided starting key is invalid"
        return None

    def _indexed(self, asked: dict[str, Any], index: Index, scope: Scope, by: Node) -> list[Item]:
        """What the table, or one of its indexes, holds under a key condition."""
        if index.name:
            seen = _seen(self.items, self._undone) if self.stale_reads else self.items
        else:
            seen = self.items if self._fresh(asked) else _seen(self.items, self._replaced)
        hashed, of = index.key[0], _partition(scope, by, index)
        own = [item for item in seen.values() if item.get(hashed) == of and all(name in item for name in index.key)]
        return [_projected(item, index) for item in own if scope.holds(by, item)]

    def _in_order(self, found: list[Item], index: Index, asked: dict[str, Any]) -> list[Item]:
        """By range key, then by the table's own key, behind where the last page ended."""
        by = [*index.key[1:], *(name for name in self._schema.key if name not in index.key)]

        def place(item: Item) -> list[bytes]:
            return [item[name]["S"].encode() for name in by]

        backwards = not asked.get("ScanIndexForward", True)
        ordered = sorted(found, key=place, reverse=backwards)
        if "ExclusiveStartKey" not in asked:
            return ordered
        start = place(asked["ExclusiveStartKey"])
        return [item for item in ordered if (place(item) < start if backwards else place(item) > start)]

    def _fresh(self, asked: dict[str, Any]) -> bool:
        return bool(asked.get("ConsistentRead")) or not self.stale_reads

    # -- writes --------------------------------------------------------------------------------

    def transact_write_items(self, TransactItems: list[dict[str, Any]]) -> dict[str, Any]:
        self.watch("before", "transact_write_items")
        bodies = [next(iter(write.items())) for write in TransactItems]
        for kind, body in bodies:
            assert _WRITES[kind] <= set(body) <= _WRITES[kind] | _EXPRESSION, (kind, body)
        if fault := transaction_fault(bodies, self._schema) or _expressions_fault(bodies):
            raise refusal("TransactWriteItems", fault)
        types = [type_fault(body.get("Item", {}), self._schema) for _, body in bodies]
        if any(types):
            raise cancelled([_invalid(wrong) if wrong else {"Code": "None"} for wrong in types])
        keys = [_key(body["Item"] if kind == "Put" else body["Key"]) for kind, body in bodies]
        outcomes = [self._outcome(key, kind, body) for key, (kind, body) in zip(keys, bodies, strict=True)]
        if any(reason["Code"] != "None" for reason, _ in outcomes):
            raise cancelled([reason for reason, _ in outcomes])
        if sum(size_of(item) for _, item in outcomes if item) > TRANSACTION_BYTES:
            raise refusal("TransactWriteItems", "Transaction request exceeds the 4MB transaction size limit")
        written = zip(keys, bodies, outcomes, strict=True)
        self._apply({key: item for key, (kind, _), (_, item) in written if kind != "ConditionCheck"})
        self.watch("after", "transact_write_items")
        return {}

    def _outcome(self, key: Key, kind: str, body: dict[str, Any]) -> tuple[dict[str, str], Item | None]:
        """The reason for which an operation would cancel its transaction, and the item after it."""
        item, scope = self.items.get(key), _scope(body)
        if "ConditionExpression" in body and not scope.holds(condition(body["ConditionExpression"]), item):
            return {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}, None
        if kind != "Update":
            return {"Code": "None"}, body.get("Item")
        try:
            after = scope.updated(update(body["UpdateExpression"]), item or body["Key"])
        except Invalid as found:
            return _invalid(str(found)), None
        fault = type_fault(after, self._schema) or item_fault(after, self._schema)
        return (_invalid(fault), None) if fault else ({"Code": "None"}, after)

    def _apply(self, after: dict[Key, Item | None]) -> None:
        self._undone = {key: self.items.get(key) for key in after}
        self._replaced |= self._undone
        for key, item in after.items():
            before = self.items.pop(key, None)
            if item is not None:
                self.items[key] = item
            if item != before:
                self.changed(before, item)


def memory_store(*, stale_reads: bool = False) -> tuple[Store, MemoryDynamoDB]:
    """A store over an empty table in memory."""
    client = MemoryDynamoDB(stale_reads=stale_reads)
    return Store(Table(client, NAME)), client


def _key(of: Item) -> Key:
    return of["pk"]["S"], of["sk"]["S"]


def _seen(items: Items, instead: dict[Key, Item | None]) -> Items:
    """The items as a reader sees them who has not heard of the latest writes."""
    return {key: item for key, item in (items | instead).items() if item is not None}


def _invalid(message: str) -> dict[str, str]:
    return {"Code": "ValidationError", "Message": message}


def _scope(body: dict[str, Any]) -> Scope:
    return Scope(body.get("ExpressionAttributeNames"), body.get("ExpressionAttributeValues"))


def _expressions_fault(bodies: list[tuple[str, dict[str, Any]]]) -> str | None:
    for _, body in bodies:
        nodes: list[Any] = [condition(body["ConditionExpression"])] if "ConditionExpression" in body else []
        nodes += update(body["UpdateExpression"]) if "UpdateExpression" in body else []
        try:
            _scope(body).check(*nodes, reserved=reserved_words())
        except Invalid as fault:
            return str(fault)
        if any(_scope(body).name(action[1]) in body["Key"] for action in nodes if action[0] in _ACTIONS):
            return "One or more parameter values were invalid: Cannot update an attribute that is part of the key"
    return None


def _named(projection: str) -> list[Node]:
    """The attributes of a projection expression: names and placeholders, no paths into them."""
    return [("path", name.strip()) for name in projection.split(",") if name.strip()]


def _paths(node: Any) -> list[Node]:
    if node[0] == "path":
        return [node]
    return [] if node[0] == "value" else [path for part in node[1:] for path in _paths(part)]


def _partition(scope: Scope, by: Node, index: Index) -> Item | None:
    """The value of the hash key that a key condition asks for."""
    terms = by[1:] if by[0] == "and" else (by,)
    return next(scope.value(term[2], None) for term in terms if scope.name(term[1]) == index.key[0])


def _projected(item: Item, index: Index) -> Item:
    if index.holds is None:
        return item
    return {name: value for name, value in item.items() if name in index.holds}


def _page(found: list[Item], limit: int | None) -> tuple[list[Item], bool]:
    """The items of one page, and whether it ends here: at the limit, or before it holds more than a megabyte.

    A page that the limit filled may be the last: DynamoDB stops there and does not look further.
    """
    page: list[Item] = []
    room = PAGE_BYTES
    for item in found:
        room -= size_of(item)
        if room < 0:
            return page, True
        page.append(item)
        if len(page) == limit:
            return page, True
    return page, False
