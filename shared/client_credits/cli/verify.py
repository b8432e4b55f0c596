"""`credits verify`: the invariants, checked on what is stored."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.errors import Broken, CommandError
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId, an_id

if TYPE_CHECKING:
    from rich.console import RenderableType

    from client_credits.operations.queries.verifying import Checked
    from client_credits.store.store import Store

WORKERS = 8  # clients read side by side
ROUND = 256  # clients handed to the workers at a time


def verify(
    session: CliSession,
    client: Annotated[str | None, typer.Option(metavar="ID", help="Only this client.")] = None,
    table_name: Annotated[
        str | None,
        typer.Option("--table", metavar="NAME", help="Another table than the stack's: one that was restored."),
    ] = None,
    practice: PracticeId = None,
) -> None:
    """Check the invariants on the stored wallets, entries and bookings; ends with 1 on any breach.

    Writes nothing but what came of checking a whole practice in the stack's own table, for the practice's status.
    Lists the payments that are parked, and so grant nothing yet.
    """
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.operations.queries.clients import roster  # noqa: PLC0415
    from client_credits.operations.queries.verifying import Checked  # noqa: PLC0415
    from client_credits.store.records import Wanted  # noqa: PLC0415

    began, practice_id = utc_now(), session.practice_id(practice)
    store = session.store_on(table_name) if table_name else session.store
    store.load(practice_id, Wanted())  # so that an unknown practice is not one without clients
    everyone = (line.client_id for line in roster(store, practice_id))
    clients = list(everyone) if client is None else [an_id(client)]
    total = Checked()
    with session.output.progress("Verifying", len(clients)) as advance:
        for checked in _checked(store, practice_id, clients):
            if checked is None and client is not None:
                raise CommandError(f"Practice {practice_id} has no client {client}.")
            total += checked or Checked()
            advance(1)
    if client is None and table_name is None:
        _keep(store, practice_id, began, total)
    parked = _parked(session, practice_id) if client is None else []
    facts = {"practice_id": practice_id, **asdict(total), "parked": parked}
    session.output.answer(facts, lambda: _shown(practice_id, total, parked))
    if total.breaches:
        raise Broken


def _keep(store: "Store", practice_id: str, began: datetime, total: "Checked") -> None:
    from client_credits.domain.practice.verification import Verification  # noqa: PLC0415
    from client_credits.store import practice_writes  # noqa: PLC0415

    laws = Counter(str(breach.law) for breach in total.breaches)
    done = Verification(began, total.clients, total.wallets, total.entries, total.bookings, dict(sorted(laws.items())))
    store.commit([practice_writes.verification(practice_id, done)])


def _checked(store: "Store", practice_id: str, clients: list[str]) -> Iterator["Checked | None"]:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    from client_credits.operations.queries.verifying import check_client  # noqa: PLC0415

    with ThreadPoolExecutor(WORKERS) as pool:
        for start in range(0, len(clients), ROUND):
            yield from pool.map(lambda each: check_client(store, practice_id, each), clients[start : start + ROUND])


def _parked(session: CliSession, practice_id: str) -> list[dict[str, Any]]:
    """Payments that grant nothing yet: each by its name and reason."""
    from client_credits.operations.payments.parking import every_open  # noqa: PLC0415

    found = every_open(session.store, practice_id)
    return [{"id": each.parked_id, "payment": each.payment_id, "reason": each.reason} for each in found]


def _shown(practice_id: str, total: "Checked", parked: list[dict[str, Any]]) -> "RenderableType":
    kinds = ("clients", "wallets", "entries", "bookings")
    rows: list[tuple[Any, ...]] = [(kind, f"{getattr(total, kind):,}") for kind in kinds]
    counts = table(("checked", "count #"), [*rows, ("breaches", f"{len(total.breaches):,}")], f"Practice {practice_id}")
    waiting = [(each["payment"], each["reason"], each["id"]) for each in parked]
    tables = [table(("payment", "reason", "id"), waiting, "Parked: not granted yet")] if waiting else []
    if not total.breaches:
        return lines(counts, *tables, "Every law holds.")
    broken = [(breach.law, breach.where, breach.detail) for breach in total.breaches]
    return lines(counts, *tables, table(("law", "where", "what"), broken, "Breaches"))
