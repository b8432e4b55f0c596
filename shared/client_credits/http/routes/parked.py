"""Parked payments: listed, resolved, dismissed."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.http.request import asked
from client_credits.http.responses import Cursor, DryRun, Limit, PathId, reads, writes
from client_credits.http.schemas import common as schemas
from client_credits.http.schemas.credits import entry_view
from client_credits.http.schemas.parked import (
    DismissBody,
    ParkedView,
    ResolveBody,
    Resolved,
    ResolvedLine,
    parked_view,
)
from client_credits.operations.payments import resolving

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


class ParkedPayments(schemas.View):
    items: list[ParkedView]
    next_cursor: str | None


@router.get(
    "/v1/parked", tags=["parked"], summary="Payments that are not granted and wait for staff", responses=reads()
)
def list_parked(limit: Limit = 50, cursor: Cursor = None) -> ParkedPayments:
    ask = asked(router)
    ask.store.catalogue(ask.practice_id)  # raises NotFound where there is no such practice; seldom costs a read
    position = ask.open("parked", cursor)
    after = position["after"] if position else None
    page, last = ask.store.parked_page(ask.practice_id, after, limit)
    items = [parked_view(parked) for parked in page]
    return ParkedPayments(items=items, next_cursor=ask.seal("parked", {"after": last} if last else None))


@router.post(
    "/v1/parked/<parked_id>/resolve",
    tags=["parked"],
    summary="Grant a parked payment, giving what was missing; each line is granted at most once",
    responses=writes(),
)
def resolve_parked(parked_id: PathId, given: Annotated[ResolveBody, Body()], dry_run: DryRun = False) -> Resolved:
    ask = asked(router)
    outcomes = resolving.resolve(ask.context, parked_id, given.client_id, given.package_id)
    lines = [
        ResolvedLine(
            line=outcome.line_id,
            outcome=outcome.fate,
            source_id=outcome.operation.source_id if outcome.operation else None,
        )
        for outcome in outcomes
    ]
    entries = [entry for outcome in outcomes for entry in resolving.line_entries(ask.store, ask.practice_id, outcome)]
    names = ask.names_written(entries)
    shown = [entry_view(entry, names, for_staff=ask.for_staff) for entry in entries]
    return Resolved(id=parked_id, lines=lines, entries=shown)


@router.post(
    "/v1/parked/<parked_id>/dismiss",
    tags=["parked"],
    summary="Close a parked payment without granting it",
    responses=writes(),
)
def dismiss_parked(parked_id: PathId, given: Annotated[DismissBody, Body()], dry_run: DryRun = False) -> ParkedView:
    ask = asked(router)
    closed = resolving.dismiss(ask.context, parked_id, given.reason)
    return parked_view(closed)
