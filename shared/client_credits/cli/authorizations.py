"""`credits authorizations`: what insurers authorised for a client, listed, shown, put and deleted."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.api import REHEARSED, DryRun, PracticeApi, Wide, path_id
from client_credits.cli.clients import ClientId, Limit, stored_now
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from rich.console import RenderableType

NEVER_PUT = ("client_id", "visits_used", "visits_left")  # bookings count the visits

AuthorizationId = Annotated[str, typer.Argument(metavar="ID", help="The authorization's id, as the practice calls it.")]
Day = Annotated[str | None, typer.Option(metavar="DAY", help="Like 2026-12-01; that day still counts.")]


def list_(
    session: CliSession, client: ClientId, limit: Limit = 50, wide: Wide = False, practice: PracticeId = None
) -> None:
    """List a client's authorizations with the visits used and left."""
    api = PracticeApi(session, practice)
    found, more = api.pages(f"/v1/clients/{path_id(client)}/authorizations", limit)
    session.output.answer({"items": found, "more": more}, lambda: _listed(api, client, found, more, wide))


def show(session: CliSession, client: ClientId, authorization: AuthorizationId, practice: PracticeId = None) -> None:
    """Show one authorization."""
    api = PracticeApi(session, practice)
    found = api.get(_path(client, authorization))
    session.output.answer(found, lambda: _authorization(api, found))


def put(
    session: CliSession,
    client: ClientId,
    authorization: AuthorizationId,
    payer: Annotated[str | None, typer.Option(help="The insurer.")] = None,
    number: Annotated[str | None, typer.Option(help="The insurer's number of it.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="TYPE", help="What it covers; once for each type.")
    ] = None,
    starts_on: Day = None,
    ends_on: Day = None,
    visits: Annotated[int | None, typer.Option(min=1, help="How many visits it is good for.")] = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Add an authorization, or change what is named, its last day for instance; the visits used stay."""
    api, path = PracticeApi(session, practice), _path(client, authorization)
    body = {name: value for name, value in stored_now(api, path).items() if name not in NEVER_PUT}
    given: dict[str, Any] = {
        "payer": payer,
        "number": number,
        "appointment_types": [api.known("appointment-types", an_id(each)) for each in types] if types else None,
        "starts_on": starts_on,
        "ends_on": ends_on,
        "visits_authorized": visits,
    }
    stored = api.put(path, body | {name: value for name, value in given.items() if value is not None}, dry_run)
    session.output.answer(stored, lambda: _rehearsed(_authorization(api, stored), dry_run))


def delete(
    session: CliSession,
    client: ClientId,
    authorization: AuthorizationId,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Delete an authorization; bookings that it covered stay covered."""
    api = PracticeApi(session, practice)
    gone = api.delete(_path(client, authorization), dry_run)
    session.output.answer(gone, lambda: _rehearsed(_authorization(api, gone), dry_run))


def _path(client: str, authorization: str) -> str:
    return f"/v1/clients/{path_id(client)}/authorizations/{path_id(authorization)}"


def _rehearsed(shown: "RenderableType", dry_run: bool) -> "RenderableType":
    return lines(shown, REHEARSED) if dry_run else shown


def _listed(api: PracticeApi, client: str, found: list[dict[str, Any]], more: bool, wide: bool) -> "RenderableType":
    """With whose each is, where that is not the client who was asked for: by that id the other commands reach it."""
    if not found:
        return "No authorization."
    names = {} if wide else api.names("appointment-types")
    merged = any(each["client_id"] != client for each in found)
    rows = [
        (
            *([each["client_id"]] if merged else []),
            each["id"],
            *([each["number"]] if wide else []),
            each["payer"],
            "\n".join(names.get(kind, kind) for kind in each["appointment_types"]),
            each["starts_on"],
            each["ends_on"],
            each["visits_used"],
            each["visits_left"],
        )
        for each in found
    ]
    columns = ("payer", "types", "first day", "last day", "used #", "left #")
    shown = table((*(["client"] if merged else []), "id", *(["number"] if wide else []), *columns), rows)
    return lines(shown, "There are more: raise --limit.") if more else shown


def _authorization(api: PracticeApi, found: dict[str, Any]) -> "RenderableType":
    names = api.names("appointment-types")
    rows = [
        ("client", found["client_id"]),
        ("id", found["id"]),
        ("payer", found["payer"]),
        ("number", found["number"]),
        ("types", "\n".join(names.get(kind, kind) for kind in found["appointment_types"])),
        ("first day", found["starts_on"]),
        ("last day", found["ends_on"]),
        ("visits", found["visits_authorized"]),
        ("used", found["visits_used"]),
        ("left", found["visits_left"]),
    ]
    return table(("authorization", ""), rows)
