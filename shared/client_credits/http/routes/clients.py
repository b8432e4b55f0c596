"""Clients: their profiles, the lists of them, and the search."""

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.entries import EntryKind
from client_credits.http.cursors import query_of
from client_credits.http.request import asked
from client_credits.http.responses import Cursor, DryRun, Limit, PathId, answer, asks, check_same_id, puts, reads
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.clients import ClientPut, ClientSearch, ClientView, ListedClientView, client_view
from client_credits.http.schemas.credits import Kind
from client_credits.operations.queries import clients as listing
from client_credits.operations.queries import searching
from client_credits.operations.queries.searching import SearchPlace
from client_credits.operations.staff import practices
from client_credits.store.records import Wanted

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
assert {*EntryKind, "forgiven", "settings_changed"} == set(Kind.__args__)  # type: ignore[attr-defined]


class Clients(schemas.View):
    items: list[ListedClientView]
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
    q: Annotated[str, Query(max_length=128, description="What the id begins with.")] = "",
    sort: Annotated[Literal["id", "name"], Query(description="By name, clients without one come last.")] = "id",
) -> Clients:
    """Clients in order. A page may be shorter than `limit`; the list ends where `next_cursor` is null."""
    ask = asked(router)
    query, only = query_of("clients", negative, holding, q, sort), listing.Filter(negative, holding, q)
    place = ask.open(query, cursor) or {}
    after = place.get("after")
    if sort == "name":
        found, more = searching.by_name(ask.context, SearchPlace(after), limit, only)
        return _clients(found, ask.seal(query, {"after": more.after} if more else None))
    found, last = listing.clients_page(ask.context, after, limit, only)
    return _clients(found, ask.seal(query, {"after": last} if last else None))


@router.post(
    "/v1/clients/search",
    tags=["clients"],
    summary="Clients whose name or id begins so, or who have an e-mail, by name",
    responses=asks(),
)
def search_clients(wanted: Annotated[ClientSearch, Body()]) -> Clients:
    """Names and e-mails stand in the body, since addresses are logged on the way."""
    ask = asked(router)
    query = query_of("search", wanted.q, wanted.email)
    place = ask.open(query, wanted.cursor)
    start = SearchPlace(place["after"], place["by_id"]) if place else SearchPlace()
    found, more = searching.search(ask.context, start, wanted.limit, wanted.q, wanted.email, ask.people_keys)
    return _clients(found, ask.seal(query, {"after": more.after, "by_id": more.by_id} if more else None))


@router.get(
    "/v1/packages/<package_id>/clients",
    tags=["clients"],
    summary="Clients with credits left of a package, with their balances",
    responses=reads(),
)
def list_package_clients(package_id: PathId, limit: Limit = 50, cursor: Cursor = None) -> Clients:
    """Clients in order of id. A page may be short, or empty; the list ends where `next_cursor` is null."""
    ask = asked(router)
    if package_id not in ask.store.load(ask.practice_id, Wanted()).catalogue.packages:
        raise NotFound("There is no such package.")
    query = query_of("package-clients", package_id)
    after = (ask.open(query, cursor) or {}).get("after")
    found, last = listing.clients_page(ask.context, after, limit, listing.Filter(package_id=package_id))
    return _clients(found, ask.seal(query, {"after": last} if last else None))


def _clients(found: list[listing.ListedClient], next_cursor: str | None) -> Clients:
    items = [ListedClientView(**dict(client_view(each.client)), balances=each.balances) for each in found]
    return Clients(items=items, next_cursor=next_cursor)


@router.get("/v1/clients/<client_id>", tags=["clients"], summary="One client", responses=reads())
def get_client(client_id: PathId) -> ClientView:
    ask = asked(router)
    client = ask.store.load(ask.practice_id, Wanted(client_id=client_id)).client
    if client is None:
        raise NotFound("There is no such client.")
    return client_view(client)


@router.put(
    "/v1/clients/<client_id>",
    tags=["clients"],
    summary="Create or replace a client's profile; grants what was parked for its Stripe customers",
    responses=puts(),
)
def put_client(
    client_id: PathId, wanted: Annotated[ClientPut, Body()], dry_run: DryRun = False
) -> Response[ClientView]:
    ask = asked(router)
    check_same_id(wanted.id, client_id)
    stored, new = practices.put_client(ask.context, wanted.client(client_id), lambda: ask.people_keys()[0])
    return answer(201 if new else 200, client_view(stored))
