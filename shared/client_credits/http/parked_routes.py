"""Parked payments: listed, resolved, dismissed."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits import schemas
from client_credits.http.asking import asked
from client_credits.http.describing import Cursor, DryRun, Limit, PathId, reads, writes
from client_credits.operations import resolving

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


class ParkedPayments(schemas.Answer):
    items: list[schemas.ParkedAnswer]
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
    items = [schemas.parked_answer(parked) for parked in page]
    return ParkedPayments(items=items, next_cursor=ask.seal("parked", {"after": last} if last else None))


@router.post(
    "/v1/parked/<parked_id>/resolve",
    tags=["parked"],
    summary="Grant a parked payment, giving what was missing; each line is granted at most once",
    responses=writes(),
)
def resolve_parked(
    parked_id: PathId, given: Annotated[schemas.ResolveBody, Body()], dry_run: DryRun = False
) -> schemas.Resolved:
    ask = asked(router)
    outcomes = resolving.resolve(
        ask.store, ask.practice_id, parked_id, ask.now, ask.actor, given.client_id, given.package_id
    )
    lines = [
        schemas.ResolvedLine(
            line=outcome.line_id,
            outcome=outcome.fate,
            source_id=outcome.operation.source_id if outcome.operation else None,
        )
        for outcome in outcomes
    ]
    entries = [
        schemas.entry_answer(entry)
        for outcome in outcomes
        for entry in resolving.entries_of(ask.store, ask.practice_id, outcome)
    ]
    return schemas.Resolved(id=parked_id, lines=lines, entries=entries)


@router.post(
    "/v1/parked/<parked_id>/dismiss",
    tags=["parked"],
    summary="Close a parked payment without granting it",
    responses=writes(),
)
def dismiss_parked(
    parked_id: PathId, given: Annotated[schemas.DismissBody, Body()], dry_run: DryRun = False
) -> schemas.ParkedAnswer:
    ask = asked(router)
    closed = resolving.dismiss(ask.store, ask.practice_id, parked_id, ask.now, ask.actor, given.reason)
    return schemas.parked_answer(closed)
