"""`credits import`: the balances of another system, from a CSV file.

The whole file is checked first, and nothing is written while a row is bad. Then each balance is one operation, named
after the file and its line: a run that was cut off goes on with the same command, and a second run changes nothing.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.errors import Broken, CommandError
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId

if TYPE_CHECKING:
    from rich.console import RenderableType

    from client_credits.cli.import_file import BadRow
    from client_credits.cli.import_mapping import ColumnMapping
    from client_credits.cli.import_staged import Staged
    from client_credits.domain.ledger.operation import Operation
    from client_credits.operations.context import Context
    from client_credits.operations.staff.importing import Compared, ImportedBalance

SHOWN = 200  # bad rows, or changes, of a table; the rest is counted
AT_ONCE = 8  # balances written side by side


def import_(
    session: CliSession,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.csv", help="Columns client, type, balance; maybe expires_at, value, note."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and write nothing.")] = False,
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="What the columns and types are called in the file.")
    ] = None,
    practice: PracticeId = None,
) -> None:
    """Bring balances from another system: each client's becomes just what the file says.

    Unknown clients are created; a bad row stops everything before anything is written. Rows of one client and type
    add up, each with its end.
    """
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.cli.import_mapping import digest, read_mapping  # noqa: PLC0415
    from client_credits.cli.import_staged import Staged  # noqa: PLC0415
    from client_credits.operations.context import OPERATOR, Context  # noqa: PLC0415

    context = Context(session.store, session.practice_id(practice), OPERATOR, utc_now())
    read = read_mapping(mapping)
    name = digest(file, read) if file.is_file() else ""
    with Staged() as staged:
        bad = _stage(session, context, file, read, staged)
        bad += _beyond_bounds(session, context, staged, _balances(staged, name, read))
        if bad:
            _refuse(session, sorted(bad, key=lambda row: row.line))
        balances = _balances(staged, name, read)
        if dry_run:
            _show(session, context, staged.count(), balances, name)
        else:
            _bring(session, context, staged.count(), balances, name)


def _stage(
    session: CliSession, context: "Context", file: Path, mapping: "ColumnMapping", staged: "Staged"
) -> "list[BadRow]":
    """Every row that can be understood, staged; the bad ones."""
    from client_credits.cli.import_file import BadRow, rows  # noqa: PLC0415
    from client_credits.cli.import_owners import RESOLVED, Owners  # noqa: PLC0415
    from client_credits.store.records import Wanted  # noqa: PLC0415

    loaded = context.load(Wanted())
    owners, bad = Owners(session, context, mapping), list[BadRow]()
    read = rows(file, mapping, loaded.catalogue.types, loaded.settings.timezone, context.now)
    with session.output.progress("Checking", _lines(file)) as advance:
        while found := list(islice(read, RESOLVED)):
            whose = owners.of([row for row in found if not isinstance(row, BadRow)])
            for row in found:
                if isinstance(row, BadRow):
                    bad.append(row)
                elif isinstance(owner := whose[row.line], BadRow):
                    bad.append(owner)
                else:
                    staged.add(owner, row)
            advance(len(found))
    staged.index()
    return [*bad, *staged.owing_beside_others()]


def _beyond_bounds(
    session: CliSession, context: "Context", staged: "Staged", balances: "Iterator[ImportedBalance]"
) -> "list[BadRow]":
    """The balances that the clients' wallets would not take, each by its first line."""
    from client_credits.cli.import_file import BadRow  # noqa: PLC0415
    from client_credits.operations.staff.importing import TOGETHER, refusals  # noqa: PLC0415

    bad = staged.take_out_too_many()
    with session.output.progress("Checking balances", staged.count()) as advance:
        while together := list(islice(balances, TOGETHER)):
            bad += [BadRow(each.line, why) for each, why in refusals(context, together)]
            advance(len(together))
    return bad


def _lines(file: Path) -> int:
    if not file.is_file():
        raise CommandError(f"There is no file {file}.")
    with file.open("rb") as read:
        return sum(block.count(b"\n") for block in iter(lambda: read.read(1 << 20), b""))


def _refuse(session: CliSession, bad: "list[BadRow]") -> None:
    facts = {"bad_rows": _facts(bad), "imported": 0}
    shown = _named(bad, "Bad rows")
    more = f" {len(bad) - SHOWN:,} more are not shown." if len(bad) > SHOWN else ""
    session.output.answer(facts, lambda: lines(shown, f"Nothing was written: {len(bad):,} rows are bad.{more}"))
    raise Broken


def _facts(bad: "list[BadRow]") -> list[dict[str, Any]]:
    return [{"line": row.line, "reason": row.reason} for row in bad]


def _named(bad: "list[BadRow]", title: str) -> "RenderableType":
    return table(("line #", "why it is bad"), [(row.line, row.reason) for row in bad[:SHOWN]], title)


