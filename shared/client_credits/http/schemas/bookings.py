"""Bookings as answers."""

from datetime import datetime

from client_credits.domain.bookings.booking import Booking
from client_credits.http.schemas.common import Answer


class RefusalAnswer(Answer):
    reason: str
    available: int
    shortfall: int
    occurred_at: datetime


class BookingAnswer(Answer):
    booking_id: str
    state: str
    client_id: str | None
    appointment_type: str | None
    starts_at: datetime | None
    seats: int | None
    kind: str
    origin: str
    paid: list[dict[str, str | int]]
    returned: int
    rule: str | None
    free: str | None
    refusal: RefusalAnswer | None
    created_at: datetime | None
    cancelled_at: datetime | None
    cancelled_by: str | None


def booking_answer(booking: Booking) -> BookingAnswer:
    session, cancellation, refusal = booking.session, booking.cancellation, booking.refusal
    return BookingAnswer(
        booking_id=booking.booking_id,
        state=booking.state,
        client_id=booking.client_id,
        appointment_type=session.appointment_type if session else None,
        starts_at=session.starts_at if session else None,
        seats=session.seats if session else None,
        kind=booking.kind,
        origin=booking.origin,
        paid=[{"lot_id": payer.lot_id, "amount": payer.amount} for payer in booking.payers],
        returned=booking.returned,
        rule=booking.rule,
        free=booking.free,
        refusal=RefusalAnswer(
            reason=refusal.reason,
            available=refusal.available,
            shortfall=refusal.shortfall,
            occurred_at=refusal.occurred_at,
        )
        if refusal
        else None,
        created_at=booking.created_at,
        cancelled_at=cancellation.occurred_at if cancellation else None,
        cancelled_by=cancellation.by if cancellation else None,
    )
