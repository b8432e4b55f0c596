"""`credits balance`, `history`, `eligibility`: what the HTTP API answers, as tables. Ids only, no names."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import typer

from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id
from client_credits.cli.sweep import an_instant
from client_credits.domain.credits import MAX_SEATS

if TYPE_CHECKING:
    from rich.console import RenderableType

OFF = "Credits are switched off for this client."
PAGE = 100  # the most that the API gives at once

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id.")]


def balance(
    session: CliSession,
    client: Client,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", parser=an_instant, metavar="INSTANT", help="The balances at a past instant."),
    ] = None,
    practice: PracticeId = None,
) -> None:
    """Show a client's credits of every appointment type."""
    asked = {"as_of": as_of.astimezone(UTC).isoformat()} if as_of else {}
    body = _get(session, f"/v1/clients/{_id(client)}/credits", practice, **asked)
    session.output.answer(body, lambda: _past(body) if as_of else _balances(body))


def history(
    session: CliSession,
    client: Client,
    appointment_type: Annotated[str, typer.Argument(metavar="TYPE", help="The appointment type's id.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many entries.")] = 50,
    practice: PracticeId = None,
) -> None:
    """Show what happened to a client's credits of one type, newest first."""
    path = f"/v1/clients/{_id(client)}/credits/{_id(appointment_type)}/history"
    items: list[Any] = []
    cursor: str | None = None
    while len(items) < limit:
        query = {"limit": min(PAGE, limit - len(items)), "cursor": cursor}
        page = _get(session, path, practice, **query)
        items, cursor = items + page["items"], page["next_cursor"]
        if cursor is None:
            break
    session.output.answer({"items": items, "next_cursor": cursor}, lambda: _entries(items, cursor))


def eligibility(
    session: CliSession,
    client: Client,
    appointment_type: Annotated[
        str | None, typer.Argument(metavar="[TYPE]", help="The appointment type's id; every type if left out.")
    ] = None,
    starts_at: Annotated[
        datetime | None,
        typer.Option(parser=an_instant, metavar="INSTANT", help="When the session starts; now if left out."),
    ] = None,
    seats: Annotated[int, typer.Option(min=1, max=MAX_SEATS, help="How many are to sit there.")] = 1,
    practice: PracticeId = None,
) -> None:
    """Show whether a client may book, and why."""
    body = _get(
        session,
        "/v1/eligibility",
        practice,
        client_id=an_id(client),
        appointment_type=an_id(appointment_type) if appointment_type else None,
        starts_at=starts_at.isoformat() if starts_at else None,
        seats=seats,
    )
    session.output.answer(body, lambda: _answers(body["items"] if appointment_type is None else [body]))


def _id(text: str) -> str:
    return quote(an_id(text), safe=":~")


def _get(session: CliSession, path: str, practice: str | None, **query: Any) -> Any:
    from client_credits.cli.http_call import call  # noqa: PLC0415
    from client_credits.cli.tokens import bearer  # noqa: PLC0415

    asked = urlencode({name: value for name, value in query.items() if value is not None})
    url = f"{session.target.api_url}{path}{'?' if asked else ''}{asked}"
    return call(url, headers={"authorization": f"Bearer {bearer(session, practice)}"})


def _past(body: dict[str, Any]) -> "RenderableType":
    if not body["enabled"]:
        return OFF
    rows = [(line["appointment_type"], line["name"], line["balance"]) for line in body["credits"]]
    return table(("type", "name", "balance"), rows, f"{body['client_id']} as of {body['as_of']}")


def _balances(body: dict[str, Any]) -> "RenderableType":
    if not body["enabled"]:
        return OFF
    numbers = ("balance", "available", "held", "frozen", "not_yet_effective", "debt", "granted_total", "version")
    rows = [
        (line["appointment_type"], *(line[name] for name in numbers), line["next_expiry"]) for line in body["credits"]
    ]
    columns = ("type", *(f"{name.replace('_', ' ')} #" for name in numbers), "next expiry")
    return table(columns, rows, f"{body['client_id']} at {body['as_of']}")


def _entries(items: list[dict[str, Any]], cursor: str | None) -> "RenderableType":
    rows = [
        (
            entry["sequence"],
            f"{entry['occurred_at']}\n{entry['kind']}",
            entry["amount"],
            entry["balance_after"],
            _cause(entry["cause"]),
        )
        for entry in items
    ]
    shown = table(("number #", "occurred at, kind", "amount #", "balance #", "cause"), rows)
    return lines(shown, "There is more: raise --limit.") if cursor else shown


def _cause(cause: dict[str, Any]) -> str:
    """The kind and, each on its line, the ids that name it; of a change of settings, what it set."""
    body = {name: value for name, value in cause.items() if name not in ("kind", "before")}
    after = body.pop("after", None) or {}
    return "\n".join([cause["kind"], *(f"{name}={value}" for name, value in (body | after).items())])


def _reason(answer: dict[str, Any]) -> str:
    """Why, in the API's word; of a session that a rule lets through without enough credits, what it will owe."""
    owes = answer["allowed"] and answer["shortfall"]
    return f"will owe {answer['shortfall']}" if owes else str(answer["reason"])


def _answers(answers: list[dict[str, Any]]) -> "RenderableType":
    rows = [
        (
            answer["appointment_type"],
            "yes" if answer["allowed"] else "no",
            _reason(answer),
            answer["balance"],
            answer["available"],
            answer["shortfall"],
            " ".join(f"{part['amount']}×{part['lot_id']}" for part in answer["would_use"]) or None,  # noqa: RUF001 a times sign
            " ".join(package["id"] for package in answer["packages"]) or None,
        )
        for answer in answers
    ]
    columns = (
        "type",
        "allowed",
        "reason",
        "balance #",
        "available #",
        "shortfall #",
        "would use",
        "packages that help",
    )
    shown = table(columns, rows)
    return lines(shown, answers[0]["message"]) if len(answers) == 1 else shown
