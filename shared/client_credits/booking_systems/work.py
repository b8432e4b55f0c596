"""One booking event from what it says to its effect: the one way in, for the queue and for replays.

Raises MalformedBooking for an event that this release does not handle, NotFound for a practice that
does not exist, Busy for what may be tried again. Handling an event twice changes nothing.
"""

from datetime import datetime

from client_credits.booking_systems.events import BookingEvent, BookingEventKind, MalformedBooking
from client_credits.domain.bookings.booking import BookingSource, Cancelled, Created, Origin
from client_credits.domain.bookings.deciding import SessionToBook
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.bookings.spending import BookingOutcome
from client_credits.operations.context import BOOKINGS, Context
from client_credits.store.store import Store


def apply(store: Store, event: BookingEvent, now: datetime) -> BookingOutcome | None:
    """Carries out what an event says; None where it changes nothing, whatever is known of the booking."""
    match event.event:
        case BookingEventKind.CREATED:
            return bookings.book(Context(store, event.practice_id, BOOKINGS, now), _created(event))
        case BookingEventKind.CANCELLED:
            return bookings.cancel(Context(store, event.practice_id, BOOKINGS, now), _cancelled(event))
        case BookingEventKind.COMPLETED:
            return None  # a session that took place changes nothing
        case _:
            raise MalformedBooking(f"detail-type: {event.event} is not handled by this release")


def _created(event: BookingEvent) -> Created:
    assert event.appointment_type is not None and event.starts_at is not None
    return Created(
        booking_id=event.booking_id,
        client_id=event.client_id,
        session=SessionToBook(event.appointment_type, event.starts_at, event.seats),
        occurred_at=event.occurred_at,
        kind=event.kind,
        origin=event.origin or Origin.CLIENT,
        previous_booking_id=event.previous_booking_id,
        series_id=event.series_id,
        hold_id=event.hold_id,
        location_id=event.location_id,
        provider_id=event.provider_id,
        source=BookingSource(event.source.removeprefix("booking.")),
    )


def _cancelled(event: BookingEvent) -> Cancelled:
    return Cancelled(
        booking_id=event.booking_id,
        client_id=event.client_id,
        occurred_at=event.occurred_at,
        by=event.cancelled_by,
        appointment_type=event.appointment_type,
    )
