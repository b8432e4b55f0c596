"""Bookings by id."""

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.http.request import asked
from client_credits.http.responses import PathId, reads
from client_credits.http.schemas.bookings import BookingAnswer, booking_answer
from client_credits.operations.bookings import spending as bookings

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/v1/bookings/<booking_id>", tags=["bookings"], summary="One booking", responses=reads())
def get_booking(booking_id: PathId) -> BookingAnswer:
    ask = asked(router)
    return booking_answer(bookings.find(ask.store, ask.practice_id, booking_id))
