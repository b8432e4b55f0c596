"""Clients: their profiles and settings, credits, lots and history; eligibility; bookings by id."""

from datetime import datetime
from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits import schemas
from client_credits.domain import settings as rules
from client_credits.domain.deciding import Session
from client_credits.domain.entries import EntryKind
from client_credits.domain.errors import Invalid, NotFound, Problem
from client_credits.http.asking import asked
from client_credits.http.describing import Cursor, DryRun, Limit, PathId, QueryId, asks, puts, reads, writes
from client_credits.http.practice_routes import answer, check_same_id
from client_credits.instants import read_instant
from client_credits.operations import answers, bookings, listing, practices
from client_credits.operations.answers import HistoryPosition
from client_credits.operations.listing import Position
from client_credits.store.store import Period, Wanted, effective_settings

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
Kind = Literal[
    "granted",
    "repaid",
    "spent",
    "restored",
    "forfeited",
    "expired",
    "adjusted",
    "extended",
    "voided",
    "transferred_in",
    "transferred_out",
    "rolled_over",
    "clawed_back",
    "reinstated",
    "frozen",
    "unfrozen",
    "settings_changed",
]
assert {*EntryKind} | {"settings_changed"} == set(Kind.__args__)  # type: ignore[attr-defined]


class Clients(schemas.Answer):
    items: list[schemas.ListedClient]
    next_cursor: str | None


class History(schemas.Answer):
    items: list[schemas.EntryAnswer]
    next_cursor: str | None


class Lots(schemas.Answer):
    items: list[schemas.LotAnswer]
    next_cursor: None = None


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
    items = [
        schemas.ListedClient(**schemas.client_answer(listed.client).model_dump(), balances=listed.balances)
        for listed in chosen
    ]
    sealed = ask.seal(query, {"shard": more.shard, "client_id": more.client_id} if more else None)
    return Clients(items=items, next_cursor=sealed)


@router.get("/v1/clients/<client_id>", tags=["clients"], summary="One client", responses=reads())
def get_client(client_id: PathId) -> schemas.ClientAnswer:
    ask = asked(router)
    client = ask.store.load(ask.practice_id, Wanted(client_id=client_id)).client
    if client is None:
        raise NotFound("There is no such client.")
    return schemas.client_answer(client)


@router.put(
    "/v1/clients/<client_id>",
    tags=["clients"],
    summary="Create or replace a client's profile; grants what was parked for its Stripe customers",
    responses=puts(),
)
def put_client(
    client_id: PathId, wanted: Annotated[schemas.ClientPut, Body()], dry_run: DryRun = False
) -> Response[schemas.ClientAnswer]:
    ask = asked(router)
    check_same_id(wanted.id, client_id)
    stored, new = practices.put_client(ask.store, ask.practice_id, wanted.client(client_id), ask.now)
    return answer(201 if new else 200, schemas.client_answer(stored))


@router.get(
    "/v1/clients/<client_id>/settings",
    tags=["settings"],
    summary="The settings of one client, each with its source",
    responses=reads(),
)
def get_client_settings(client_id: PathId) -> schemas.SettingsAnswer:
    ask = asked(router)
    loaded = ask.store.load(ask.practice_id, Wanted(client_id=client_id))
    if loaded.client is None:
        raise NotFound("There is no such client.")
    return schemas.settings_answer(loaded.settings, rules.sources(loaded.client.overrides))


@router.patch(
    "/v1/clients/<client_id>/settings",
    tags=["settings"],
    summary="Set or clear one client's overrides; no other client changes",
    responses=writes(),
)
def patch_client_settings(
    client_id: PathId,
    change: Annotated[schemas.ClientSettingsPatch, Body()],
    dry_run: DryRun = False,
) -> schemas.SettingsAnswer:
    ask = asked(router)
    account, client = practices.change_client_settings(
        ask.store, ask.practice_id, client_id, change.changes(), ask.actor, ask.now
    )
    return schemas.settings_answer(effective_settings(account, client), rules.sources(client.overrides))


@router.get(
    "/v1/clients/<client_id>/credits",
    tags=["credits"],
    summary="A client's credits of every appointment type",
    responses=reads(),
)
def get_credits(
    client_id: PathId,
    as_of: Annotated[str | None, Query(description="Not in this release; refused.")] = None,
) -> schemas.CreditsAnswer:
    ask = asked(router)
    if as_of is not None:
        raise Invalid(
            "This release does not know past balances.",
            Problem("/query/as_of", "not_available", "leave it out for the balances now"),
        )
    told = answers.credits_of(ask.store, ask.practice_id, client_id, ask.now)
    return schemas.CreditsAnswer.model_validate(told, from_attributes=True)


