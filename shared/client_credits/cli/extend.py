"""`credits extend`: many lots end later, by one rule, such as for a closure."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from client_credits.cli import jobs
from client_credits.cli.api import REHEARSED, DryRun, Key, PracticeApi, Wide, local_time
from client_credits.cli.errors import Broken
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id
from client_credits.cli.sweep import an_instant

if TYPE_CHECKING:
    from rich.console import RenderableType

PATH = "/v1/extensions"


def extend(
    session: CliSession,
    reason: Annotated[str, typer.Option(help="Why; it stands in the history.")],
    package: Annotated[str | None, typer.Option(metavar="PACKAGE", help="Lots of this package.")] = None,
    appointment_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Lots of this type.")] = None,
    ends_from: Annotated[
        datetime | None, typer.Option(parser=an_instant, metavar="INSTANT", help="Lots that end then or later.")
    ] = None,
    ends_to: Annotated[
        datetime | None, typer.Option(parser=an_instant, metavar="INSTANT", help="Lots that end before then.")
    ] = None,
    by_days: Annotated[int | None, typer.Option(metavar="N", help="So many days later, each from its own end.")] = None,
    expires_at: Annotated[
        str | None, typer.Option(metavar="INSTANT|never", help="When they end, like 2027-12-31T23:00:00Z.")
    ] = None,
    revive: Annotated[
        bool, typer.Option("--revive", help="Bring back what expired since --ends-from, too, as far as it is paid for.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Above 100 clients: wait for the job that goes on with it.")
    ] = True,
    wide: Wide = False,
    key: Key = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Let all lots of a package, a type or a window of ends end later: `credits extend --package ten --by-days 14`."""
    api = PracticeApi(session, practice)
    key = key or str(uuid4())
    chosen = {
        "package_id": api.known("packages", an_id(package)) if package else None,
        "appointment_type": api.known("appointment-types", an_id(appointment_type)) if appointment_type else None,
        "ends_from": ends_from.isoformat() if ends_from else None,
        "ends_to": ends_to.isoformat() if ends_to else None,
        "by_days": by_days,
        "expires_at": expires_at,
    }
    body: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    body |= {"reason": reason, "revive": revive} | ({"expires_at": None} if expires_at == "never" else {})
    done = _rehearsed(api, body, key) if dry_run else api.post(PATH, body, key=key)
    if "job_id" not in done:
        session.output.answer(done, lambda: _lots(api, done["items"], wide, dry_run))
        return
    _follow(session, api, str(done["job_id"]), f"The same command with --key {key} says what became of it.", wait)


def _rehearsed(api: PracticeApi, body: dict[str, Any], key: str) -> dict[str, Any]:
    """All lots that would change; under a key that a job has taken, that job."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        page: dict[str, Any] = api.post(PATH, body, dry_run=True, key=key, cursor=cursor)
        if "job_id" in page:
            return page
        items, cursor = items + page["items"], page["next_cursor"]
        if cursor is None:
            return {"items": items}


def _follow(session: CliSession, api: PracticeApi, job_id: str, go_on: str, wait: bool) -> None:
    """Says what became of the job; raises Broken where it failed, or could not change everyone."""
    if not wait:
        session.output.answer({"job_id": job_id}, lambda: f"The job {job_id} goes on with it.\n{go_on}")
        return
    job = jobs.ended(session, api, job_id, "Clients changed", go_on)
    session.output.answer({"job_id": job_id} | job, lambda: _job(job))
    if job["state"] == "failed" or job["problems"]:
        raise Broken


def _job(job: dict[str, Any]) -> "RenderableType":
    said = f"{job['done']:,} clients were changed."
    if not job["problems"]:
        return said
    rows = [(each["client_id"], each["code"], each["detail"]) for each in job["problems"]]
    return lines(said, table(("client", "problem", "what it is"), rows))


def _lots(api: PracticeApi, items: list[dict[str, Any]], wide: bool, dry_run: bool) -> "RenderableType":
    if not items:
        return "No lot would change." if dry_run else "No lot was chosen, so nothing changed."
    names, zone = {} if wide else api.names("appointment-types"), api.timezone()
    rows = [
        (
            each["client_id"],
            names.get(each["appointment_type"], each["appointment_type"]),
            *([each["lot_id"]] if wide else []),
            local_time(each["expires_at"], zone) or "never",
            each["revived"],
        )
        for each in items
    ]
    columns = ("client", "type", *(["lot"] if wide else []), "ends", "brought back #")
    shown = table(columns, rows, f"Lots that end later ({zone})")
    return lines(shown, REHEARSED) if dry_run else shown
