"""Staff's changes of the lots of many clients at once: ends put off for a closure, leftovers removed by rule."""

from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from client_credits.domain.ledger.extending import ExtensionRule
from client_credits.domain.ledger.leftovers import LeftoversRule
from client_credits.http.request import asked
from client_credits.http.responses import DryRun, writes
from client_credits.http.routes.edits import IdempotencyKey, keyed
from client_credits.http.schemas import bulk_edits as schemas
from client_credits.operations.staff.bulk import BulkOutcome, change_all
from client_credits.operations.staff.extending import Extension
from client_credits.operations.staff.leftovers import Leftovers

T = TypeVar("T")
router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]


@router.post(
    "/v1/extensions",
    tags=["edits"],
    summary="Give all lots of a package, a type or a window of ends a later end",
    responses=writes(),
)
def extend_lots(
    wanted: Annotated[schemas.ExtensionPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[schemas.Extended]:
    ask = asked(router)
    key = keyed(ask, idempotency_key, "extend", wanted)
    rule = ExtensionRule(**wanted.model_dump(exclude={"reason"}))
    outcome = change_all(ask.context, Extension(rule), key, wanted.reason)
    items = [
        schemas.ExtendedLot(
            client_id=lot.client_id,
            appointment_type=lot.appointment_type,
            lot_id=lot.lot_id,
            revived=lot.amount,
            expires_at=lot.expires_at,
        )
        for lot in outcome.lots
    ]
    return _answer(schemas.Extended(items=items), outcome)


@router.post(
    "/v1/expirations",
    tags=["edits"],
    summary="Remove leftovers by rule; with dry_run, show just what would go",
    responses=writes(),
)
def expire_leftovers(
    wanted: Annotated[schemas.ExpirationPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[schemas.Expired]:
    ask = asked(router)
    key = keyed(ask, idempotency_key, "expire", wanted)
    outcome = change_all(ask.context, Leftovers(LeftoversRule(**wanted.model_dump())), key, None)
    items = [
        schemas.ExpiredLot(
            client_id=lot.client_id, appointment_type=lot.appointment_type, lot_id=lot.lot_id, amount=lot.amount
        )
        for lot in outcome.lots
    ]
    return _answer(schemas.Expired(items=items), outcome)


def _answer(body: T, outcome: BulkOutcome) -> Response[T]:
    headers = {"Idempotency-Replayed": "true"} if outcome.repeated else {}
    return Response(status_code=200, content_type="application/json", body=body, headers=headers)
