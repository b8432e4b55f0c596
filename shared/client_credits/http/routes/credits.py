"""Credits of a client: numbers, lots, history."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.ledger.wallet import Lot, burn_place
from client_credits.http.cursors import query_of
from client_credits.http.request import asked, instant_parameter
from client_credits.http.responses import Cursor, Limit, PathId, reads
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.credits import (
    CreditsView,
    EntryView,
    Kind,
    LotView,
    OwnEntryView,
    PastCreditsView,
    entry_view,
    lot_view,
    own_entry_view,
)
from client_credits.operations.queries import credits as answers
from client_credits.operations.queries.history import HistoryFilter, HistoryPosition, history
from client_credits.operations.queries.past import balances_at

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


class History(schemas.View):
    items: list[EntryView]
    next_cursor: str | None


class OwnHistory(schemas.View):
    """What role client sees of its own history."""

    items: list[OwnEntryView]
    next_cursor: str | None


class Lots(schemas.View):
    items: list[LotView]
    next_cursor: str | None


@router.get(
    "/v1/clients/<client_id>/credits",
    tags=["credits"],
    summary="A client's credits of every appointment type",
    responses=reads(),
)
def get_client_credits(
    client_id: PathId,
    as_of: Annotated[
        str | None,
        Query(description="A past instant: the balances alone, by all that had happened by then, as known now."),
    ] = None,
) -> CreditsView | PastCreditsView:
    ask = asked(router)
    at = instant_parameter("as_of", as_of)
    if at:
        past = balances_at(ask.context, client_id, at)
        return PastCreditsView.model_validate(past, from_attributes=True)
    found = answers.credits_of(ask.context, client_id)
    return CreditsView.model_validate(found, from_attributes=True)


@router.get(
    "/v1/clients/<client_id>/credits/<type_id>/lots",
    tags=["credits"],
    summary="The open lots of one type, in the order in which they are spent",
    responses=reads(),
)
def list_client_lots(client_id: PathId, type_id: PathId, limit: Limit = 50, cursor: Cursor = None) -> Lots:
    ask = asked(router)
    query = query_of("lots", client_id, type_id)
    place = ask.open(query, cursor)
    wallet, lots = answers.lots_of(ask.context, client_id, type_id)
    rest = [lot for lot in lots if place is None or burn_place(lot) > _burn_place(place)]
    page, last = rest[:limit], rest[limit - 1 : limit]
    more = _place_of(last[0]) if len(rest) > limit else None
    return Lots(items=[lot_view(wallet, lot, ask.now) for lot in page], next_cursor=ask.seal(query, more))


def _place_of(lot: Lot) -> dict[str, Any]:
    priority, end, start, lot_id = burn_place(lot)
    return {"priority": priority, "end": end.isoformat(), "start": start.isoformat(), "lot": lot_id}


def _burn_place(place: dict[str, Any]) -> tuple[int, datetime, datetime, str]:
    end, start = (datetime.fromisoformat(place[name]) for name in ("end", "start"))
    return place["priority"], end, start, place["lot"]


@router.get(
    "/v1/clients/<client_id>/credits/<type_id>/history",
    tags=["credits"],
    summary="All that happened to one type's credits, newest first",
    responses=reads(),
)
def list_client_history(
    client_id: PathId,
    type_id: PathId,
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[Kind | None, Query()] = None,
    from_: Annotated[str | None, Query(alias="from", description="Only entries from this instant on.")] = None,
    to: Annotated[str | None, Query(description="Only entries before this instant.")] = None,
) -> History | OwnHistory:
    ask = asked(router)
    query = query_of("history", client_id, type_id, kind, from_, to)
    position = ask.open(query, cursor)
    page = history(
        ask.context,
        client_id,
        type_id,
        limit,
        HistoryPosition(**position | {"merged": tuple(position["merged"])}) if position else HistoryPosition(),
        HistoryFilter(kind, instant_parameter("from", from_), instant_parameter("to", to)),
    )
    going_on = ask.seal(query, asdict(page.next) if page.next else None)
    if ask.for_client:
        return OwnHistory(items=[own_entry_view(entry) for entry in page.items], next_cursor=going_on)
    names = ask.names_of(page.items)
    shown = [entry_view(entry, names, for_staff=ask.for_staff) for entry in page.items]
    return History(items=shown, next_cursor=going_on)
