"""The three ways in which the table is reached: batch read, transaction, query.

Owns retries of what DynamoDB leaves undone (unprocessed keys) and the meaning of its refusals.
Reads are strongly consistent: a decision rests on what is there, and costs half a unit more per item.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from client_credits.store.codec import from_attributes
from client_credits.store.keys import Key, order_of

BATCH = 100
TRANSACTION = 100
_UNPROCESSED_ROUNDS = 8

Item = dict[str, Any]
Write = dict[str, Any]


class Conflicted(Exception):
    """A condition failed or a transaction was in the way: nothing was written; load and decide again."""


class DynamoDB(Protocol):
    """What this package uses of a DynamoDB client."""

    def batch_get_item(self, **kwargs: Any) -> dict[str, Any]: ...
    def transact_write_items(self, **kwargs: Any) -> dict[str, Any]: ...
    def query(self, **kwargs: Any) -> dict[str, Any]: ...
    def scan(self, **kwargs: Any) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Page:
    """Items of one query, and where the next page begins (None: this was the last).

    `order` is the attribute that they are in order of.
    """

    items: list[Item]
    last: Item | None
    order: str = "sk"

    @property
    def after(self) -> str | None:
        """The place behind which the next page begins."""
        return None if self.last is None else str(self.last[self.order])

    @property
    def places(self) -> list[str]:
        """Where each item stands, in the index or partition that was asked."""
        return [str(item[self.order]) for item in self.items]


@dataclass(frozen=True, slots=True)
class Where:
    """A filter of what was read: an expression, with its values as DynamoDB writes them, and its names."""

    expression: str
    values: dict[str, Any] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


EVERYTHING = Where("")


class Table:
    """One DynamoDB table. Thread-safe as the client is."""

    def __init__(self, client: DynamoDB, name: str) -> None:
        self._client = client
        self.name = name

    def get(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """The items that exist, by key; one request per 100 keys."""
        wanted = list(dict.fromkeys(keys))
        found: dict[Key, Item] = {}
        for start in range(0, len(wanted), BATCH):
            for item in self._batch(wanted[start : start + BATCH]):
                found[(item["pk"], item["sk"])] = item
        return found

    def _batch(self, keys: Sequence[Key]) -> Iterator[Item]:
        request: dict[str, Any] = {"Keys": [_key(key) for key in keys], "ConsistentRead": True}
        for _ in range(_UNPROCESSED_ROUNDS):
            answer = self._client.batch_get_item(RequestItems={self.name: request})
            yield from map(from_attributes, answer["Responses"].get(self.name, []))
            request = answer.get("UnprocessedKeys", {}).get(self.name, {})
            if not request:
                return
        raise Conflicted("the table left keys unread")

    def transact(self, writes: Sequence[Write]) -> None:
        """All of `writes` or none. Raises Conflicted when a condition or another transaction forbade it."""
        assert 0 < len(writes) <= TRANSACTION, len(writes)
        try:
            self._client.transact_write_items(TransactItems=[self._named(w) for w in writes])
        except ClientError as error:
            if _is_conflict(error):
                raise Conflicted(str(error.response.get("CancellationReasons", ""))) from error
            raise

    def query(
        self,
        pk: str,
        *,
        begins: str = "",
        after: str | None = None,
        limit: int | None = None,
        newest_first: bool = False,
        where: Where = EVERYTHING,
    ) -> Page:
        """One page of a partition's items whose sort key begins with `begins`, in key order.

        `after` continues behind a sort key. `where` filters what was read, so a page may be short.
        """
        key = "pk = :pk" + (" AND begins_with(sk, :begins)" if begins else "")
        bound = {":pk": {"S": pk}} | ({":begins": {"S": begins}} if begins else {})
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": key,
            "ExpressionAttributeValues": bound,
            "ScanIndexForward": not newest_first,
            "ConsistentRead": True,
        }
        return self._page(request, limit, where, _key((pk, after)) if after else None)

    def query_index(
        self,
        index: str,
        condition: str,
        values: dict[str, Any],
        *,
        limit: int | None = None,
        where: Where = EVERYTHING,
        newest_first: bool = False,
        only: Sequence[str] = (),
    ) -> Page:
        """One page of an index; it may lag behind the table by a moment. `only` names the attributes that come back,
        all by default."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "IndexName": index,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not newest_first,
            **({"ProjectionExpression": ", ".join(only)} if only else {}),
        }
        return replace(self._page(request, limit, where), order=order_of(index))

    def scan(self, where: Where) -> Iterator[Item]:
        """Every item that `where` lets through, in no order: reads the whole table. For operators alone."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "FilterExpression": where.expression,
            "ExpressionAttributeValues": where.values,
            "ExpressionAttributeNames": where.names,
            "ConsistentRead": True,
        }
        while True:
            answer = self._client.scan(**request)
            yield from map(from_attributes, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _page(
        self, request: dict[str, Any], limit: int | None, where: Where, start: dict[str, Any] | None = None
    ) -> Page:
        optional = {
            "Limit": limit,
            "FilterExpression": where.expression,
            "ExpressionAttributeNames": where.names,
            "ExclusiveStartKey": start,
        }
        values = request["ExpressionAttributeValues"] | where.values
        asked = request | {"ExpressionAttributeValues": values} | {k: v for k, v in optional.items() if v}
        answer = self._client.query(**asked)
        items = [from_attributes(item) for item in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        return Page(items, from_attributes(last) if last else None)

    def _named(self, write: Write) -> Write:
        return {kind: {"TableName": self.name, **body} for kind, body in write.items()}


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def is_unavailable(error: Exception) -> bool:
    """Whether the table could not be reached or would not answer; what it refuses to take is the caller's fault."""
    if isinstance(error, ClientError):
        return bool(error.response["Error"]["Code"] != "ValidationException")
    return isinstance(error, BotoCoreError)


def _is_conflict(error: ClientError) -> bool:
    """Whether the transaction was refused by a condition or by contention, and by nothing else."""
    code = error.response["Error"]["Code"]
    if code == "TransactionInProgressException":
        return True
    if code != "TransactionCanceledException":
        return False
    reasons = error.response.get("CancellationReasons", [])
    codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
    retryable = {
        "ConditionalCheckFailed",
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    }
    return codes <= retryable
