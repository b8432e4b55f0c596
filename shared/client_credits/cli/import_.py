"""`credits import`: the balances of another system, from a CSV file.

The whole file is checked first, and nothing is written while a row is bad. Then each balance is one operation, named
after the file and its line: a run that was cut off goes on with the same command, and a second run changes nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.errors import Broken, CommandError
from client_credits.cli.output import lines, table
from client_credits.cli.session import CliSession, PracticeId

if TYPE_CHECKING:
    from client_credits.cli.import_file import BadRow, ColumnMapping, Row, Staged
    from client_credits.domain.ledger.operation import Operation
    from client_credits.operations.context import Context
    from client_credits.operations.staff.importing import Compared, ImportedBalance

SHOWN = 200  # rows of a table; the rest is counted
RESOLVED = 90  # rows whose owners are looked up together
AT_ONCE = 8  # balances written side by side
GO_ON = "Run the same command again to go on."


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
    from client_credits.cli import import_file  # noqa: PLC0415
    from client_credits.operations.context import OPERATOR, Context  # noqa: PLC0415

    context = Context(session.store, session.practice_id(practice), OPERATOR, utc_now())
    read = import_file.read_mapping(mapping)
    name = import_file.digest(file, read) if file.is_file() else ""
    with import_file.Staged() as staged:
        _stage(session, context, file, read, staged)
        if staged.count_bad():
            _refuse(session, staged)
        balances = _balances(staged, name, read)
        if dry_run:
            _show(session, context, staged.count(), balances, name)
        else:
            _bring(session, context, staged.count(), balances, name)


def _stage(session: CliSession, context: "Context", file: Path, mapping: "ColumnMapping", staged: "Staged") -> None:
    """Stages every row, those that can be understood and the bad ones."""
    from client_credits.cli.import_file import BadRow, rows  # noqa: PLC0415
    from client_credits.store.records import Wanted  # noqa: PLC0415

    loaded, email_keys = context.load(Wanted()), cache(lambda: _email_keys(session))
    read = rows(file, mapping, loaded.catalogue.types, loaded.settings.timezone, context.now)
    with session.output.progress("Checking", _lines(file)) as advance:
        while found := list(islice(read, RESOLVED)):
            owners = _owners(context, [row for row in found if not isinstance(row, BadRow)], mapping, email_keys)
            for row in found:
                if isinstance(row, BadRow):
                    staged.refuse(row)
                elif isinstance(owner := owners[row.line], BadRow):
                    staged.refuse(owner)
                else:
                    staged.add(owner, row)
            advance(len(found))
    staged.complete()


def _lines(file: Path) -> int:
    if not file.is_file():
        raise CommandError(f"There is no file {file}.")
    with file.open("rb") as read:
        return sum(block.count(b"\n") for block in iter(lambda: read.read(1 << 20), b""))


def _owners(
    context: "Context", rows: "list[Row]", mapping: "ColumnMapping", email_keys: Callable[[], tuple[bytes, ...]]
) -> "dict[int, str | BadRow]":
    """Whose each row is, by its line: one batch read for ids of another system, one look-up for each e-mail."""
    from client_credits.cli.import_file import BadRow  # noqa: PLC0415
    from client_credits.domain.practice.records import external_link  # noqa: PLC0415
    from client_credits.store.records import Wanted  # noqa: PLC0415

    links = {row.line: external_link(str(mapping.system), row.whose) for row in rows if row.who == "external_id"}
    known = context.load(Wanted(links=tuple(set(links.values())))).links if links else {}
    owners: dict[int, str | BadRow] = {}
    for row in rows:
        if row.who == "client":
            owners[row.line] = row.whose
        elif row.who == "external_id":
            nobody = BadRow(row.line, f"no client has the {mapping.system} id {row.whose}")
            owners[row.line] = known.get(links[row.line], nobody)
        else:
            owners[row.line] = _by_email(context, row, email_keys())
    return owners


def _email_keys(session: CliSession) -> tuple[bytes, ...]:
    from client_credits.aws.secrets import cursor_key_name, own_keys, parameter_reader  # noqa: PLC0415
    from client_credits.domain.ids import people_key  # noqa: PLC0415

    read = parameter_reader(session.target.client("ssm"))
    return tuple(people_key(key) for key in own_keys(read, cursor_key_name(session.target.secrets_prefix)))


def _by_email(context: "Context", row: "Row", keys: tuple[bytes, ...]) -> "str | BadRow":
    from client_credits.cli.import_file import BadRow  # noqa: PLC0415
    from client_credits.operations.queries.searching import having_email  # noqa: PLC0415

    found = [each.client.client_id for each in having_email(context, row.whose, keys)]
    if len(found) == 1:
        return found[0]
    return BadRow(row.line, f"{'several clients have' if found else 'no client has'} this e-mail address")


def _refuse(session: CliSession, staged: "Staged") -> None:
    """Names every bad row in JSON, the first ones in a table."""
    if session.output.as_json:
        session.output.long_answer({"imported": 0}, "bad_rows", map(asdict, staged.bad()))
        raise Broken
    first, count = [(row.line, row.reason) for row in islice(staged.bad(), SHOWN)], staged.count_bad()
    more = f" {count - SHOWN:,} more are not shown: --json names all." if count > SHOWN else ""
    shown = table(("line #", "why it is bad"), first, "Bad rows")
    session.output.answer(None, lambda: lines(shown, f"Nothing was written: {count:,} rows are bad.{more}"))
    raise Broken


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
    changes: list[Compared] = []
    with session.output.progress("Comparing", total) as advance:
        while together := list(islice(balances, TOGETHER)):
            for found in compare(context, together):
                differs = not found.done and found.balance != found.wanted.balance
                counts["done_before"] += found.done
                counts["new_clients"] += found.new_client
                counts["moved"] += found.moved is not None and not found.done
                counts["changes" if differs else "unchanged"] += not found.done
                if (differs or (found.moved is not None and not found.done)) and len(changes) < SHOWN:
                    changes.append(found)
            advance(len(together))
    facts = {"file": name, "dry_run": True, "balances": total, **counts, "shown": [_fact(each) for each in changes]}
    rows = [
        (c.wanted.line, c.wanted.client_id, c.wanted.appointment_type, c.balance, c.wanted.balance, _remark(c))
        for c in changes
    ]
    columns = ("line #", "client", "type", "now #", "file #", "remark")
    said = "{changes:,} balances would change, {unchanged:,} are so already, {done_before:,} were imported before."
    session.output.answer(facts, lambda: lines(table(columns, rows, "What would change"), said.format(**counts)))


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
    balances, changed, done = iter(balances), 0, 0
    try:
        with session.output.progress("Importing", total) as advance, ThreadPoolExecutor(AT_ONCE) as pool:
            while together := list(islice(balances, 10 * AT_ONCE)):
                for record in pool.map(lambda each: _brought(context, each), together):
                    changed += bool(record.entries) and record.recorded_at == context.now
                    done += 1
                advance(len(together))
    except KeyboardInterrupt:
        raise CommandError(
            f"{done:,} of {total:,} balances are imported. Run the same command again to go on."
        ) from None
    facts = {"file": name, "dry_run": False, "balances": total, "changed": changed}
    session.output.answer(facts, lambda: f"{total:,} balances are as the file says; {changed:,} were changed now.")


def _brought(context: "Context", wanted: "ImportedBalance") -> "Operation":
    from client_credits.domain.errors import CreditsError  # noqa: PLC0415
    from client_credits.operations.staff.importing import bring  # noqa: PLC0415

    try:
        return bring(context, wanted)
    except CreditsError as error:
        raise CommandError(f"Line {wanted.line}: {error.detail} {GO_ON}") from error
