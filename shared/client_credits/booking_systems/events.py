"""Booking events as they come in over the bus: what is well formed, in one place.

Strict about what decides (ids, instants, seats, who cancelled); fields it does not know are
ignored, among them the client's e-mail address, which never gets past this module. An event it
refuses raises MalformedBooking, whose reasons name fields and never repeat what stood in them.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn

from client_credits.domain.bookings.booking import BookedAs, CancelledBy, Origin
from client_credits.domain.credits import MAX_SEATS
from client_credits.domain.ids import is_id
from client_credits.domain.instants import BadInstant, read_instant

MAX_REASON = 500  # characters; a longer note is cut, for a note is no cause to refuse a booking

_SOURCE = re.compile(r"booking\.[A-Za-z0-9._:~-]{1,120}")


class MalformedBooking(Exception):
    """An event nobody can ever understand. Its `reasons` are like "seats: out_of_range"."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class BookingEventKind(StrEnum):
    """What happened to the booking: the bus's detail-type."""

    CREATED = "booking.created"
    RESCHEDULED = "booking.rescheduled"
    CANCELLED = "booking.cancelled"
    NO_SHOW = "booking.no_show"
    NO_SHOW_REVERTED = "booking.no_show_reverted"
    COMPLETED = "booking.completed"
    IDENTIFIED = "booking.identified"


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingEvent:
    """One booking event. Instants are UTC; None is what the event did not say."""

    event: BookingEventKind
    source: str
    practice_id: str
    booking_id: str
    occurred_at: datetime
    client_id: str | None = None
    appointment_type: str | None = None
    starts_at: datetime | None = None
    seats: int = 1
    kind: BookedAs = BookedAs.APPOINTMENT
    origin: Origin | None = None
    cancelled_by: CancelledBy | None = None
    rescheduled_by: CancelledBy | None = None
    previous_booking_id: str | None = None
    series_id: str | None = None
    hold_id: str | None = None
    location_id: str | None = None
    provider_id: str | None = None
    reason: str | None = None


_NEEDED = ("event", "source", "practice_id", "booking_id", "occurred_at")
_BOOKED = ("appointment_type", "starts_at")  # needed by what books a session


def read_booking_event(body: str | bytes) -> BookingEvent:
    """The event in a queued EventBridge envelope. Raises MalformedBooking."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedBooking("body: not_json") from None
    return booking_event_of(envelope)


def booking_event_of(envelope: object) -> BookingEvent:
    """The event in a decoded EventBridge envelope. Raises MalformedBooking."""
    if not isinstance(envelope, dict):
        raise MalformedBooking("body: not_an_object")
    detail = envelope.get("detail")
    if not isinstance(detail, dict):
        raise MalformedBooking("detail: not_an_object")
    named = {**detail, "event": envelope.get("detail-type"), "source": envelope.get("source")}
    given = {name: value for name, value in named.items() if value is not None}  # null is absent
    values, faults = _read(given)
    if not faults and values["event"] in (BookingEventKind.CREATED, BookingEventKind.RESCHEDULED):
        faults = [f"{name}: missing" for name in _BOOKED if name not in values]
    if faults:
        raise MalformedBooking(*faults)
    return BookingEvent(**values)


def _read(given: Mapping[str, object]) -> tuple[dict[str, Any], list[str]]:
    """What was heard, field by field, and each fault as "field: code" in the order of the fields."""
    values: dict[str, Any] = {}
    faults = []
    for name in _FIELDS:
        if name not in given:
            if name in _NEEDED:
                faults.append(f"{_AS_WRITTEN.get(name, name)}: missing")
            continue
        try:
            values[name] = _READ[name](given[name])
        except _Fault as fault:
            faults.append(f"{_AS_WRITTEN.get(name, name)}: {fault}")
        except BadInstant as bad:
            faults.append(f"{name}: {bad.code}")
    return values, faults


class _Fault(Exception):
    """The code of what is wrong with one value."""


def _refuse(code: str) -> NoReturn:
    raise _Fault(code)


def _matching(fits: Callable[[str], object]) -> Callable[[object], str]:
    def read(value: object) -> str:
        if not isinstance(value, str):
            _refuse("not_text")
        return value if fits(value) else _refuse("not_an_id")

    return read


def _seats(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse("not_whole")
    return value if 1 <= value <= MAX_SEATS else _refuse("out_of_range")


def _word(words: type[StrEnum]) -> Callable[[object], StrEnum]:
    known = {str(word): word for word in words}

    def read(value: object) -> StrEnum:
        return known[value] if isinstance(value, str) and value in known else _refuse("unknown")

    return read


def _note(value: object) -> str:
    """A note that can be stored: cut to length, half characters replaced."""
    if not isinstance(value, str):
        _refuse("not_text")
    return value[:MAX_REASON].encode("utf-8", "replace").decode()


_IDS = (
    *("practice_id", "booking_id", "client_id", "appointment_type", "previous_booking_id"),
    *("series_id", "hold_id", "location_id", "provider_id"),
)
_FIELDS = tuple(field.name for field in fields(BookingEvent))
_AS_WRITTEN = {"event": "detail-type"}
_READ: dict[str, Callable[[Any], Any]] = {
    "event": _word(BookingEventKind),
    "source": _matching(_SOURCE.fullmatch),
    "occurred_at": read_instant,
    "starts_at": read_instant,
    "seats": _seats,
    "kind": _word(BookedAs),
    "origin": _word(Origin),
    "cancelled_by": _word(CancelledBy),
    "rescheduled_by": _word(CancelledBy),
    "reason": _note,
} | dict.fromkeys(_IDS, _matching(is_id))
assert _READ.keys() == set(_FIELDS)
