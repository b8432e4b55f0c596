"""The stored form of records: what every release has written and must be able to read."""

import json
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any, get_args, get_origin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.records import Account, Client, SettingsChange
from client_credits.domain.words import Unknown
from client_credits.store.codec import from_json, to_json
from client_credits.store.writes import WalletBody

NOW = datetime(2026, 11, 22, 10, 0, 0, 123, tzinfo=UTC)
RECORDS = [Account, Booking, Catalogue, Client, Entry, Operation, Parked, SettingsChange, Wallet, WalletBody]

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(10**6), 10**12),
    bool: st.booleans(),
    type(None): st.none(),
    datetime: st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.just(UTC)),
    Unknown: TEXT,
    Any: st.none() | st.booleans() | st.integers(-10, 10) | TEXT,
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    parts = get_args(kind)
    if kind in PLAIN:
        return PLAIN[kind]
    if is_dataclass(kind):
        return st.builds(kind, **{each.name: values(each.type) for each in fields(kind)})
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if get_origin(kind) is dict:
        return st.dictionaries(TEXT, values(parts[1]), max_size=2)
    if get_origin(kind) is tuple and parts[-1] is Ellipsis:
        return st.lists(values(parts[0]), max_size=2).map(tuple)
    if get_origin(kind) is tuple:
        return st.tuples(*map(values, parts))
    return st.one_of(*map(values, parts))


@pytest.mark.parametrize("kind", RECORDS)
def test_any_record_comes_back_as_it_was(kind: type[Any]) -> None:
    @given(values(kind))
    def comes_back(record: Any) -> None:
        stored = to_json(record)
        assert from_json(kind, stored) == record
        assert to_json(from_json(kind, stored)) == stored

    comes_back()


@pytest.mark.parametrize("kind", RECORDS)
def test_the_stored_form_is_the_one_that_pydantic_gives_a_record(kind: type[Any]) -> None:
    adapter = TypeAdapter(kind)

    @given(values(kind))
    def is_the_same(record: Any) -> None:
        stored = to_json(record)
        assert stored == adapter.dump_json(record, exclude_defaults=True).decode()
        assert adapter.validate_json(stored) == record

    is_the_same()


LOT = {"lot_id": "l", "granted": 3, "effective_at": "2026-11-22T10:00:00Z", "expires_at": None, "source": "purchase"}


def lots(**over: Any) -> str:
    return json.dumps({"lots": [LOT | over]})


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{",
        '{"lots": {}}',
        '{"lots": [null]}',
        '{"lots": [{}]}',
        '{"sequence": "1"}',
        '{"sequence": 1.0}',
        '{"sequence": true}',
        '{"sequence": null}',
        lots(lot_id=7),
        lots(granted=None),
        lots(source=[]),
        lots(source=None),
        lots(effective_at="2026-11-22T10:00:00"),
        lots(effective_at="soon"),
        lots(effective_at=1),
        lots(effective_at=None),
        lots(package_id=1),
        '{"holds": [{"hold_id": "h", "parts": [["l"]], "expires_at": "2026-11-22T10:00:00Z"}]}',
        '{"holds": [{"hold_id": "h", "parts": [["l", "1"]], "expires_at": "2026-11-22T10:00:00Z"}]}',
    ],
)
def test_what_is_no_record_is_a_value_error(stored: str) -> None:
    with pytest.raises(ValueError):
        from_json(WalletBody, stored)


@pytest.mark.parametrize("written", ["2026-11-22T10:00:00.000123Z", "2026-11-22T11:00:00.000123+01:00"])
def test_an_instant_of_any_zone_is_read(written: str) -> None:
    (lot,) = from_json(WalletBody, lots(effective_at=written)).lots
    assert lot.effective_at == NOW


def test_an_instant_of_another_zone_is_written_with_it() -> None:
    booking = Booking("b", BookingState.BOOKED, created_at=NOW.astimezone(timezone(timedelta(hours=1))))
    assert '"created_at":"2026-11-22T11:00:00.000123+01:00"' in to_json(booking)


def test_letters_are_stored_as_they_are() -> None:
    assert to_json(Client("c", name="Jörg 😀")) == '{"client_id":"c","name":"Jörg 😀"}'


@dataclass(frozen=True)
class Strange:
    price: float


def test_a_type_that_no_record_has_is_refused_at_once() -> None:
    with pytest.raises(TypeError):
        to_json(Strange(1.0))


def test_a_lot_within_a_record_keeps_its_type() -> None:
    (lot,) = from_json(WalletBody, lots()).lots
    assert isinstance(lot, Lot)
