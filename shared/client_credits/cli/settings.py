"""`credits settings`: a practice's settings, or one client's, shown and changed."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.api import DryRun, PracticeApi, meant, path_id
from client_credits.cli.errors import CommandError
from client_credits.cli.output import table
from client_credits.cli.session import CliSession, PracticeId

if TYPE_CHECKING:
    from rich.console import RenderableType


def settings(
    session: CliSession,
    changes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]…", help="What to change; null brings the default or the account's back."),
    ] = None,
    client: Annotated[str | None, typer.Option(metavar="ID", help="Of this client, not of the account.")] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Switch the whole system off, having seen who has credits left.")
    ] = False,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Show the settings with where each comes from, or change some."""
    from client_credits.cli.tokens import TokenRole  # noqa: PLC0415

    api = PracticeApi(session, practice, None if client or not changes else TokenRole.ADMIN)
    path = f"/v1/clients/{path_id(client)}/settings" if client else "/v1/settings"
    found = api.get(path)
    if changes:
        body = dict(_change(each, list(found)) for each in changes)
        found = _patched(api, path, body | ({"confirm": True} if confirm else {}), dry_run)
    session.output.answer(found, lambda: _shown(found))


def _patched(api: PracticeApi, path: str, body: dict[str, Any], dry_run: bool) -> dict[str, Any]:
    """The settings after a change. Raises CommandError, for switching off unconfirmed with who and what it concerns."""
    from client_credits.cli.http_call import ProblemAnswered  # noqa: PLC0415

    try:
        found: dict[str, Any] = api.patch(path, body, dry_run)
    except ProblemAnswered as answered:
        if answered.problem.get("code") == "confirmation_required":
            raise CommandError(_unconfirmed(answered.problem)) from answered
        raise
    return found


def _unconfirmed(problem: dict[str, Any]) -> str:
    clients, packages = problem["clients_with_credits"], problem["packages_with_credits"]
    return (
        "Switching credits off stops all checks and hides every balance. Clients with credits left: "
        f"{clients:,}; packages with credits: {', '.join(packages) or 'none'}. Repeat with --confirm."
    )


def _change(text: str, names: list[str]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not like max_negative=3", param_hint="NAME=VALUE")
    if name not in {*names, "prevent_no_credit_booking"}:
        raise typer.BadParameter(f"there is no setting {name}.{meant(name, names)}", param_hint="NAME=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _shown(found: dict[str, Any]) -> "RenderableType":
    rows = [(name, _text(each["value"]), each["source"]) for name, each in found.items()]
    return table(("setting", "value", "from"), rows)


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value).strip('"')
