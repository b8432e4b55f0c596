"""Staff's changes of the lots of many clients at once: ends put off for a closure, leftovers removed by rule."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.errors import Invalid, Problem
from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.domain.ledger.leftovers import LeftoversRule
from client_credits.http.cursors import query_of
from client_credits.http.request import Ask, asked
from client_credits.http.responses import DryRun, answers
from client_credits.http.routes.edits import IdempotencyKey, keyed
from client_credits.http.routes.jobs import accepted
from client_credits.http.schemas import bulk_edits as schemas
from client_credits.http.schemas.jobs import StartedView
from client_credits.operations.jobs import bulk_edits as jobs
from client_credits.operations.jobs import starting
from client_credits.operations.staff.bulk import BulkOutcome, TooManyClients, change_all, rehearsed_page
from client_credits.operations.staff.bulk_changes import LotChange
from client_credits.operations.staff.extending import Extension
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.staff.leftovers import Leftovers

RehearsalCursor = Annotated[
    str | None,
    Query(max_length=5000, description="With `dry_run`: `next_cursor` of the page before. Only a rehearsal has pages."),
]
_MAY_START = answers(202, 409, 413)  # above 100 clients a job goes on with it
_MAY_START[202] |= {"content": {"application/json": {"model": StartedView}}}
router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.post(
    "/v1/extensions",
    tags=["edits"],
    summary="Give all lots of a package, a type or a window of ends a later end",
    responses=_MAY_START,
)
def extend_lots(
    wanted: Annotated[schemas.ExtensionPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
    cursor: RehearsalCursor = None,
) -> Response[schemas.Extended | StartedView]:
    ask = asked(router)
    key = keyed(ask, idempotency_key, "extend", wanted)
    rule = ExtensionRule(**wanted.model_dump(exclude={"reason"}))
    return _answer(ask, Extension(rule), key, wanted.reason, cursor)


@router.post(
    "/v1/expirations",
    tags=["edits"],
    summary="Remove leftovers by rule; with dry_run, show just what would go",
    responses=_MAY_START,
)
def expire_leftovers(
    wanted: Annotated[schemas.ExpirationPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
    cursor: RehearsalCursor = None,
) -> Response[schemas.Expired | StartedView]:
    ask = asked(router)
    key = keyed(ask, idempotency_key, "expire", wanted)
    return _answer(ask, Leftovers(LeftoversRule(**wanted.model_dump())), key, None, cursor)


def _answer(
    ask: Ask, change: Extension | Leftovers, key: Keyed, reason: str | None, cursor: str | None
) -> Response[Any]:
    """What became of each lot; above 100 clients the job that goes on with it or, of a rehearsal, the first page."""
    query = query_of("rehearsal", key.digest)
    try:
        if ask.store.rehearsing:
            position = ask.open(query, cursor) or {"after": None}
            outcome = rehearsed_page(ask.context, change, key, reason, position["after"])
        elif cursor is not None:
            fault = Problem("/query/cursor", "not_a_rehearsal", "send it with dry_run=true")
            raise Invalid("Only a rehearsal has pages.", fault)
        else:
            outcome = change_all(ask.context, change, key, reason)
    except TooManyClients:
        stated = jobs.asked(change, reason)
        return accepted(starting.start(ask.context, jobs.kind_of(change), stated, key, ask.outside.wake))
    headers = {"Idempotency-Replayed": "true"} if outcome.repeated else {}
    going_on = ask.seal(query, {"after": outcome.after} if outcome.after else None)
    body = _body(change, outcome, going_on)
    return Response(status_code=200, content_type="application/json", body=body, headers=headers)


def _body(
    change: Extension | Leftovers, outcome: BulkOutcome, going_on: str | None
) -> schemas.Extended | schemas.Expired:
    if isinstance(change, Extension):
        return schemas.Extended(items=[_extended(lot) for lot in outcome.lots], next_cursor=going_on)
    return schemas.Expired(items=[_expired(lot) for lot in outcome.lots], next_cursor=going_on)


def _extended(lot: LotChange) -> schemas.ExtendedLot:
    return schemas.ExtendedLot(
        client_id=lot.client_id,
        appointment_type=lot.appointment_type,
        lot_id=lot.lot_id,
        revived=lot.amount,
        expires_at=lot.expires_at,
    )


def _expired(lot: LotChange) -> schemas.ExpiredLot:
    return schemas.ExpiredLot(
        client_id=lot.client_id, appointment_type=lot.appointment_type, lot_id=lot.lot_id, amount=lot.amount
    )
