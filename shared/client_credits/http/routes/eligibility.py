"""Whether a client may book."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.bookings.deciding import SessionToBook
from client_credits.domain.credits import MAX_SEATS
from client_credits.http.request import asked, instant_parameter
from client_credits.http.responses import QueryId, asks, reads
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.eligibility import (
    EligibilityEach,
    EligibilityJointly,
    EligibilityPost,
    EligibilityView,
    OwnEligibilityEach,
    OwnEligibilityJointly,
    OwnEligibilityView,
    eligibility_view,
    own_eligibility_view,
)
from client_credits.operations.queries.eligibility import may_book, may_book_each_type

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/v1/eligibility",
    tags=["eligibility"],
    summary="May this client book? For one type, or for each type of the catalogue",
    responses=reads(),
)
def check_eligibility(
    client_id: Annotated[str, Query(pattern=f"^{schemas.ID_PATTERN}$")],
    appointment_type: QueryId = None,
    starts_at: Annotated[str | None, Query(description="When the session starts; now by default.")] = None,
    seats: Annotated[int, Query(ge=1, le=MAX_SEATS)] = 1,
) -> EligibilityView | EligibilityEach | OwnEligibilityView | OwnEligibilityEach:
    ask = asked(router)
    ask.about(client_id)
    starts = instant_parameter("starts_at", starts_at)
    if appointment_type is None:
        decided = may_book_each_type(ask.context, client_id, starts, seats)
        if ask.for_client:
            return OwnEligibilityEach(items=[own_eligibility_view(each) for each in decided])
        return EligibilityEach(items=[eligibility_view(each) for each in decided])
    session = SessionToBook(appointment_type, starts or ask.now, seats)
    (one,) = may_book(ask.context, client_id, [session])
    return own_eligibility_view(one) if ask.for_client else eligibility_view(one)


@router.post(
    "/v1/eligibility",
    tags=["eligibility"],
    summary="May this client book all these sessions together?",
    responses=asks(),
)
def check_eligibility_jointly(
    question: Annotated[EligibilityPost, Body()],
) -> EligibilityJointly | OwnEligibilityJointly:
    ask = asked(router)
    ask.about(question.client_id)
    sessions = [SessionToBook(s.appointment_type, s.starts_at, s.seats) for s in question.sessions]
    decided = may_book(ask.context, question.client_id, sessions)
    allowed, shortfall = all(each.allowed for each in decided), sum(each.shortfall for each in decided)
    if ask.for_client:
        own = [own_eligibility_view(each) for each in decided]
        return OwnEligibilityJointly(allowed=allowed, shortfall=shortfall, sessions=own)
    return EligibilityJointly(
        allowed=allowed, shortfall=shortfall, sessions=[eligibility_view(each) for each in decided]
    )
