"""What a change of the table tells the world: one event per entry, refusal and parked payment.

Goes by the item's `kind`, never by its key. Events carry ids and numbers only; `docs/events.md` has the schema
of each. Their `event_id` follows from what happened, so a redelivery has the same one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from client_credits.domain.bookings.booking import Booking, Refusal
from client_credits.domain.ids import derived_id
from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.records import SettingsChange
from client_credits.publishing import plain as telling
from client_credits.store import codec, keys
from client_credits.store.keys import ItemKind

_NOTES = frozenset({"reason"})  # of entries: staff's own words stay in the history and are not sent around


@dataclass(frozen=True, slots=True)
class Published:
    """One event: its name on the bus, and what it says. The detail has `practice_id` and `event_id`."""

    detail_type: str
    detail: dict[str, Any]


def events_of(new: dict[str, Any], old: dict[str, Any] | None) -> list[Published]:
    """The events of one changed item, given as plain values; `old` is None for a new item.

    None for an item of a kind that this release does not know. Raises ValueError or LookupError for one it
    knows and cannot read.
    """
    return list(_events(new, old))


def _events(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[Published]:
    practice_id = keys.practice_of(new)
    match keys.kind_of(new):
        case ItemKind.ENTRY if old is None:
            entry = codec.from_item(Entry, new)
            yield _of(f"credits.{entry.kind}", practice_id, entry.entry_id, _without_notes(telling.entry(entry)))
        case ItemKind.SETTINGS_CHANGE if old is None:
            change = codec.from_item(SettingsChange, new)
            event_id = derived_id("evt", practice_id, change.change_id)
            fields = _without_notes(telling.settings_change(change))
            yield _of("credits.settings_changed", practice_id, event_id, fields)
        case ItemKind.BOOKING:
            yield from _refusals(practice_id, new, old)
        case ItemKind.PARKED if old is None:
            parked = codec.from_item(Parked, new)
            event_id = derived_id("evt", practice_id, parked.parked_id)
            yield _of("credits.payment_parked", practice_id, event_id, _parked(parked))
        case _:
            return


def _refusals(practice_id: str, new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[Published]:
    booking = codec.from_item(Booking, new)
    refusal = booking.refusal
    if refusal is None or refusal == _refusal_before(old) or booking.session is None:
        return
    event_id = derived_id("evt", practice_id, booking.booking_id, "refused", codec.to_json(refusal))
    fields = {
        "booking_id": booking.booking_id,
        "client_id": booking.client_id,
        "appointment_type": booking.session.appointment_type,
        "starts_at": booking.session.starts_at,
        "seats": booking.session.seats,
        "reason": str(refusal.reason),
        "available": refusal.available,
        "shortfall": refusal.shortfall,
        "occurred_at": refusal.occurred_at,
    }
    yield _of("credits.booking_refused", practice_id, event_id, fields)


def _refusal_before(old: dict[str, Any] | None) -> Refusal | None:
    """What was published already. An old image that cannot be read counts as none: a repeat has the same id."""
    try:
        return codec.from_item(Booking, old).refusal if old else None
    except (ValueError, LookupError):
        return None


def _parked(parked: Parked) -> telling.Fields:
    """`event_id` names our event; that of the payment provider is named `stripe_event_id`."""
    fields = telling.parked(parked)
    return {"stripe_event_id": fields.pop("event_id"), **fields}


def _without_notes(fields: telling.Fields) -> telling.Fields:
    return {name: value for name, value in fields.items() if name not in _NOTES}


def _of(detail_type: str, practice_id: str, event_id: str, fields: telling.Fields) -> Published:
    written = {name: instant_text(value) if isinstance(value, datetime) else value for name, value in fields.items()}
    assert "event_id" not in written, "it would hide ours"
    return Published(detail_type, {"practice_id": practice_id, "event_id": event_id, **written})
