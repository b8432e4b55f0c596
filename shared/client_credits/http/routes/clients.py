"""Clients: their profiles and settings, credits, lots and history; eligibility; bookings by id."""

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.entries import EntryKind
from client_credits.http.request import asked
from client_credits.http.responses import Cursor, DryRun, Limit, PathId, answer, check_same_id, puts, reads
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.clients import ClientAnswer, ClientPut, ListedClient, client_answer
from client_credits.http.schemas.credits import Kind
from client_credits.operations.queries import clients as listing
from client_credits.operations.queries.clients import Position
from client_credits.operations.staff import practices
from client_credits.store.records import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
assert {*EntryKind} | {"settings_changed"} == set(Kind.__args__)  # type: ignore[attr-defined]


class Clients(schemas.Answer):
    items: list[ListedClient]
    next_cursor: str | None


@router.get("/v1/clients", tags=["clients"], summary="All clients with their balances", responses=reads())
def list_clients(
    limit: Limit = 50,
    cursor: Cursor = None,
    negative: Annotated[
        bool | None, Query(description="true: only clients who owe credits; false: only clients who owe none.")
    ] = None,
    holding: Annotated[
        bool | None, Query(description="true: only clients with credits left; false: only clients without.")
    ] = None,
    q: Annotated[str | None, Query(max_length=100, description="Part of the id or name.")] = None,
) -> Clients:
    ask = asked(router)
    query = f"clients|{negative}|{holding}|{q}"
    position = ask.open(query, cursor)
    start = Position(position["shard"], position["client_id"]) if position else Position()
    chosen, more = listing.clients_page(
        ask.store, ask.practice_id, ask.now, start, limit, listing.Filter(negative, holding, q)
    )
    items = [ListedClient(**client_answer(listed.client).model_dump(), balances=listed.balances) for listed in chosen]
    sealed = ask.seal(query, {"shard": more.shard, "client_id": more.client_id} if more else None)
    return Clients(items=items, next_cursor=sealed)


@router.get("/v1/clients/<client_id>", tags=["clients"], summary="One client", responses=reads())
def get_client(client_id: PathId) -> ClientAnswer:
    ask = asked(router)
    client = ask.store.load(ask.practice_id, Wanted(client_id=client_id)).client
    if client is None:
        raise NotFound("There is no such client.")
    return client_answer(client)


@router.put(
    "/v1/clients/<client_id>",
    tags=["clients"],
    summary="Create or replace a client's profile; grants what was parked for its Stripe customers",
    responses=puts(),
)
def put_client(
    client_id: PathId, wanted: Annotated[ClientPut, Body()], dry_run: DryRun = False
) -> Response[ClientAnswer]:
    ask = asked(router)
    check_same_id(wanted.id, client_id)
    stored, new = practices.put_client(ask.store, ask.practice_id, wanted.client(client_id), ask.now)
    return answer(201 if new else 200, client_answer(stored))
