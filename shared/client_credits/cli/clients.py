"""`credits clients`: a practice's clients, listed, found, shown and put."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.api import DryRun, PracticeApi, Wide, path_id
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from rich.console import RenderableType

Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]
ClientId = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id.")]


def list_(
    session: CliSession,
    negative: Annotated[bool | None, typer.Option("--negative/--not-negative", help="Only who owes credits.")] = None,
    holding: Annotated[bool | None, typer.Option("--holding/--not-holding", help="Only who has credits left.")] = None,
    by_id: Annotated[bool, typer.Option("--by-id", help="In order of id, not of name.")] = False,
    limit: Limit = 50,
    wide: Wide = False,
    practice: PracticeId = None,
) -> None:
    """List clients by name, with what they have of each appointment type."""
    api = PracticeApi(session, practice)
    sort = "id" if by_id else "name"
    found, more = api.pages("/v1/clients", limit, negative=negative, holding=holding, sort=sort)
    answer_listed(session, api, found, more, wide)


def search(
    session: CliSession,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT]", help="What the name or id begins with; left out with --email.")
    ] = None,
    email: Annotated[str | None, typer.Option(help="The e-mail address, all of it.")] = None,
    limit: Limit = 50,
    wide: Wide = False,
    practice: PracticeId = None,
) -> None:
    """Find clients by the beginning of their name or id, or by e-mail."""
    if text is None and email is None:
        raise typer.BadParameter("give what the name or id begins with, or --email", param_hint="TEXT")
    api = PracticeApi(session, practice)
    asked = {"q": text, "email": email}
    page = api.post("/v1/clients/search", {k: v for k, v in asked.items() if v} | {"limit": min(limit, 100)})
    found, more = page["items"], page["next_cursor"] is not None
    answer_listed(session, api, found, more, wide)


def show(session: CliSession, client: ClientId, practice: PracticeId = None) -> None:
    """Show one client's profile."""
    found = PracticeApi(session, practice).get(f"/v1/clients/{path_id(client)}")
    session.output.answer(found, lambda: _profile(found))


def put(
    session: CliSession,
    client: ClientId,
    name: Annotated[str | None, typer.Option(help="The client's name.")] = None,
    email: Annotated[str | None, typer.Option(help="The client's e-mail address.")] = None,
    customer: Annotated[
        list[str] | None,
        typer.Option("--customer", metavar="cus_…", help="A Stripe customer; once for each."),
    ] = None,
    external: Annotated[
        list[str] | None, typer.Option("--external", metavar="SYSTEM=ID", help="The client's id in another system.")
    ] = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Create a client, or change what is named; the rest of the profile stays."""
    api, path = PracticeApi(session, practice), f"/v1/clients/{path_id(client)}"
    body = stored_now(api, path)
    given: dict[str, Any] = {"name": name, "email": email}
    if customer:
        given["stripe_customers"] = sorted({*body.get("stripe_customers", []), *customer})
    if external:
        given["external_ids"] = body.get("external_ids", {}) | dict(map(_external, external))
    stored = api.put(path, body | {key: value for key, value in given.items() if value is not None}, dry_run)
    session.output.answer(stored, lambda: _profile(stored))


def stored_now(api: PracticeApi, path: str) -> dict[str, Any]:
    """What a PUT would replace; nothing where there is nothing yet."""
    from client_credits.cli.http_call import ProblemAnswered  # noqa: PLC0415

    try:
        found: dict[str, Any] = api.get(path)
    except ProblemAnswered as answered:
        if answered.status == 404:
            return {}
        raise
    return found


def _external(text: str) -> tuple[str, str]:
    system, _, its_id = text.partition("=")
    if not (system and its_id):
        raise typer.BadParameter(f"{text!r} is not like square=SQ8", param_hint="--external")
    return an_id(system), an_id(its_id)


def answer_listed(session: CliSession, api: PracticeApi, found: list[Any], more: bool, wide: bool) -> None:
    """A list of clients with their balances, as JSON or as a table."""
    session.output.answer({"items": found, "more": more}, lambda: _listed(api, found, more, wide))


def _listed(api: PracticeApi, found: list[dict[str, Any]], more: bool, wide: bool) -> "RenderableType":
    names = api.names("appointment-types")
    rows = [
        (
            *([each["id"]] if wide else []),
            each["name"] or each["id"],
            ", ".join(f"{names.get(kind, kind)}: {n}" for kind, n in sorted(each["balances"].items())) or None,
        )
        for each in found
    ]
    shown = table([*(["id"] if wide else []), "client", "credits"], rows)
    return lines(shown, "There are more: raise --limit.") if more else shown


def _profile(found: dict[str, Any]) -> "RenderableType":
    rows = [
        ("id", found["id"]),
        ("name", found["name"]),
        ("e-mail", found["email"]),
        ("Stripe customers", "\n".join(found["stripe_customers"]) or None),
        ("other ids", "\n".join(f"{system}: {its_id}" for system, its_id in found["external_ids"].items()) or None),
    ]
    return table(("client", ""), rows)
