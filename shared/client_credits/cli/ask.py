"""`credits balance`, `history`, `eligibility`: what the HTTP API answers, as tables with names and local times."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.api import PracticeApi, Wide, local_time, path_id
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id
from client_credits.cli.sweep import an_instant
from client_credits.domain.credits import MAX_SEATS
from client_credits.domain.currencies import money

if TYPE_CHECKING:
    from rich.console import RenderableType

OFF = "Credits are switched off for this client."

Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client's id.")]


def balance(
    session: CliSession,
    client: Client,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", parser=an_instant, metavar="INSTANT", help="The balances at a past instant."),
    ] = None,
    wide: Wide = False,
    practice: PracticeId = None,
) -> None:
    """Show a client's credits of every appointment type."""
    api = PracticeApi(session, practice)
    asked = {"as_of": as_of.astimezone(UTC).isoformat()} if as_of else {}
    body = api.get(f"/v1/clients/{path_id(client)}/credits", **asked)
    session.output.answer(body, lambda: _past(body, wide) if as_of else _balances(api, body, wide))


def history(
    session: CliSession,
    client: Client,
    appointment_type: Annotated[str, typer.Argument(metavar="TYPE", help="The appointment type's id.")],
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many entries.")] = 50,
    wide: Wide = False,
    practice: PracticeId = None,
) -> None:
    """Show what happened to a client's credits of one type, newest first."""
    api = PracticeApi(session, practice)
    items, more = api.pages(f"/v1/clients/{path_id(client)}/credits/{path_id(appointment_type)}/history", limit)
    session.output.answer(
        {"items": items, "more": more},
        lambda: _entries_with_ids(client, items, more) if wide else _entries(api, items, more),
    )


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
    wide: Wide = False,
    practice: PracticeId = None,
) -> None:
    """Show whether a client may book, and why."""
    api = PracticeApi(session, practice)
    body = api.get(
        "/v1/eligibility",
        client_id=an_id(client),
        appointment_type=an_id(appointment_type) if appointment_type else None,
        starts_at=starts_at.isoformat() if starts_at else None,
        seats=seats,
    )
    answers = body["items"] if appointment_type is None else [body]
    session.output.answer(body, lambda: _eligible(api, answers, wide))


def _past(body: dict[str, Any], wide: bool) -> "RenderableType":
    if not body["enabled"]:
        return OFF
    rows = [(line["appointment_type"] if wide else line["name"], line["balance"]) for line in body["credits"]]
    return table(("type", "balance #"), rows, f"{body['client_id']} as of {body['as_of']}")


def _balances(api: PracticeApi, body: dict[str, Any], wide: bool) -> "RenderableType":
    if not body["enabled"]:
        return OFF
    zone = api.timezone()
    numbers = {"balance": "balance", "available": "available", "debt": "owed", "held": "reserved"}
    numbers |= {"frozen": "on hold", "not_yet_effective": "to come"}
    numbers |= {"granted_total": "granted ever", "version": "version"} if wide else {}
    rows = [
        (
            line["appointment_type"] if wide else line["name"],
            *(line[name] for name in numbers),
            local_time(line["next_expiry"], zone),
        )
        for line in body["credits"]
    ]
    columns = ("type", *(f"{shown} #" for shown in numbers.values()), "next end")
    return table(columns, rows, f"{body['client_id']} at {local_time(body['as_of'], zone)} ({zone})")


def _entries(api: PracticeApi, items: list[dict[str, Any]], more: bool) -> "RenderableType":
    """Names and local times; what is behind each stands in --wide."""
    zone, packages = api.timezone(), api.names("packages")
    rows = [
        (
            local_time(entry["occurred_at"], zone),
            entry["kind"].replace("_", " "),
            entry["amount"],
            entry["balance_after"],
            _why(entry, packages, zone),
            entry["actor"].get("name") or entry["actor"]["kind"],
        )
        for entry in items
    ]
    shown = table(("when", "what", "amount #", "balance #", "why", "by"), rows, f"Times of {zone}")
    return lines(shown, "There is more: raise --limit.") if more else shown


def _why(entry: dict[str, Any], packages: dict[str, str], zone: str) -> str:
    cause, reason = entry["cause"], entry.get("reason")
    match cause["kind"]:
        case "package" if cause.get("package_id"):
            paid = f" for {money(cause['amount'], cause['currency'])}" if "amount" in cause else ""
            said = packages.get(cause["package_id"], cause["package_id"]) + paid
        case "booking" if cause.get("starts_at"):
            said = f"session of {local_time(cause['starts_at'], zone)}"
        case "settings":
            said = ", ".join(f"{name}={value}" for name, value in (cause.get("after") or {}).items())
        case kind:
            said = str(kind)
    return f"{said}: {reason}" if reason else said


def _entries_with_ids(client: str, items: list[dict[str, Any]], more: bool) -> "RenderableType":
    """With whose record each is, where that is not the client who was asked for: each record numbers its own."""
    merged = any(entry.get("client_id") not in (client, None) for entry in items)
    rows = [
        (
            *([entry["client_id"]] if merged else []),
            entry["sequence"],
            f"{entry['occurred_at']}\n{entry['kind']}",
            entry["amount"],
            entry["balance_after"],
            _cause(entry["cause"]),
        )
        for entry in items
    ]
    shown = table(
        (*(["record"] if merged else []), "number #", "occurred at, kind", "amount #", "balance #", "cause"), rows
    )
    return lines(shown, "There is more: raise --limit.") if more else shown


def _cause(cause: dict[str, Any]) -> str:
    """The kind and, each on its line, the ids that name it; of a change of settings, what it set."""
    ids = {name: value for name, value in cause.items() if name not in ("kind", "before")}
    after = ids.pop("after", None) or {}
    return "\n".join([cause["kind"], *(f"{name}={value}" for name, value in (ids | after).items())])


def _reason(answer: dict[str, Any]) -> str:
    """Why, in the API's word; of a session that a rule lets through without enough credits, what it will owe."""
    owes = answer["allowed"] and answer["shortfall"]
    return f"will owe {answer['shortfall']}" if owes else str(answer["reason"]).replace("_", " ")


def _eligible(api: PracticeApi, answers: list[dict[str, Any]], wide: bool) -> "RenderableType":
    names = api.names("appointment-types")
    rows = [
        (
            answer["appointment_type"] if wide else names.get(answer["appointment_type"], answer["appointment_type"]),
            "yes" if answer["allowed"] else "no",
            _reason(answer),
            answer["available"],
            answer["shortfall"],
            _lots(answer["would_use"], wide),
            ", ".join(package["id"] if wide else package["name"] for package in answer["packages"]) or None,
        )
        for answer in answers
    ]
    columns = ("type", "allowed", "why", "available #", "short of #", "would use", "packages that help")
    shown = table(columns, rows)
    return lines(shown, answers[0]["message"]) if len(answers) == 1 else shown


def _lots(used: list[dict[str, Any]], wide: bool) -> str | None:
    if not used:
        return None
    if wide:
        return "\n".join(f"{part['amount']} of {part['lot_id']}" for part in used)
    ends = ((part["amount"], part["expires_at"]) for part in used)
    return "\n".join(f"{amount} that end {end[:10]}" if end else f"{amount} without end" for amount, end in ends)
