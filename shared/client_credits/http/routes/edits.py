"""Staff's edits: numbers replaced, credits added or taken, packages given, lots changed, transfers."""

import json
from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter
from pydantic import BaseModel

from client_credits.domain.ids import is_id
from client_credits.domain.ledger.entries import Entry
from client_credits.http.problems import Refused
from client_credits.http.request import Ask, asked
from client_credits.http.responses import DryRun, EntryNumber, PathId, writes
from client_credits.http.schemas import edits
from client_credits.http.schemas.clients import MergedView, MergePost, client_view
from client_credits.http.schemas.credits import EntryView, TypeCreditsView, entry_view
from client_credits.operations.staff import editing, merging
from client_credits.operations.staff.editing import NewBalance
from client_credits.operations.staff.idempotent import Edited, Keyed
from client_credits.operations.staff.undoing import undo

router = APIGatewayHttpRouter()  # type: ignore[no-untyped-call]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="idempotency-key",
        description="Required. 1 to 128 characters of A-Za-z0-9._:~-. Use a key for one request only.",
    ),
]


def keyed(ask: Ask, key: str | None, what: str, body: BaseModel) -> Keyed:
    """The key with what is asked under it. Raises Refused when it is missing or no key."""
    if key is None:
        raise Refused(400, "idempotency_key_required", "Send an Idempotency-Key header with this request.")
    if not is_id(key):
        raise Refused(400, "idempotency_key_malformed", "An Idempotency-Key has 1 to 128 characters of A-Za-z0-9._:~-.")
    asked_for = json.dumps(body.model_dump(mode="json"), sort_keys=True)
    return Keyed(key, f"{what} {asked_for}")


def written(ask: Ask, entries: list[Entry]) -> list[EntryView]:
    """The entries of an edit; staff see who made them."""
    names = ask.names_written(entries)
    return [entry_view(entry, names, for_staff=ask.for_staff) for entry in entries]


def answer_of(ask: Ask, edited: Edited) -> Response[edits.Edits]:
    body = edits.Edits(entries=written(ask, edited.entries))
    headers = {"Idempotency-Replayed": "true"} if edited.repeated else {}
    return Response(status_code=200, content_type="application/json", body=body, headers=headers)


@router.put(
    "/v1/clients/<client_id>/credits",
    tags=["edits"],
    summary="Replace balances, all or none, each for the version last seen",
    responses=writes(),
)
def replace_client_credits(
    client_id: PathId, wanted: Annotated[edits.BalancesPut, Body()], dry_run: DryRun = False
) -> edits.Replaced:
    ask = asked(router)
    changes = [NewBalance(c.appointment_type, c.balance, c.version, c.expires_at) for c in wanted.changes]
    edited = editing.set_balances(ask.context, client_id, changes, wanted.reason)
    return edits.Replaced(
        entries=written(ask, edited.entries),
        credits=[TypeCreditsView.model_validate(each, from_attributes=True) for each in edited.credits],
    )


@router.post(
    "/v1/clients/<client_id>/adjustments",
    tags=["edits"],
    summary="Add or take credits of one type",
    responses=writes(),
)
def adjust_client_credits(
    client_id: PathId,
    wanted: Annotated[edits.AdjustmentPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[EntryView]:
    ask = asked(router)
    edited = editing.adjust(
        ask.context,
        client_id,
        wanted.appointment_type,
        wanted.amount,
        keyed(ask, idempotency_key, f"adjust {client_id}", wanted),
        wanted.reason,
        wanted.expires_at,
    )
    headers = {"Idempotency-Replayed": "true"} if edited.repeated else {}
    body = written(ask, edited.entries)[0]
    return Response(status_code=200, content_type="application/json", body=body, headers=headers)


@router.post(
    "/v1/clients/<client_id>/grants",
    tags=["edits"],
    summary="Give a package, as a gift or sold elsewhere",
    responses=writes(),
)
def grant_package(
    client_id: PathId,
    wanted: Annotated[edits.GrantPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[edits.Edits]:
    ask = asked(router)
    edited = editing.grant_by_hand(
        ask.context,
        client_id,
        wanted.package_id,
        wanted.quantity,
        keyed(ask, idempotency_key, f"grant {client_id}", wanted),
        wanted.reason,
        wanted.expires_at,
    )
    return answer_of(ask, edited)


@router.patch(
    "/v1/clients/<client_id>/credits/<type_id>/lots/<lot_id>",
    tags=["edits"],
    summary="Give an open lot a later end, or void it",
    responses=writes(),
)
def change_client_lot(
    client_id: PathId,
    type_id: PathId,
    lot_id: PathId,
    wanted: Annotated[edits.LotPatch, Body()],
    dry_run: DryRun = False,
) -> Response[edits.Edits]:
    ask = asked(router)
    edited = editing.change_lot(
        ask.context, client_id, type_id, lot_id, void=wanted.void, expires_at=wanted.expires_at, reason=wanted.reason
    )
    return answer_of(ask, edited)


@router.post(
    "/v1/clients/<client_id>/credits/<type_id>/entries/<sequence>/undo",
    tags=["edits"],
    summary="Undo an adjustment, a gift or a transfer by its entry, once",
    responses=writes(),
)
def undo_entry(
    client_id: PathId,
    type_id: PathId,
    sequence: EntryNumber,
    wanted: Annotated[edits.UndoPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[edits.Edits]:
    """`client_id` and `sequence` are the entry's own: of a record that was merged into another one, the old id."""
    ask = asked(router)
    key = keyed(ask, idempotency_key, f"undo {client_id} {type_id} {sequence}", wanted)
    return answer_of(ask, undo(ask.context, client_id, type_id, int(sequence), key, wanted.reason))


@router.post(
    "/v1/transfers",
    tags=["edits"],
    summary="Move credits from one client to another",
    responses=writes(),
)
def transfer_credits(
    wanted: Annotated[edits.TransferPost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[edits.Edits]:
    ask = asked(router)
    edited = editing.transfer(
        ask.context,
        wanted.from_client_id,
        wanted.to_client_id,
        wanted.appointment_type,
        wanted.amount,
        keyed(ask, idempotency_key, "transfer", wanted),
        wanted.reason,
    )
    return answer_of(ask, edited)


@router.post(
    "/v1/clients/<client_id>/merge",
    tags=["edits"],
    summary="Merge a client into another record of the same person, which goes on for both",
    responses=writes(),
)
def merge_clients(
    client_id: PathId,
    wanted: Annotated[MergePost, Body()],
    idempotency_key: IdempotencyKey = None,
    dry_run: DryRun = False,
) -> Response[MergedView]:
    """Whatever is asked or heard of the client from then on counts for the other one."""
    ask = asked(router)
    given = keyed(ask, idempotency_key, f"merge {client_id}", wanted)
    merged = merging.merge_clients(ask.context, client_id, wanted.into, given, lambda: ask.people_keys()[0])
    body = MergedView(client=client_view(merged.client), entries=written(ask, merged.entries))
    headers = {"Idempotency-Replayed": "true"} if merged.repeated else {}
    return Response(status_code=200, content_type="application/json", body=body, headers=headers)
