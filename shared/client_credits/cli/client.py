"""`credits client merge`: two records of one person become one. Done by the HTTP API."""

import json
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from rich.console import RenderableType


def merge(
    session: CliSession,
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="The id that is given up.")],
    into: Annotated[str, typer.Option("--into", metavar="ID", help="The client that goes on for both.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would move, and write nothing.")] = False,
    practice: PracticeId = None,
) -> None:
    """Merge two records of one person. For good: whatever is heard of the old id from then on counts for the other.

    The other's name, e-mail and settings stand. If this is interrupted, run it again: it goes on where it stopped.
    """
    from client_credits.cli.http_call import call  # noqa: PLC0415
    from client_credits.cli.tokens import bearer  # noqa: PLC0415
    from client_credits.domain.ids import derived_id  # noqa: PLC0415

    path = f"/v1/clients/{quote(an_id(client), safe=':~')}/merge"
    body = call(
        f"{session.target.api_url}{path}{'?dry_run=true' if dry_run else ''}",
        method="POST",
        body=json.dumps({"into": an_id(into)}).encode(),
        headers={
            "authorization": f"Bearer {bearer(session, practice)}",
            "content-type": "application/json",
            "idempotency-key": derived_id("merge", client, into),
        },
    )
    session.output.answer(body | {"dry_run": dry_run}, lambda: _shown(client, body, dry_run))


def _shown(client: str, body: dict[str, Any], dry_run: bool) -> "RenderableType":
    into = body["client"]["id"]
    came = [(e["appointment_type"], e["amount"]) for e in body["entries"] if e["kind"] == "transferred_in"]
    said = f"{client} would go on as {into}; nothing is written." if dry_run else f"{client} goes on as {into}."
    return lines(said, table(("type", "credits that move #"), came)) if came else said
