"""Bookings as answers."""

from datetime import datetime
from typing import Literal

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.http.schemas.common import View

State = Literal["booked", "refused", "review", "cancelled", "no_show", "moved"]
assert {*BookingState} == set(State.__args__)  # type: ignore[attr-defined]


class RefusalView(View):
    reason: str
    available: int
    shortfall: int
    occurred_at: datetime


class BookingView(View):
    booking_id: str
    state: str
    client_id: str | None
    appointment_type: str | None
    starts_at: datetime | None
    seats: int | None
    kind: str
    origin: str
    series_id: str | None
    hold_id: str | None
    location_id: str | None
    provider_id: str | None
    previous_booking_id: str | None
    paid: list[dict[str, str | int]]
    returned: int
    covered_by: str | None
    visit_returned: bool
    rule: str | None
    free: str | None
    refusal: RefusalView | None
    created_at: datetime | None
    cancelled_at: datetime | None
    cancelled_by: str | None


def booking_view(booking: Booking) -> BookingView:
    session, cancellation, refusal = booking.session, booking.cancellation, booking.refusal
    return BookingView(
        booking_id=booking.booking_id,
        state=booking.state,
        client_id=booking.client_id,
        appointment_type=session.appointment_type if session else None,
        starts_at=session.starts_at if session else None,
        seats=session.seats if session else None,
        kind=booking.kind,
        origin=booking.origin,
        series_id=booking.series_id,
        hold_id=booking.hold_id,
        location_id=booking.location_id,
        provider_id=booking.provider_id,
        previous_booking_id=booking.moved_from,
        paid=[{"lot_id": payer.lot_id, "amount": payer.kept} for payer in booking.payers if payer.kept],
        returned=booking.returned,
        covered_by=booking.covered_by.authorization_id if booking.covered_by else None,
        visit_returned=booking.visit_returned,
        rule=booking.rule,
        free=booking.free,
        refusal=RefusalView(
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
