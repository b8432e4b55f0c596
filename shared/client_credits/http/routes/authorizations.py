"""Insurance authorisations of a client."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.http.cursors import query_of
from client_credits.http.request import asked
from client_credits.http.responses import Cursor, DryRun, Limit, PathId, answer, answers, check_same_id, puts, reads
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.authorizations import AuthorizationPut, AuthorizationView, authorization_view
from client_credits.operations.staff import authorizations

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


class Authorizations(schemas.View):
    items: list[AuthorizationView]
    next_cursor: str | None


@router.get(
    "/v1/clients/<client_id>/authorizations",
    tags=["authorizations"],
    summary="A client's insurance authorizations with the visits used and left",
    responses=reads(),
)
def list_authorizations(client_id: PathId, limit: Limit = 50, cursor: Cursor = None) -> Authorizations:
    ask = asked(router)
    query = query_of("authorizations", client_id)
    position = ask.open(query, cursor) or {"after": "", "of": ""}
    place = position["after"], position["of"]
    found = authorizations.authorizations_of(ask.context, client_id)
    rest = [each for each in found if (each.authorization_id, each.client_id) > place]
    page, last = rest[:limit], rest[limit - 1 : limit]
    more = {"after": last[0].authorization_id, "of": last[0].client_id} if len(rest) > limit else None
    return Authorizations(items=[authorization_view(each) for each in page], next_cursor=ask.seal(query, more))


@router.get(
    "/v1/clients/<client_id>/authorizations/<authorization_id>",
    tags=["authorizations"],
    summary="One insurance authorization",
    responses=reads(),
)
def get_authorization(client_id: PathId, authorization_id: PathId) -> AuthorizationView:
    return authorization_view(authorizations.find(asked(router).context, client_id, authorization_id))


@router.put(
    "/v1/clients/<client_id>/authorizations/<authorization_id>",
    tags=["authorizations"],
    summary="Create or replace an insurance authorization; the visits used stay",
    responses=puts(),
)
def put_authorization(
    client_id: PathId,
    authorization_id: PathId,
    wanted: Annotated[AuthorizationPut, Body()],
    dry_run: DryRun = False,
) -> Response[AuthorizationView]:
    ask = asked(router)
    check_same_id(wanted.id, authorization_id)
    stored, new = authorizations.put(ask.context, wanted.authorization(client_id, authorization_id))
    return answer(201 if new else 200, authorization_view(stored))


@router.delete(
    "/v1/clients/<client_id>/authorizations/<authorization_id>",
    tags=["authorizations"],
    summary="Delete an insurance authorization; bookings that it covered stay covered",
    responses=answers(),
)
def delete_authorization(client_id: PathId, authorization_id: PathId, dry_run: DryRun = False) -> AuthorizationView:
    """The authorization as it was."""
    return authorization_view(authorizations.delete(asked(router).context, client_id, authorization_id))
