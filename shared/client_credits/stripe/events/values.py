"""Reads values out of a decoded JSON body without trust.

Absent and null are the same. A value of the wrong type or outside its bounds raises Unreadable.
Knows JSON and how Stripe writes ids, lists, instants and money; knows no field of any one object.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

from client_credits.domain.ids import is_id, names_something

Fields = Mapping[str, object]
T = TypeVar("T")

MAX_AMOUNT = 10**15  # minor units; Stripe's own limit is 12 digits
LAST_SECOND = 32_503_680_000  # the year 3000, exclusive: date arithmetic stays far from overflow

_CURRENCY = re.compile(r"[a-z]{3}")
_DECIMAL = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


class Unreadable(Exception):
    """A value is absent where it is needed, of the wrong type, or out of bounds."""


def fields(value: object) -> Fields:
    """`value` as an object."""
    if not isinstance(value, dict):
        raise Unreadable
    return value


def child(of: Fields, *path: str) -> Fields:
    """The object at `path`; empty when it, or anything on the way, is absent."""
    for name in path:
        value = of.get(name)
        of = {} if value is None else fields(value)
    return of


def expanded(of: Fields, name: str) -> Fields:
    """The object at `name` where Stripe was asked to expand it; empty when only its id is there."""
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def text(of: Fields, name: str) -> str | None:
    value = of.get(name)
    if value is None or isinstance(value, str):
        return value
    raise Unreadable


def flag(of: Fields, name: str) -> bool:
    value = of.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Unreadable


def integer(of: Fields, name: str) -> int | None:
    value = of.get(name)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise Unreadable


def instant(of: Fields, name: str) -> datetime | None:
    """Unix seconds within 1970..2999, as UTC."""
    seconds = integer(of, name)
    if seconds is None:
        return None
    if not 0 <= seconds < LAST_SECOND:
        raise Unreadable
    return datetime.fromtimestamp(seconds, UTC)


def reference(of: Fields, name: str) -> str | None:
    """The id at `name`, given as a string or as the expanded object."""
    value = of.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    if value is None:
        return None
    return required(value if isinstance(value, str) and is_id(value) else None)


def required(value: T | None) -> T:
    if value is None:
        raise Unreadable
    return value


def page(of: Fields, name: str) -> tuple[list[Fields], bool]:
    """The objects of the list at `name`, and whether the list goes on beyond them."""
    listed = child(of, name)
    rows = listed.get("data")
    if not isinstance(rows, list):
        raise Unreadable
    return [fields(row) for row in rows], flag(listed, "has_more")


def rows(of: Fields, name: str) -> list[Fields]:
    """The objects of the bare array at `name`; none when it is absent."""
    given = of.get(name)
    if given is None:
        return []
    if not isinstance(given, list):
        raise Unreadable
    return [fields(row) for row in given]


def metadata(of: Fields) -> Fields:
    return child(of, "metadata")


def first_named(name: str, sources: Iterable[Fields]) -> str | None:
    """The first value of `name` that names something: an id, and no word for nothing. Others count as absent."""
    given = (source.get(name) for source in sources)
    return next((v for v in given if isinstance(v, str) and names_something(v)), None)


def amount(line: Fields, name: str) -> int:
    """Minor units, before discounts and taxes; negative for a credit."""
    value = required(integer(line, name))
    if abs(value) > MAX_AMOUNT:
        raise Unreadable
    return value


def unsigned_amount(of: Fields, name: str) -> int | None:
    """Minor units of 0 or more; None when absent."""
    value = integer(of, name)
    if value is not None and not 0 <= value <= MAX_AMOUNT:
        raise Unreadable
    return value


def currency_of(*places: Fields) -> str:
    """The first currency named, lower case."""
    found = next(filter(None, (text(place, "currency") for place in places)), None)
    found = required(found).lower()
    if not _CURRENCY.fullmatch(found):
        raise Unreadable
    return found


def decimal(value: object) -> Decimal | None:
    """A number as Stripe writes decimals: a short plain string, or an int."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    written = value if isinstance(value, str) else str(value) if abs(value) < MAX_AMOUNT else ""
    return Decimal(written) if _DECIMAL.fullmatch(written) else None
