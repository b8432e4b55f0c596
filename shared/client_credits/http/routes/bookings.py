"""Bookings: one by its id, and lists by state."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.bookings.booking import BookingState
from client_credits.http.cursors import query_of
from client_credits.http.request import asked
from client_credits.http.responses import Cursor, Limit, PathId, reads
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.bookings import BookingView, State, booking_view
from client_credits.operations.bookings import spending as bookings
from client_credits.operations.queries.bookings import bookings_in

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


class Bookings(schemas.View):
    items: list[BookingView]
    next_cursor: str | None


@router.get(
    "/v1/bookings",
    tags=["bookings"],
    summary="Bookings in one state, the latest session first; a page may be short",
    responses=reads(),
)
def list_bookings(
    state: Annotated[State, Query(description="Where the bookings stand.")],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Bookings:
    ask = asked(router)
    query = query_of("bookings", state)
    position = ask.open(query, cursor)
    before = position["before"] if position else None
    page, more = bookings_in(ask.store, ask.practice_id, BookingState(state), before, limit)
    sealed = ask.seal(query, {"before": more} if more else None)
    return Bookings(items=[booking_view(booking) for booking in page], next_cursor=sealed)


@router.get("/v1/bookings/<booking_id>", tags=["bookings"], summary="One booking", responses=reads())
def get_booking(booking_id: PathId) -> BookingView:
    ask = asked(router)
    return booking_view(bookings.find(ask.store, ask.practice_id, booking_id))
