"""Works off booking events from the queue: read, then spend or restore.

An event nobody can ever understand goes to the dead letter queue with its reason, at once; one that
fails comes back. The rest of the batch goes on either way. Repeats are safe.
"""

from functools import cache
from typing import Any

from client_credits.aws.batches import Message, work_off
from client_credits.aws.clients import client
from client_credits.aws.config import BookingsConfig
from client_credits.aws.logs import count, logger
from client_credits.aws.worker import store_on, utc_now
from client_credits.booking_systems.events import (
    BookingEvent,
    BookingEventKind,
    MalformedBooking,
    read_booking_event,
)
from client_credits.domain.bookings.booking import Cancelled, CancelledBy, Created
from client_credits.domain.bookings.deciding import Session
from client_credits.domain.errors import NotFound
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.bookings.spending import BookingOutcome

log = logger("bookings")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch of the bookings queue; answers which messages must come back."""
    log.clear_state()
    _config()
    return work_off(event, work, log)


@cache
def _config() -> BookingsConfig:
    return BookingsConfig.from_environment()


def work(message: Message) -> None:
    """One event, exactly once in effect."""
    try:
        event = read_booking_event(message["body"])
        outcome = _apply(event)
    except MalformedBooking as malformed:
        _give_up(message, str(malformed))
        return
    except NotFound:
        _give_up(message, "practice_id: unknown")
        return
    told = outcome.booking.state if outcome else "ignored"
    count("Bookings", event=event.event, outcome=told)
    ids = {"practice_id": event.practice_id, "booking_id": event.booking_id, "outcome": told}
    entries = [entry.entry_id for entry in outcome.entries] if outcome else []
    log.info("booking event done", message_id=message["messageId"], entries=entries, **ids)


def _apply(event: BookingEvent) -> BookingOutcome | None:
    store, now = store_on(_config().table_name), utc_now()
    match event.event:
        case BookingEventKind.CREATED:
            return bookings.book(store, event.practice_id, _created(event), now)
        case BookingEventKind.CANCELLED:
            return bookings.cancel(store, event.practice_id, _cancelled(event), now)
        case BookingEventKind.COMPLETED:
            return None  # a session that took place changes nothing
        case _:
            raise MalformedBooking(f"detail-type: {event.event} is not handled by this release")


def _created(event: BookingEvent) -> Created:
    assert event.appointment_type is not None and event.starts_at is not None
    return Created(
        booking_id=event.booking_id,
        client_id=event.client_id,
        session=Session(event.appointment_type, event.starts_at, event.seats),
        occurred_at=event.occurred_at,
        kind=event.kind,
        origin=event.origin or "client",
    )


def _cancelled(event: BookingEvent) -> Cancelled:
    return Cancelled(
        booking_id=event.booking_id,
        client_id=event.client_id,
        occurred_at=event.occurred_at,
        by=CancelledBy(event.cancelled_by) if event.cancelled_by else None,
        appointment_type=event.appointment_type,
    )


def _give_up(message: Message, reason: str) -> None:
    """To the dead letter queue with the reason; without one configured, SQS's own redrive takes it."""
    count("BookingsRefused", reason="malformed")
    log.warning("booking event not understood", message_id=message["messageId"], reason=reason)
    url = _config().bookings_dlq_url
    if url is None:
        raise MalformedBooking(reason)
    attributes = {"reason": {"DataType": "String", "StringValue": reason[:1000]}}
    client("sqs").send_message(QueueUrl=url, MessageBody=message["body"], MessageAttributes=attributes)
