"""What a change of the table tells the world: one event per entry, refusal and parked payment.

Events carry ids and numbers only. Their `event_id` follows from what happened, so a redelivery has
the same one.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from client_credits.domain.bookings.booking import Booking
from client_credits.domain.ids import derived_id
from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.payments.parked import Parked
from client_credits.domain.practice.records import SettingsChange
from client_credits.publishing import plain as telling
from client_credits.store import codec, keys
from client_credits.store.keys import ItemKind

Published = dict[str, Any]  # practice_id, detail_type (its name on the bus), detail


def events_of(new: dict[str, Any], old: dict[str, Any] | None) -> list[Published]:
    """The events of one changed item, given as plain values; `old` is None for a new item."""
    return list(_events(new, old))


def _events(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[Published]:
    practice_id, kind = keys.practice_of(new), keys.kind_of(new)
    if kind is ItemKind.ENTRY and old is None:
        entry = codec.from_json(Entry, new["body"])
        yield _of(f"credits.{entry.kind}", practice_id, entry.entry_id, _without_reason(telling.entry(entry)))
    elif kind is ItemKind.SETTINGS_CHANGE and old is None:
        change = codec.from_json(SettingsChange, new["body"])
        event_id = derived_id("evt", practice_id, change.change_id)
        told = _without_reason(telling.settings_change(change))
        yield _of("credits.settings_changed", practice_id, event_id, told)
    elif kind is ItemKind.BOOKING:
        yield from _refusals(practice_id, new, old)
    elif kind is ItemKind.PARKED and old is None:
        parked = codec.from_json(Parked, new["body"])
        event_id = derived_id("evt", practice_id, parked.parked_id)
        yield _of("credits.payment_parked", practice_id, event_id, telling.parked(parked))


def _refusals(practice_id: str, new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[Published]:
    booking = codec.from_json(Booking, new["body"])
    before = codec.from_json(Booking, old["body"]).refusal if old else None
    refusal = booking.refusal
    if refusal is None or refusal == before or booking.session is None:
        return
    when = instant_text(refusal.occurred_at)
    detail = {
        "practice_id": practice_id,
        "event_id": derived_id("evt", practice_id, booking.booking_id, "refused", when),
        "booking_id": booking.booking_id,
        "client_id": booking.client_id,
        "appointment_type": booking.session.appointment_type,
        "starts_at": instant_text(booking.session.starts_at),
        "seats": booking.session.seats,
        "reason": str(refusal.reason),
        "available": refusal.available,
        "shortfall": refusal.shortfall,
        "occurred_at": when,
    }
    yield {"detail_type": "credits.booking_refused", "practice_id": practice_id, "detail": detail}


def _without_reason(told: telling.Told) -> telling.Told:
    """A reason is a note in staff's own words: it stays in the history and is not sent around."""
    return {name: value for name, value in told.items() if name != "reason"}


def _of(detail_type: str, practice_id: str, event_id: str, told: telling.Told) -> Published:
    written = {name: instant_text(value) if isinstance(value, datetime) else value for name, value in told.items()}
    detail = {"practice_id": practice_id, "event_id": event_id, **written}
    return {"detail_type": detail_type, "practice_id": practice_id, "detail": detail}
