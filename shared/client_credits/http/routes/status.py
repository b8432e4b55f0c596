"""How the practice stands, for whoever runs it."""

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.http.request import asked
from client_credits.http.responses import reads
from client_credits.http.schemas.status import StatusView, status_view
from client_credits.operations.queries.status import status_of

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get(
    "/v1/status",
    tags=["status"],
    summary="The last checks, and what waits for somebody",
    responses=reads(),
)
def get_status() -> StatusView:
    ask = asked(router)
    status = status_of(ask.context, ask.outside.stripe_mode)
    return status_view(status, ask.outside.dead_letters.lengths())
