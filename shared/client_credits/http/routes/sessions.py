"""What a client's browser comes in with: sessions of one client, and the links that lead to one."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import NotFound
from client_credits.http import client_links
from client_credits.http.problems import Refused
from client_credits.http.request import Ask, asked
from client_credits.http.responses import DryRun, answers, writes
from client_credits.http.routes.edits import IdempotencyKey, keyed
from client_credits.http.schemas.sessions import (
    ClientLinkExchangePost,
    ClientLinkPost,
    ClientLinkView,
    ClientSessionPost,
    ClientSessionView,
)
from client_credits.http.sessions import MAX_SESSION_SECONDS, RENEWABLE
from client_credits.operations.staff.client_links import make_link, use_link
from client_credits.store.records import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.post(
    "/v1/client-sessions",
    tags=["sessions"],
    summary="A short token for one client's browser; a session that came from a link renews itself here",
    responses=writes(),
)
def create_client_session(wanted: Annotated[ClientSessionPost, Body()], dry_run: DryRun = False) -> ClientSessionView:
    ask = asked(router)
    until = _renewable_until(ask) if ask.for_client else None
    client_id = ask.about(wanted.client_id)
    loaded = ask.store.load(ask.practice_id, Wanted(client_id=client_id))
    if loaded.client is None and loaded.settings.unknown_clients == "park":
        raise NotFound("There is no such client.")
    expires_at = _to_the_second(ask.now + timedelta(seconds=wanted.ttl_seconds))
    return _session(ask, ask.practice_id, client_id, min(expires_at, until or expires_at), until)


def _renewable_until(ask: Ask) -> datetime:
    """Until when the caller's own session may be renewed. Raises Refused for any other."""
    until = ask.caller.renewable_until
    if until <= ask.now.timestamp():
        raise Refused(403, "forbidden", f"The role {ask.caller.role} may not do this.")
    return datetime.fromtimestamp(until, UTC)


@router.post(
    "/v1/client-links",
    tags=["sessions"],
    summary="A link to send to a client, good once",
    responses=writes(),
)
def create_client_link(
    wanted: Annotated[ClientLinkPost, Body()], idempotency_key: IdempotencyKey = None, dry_run: DryRun = False
) -> Response[ClientLinkView]:
    ask = asked(router)
    key = keyed(ask, idempotency_key, "client-link", wanted)
    signing = ask.outside.session_keys.active(ask.now.timestamp())
    made = make_link(ask.context, wanted.client_id, timedelta(seconds=wanted.ttl_seconds), key)
    text = client_links.text_of(signing[0], ask.practice_id, made.link_id)
    body = ClientLinkView(url=f"{ask.outside.client_page_url}#link={text}", expires_at=made.expires_at)
    headers = {"Idempotency-Replayed": "true"} if made.repeated else {}
    return Response(status_code=200, content_type="application/json", body=body, headers=headers)


@router.post(
    "/v1/client-links/exchange",
    tags=["sessions"],
    summary="Use a link up for a session of its client, which may renew itself for 12 hours",
    responses={status: each for status, each in answers(413, 429).items() if status not in (401, 403)},
)
def exchange_client_link(
    wanted: Annotated[ClientLinkExchangePost, Body()], dry_run: DryRun = False
) -> ClientSessionView:
    ask = asked(router)
    practice_id, link_id = _opened(ask, wanted.link)
    until = _to_the_second(ask.now + RENEWABLE)
    expires_at = _to_the_second(ask.now + timedelta(seconds=MAX_SESSION_SECONDS))
    client_id = use_link(ask.store, practice_id, link_id, ask.now)
    if ask.store.rehearsing:  # or a link would be good for any number of sessions
        return ClientSessionView(token=None, expires_at=expires_at, renewable_until=until)
    return _session(ask, practice_id, client_id, expires_at, until)


def _opened(ask: Ask, text: str) -> tuple[str, str]:
    """The practice and the id of a link. Raises NotFound for one that we did not make, TooManyTries."""
    now = ask.now.timestamp()
    ask.outside.link_tries.count(text, now)
    found = client_links.opened(ask.outside.session_keys.active(now), text)
    if found is None:
        # Another worker may have made it with a key that is new since.
        found = client_links.opened(ask.outside.session_keys.reread(now) or (), text)
    if found is None:
        raise NotFound("This link is not valid.")
    return found


def _session(
    ask: Ask, practice_id: str, client_id: str, expires_at: datetime, renewable_until: datetime | None
) -> ClientSessionView:
    token = ask.outside.sessions.sign(practice_id, client_id, ask.now, expires_at, renewable_until)
    return ClientSessionView(token=token, expires_at=expires_at, renewable_until=renewable_until)


def _to_the_second(instant: datetime) -> datetime:
    """Tokens count in whole seconds."""
    return instant.replace(microsecond=0)
