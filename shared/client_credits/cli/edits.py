"""`credits grant`, `adjust`, `transfer` and `undo`: what staff do to credits by hand."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.api import REHEARSED, DryRun, Key, PracticeApi, Reason, path_id
from client_credits.cli.clients import ClientId
from client_credits.cli.errors import CommandError
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from rich.console import RenderableType

ExpiresAt = Annotated[
    str | None, typer.Option("--expires-at", metavar="INSTANT", help="When they end, like 2027-12-31T23:00:00Z.")
]
TypeId = Annotated[str, typer.Argument(metavar="TYPE", help="The appointment type's id.")]


def grant(
    session: CliSession,
    client: ClientId,
    package: Annotated[str, typer.Argument(metavar="PACKAGE", help="The package's id.")],
    quantity: Annotated[int, typer.Option(min=1, help="How many of it.")] = 1,
    expires_at: ExpiresAt = None,
    reason: Reason = None,
    key: Key = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Give a client a package: a gift, or one that was sold elsewhere."""
    api = PracticeApi(session, practice)
    body = {"package_id": api.known("packages", an_id(package)), "quantity": quantity}
    done = api.post(f"/v1/clients/{path_id(client)}/grants", body | _given(expires_at, reason), dry_run, key)
    session.output.answer(done, lambda: _entries(done["entries"], dry_run))


def adjust(
    session: CliSession,
    client: ClientId,
    appointment_type: TypeId,
    amount: Annotated[int, typer.Argument(metavar="AMOUNT", help="Credits to add; to take where it is below zero.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the history.")],
    expires_at: ExpiresAt = None,
    key: Key = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Add credits of one type, or take some: `credits adjust c-17 follow-up -2 --reason "no-show"`."""
    api = PracticeApi(session, practice)
    body = {"appointment_type": api.known("appointment-types", an_id(appointment_type)), "amount": amount}
    done = api.post(f"/v1/clients/{path_id(client)}/adjustments", body | _given(expires_at, reason), dry_run, key)
    session.output.answer(done, lambda: _entries([done], dry_run))


def transfer(
    session: CliSession,
    giver: Annotated[str, typer.Argument(metavar="FROM", help="The id of the client who gives.")],
    receiver: Annotated[str, typer.Argument(metavar="TO", help="The id of the client who gets.")],
    appointment_type: TypeId,
    amount: Annotated[int, typer.Argument(metavar="AMOUNT", min=1, help="How many credits.")],
    reason: Reason = None,
    key: Key = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Move credits from one client to another, in one step."""
    api = PracticeApi(session, practice)
    body = {
        "from_client_id": an_id(giver),
        "to_client_id": an_id(receiver),
        "appointment_type": api.known("appointment-types", an_id(appointment_type)),
        "amount": amount,
    }
    done = api.post("/v1/transfers", body | _given(None, reason), dry_run, key)
    session.output.answer(done, lambda: _entries(done["entries"], dry_run))


def undo(
    session: CliSession,
    client: ClientId,
    appointment_type: TypeId,
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", min=1, help="The entry's number, which `credits history --wide` shows.")
    ],
    record: Annotated[
        str | None, typer.Option(metavar="CLIENT", help="Whose entry it is, where clients were merged.")
    ] = None,
    reason: Reason = None,
    key: Key = None,
    dry_run: DryRun = False,
    practice: PracticeId = None,
) -> None:
    """Undo an adjustment, a gift or a transfer by its entry, once."""
    api = PracticeApi(session, practice)
    kind = path_id(api.known("appointment-types", an_id(appointment_type)))
    path = f"/v1/clients/{path_id(_record(api, client, kind, number, record))}/credits/{kind}/entries/{number}/undo"
    done = api.post(path, _given(None, reason), dry_run, key)
    session.output.answer(done, lambda: _entries(done["entries"], dry_run))


def _record(api: PracticeApi, client: str, kind: str, number: int, named: str | None) -> str:
    """The record whose entry a number is. Raises CommandError where clients were merged, more than one record may have
    an entry of that number, and none is named."""
    moved, _ = api.pages(f"/v1/clients/{path_id(client)}/credits/{kind}/history", 100_000, kind="transferred_out")
    merges = [each for each in moved if each["cause"]["kind"] == "merge"]
    sides = (each["cause"][side] for each in merges for side in ("to_client_id", "from_client_id"))
    records = list(dict.fromkeys([*sides, client]))
    known = " or ".join(f"--record {each}" for each in records)
    if named is not None:
        if named in records:
            return named
        raise CommandError(f"{named} is no record of this client. Say {known}.")
    if any(number <= each["sequence"] for each in merges):  # the last entry of a record is that of its merge
        raise CommandError(
            f"{client} has the entries of merged clients, too, and each numbers its own. Say {known}: "
            "`credits history --wide` shows whose entry is whose."
        )
    return client


def _given(expires_at: str | None, reason: str | None) -> dict[str, Any]:
    given = {"expires_at": expires_at, "reason": reason}
    return {name: value for name, value in given.items() if value is not None}


def _entries(entries: list[dict[str, Any]], dry_run: bool) -> "RenderableType":
    rows = [
        (each["client_id"], each["appointment_type"], each["kind"], each["amount"], each["balance_after"])
        for each in entries
    ]
    shown = table(("client", "type", "what", "amount #", "balance #"), rows)
    return lines(shown, REHEARSED) if dry_run else shown
