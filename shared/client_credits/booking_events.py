"""Booking events as they come in over the bus: what is well formed, in one place.

Strict about what decides (ids, instants, seats, who cancelled); fields it does not know are
ignored, among them the client's e-mail address, which never gets past this module. An event it
refuses raises MalformedBooking, whose reasons name fields and never repeat what stood in them.
"""

import json
import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from client_credits.domain.ids import ID_PATTERN

MAX_SEATS = 100
MAX_REASON = 500  # characters; a longer note is cut, for a note is no cause to refuse a booking
YEARS = range(1970, 3000)  # date arithmetic stays far from overflow

_RFC3339 = re.compile(
    r"(?P<local>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(\.(?P<fraction>[0-9]{1,9}))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


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


class BookedAs(StrEnum):
    """What was booked: an appointment, or a place at an event."""

    APPOINTMENT = "appointment"
    EVENT = "event"


class Origin(StrEnum):
    """Who made the booking, or by which way."""

    CLIENT = "client"
    STAFF = "staff"
    SHARE_LINK = "share_link"
    EMBED = "embed"


class Party(StrEnum):
    """Whose doing a cancellation or a reschedule was."""

    CLIENT = "client"
    PRACTICE = "practice"


def _instant(value: object) -> datetime:
    """An RFC 3339 instant, or a datetime with a zone, as UTC. Fractions below 1 us are cut."""
    instant = value if isinstance(value, datetime) else _written_instant(value)
    if instant is None or instant.tzinfo is None:
        raise PydanticCustomError("not_an_instant", "Not an RFC 3339 instant with a zone.")
    if instant.year not in YEARS:  # before astimezone, which may overflow
        raise PydanticCustomError("instant_out_of_range", "Years 1970 to 2999 only.")
    return instant.astimezone(UTC)


def _written_instant(value: object) -> datetime | None:
    """None for what is not RFC 3339, or names a day or time that does not exist."""
    written = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        return None
    fraction = (written["fraction"] or "0")[:6].ljust(6, "0")
    zone = written["zone"].upper().replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{written['local']}.{fraction}{zone}")
    except ValueError:
        return None


def _note(text: str) -> str:
    """A note that can be stored: cut to length, half characters replaced."""
    return text[:MAX_REASON].encode("utf-8", "replace").decode()


Id = Annotated[str, Field(strict=True, pattern=f"^{ID_PATTERN}$")]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Seats = Annotated[int, Field(strict=True, ge=1, le=MAX_SEATS)]
Reason = Annotated[str, Field(strict=True), AfterValidator(_note)]


class BookingEvent(BaseModel):
    """One booking event. Instants are UTC; None is what the event did not say."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    event: BookingEventKind
    source: Annotated[str, Field(strict=True, pattern=r"^booking\.[A-Za-z0-9._:~-]{1,120}$")]
    practice_id: Id
    booking_id: Id
    occurred_at: Instant
    client_id: Id | None = None
    appointment_type: Id | None = None
    starts_at: Instant | None = None
    seats: Seats = 1
    kind: BookedAs = BookedAs.APPOINTMENT
    origin: Origin | None = None
    cancelled_by: Party | None = None
    rescheduled_by: Party | None = None
    previous_booking_id: Id | None = None
    series_id: Id | None = None
    hold_id: Id | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _says_what_is_booked(self) -> Self:
        if self.event in (BookingEventKind.CREATED, BookingEventKind.RESCHEDULED):
            missing = [n for n in ("appointment_type", "starts_at") if getattr(self, n) is None]
            if missing:
                raise PydanticCustomError("missing", ",".join(missing))
        return self


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
    told = {name: value for name, value in named.items() if value is not None}  # null is absent
    try:
        return BookingEvent.model_validate(told)
    except ValidationError as refused:
        raise MalformedBooking(*_reasons(refused)) from None


def _reasons(refused: ValidationError) -> list[str]:
    """Each fault as "field: code", in the order of the fields."""
    faults = refused.errors(include_url=False, include_input=False, include_context=False)
    reasons = []
    for fault in faults:
        if fault["loc"]:
            field = {"event": "detail-type"}.get(str(fault["loc"][0]), str(fault["loc"][0]))
            reasons.append(f"{field}: {_CODES.get(fault['type'], fault['type'])}")
        else:
            reasons.extend(f"{field}: missing" for field in fault["msg"].split(","))
    return list(dict.fromkeys(reasons))


# Pydantic's names of faults in the project's words; its own where there is none.
_CODES: dict[str, Literal["unknown", "not_an_id", "not_text", "not_whole", "out_of_range"]] = {
    "enum": "unknown",
    "string_pattern_mismatch": "not_an_id",
    "string_type": "not_text",
    "string_unicode": "not_text",
    "int_type": "not_whole",
    "greater_than_equal": "out_of_range",
    "less_than_equal": "out_of_range",
}
