"""Records and their stored form: nothing is lost, what a newer release adds is ignored, sizes stay small."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import pytest
from tests.support.builders import DAY, NOW
from tests.support.records import FULL, PLAIN, an_entry

from client_credits.domain.bookings.booking import (
    Booking,
    BookingSource,
    BookingState,
    Payer,
)
from client_credits.domain.bookings.deciding import SessionToBook
from client_credits.domain.ledger.entries import Cause, CauseKind, Posting
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.wallet import Lot, LotSource, Value, Wallet
from client_credits.domain.practice.records import Client
from client_credits.store import codec, writes
from client_credits.store.table import Write
from client_credits.store.writes import sortable


def _named(record: Any) -> str:
    return type(record).__name__


@pytest.mark.parametrize("record", [*FULL, *PLAIN], ids=_named)
def test_a_record_comes_back_from_its_stored_form_as_it_was(record: Any) -> None:
    again = codec.from_json(type(record), codec.to_json(record))
    assert again == record
    assert repr(again) == repr(record)  # the same types all the way down, not only equal values


def test_the_full_examples_leave_no_field_of_any_record_at_its_default() -> None:
    """So that the test above covers every field; a new one makes this fail."""
    covered: dict[type, set[str]] = defaultdict(set)
    for record in FULL:
        for part in _parts(record):
            covered[type(part)] |= {f.name for f in fields(part) if getattr(part, f.name) != _default(f)}
    bare = {kind: {f.name for f in fields(kind)} - names - {"version"} for kind, names in covered.items()}
    assert {kind.__name__: missing for kind, missing in bare.items() if missing} == {}


def _parts(value: Any) -> Iterator[Any]:
    """Every record within a record, itself included."""
    if is_dataclass(value):
        yield value
        value = [getattr(value, f.name) for f in fields(value)]
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from _parts(each)


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


@pytest.mark.parametrize("record", PLAIN, ids=_named)
def test_fields_at_their_defaults_are_left_out(record: Any) -> None:
    stored = codec.to_json(record)
    assert [f.name for f in fields(record) if f'"{f.name}"' in stored and not _required(f)] == []


def _required(field: Any) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


@pytest.mark.parametrize("record", [*FULL, *PLAIN], ids=_named)
def test_fields_a_reader_does_not_know_are_ignored(record: Any) -> None:
    newer = '{"a_later_field": {"x": [1]}, ' + codec.to_json(record)[1:]
    newer = newer.replace(", }", "}")
    assert codec.from_json(type(record), newer) == record


def test_an_unknown_field_inside_a_lot_is_ignored_too() -> None:
    wallet = FULL[0]
    newer = codec.to_json(wallet).replace('"lot_id":', '"later":true,"lot_id":')
    assert codec.from_json(Wallet, newer) == wallet


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "null", "7", '"c1"', "{}", "", "{"),
        *('{"client_id": 7}', '{"client_id": null}', '{"client_id": ["c1"]}'),
        *('{"client_id": "c1", "name": 7}', '{"client_id": "c1", "stripe_customers": "cus_1"}'),
        *('{"client_id": "c1", "version": true}', '{"client_id": "c1", "version": 1.0}'),
        *('{"client_id": "c1", "created_at": "yesterday"}', '{"client_id": "c1", "created_at": 5}'),
        '{"client_id": "c1", "created_at": "2026-11-22T12:00:00"}',
    ],
)
def test_what_is_no_such_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        codec.from_json(Client, text)


def test_instants_sort_as_text_in_their_order_in_time() -> None:
    instants = [NOW, NOW.replace(microsecond=1), NOW.replace(second=1), NOW + DAY]
    assert sorted(map(sortable, instants)) == [sortable(i) for i in sorted(instants)]
    assert len({len(sortable(i)) for i in instants}) == 1


# -- sizes: a write of up to 1 KB costs one unit --------------------------------------------------

STRIPE = "1PqTRsLkdIwHu7ixhA3vbQeN"  # as long as Stripe's own


def stored_bytes(write: Write) -> int:
    """An item's size as DynamoDB counts it: names, UTF-8 text, and numbers at about half a byte a digit."""
    size = 0
    for name, attribute in write["Put"]["Item"].items():
        ((kind, value),) = attribute.items()
        size += len(name) + (len(value.encode()) if kind == "S" else (len(value) + 1) // 2 + 1)
    return size


def real_lot(number: int) -> Lot:
    return Lot(
        lot_id=f"lot_ab3vbhpqjtdfkbrkm3f{number}",
        granted=10,
        remaining=7,
        effective_at=NOW,
        expires_at=NOW + 180 * DAY,
        source=LotSource.CYCLE,
        package_id="monthly-follow-ups",
        payment=f"in_{STRIPE}/il_{STRIPE}",
        subscription=f"sub_{STRIPE}",
        value=Value(12900, "eur", 10),
    )


def test_a_wallet_of_two_lots_is_one_write_unit() -> None:
    wallet = Wallet("riverside-clinic", "client-104311", "follow-up-60", 12, 12, 40)
    wallet = replace(wallet, lots=(real_lot(1), real_lot(2)))
    assert stored_bytes(writes.wallet(wallet, NOW)) <= 1024


def test_an_entry_is_one_write_unit() -> None:
    ids = {
        "package_id": "monthly-follow-ups",
        "payment": f"in_{STRIPE}",
        "line": f"il_{STRIPE}",
        "event_id": f"evt_{STRIPE}",
        "subscription": f"sub_{STRIPE}",
        "customer": "cus_QhVtKx12345678",
    }
    entry = an_entry(
        practice_id="riverside-clinic",
        client_id="client-104311",
        source_id=f"stripe/own/live/in_{STRIPE}/il_{STRIPE}",
        cause=Cause(CauseKind.PACKAGE, ids),
        postings=tuple(Posting(-1, lot_id=real_lot(n).lot_id) for n in range(2)),
    )
    assert stored_bytes(writes.entry(entry)) <= 1024


def test_a_booking_paid_by_two_lots_is_one_write_unit_with_all_it_shows_in_the_index_of_sessions() -> None:
    payers = tuple(Payer("client-104311", "follow-up-60", real_lot(n).lot_id, 1) for n in range(2))
    session = SessionToBook("follow-up-60", NOW + DAY, 2)
    booking = Booking("booking-9f8c2c1e4a5b4c3d", BookingState.BOOKED, "client-104311", session)
    booking = replace(booking, created_at=NOW, payers=payers, source=BookingSource("square"), provider_id="dr-lee")
    assert stored_bytes(writes.booking("riverside-clinic", booking)) <= 1024


def test_an_operation_is_one_write_unit() -> None:
    refs = tuple(EntryRef(f"appointment-type-{n}", 12, 10) for n in range(5))
    source = f"stripe/own/live/in_{STRIPE}/il_{STRIPE}"
    done = Operation(source, "0123456789abcdef", "granted", "client-104311", refs, NOW)
    assert stored_bytes(writes.operation("riverside-clinic", done)) <= 1024


def test_a_wallet_at_its_limit_fits_into_an_item() -> None:
    lots = tuple(replace(real_lot(n % 10), lot_id=f"lot_{n:020d}") for n in range(500))
    wallet = Wallet("p" * 128, "c" * 128, "t" * 128, lots=lots)
    assert stored_bytes(writes.wallet(wallet, NOW)) < 400 * 1024


@pytest.mark.parametrize(
    ("owners", "owner"),
    [((), "c1"), (("c1",), "c1"), (("pool",), "pool"), (("c1", "pool"), "pool"), (("c1", "pool", "pool"), "pool")],
)
def test_the_index_of_sessions_names_the_owner_whose_credits_paid(owners: tuple[str, ...], owner: str) -> None:
    payers = tuple(Payer(whose, "follow-up", f"lot_{n}", 1) for n, whose in enumerate(owners))
    booked = Booking("b1", BookingState.BOOKED, "c1", SessionToBook("follow-up", NOW + DAY), payers=payers)
    item = writes.booking("p1", booked)["Put"]["Item"]
    assert (item["client_id"], item["owner"]) == ({"S": "c1"}, {"S": owner})
