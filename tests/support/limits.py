"""What DynamoDB refuses before it looks at a condition: sizes, counts and keys, with the errors it sends."""

from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.support.expressions import Item
from tests.support.table import Schema

KIB = 1024
ITEM_BYTES = 400 * KIB
TRANSACTION_BYTES = 4 * KIB * KIB
PAGE_BYTES = KIB * KIB  # of one query, before the filter
BATCH_BYTES = 16 * KIB * KIB  # of one batch read; what is over is left unprocessed
TRANSACTION_ITEMS = BATCH_KEYS = 100
HASH_BYTES, RANGE_BYTES = 2048, 1024  # of a key, the table's or an index's
NOT_VALID = "One or more parameter values are not valid."
INVALID = "One or more parameter values were invalid:"


def size_of(item: Item) -> int:
    """An item's size in bytes as DynamoDB counts it: names and values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: dict[str, Any]) -> int:
    ((kind, written),) = value.items()
    match kind:
        case "S":
            return len(written.encode())
        case "B":
            return len(written)
        case "N":  # two digits a byte, and one
            digits = written.lstrip("+-").replace(".", "").strip("0")
            return (len(digits) + 1) // 2 + 1 + written.startswith("-")
        case "BOOL" | "NULL":
            return 1
    raise AssertionError(f"a type nobody taught this table: {kind}")


def refusal(operation: str, message: str, code: str = "ValidationException", **members: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, **members}, operation)  # type: ignore[arg-type]


def cancelled(reasons: list[dict[str, str]]) -> ClientError:
    """A transaction refused, with one reason per item."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return refusal("TransactWriteItems", message, "TransactionCanceledException", CancellationReasons=reasons)


@cache
def reserved_words() -> frozenset[str]:
    """The names that an expression may not use bare, from moto's copy of the list (moto itself is slow to import)."""
    spec = find_spec("moto")
    assert spec and spec.origin
    return frozenset((Path(spec.origin).parent / "dynamodb/parsing/reserved_keywords.txt").read_text().split())


def batch_fault(keys: list[Item], schema: Schema) -> str | None:
    """Why a batch read of these keys is refused, or None."""
    if not 0 < len(keys) <= BATCH_KEYS:
        return f"Member must have length less than or equal to {BATCH_KEYS}, and at least 1"
    if len({str(sorted(key.items())) for key in keys}) < len(keys):
        return "Provided list of item keys contains duplicates"
    return next((fault for key in keys if (fault := key_fault(key, schema))), None)


def transaction_fault(bodies: list[tuple[str, dict[str, Any]]], schema: Schema) -> str | None:
    """Why a transaction is refused whatever the table holds, or None. `bodies` are (kind, body)."""
    if not 0 < len(bodies) <= TRANSACTION_ITEMS:
        return f"Member must have length less than or equal to {TRANSACTION_ITEMS}, and at least 1"
    keys = [body["Item"] if kind == "Put" else body["Key"] for kind, body in bodies]
    for (kind, body), key in zip(bodies, keys, strict=True):
        fault = item_fault(body["Item"], schema) if kind == "Put" else key_fault(key, schema)
        if fault:
            return fault
    named = [tuple(str(key[name]) for name in schema.key) for key in keys]
    if len(set(named)) < len(named):
        return "Transaction request cannot include multiple operations on one item"
    return None


def key_fault(key: Item, schema: Schema) -> str | None:
    """Why this is no key of an item."""
    if set(key) != set(schema.key):
        return "The provided key element does not match the schema"
    return _values_fault(key, schema.key)


def item_fault(item: Item, schema: Schema) -> str | None:
    """Why an item may not be put: its key, its indexes' keys or its size."""
    if missing := [name for name in schema.key if name not in item]:
        return f"{INVALID} Missing the key {missing[0]} in the item"
    for index in schema.indexes:
        if fault := _values_fault(item, index.key, f" IndexName: {index.name}"):
            return fault
    if fault := _values_fault(item, schema.key):
        return fault
    return "Item size has exceeded the maximum allowed size" if size_of(item) > ITEM_BYTES else None


def type_fault(item: Item, schema: Schema) -> str | None:
    """Which attribute of a key is no string, as all of them are to be."""
    keys = [*schema.key, *(name for index in schema.indexes for name in index.key)]
    wrong = next((name for name in keys if name in item and "S" not in item[name]), None)
    return f"{INVALID} Type mismatch for key {wrong} expected: S" if wrong else None


def _values_fault(item: Item, key: Iterable[str], where: str = "") -> str | None:
    """What is wrong with the values of a key, as far as the item has them."""
    for name, most in zip(key, (HASH_BYTES, RANGE_BYTES), strict=False):
        if name not in item:
            continue
        if "S" not in item[name]:
            continue  # a transaction is cancelled for it, not refused
        if not item[name]["S"]:
            return f"{NOT_VALID} A key attribute cannot contain an empty string value.{where} Key: {name}"
        if len(item[name]["S"].encode()) > most:
            return f"{INVALID} Size of key {name} has exceeded the maximum size limit of {most} bytes{where}"
    return None
