"""Bookings that were refused within a period, the earliest first.

A booking that was tried again and is booked now is refused no more and has no row.
"""

from dataclasses import dataclass
from datetime import datetime

from client_credits.domain.bookings.booking import Booking, BookingState, Refusal
from client_credits.domain.practice.records import Client
from client_credits.operations.context import Context
from client_credits.operations.queries.reports.pages import ReportAsk, ReportPage
from client_credits.store.records import Wanted


@dataclass(frozen=True, slots=True)
class RefusalRow:
    booking_id: str
    client_id: str | None
    client_name: str | None
    appointment_type: str | None
    starts_at: datetime | None
    seats: int | None
    reason: str
    available: int
    shortfall: int
    refused_at: datetime


def page(context: Context, asked: ReportAsk, after: str | None, limit: int) -> ReportPage[RefusalRow]:
    """The period is about when a booking was refused. At most three requests. Raises NotFound for a practice
    without record."""
    context.store.catalogue(context.practice_id)
    period = asked.period
    named, last = context.store.refused_page(context.practice_id, period.since, period.until, after, limit)
    bookings = context.load(Wanted(bookings=tuple(named))).bookings if named else {}
    refused = [(bookings[each], _refusal(bookings[each])) for each in named if each in bookings]
    clients = _clients(context, [booking for booking, _ in refused])
    return ReportPage([_row(booking, refusal, clients) for booking, refusal in refused if refusal], last)


def _refusal(booking: Booking) -> Refusal | None:
    return booking.refusal if booking.state is BookingState.REFUSED else None


def _clients(context: Context, bookings: list[Booking]) -> dict[str, Client]:
    named = tuple(dict.fromkeys(booking.client_id for booking in bookings if booking.client_id))
    return context.load(Wanted(others=named)).others if named else {}


def _row(booking: Booking, refusal: Refusal, clients: dict[str, Client]) -> RefusalRow:
    client, session = clients.get(booking.client_id or ""), booking.session
    return RefusalRow(
        booking_id=booking.booking_id,
        client_id=client.client_id if client else booking.client_id,  # whoever goes on for the one it named
        client_name=client.name if client else None,
        appointment_type=session.appointment_type if session else None,
        starts_at=session.starts_at if session else None,
        seats=session.seats if session else None,
        reason=str(refusal.reason),
        available=refusal.available,
        shortfall=refusal.shortfall,
        refused_at=refusal.occurred_at,
    )