@router.get(
    "/v1/clients/<client_id>/credits/<type_id>/lots",
    tags=["credits"],
    summary="The open lots of one type, in the order in which they are spent",
    responses=reads(),
)
def get_lots(client_id: PathId, type_id: PathId) -> Lots:
    ask = asked(router)
    wallet, lots = answers.lots_of(ask.store, ask.practice_id, client_id, type_id, ask.now)
    return Lots(items=[schemas.lot_answer(wallet, lot, ask.now) for lot in lots])


@router.get(
    "/v1/clients/<client_id>/credits/<type_id>/history",
    tags=["credits"],
    summary="All that happened to one type's credits, newest first",
    responses=reads(),
)
def get_history(
    client_id: PathId,
    type_id: PathId,
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[Kind | None, Query()] = None,
    from_: Annotated[str | None, Query(alias="from", description="Only entries from this instant on.")] = None,
    to: Annotated[str | None, Query(description="Only entries before this instant.")] = None,
) -> History:
    ask = asked(router)
    query = f"history|{client_id}|{type_id}|{kind}|{from_}|{to}"
    position = ask.open(query, cursor)
    page = answers.history(
        ask.store,
        ask.practice_id,
        client_id,
        type_id,
        ask.now,
        limit,
        HistoryPosition(**position) if position else HistoryPosition(),
        Period(kind, _instant("from", from_), _instant("to", to)),
    )
    items = [schemas.entry_answer(entry, for_client=ask.for_client) for entry in page.items]
    going_on = page.next
    return History(
        items=items,
        next_cursor=ask.seal(
            query,
            {"entry": going_on.entry, "account": going_on.account, "client": going_on.client} if going_on else None,
        ),
    )


@router.get(
    "/v1/eligibility",
    tags=["eligibility"],
    summary="May this client book? For one type, or for each type of the catalogue",
    responses=reads(),
)
def get_eligibility(
    client_id: Annotated[str, Query(pattern=f"^{schemas.ID_PATTERN}$")],
    appointment_type: QueryId = None,
    starts_at: Annotated[str | None, Query(description="When the session starts; now by default.")] = None,
    seats: Annotated[int, Query(ge=1, le=100)] = 1,
) -> schemas.EligibilityAnswer | schemas.EligibilityEach:
    ask = asked(router)
    ask.about(client_id)
    starts = _instant("starts_at", starts_at)
    if appointment_type is None:
        told = answers.may_book_each_type(ask.store, ask.practice_id, client_id, starts, seats, ask.now)
        return schemas.EligibilityEach(items=[schemas.eligibility_answer(each) for each in told])
    session = Session(appointment_type, starts or ask.now, seats)
    (one,) = answers.may_book(ask.store, ask.practice_id, client_id, [session], ask.now)
    return schemas.eligibility_answer(one)


@router.post(
    "/v1/eligibility",
    tags=["eligibility"],
    summary="May this client book all these sessions together?",
    responses=asks(),
)
def post_eligibility(
    question: Annotated[schemas.EligibilityPost, Body()],
) -> schemas.EligibilityJointly:
    ask = asked(router)
    ask.about(question.client_id)
    sessions = [Session(s.appointment_type, s.starts_at, s.seats) for s in question.sessions]
    told = answers.may_book(ask.store, ask.practice_id, question.client_id, sessions, ask.now)
    return schemas.EligibilityJointly(
        allowed=all(each.allowed for each in told),
        shortfall=sum(each.shortfall for each in told),
        sessions=[schemas.eligibility_answer(each) for each in told],
    )


@router.get("/v1/bookings/<booking_id>", tags=["bookings"], summary="One booking", responses=reads())
def get_booking(booking_id: PathId) -> schemas.BookingAnswer:
    ask = asked(router)
    return schemas.booking_answer(bookings.find(ask.store, ask.practice_id, booking_id))


def _instant(name: str, text: str | None) -> datetime | None:
    """An RFC 3339 instant of the query. A `+` that arrives as a space is read as it was meant."""
    if text is None:
        return None
    try:
        return read_instant(text.replace(" ", "+"))
    except ValueError as error:
        fault = Problem(f"/query/{name}", "not_an_instant", "write it like 2026-12-01T09:00:00Z")
        raise Invalid("An instant in the query is not valid.", fault) from error
