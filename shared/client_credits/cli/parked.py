"""`credits parked`: payments that could not be granted, and what staff decide about them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.api import DryRun, PracticeApi, local_time, path_id
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from rich.console import RenderableType

ParkedId = Annotated[str, typer.Argument(metavar="ID", help="The parked payment's id.")]


def list_(
    session: CliSession,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 50,
    practice: PracticeId = None,
) -> None:
    """List the payments that wait, the longest waiting first."""
    api = PracticeApi(session, practice)
    found, more = api.pages("/v1/parked", limit)
    session.output.answer({"items": found, "more": more}, lambda: _listed(api, found, more))


def resolve(
    session: CliSession,
    parked: ParkedId,
    client: Annotated[str | None, typer.Option(metavar="ID", help="Whose it is.")] = None,
    package: Annotated[str | None, typer.Option(metavar="ID", help="What it bought.")] = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Grant a parked payment, with the client or the package that it lacks."""
    api = PracticeApi(session, practice)
    given = {
        "client_id": an_id(client) if client else None,
        "package_id": api.known("packages", an_id(package)) if package else None,
    }
    body = {name: value for name, value in given.items() if value}
    done = api.post(f"/v1/parked/{path_id(parked)}/resolve", body, dry_run)
    session.output.answer(done, lambda: _resolved(done))


def dismiss(
    session: CliSession,
    parked: ParkedId,
    reason: Annotated[str, typer.Option(help="Why nothing is granted.")],
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Close a parked payment without granting anything."""
    done = PracticeApi(session, practice).post(f"/v1/parked/{path_id(parked)}/dismiss", {"reason": reason}, dry_run)
    session.output.answer(done, lambda: f"{parked} is closed, and nothing was granted.")


def _listed(api: PracticeApi, found: list[dict[str, Any]], more: bool) -> "RenderableType":
    if not found:
        return "No payment waits."
    zone = api.timezone()
    rows = [
        (
            f"{local_time(each['received_at'], zone)}\n{each['id']}",
            each["reason"],
            "\n".join(filter(None, (each["payment"], each["customer"]))) or each["event_id"],
            "\n".join(each["prices"]) or None,
        )
        for each in found
    ]
    shown = table(("since, id", "reason", "payment, customer", "prices"), rows, f"Parked payments ({zone})")
    what_next = "What to do about each stands in docs/stripe.md. `credits parked resolve ID --client ID` grants one."
    return lines(shown, *(["There are more: raise --limit."] if more else []), what_next)


def _resolved(done: dict[str, Any]) -> "RenderableType":
    rows = [(line["line"], line["outcome"]) for line in done["lines"]]
    return table(("line", "outcome"), rows, f"{done['id']}")
