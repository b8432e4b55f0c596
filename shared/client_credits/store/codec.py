"""Records to JSON text and back, by their own types; fields at their defaults are left out.

Owns the stored form of every record. A reader ignores fields it does not know, so that an older
release can read what a newer one wrote.
"""

from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

T = TypeVar("T")
Attributes = dict[str, Any]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(record: object) -> str:
    adapter: TypeAdapter[Any] = _adapter(cast(Hashable, type(record)))
    return adapter.dump_json(record, exclude_defaults=True).decode()


def from_json(kind: type[T], text: str) -> T:
    record: T = _adapter(cast(Hashable, kind)).validate_json(text)
    return record


def to_attributes(values: Mapping[str, str | int | None]) -> Attributes:
    """Text and whole numbers as DynamoDB writes them; None is left out."""
    return {name: _attribute(value) for name, value in values.items() if value is not None}


def _attribute(value: str | int) -> dict[str, str]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def from_attributes(item: Attributes) -> dict[str, Any]:
    """The text and numbers of an item as Python's own; whole numbers are int."""
    return {name: _plain(attribute) for name, attribute in item.items()}


def _plain(attribute: dict[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    return int(value) if kind == "N" else value
