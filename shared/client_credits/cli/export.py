"""`credits export`: clients, lots and the ledger of a practice as CSV files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from client_credits.cli.errors import CommandError
from client_credits.cli.session import CliSession, PracticeId

if TYPE_CHECKING:
    from client_credits.operations.queries.exporting import Exported

FILES = ("clients.csv", "lots.csv", "ledger.csv")
PLACE = "unfinished.json"  # how far an export came: the last client, and how long each file was then
GO_ON = "Run the same command again to go on."


def export(
    session: CliSession,
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Where the files go; made if it is missing.")],
    practice: PracticeId = None,
) -> None:
    """Write clients.csv, lots.csv and ledger.csv. One that was cut off goes on with the same command."""
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.operations.context import OPERATOR, Context  # noqa: PLC0415
    from client_credits.operations.queries.exporting import exported  # noqa: PLC0415

    context = Context(session.store, session.practice_id(practice), OPERATOR, utc_now())
    context.store.catalogue(context.practice_id)  # where there is no such practice, there is nothing to export
    files = _Files(directory, context.practice_id)
    try:
        after = files.begin()
        with session.output.counter("Exporting clients") as advance:
            for client in exported(context, after):
                files.add(client)
                advance(1)
    except KeyboardInterrupt:
        raise CommandError(f"{files.clients:,} clients are exported. {GO_ON}") from None
    files.end()
    facts = {"practice_id": context.practice_id, "directory": str(directory), **files.counts()}
    session.output.answer(facts, lambda: "{clients:,} clients, {lots:,} lots, {entries:,} entries.".format(**facts))


class _Files:
    """The files on their way. What is written behind the place last noted is cut off when an export goes on."""

    def __init__(self, directory: Path, practice_id: str) -> None:
        self._directory, self._practice_id = directory, practice_id
        self._after: str | None = None
        self.clients = self._lots = self._entries = 0

    def begin(self) -> str | None:
        """The client behind which it goes on, None from the first. Raises CommandError where files are in the way.

        The place is noted before the first file is made: whatever stands beside a place is this export's own.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        place = self._read()
        if place is None:
            if found := [name for name in FILES if (self._directory / name).exists()]:
                raise CommandError(f"{self._directory / found[0]} exists already: name another directory.")
            self._note()
        elif place["practice_id"] != self._practice_id:
            raise CommandError(f"{self._directory} holds an unfinished export of {place['practice_id']}.")
        else:
            self.clients, self._lots, self._entries = place["counts"]
            self._after = place["after"]
        for name in FILES:
            self._cut(name, place["sizes"][name] if place else 0)
        if self._after is None:
            self._write_headers()
        return self._after

    def add(self, client: "Exported") -> None:
        """A client's rows, and then that they are there."""
        from client_credits.operations.queries.exporting import EntryRow, LotRow, ProfileRow  # noqa: PLC0415
        from client_credits.operations.queries.reports import csv_rows  # noqa: PLC0415

        self._append(FILES[0], csv_rows.lines(ProfileRow, [client.profile]))
        self._append(FILES[1], csv_rows.lines(LotRow, client.lots))
        self._append(FILES[2], csv_rows.lines(EntryRow, client.entries))
        self.clients += 1
        self._lots += len(client.lots)
        self._entries += len(client.entries)
        self._after = client.client_id
        self._note()

    def end(self) -> None:
        (self._directory / PLACE).unlink()

    def counts(self) -> dict[str, int]:
        return {"clients": self.clients, "lots": self._lots, "entries": self._entries}

    def _write_headers(self) -> None:
        from client_credits.operations.queries.exporting import EntryRow, LotRow, ProfileRow  # noqa: PLC0415
        from client_credits.operations.queries.reports import csv_rows  # noqa: PLC0415

        for name, row_type in zip(FILES, (ProfileRow, LotRow, EntryRow), strict=True):
            self._cut(name, 0)
            self._append(name, csv_rows.header(row_type))
        self._note()

    def _cut(self, name: str, size: int) -> None:
        """Removes what was written behind the place. Raises CommandError where what stands before it is gone."""
        path = self._directory / name
        if self._size(name) < size:
            raise CommandError(f"{path} is shorter than the export left it: name another directory.")
        with path.open("ab") as file:
            file.truncate(size)

    def _size(self, name: str) -> int:
        path = self._directory / name
        return path.stat().st_size if path.exists() else 0

    def _append(self, name: str, text: str) -> None:
        with (self._directory / name).open("a", encoding="utf-8", newline="") as file:
            file.write(text)

    def _read(self) -> dict[str, Any] | None:
        path = self._directory / PLACE
        found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
        return found

    def _note(self) -> None:
        """How far it came, in one step: a place half written would not be read."""
        place = {
            "practice_id": self._practice_id,
            "after": self._after,
            "counts": [self.clients, self._lots, self._entries],
            "sizes": {name: self._size(name) for name in FILES},
        }
        fresh = self._directory / f"{PLACE}.new"
        fresh.write_text(json.dumps(place))
        fresh.replace(self._directory / PLACE)
