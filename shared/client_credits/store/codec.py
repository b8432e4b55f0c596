"""Records to JSON text and back, by their own types; fields at their defaults are left out.

Owns the stored form of every record. A reader ignores fields it does not know, so that an older
release can read what a newer one wrote; what it does know must have its type, or it raises
ValueError. A field of words admits those of later releases too (`Unknown`), and must. Instants are RFC 3339 with Z.

A record's type is taken apart once, when one is first met. A validation library would do the same,
but costs every cold start more than all that is done here.
"""

import base64
import json
import zlib
from collections.abc import Callable, Hashable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from client_credits.domain.instants import instant_text
from client_credits.domain.words import Unknown

T = TypeVar("T")
Attributes = dict[str, Any]
ONE_UNIT_BYTES = 1_024  # of an item, for which a write costs one unit


class _Form(NamedTuple):
    """How values of one type are written as JSON values, and read again."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def to_json(record: object) -> str:
    return json.dumps(_form(cast(Hashable, type(record))).write(record), separators=(",", ":"), ensure_ascii=False)


def from_json(kind: type[T], text: str) -> T:
    """The record of that type. Raises ValueError where the text is none."""
    record: T = _form(cast(Hashable, kind)).read(json.loads(text))
    return record


@cache
def _form(kind: Any) -> _Form:
    """The form of a type. Raises TypeError for one that no record has so far."""
    if kind is Any:
        return _Form(_same, _same)
    if kind is datetime:
        return _Form(instant_text, _instant)
    if kind is date:
        return _Form(date.isoformat, _day)
    if kind in (str, int, bool):
        return _Form(_same, _one_of(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        raise TypeError(f"records hold words of later releases too: {kind.__name__} | Unknown")
    if is_dataclass(kind):
        return _record_form(kind)
    return _compound_form(get_origin(kind), get_args(kind))


def _compound_form(origin: Any, parts: tuple[Any, ...]) -> _Form:
    if origin is dict:
        return _dict_form(_form(parts[1]))
    if origin is tuple and parts[-1] is Ellipsis:
        return _list_form(_form(parts[0]))
    if origin is tuple:
        return _row_form([_form(part) for part in parts])
    if origin in (Union, UnionType) and NoneType in parts:
        return _optional_form([part for part in parts if part is not NoneType])
    if origin in (Union, UnionType) and len(parts) == 2 and parts[1] is Unknown:
        return _word_form(parts[0])
    raise TypeError(f"records hold no {origin}")


def _record_form(kind: Any) -> _Form:
    forms = {each.name: _form(cast(Hashable, each.type)) for each in fields(kind)}
    reads = {name: form.read for name, form in forms.items()}
    writes = [(each.name, forms[each.name].write, _default(each)) for each in fields(kind)]

    def write(record: Any) -> dict[str, Any]:
        stored = {}
        for name, write_field, default in writes:
            value = getattr(record, name)
            if value is not default and value != default:
                stored[name] = value if write_field is _same else write_field(value)
        return stored

    def read(stored: Any) -> Any:
        if type(stored) is not dict:
            raise ValueError(f"not a {kind.__name__}")
        try:
            return kind(**{name: reads[name](value) for name, value in stored.items() if name in reads})
        except TypeError as error:  # a field without a default is not there
            raise ValueError(f"not a whole {kind.__name__}") from error

    return _Form(write, read)


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


def _dict_form(value: _Form) -> _Form:
    known = _one_of(dict)
    return _Form(
        lambda held: {name: value.write(each) for name, each in held.items()},
        lambda stored: {name: value.read(each) for name, each in known(stored).items()},
    )


def _list_form(each: _Form) -> _Form:
    known = _one_of(list)
    return _Form(
        lambda held: [each.write(value) for value in held],
        lambda stored: tuple([each.read(value) for value in known(stored)]),
    )


def _row_form(cells: list[_Form]) -> _Form:
    known = _one_of(list)
    return _Form(
        lambda held: [cell.write(value) for cell, value in zip(cells, held, strict=True)],
        lambda stored: tuple([cell.read(value) for cell, value in zip(cells, known(stored), strict=True)]),
    )


def _optional_form(kinds: list[Any]) -> _Form:
    if len(kinds) == 1 and kinds[0] in (str, int, bool):
        return _Form(_same, _one_of(kinds[0], NoneType))
    present = _form(kinds[0]) if len(kinds) == 1 else _compound_form(Union, tuple(kinds))
    return _Form(
        lambda value: None if value is None else present.write(value),
        lambda stored: None if stored is None else present.read(stored),
    )


def _word_form(known: Any) -> _Form:
    """A word of an enumeration, or one that only a later release knows."""
    words = {str(word): word for word in known}
    text = _one_of(str)
    return _Form(_same, lambda stored: words.get(text(stored)) or Unknown(stored))


def _same(value: Any) -> Any:
    return value


def _one_of(*kinds: type[Any]) -> Callable[[Any], Any]:
    def read(stored: Any) -> Any:
        if type(stored) not in kinds:  # exactly: true is no number
            raise ValueError(f"not {kinds[0].__name__}")
        return stored

    return read


def _instant(stored: Any) -> datetime:
    if type(stored) is not str:
        raise ValueError("not an instant")
    instant = datetime.fromisoformat(stored)
    if instant.tzinfo is None:
        raise ValueError("an instant without a zone")
    return instant


def _day(stored: Any) -> date:
    if type(stored) is not str:
        raise ValueError("not a day")
    return date.fromisoformat(stored)


def packed(values: Mapping[str, str | int | bytes | None]) -> dict[str, str | int | bytes | None]:
    """An item's values, with `body` packed as `packed` where the item would take more than one write unit.

    Packing halves a long body or better. So a wallet of a few lots stays within its unit, and one far beyond
    its bounds, as undoing may leave it, stays below the 400 KB that an item holds.
    """
    size = sum(len(name) + len(str(value).encode()) for name, value in values.items() if value is not None)
    if size <= ONE_UNIT_BYTES or not isinstance(body := values.get("body"), str):
        return dict(values)
    return {**values, "body": None, "packed": zlib.compress(body.encode())}


def unpacked(item: Mapping[str, Any]) -> str:
    """The text of a record's item. Raises ValueError where what was packed cannot be read."""
    if "body" in item:
        text: str = item["body"]
        return text
    try:
        return zlib.decompress(item["packed"]).decode()
    except zlib.error as error:
        raise ValueError("a packed record that cannot be unpacked") from error


def from_item(kind: type[T], item: Mapping[str, Any]) -> T:
    """The record of that type in an item, as `from_attributes` gives it. Raises ValueError where it is none."""
    return from_json(kind, unpacked(item))


def versioned(kind: type[T], item: Mapping[str, Any] | None) -> T | None:
    """A versioned record; its version is the item's. None where there is no item."""
    if item is None:
        return None
    return replace(from_item(kind, item), version=item["version"])  # type: ignore[type-var]


def to_attributes(values: Mapping[str, str | int | bytes | None]) -> Attributes:
    """Text, whole numbers and bytes as DynamoDB writes them; None is left out."""
    return {name: _attribute(value) for name, value in values.items() if value is not None}


def _attribute(value: str | int | bytes) -> dict[str, str | bytes]:
    if isinstance(value, bytes):
        return {"B": value}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def from_attributes(item: Attributes) -> dict[str, Any]:
    """The text, numbers and bytes of an item as Python's own; whole numbers are int."""
    return {name: _plain(attribute) for name, attribute in item.items()}


def _plain(attribute: dict[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "B" and isinstance(value, str):  # as a stream's record has it
        return base64.b64decode(value)
    return int(value) if kind == "N" else value