def _balances(staged: "Staged", name: str, mapping: "ColumnMapping") -> "Iterator[ImportedBalance]":
    from client_credits.domain.ledger.importing import Brought  # noqa: PLC0415
    from client_credits.domain.ledger.wallet import Value  # noqa: PLC0415
    from client_credits.operations.staff.importing import ImportedBalance  # noqa: PLC0415

    for client_id, kind, rows in staged.balances():
        brought = tuple(
            Brought(
                row.balance,
                row.expires_at,
                Value(row.value, str(mapping.currency), row.balance) if row.value is not None else None,
            )
            for row in rows
        )
        note = next((row.note for row in rows if row.note), None)
        yield ImportedBalance(client_id, kind, name, rows[0].line, brought, note)


def _show(
    session: CliSession, context: "Context", total: int, balances: "Iterable[ImportedBalance]", name: str
) -> None:
    from client_credits.operations.staff.importing import TOGETHER, compare  # noqa: PLC0415

    balances, counts = iter(balances), {"new_clients": 0, "changes": 0, "unchanged": 0, "done_before": 0, "moved": 0}
    moved: list[Compared] = []
    others: list[Compared] = []
    with session.output.progress("Comparing", total) as advance:
        while together := list(islice(balances, TOGETHER)):
            for found in compare(context, together):
                differs = not found.done and found.balance != found.wanted.balance
                counts["done_before"] += found.done
                counts["new_clients"] += found.new_client
                counts["moved"] += found.moved is not None
                counts["changes" if differs else "unchanged"] += not found.done
                if found.moved is not None:
                    moved.append(found)
                elif differs and len(others) < SHOWN:
                    others.append(found)
            advance(len(together))
    facts = {"file": name, "dry_run": True, "balances": total, **counts}
    facts["shown"] = [_fact(each) for each in (*moved, *others)]
    said = "{changes:,} balances would change, {unchanged:,} are so already, {done_before:,} were imported before."
    parts = [_compared(others, "What would change"), said.format(**counts)]
    if moved:
        parts = [_compared(moved, "Moved since an earlier import"), *parts]
    session.output.answer(facts, lambda: lines(*parts))


def _compared(found: "list[Compared]", title: str) -> "RenderableType":
    rows = [
        (c.wanted.line, c.wanted.client_id, c.wanted.appointment_type, c.balance, c.wanted.balance, _remark(c))
        for c in found
    ]
    return table(("line #", "client", "type", "now #", "file #", "remark"), rows, title)


def _fact(found: "Compared") -> dict[str, Any]:
    return {
        "line": found.wanted.line,
        "client_id": found.wanted.client_id,
        "appointment_type": found.wanted.appointment_type,
        "balance": found.balance,
        "wanted": found.wanted.balance,
        "new_client": found.new_client,
        "moved_since_import": found.moved,
    }


def _remark(found: "Compared") -> str | None:
    if found.new_client:
        return "new client"
    return f"moved by {found.moved:+} since an earlier import" if found.moved is not None else None


def _bring(
    session: CliSession, context: "Context", total: int, balances: "Iterable[ImportedBalance]", name: str
) -> None:
    from client_credits.cli.import_file import BadRow  # noqa: PLC0415

    balances, changed, done, refused = iter(balances), 0, 0, list[BadRow]()
    try:
        with session.output.progress("Importing", total) as advance, ThreadPoolExecutor(AT_ONCE) as pool:
            while together := list(islice(balances, 10 * AT_ONCE)):
                for made in pool.map(lambda each: _brought(context, each), together):
                    if isinstance(made, BadRow):
                        refused.append(made)
                    else:
                        changed += bool(made.entries) and made.recorded_at == context.now
                        done += 1
                advance(len(together))
    except KeyboardInterrupt:
        raise CommandError(
            f"{done:,} of {total:,} balances are imported. Run the same command again to go on."
        ) from None
    facts = {"file": name, "dry_run": False, "balances": total, "changed": changed, "refused": _facts(refused)}
    told = f"{done:,} balances are as the file says; {changed:,} were changed now."
    if not refused:
        return session.output.answer(facts, lambda: told)
    more = f" {len(refused):,} were refused: mend what is said of them, or run the same command again."
    session.output.answer(facts, lambda: lines(_named(refused, "Refused meanwhile"), told + more))
    raise Broken


def _brought(context: "Context", wanted: "ImportedBalance") -> "Operation | BadRow":
    """The operation's record, or why there is none: the others go on."""
    from client_credits.cli.import_file import BadRow  # noqa: PLC0415
    from client_credits.domain.errors import CreditsError  # noqa: PLC0415
    from client_credits.operations.staff.importing import bring  # noqa: PLC0415

    try:
        return bring(context, wanted)
    except CreditsError as error:
        return BadRow(wanted.line, error.detail)
