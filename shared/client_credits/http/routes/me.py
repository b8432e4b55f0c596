"""Who the caller is, as its token says, and the practice it belongs to."""

from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.http.request import asked
from client_credits.http.responses import reads
from client_credits.http.schemas.me import MeView, me_view
from client_credits.store.records import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.get("/v1/me", tags=["me"], summary="The caller and its practice", responses=reads())
def get_me() -> MeView:
    ask = asked(router)
    account = ask.store.load(ask.practice_id, Wanted()).account
    return me_view(account, ask.actor, ask.caller.client_id)
