"""A file of balances from another system: read, checked as a whole, and kept in order of client and type.

Owns the columns, the mapping and what makes a row bad. Rows are kept in a database in a temporary file, so that
memory does not grow with the file. Whose a row is, as far as the table must be asked, is the caller's to say.
"""

import csv
import sqlite3
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from hashlib import sha256
from pathlib import Path
from typing import Any

from client_credits.cli.errors import CommandError
from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.ids import is_id
from client_credits.domain.ledger.expiry import fixed_end

COLUMNS = ("client", "external_id", "email", "name", "type", "balance", "expires_at", "value", "note")
WHO = ("client", "external_id", "email")
MAX_NOTE = 500  # characters
DAY = "%Y-%m-%d"


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What the columns are called in the file, and how its types, days and money are written.

    `types` gives our type for each of theirs; without it they are called alike. `dates` is a strptime form of a
    local day; an RFC 3339 instant is read in any case. `system` is whose ids `external_id` holds.
    """

    columns: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    dates: str = DAY
    system: str | None = None
    currency: str | None = None

    def column(self, name: str) -> str:
        return self.columns.get(name, name)


@dataclass(frozen=True, slots=True)
class Row:
    """One row that can be understood. Exactly one of `client`, `external_id` and `email` says whose it is."""

    line: int
    who: str  # one of WHO
    whose: str
    appointment_type: str
    balance: int
    expires_at: datetime | None
    value: int | None  # minor units, of all its credits
    note: str | None


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    reason: str


def read_mapping(path: Path | None) -> ColumnMapping:
    """The mapping of a TOML file; without one the columns are called as ours. Raises CommandError."""
    if path is None:
        return ColumnMapping()
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{path} cannot be read as TOML: {error}.") from error
    known = {"columns", "types", "dates", "system", "currency"}
    if unknown := sorted(set(given) - known | set(given.get("columns", {})) - set(COLUMNS)):
        raise CommandError(f"{path}: {unknown[0]!r} is not known; it may hold {', '.join(sorted(known))}.")
    if "external_id" in given.get("columns", {}) and not is_id(str(given.get("system", ""))):
        raise CommandError(f'{path}: name whose ids external_id holds, like system = "healthie".')
    return ColumnMapping(**given)


def digest(path: Path, mapping: ColumnMapping) -> str:
    """What a run is named after: 16 hexadecimal digits of the file's content and of how it is read."""
    made = sha256(repr(mapping).encode())
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            made.update(block)
    return made.hexdigest()[:16]


def rows(
    path: Path, mapping: ColumnMapping, types: Mapping[str, Any], timezone: str, now: datetime
) -> Iterator[Row | BadRow]:
    """Every row of the file, in order. Raises CommandError where the file itself cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            _check_header(path, reader.fieldnames or [], mapping)
            for cells in reader:
                if any(isinstance(value, str) and value.strip() for value in cells.values()):
                    yield _Reading(cells, reader.line_num, mapping).row(types, timezone, now)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error


def _check_header(path: Path, header: "list[str] | Any", mapping: ColumnMapping) -> None:
    named = [name for name in mapping.columns if mapping.column(name) not in header]
    needed = [name for name in ("type", "balance") if mapping.column(name) not in header]
    if named or needed:
        missing = mapping.column((named or needed)[0])
        raise CommandError(f"{path} has no column {missing!r}; it has {', '.join(header) or 'none'}.")
    if not any(mapping.column(name) in header for name in WHO):
        raise CommandError(f"{path} says of nobody whose the balances are: name a client, external_id or email column.")
    if mapping.column("external_id") in header and "external_id" not in mapping.columns:
        raise CommandError(f"{path} has a column external_id: say in a mapping file whose ids these are.")


class _Bad(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Reading:
    """One row's cells on their way."""

    cells: Mapping[Any, Any]
    line: int
    mapping: ColumnMapping

    def row(self, types: Mapping[str, Any], timezone: str, now: datetime) -> Row | BadRow:
        try:
            who, whose = self._who()
            balance = self._balance()
            return Row(
                *(self.line, who, whose, self._type(types), balance),
                *(self._end(timezone, now), self._value(balance), self._note()),
            )
        except _Bad as bad:
            return BadRow(self.line, str(bad))

    def _cell(self, name: str) -> str:
        value = self.cells.get(self.mapping.column(name))
        return value.strip() if isinstance(value, str) else ""

    def _who(self) -> tuple[str, str]:
        given = [(name, self._cell(name)) for name in WHO if self._cell(name)]
        if not given:
            only = "a name alone does not say whose it is; " if self._cell("name") else ""
            raise _Bad(f"{only}give a client, external_id or email")
        who, whose = given[0]
        if who != "email" and not is_id(whose):
            raise _Bad(f"{whose!r} is no id: 1 to 128 of A-Z a-z 0-9 . _ : ~ -")
        if who == "email" and "@" not in whose:
            raise _Bad("this is no e-mail address")
        return who, whose

    def _type(self, types: Mapping[str, Any]) -> str:
        theirs = self._cell("type")
        ours = self.mapping.types.get(theirs, theirs)
        if ours not in types:
            raise _Bad(f"there is no appointment type {ours!r}")
        return ours

    def _balance(self) -> int:
        text = self._cell("balance")
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise _Bad(f"the balance {text!r} is no number") from None
        if number != number.to_integral_value() or abs(number) > MAX_CREDITS:
            raise _Bad(f"the balance {text!r} is no whole number within {MAX_CREDITS:,}")
        return int(number)

    def _end(self, timezone: str, now: datetime) -> datetime | None:
        text = self._cell("expires_at")
        if not text:
            return None
        try:
            end = self._instant(text, timezone)
        except ValueError:
            raise _Bad(f"the end {text!r} is no day like {now.strftime(self.mapping.dates)}") from None
        if end <= now:
            raise _Bad(f"the credits ended on {text}: leave them out, or set the balance to 0")
        return end

    def _instant(self, text: str, timezone: str) -> datetime:
        try:
            day = datetime.strptime(text, self.mapping.dates).date()
        except ValueError:
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is None:
                raise
            return instant.astimezone(UTC)
        return fixed_end(day.isoformat(), timezone)

    def _value(self, balance: int) -> int | None:
        text = self._cell("value")
        if not text:
            return None
        if not self.mapping.currency:
            raise _Bad('a value needs its currency: say currency = "eur" in a mapping file')
        try:
            minor = Decimal(text) * 100
        except InvalidOperation:
            raise _Bad(f"the value {text!r} is no amount like 120.00") from None
        if minor != minor.to_integral_value() or not 0 <= minor <= 10**12 or balance <= 0:
            raise _Bad(f"the value {text!r} is no amount like 120.00 for credits above zero")
        return int(minor)

    def _note(self) -> str | None:
        text = self._cell("note")
        if len(text) > MAX_NOTE:
            raise _Bad(f"a note has at most {MAX_NOTE} characters")
        return text or None


class Staged:
    """The rows of a file, by client and type, and the bad ones. On disk; a context manager, which removes them."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("")  # a temporary file, removed when it is closed
        self._database.execute(
            "CREATE TABLE row (client TEXT, type TEXT, line INTEGER, balance INTEGER,"
            " ends TEXT, value INTEGER, note TEXT)"
        )
        self._database.execute("CREATE TABLE bad (line INTEGER, reason TEXT)")

    def __enter__(self) -> "Staged":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, client_id: str, row: Row) -> None:
        ends = row.expires_at.isoformat() if row.expires_at else None
        values = (client_id, row.appointment_type, row.line, row.balance, ends, row.value, row.note)
        self._database.execute("INSERT INTO row VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def refuse(self, row: BadRow) -> None:
        self._database.execute("INSERT INTO bad VALUES (?, ?)", (row.line, row.reason))

    def complete(self) -> None:
        """To be called once every row is here. Rows below zero beside others of the same client and type are bad:
        what they come to together is not clear."""
        self._database.execute("CREATE INDEX by_owner ON row (client, type, line)")
        self._database.execute(
            "INSERT INTO bad SELECT line, 'a balance below zero stands beside another of this client and type'"
            " FROM row WHERE balance < 0 AND EXISTS (SELECT 1 FROM row AS other"
            " WHERE other.client = row.client AND other.type = row.type AND other.line <> row.line)"
        )

    def count_bad(self) -> int:
        (number,) = self._database.execute("SELECT COUNT(*) FROM bad").fetchone()
        return int(number)

    def bad(self) -> Iterator[BadRow]:
        """The bad rows, in the order of the file."""
        found = self._database.execute("SELECT line, reason FROM bad ORDER BY line")
        return (BadRow(line, reason) for line, reason in found)

    def count(self) -> int:
        """How many balances, each of one client and type."""
        (number,) = self._database.execute("SELECT COUNT(*) FROM (SELECT DISTINCT client, type FROM row)").fetchone()
        return int(number)

    def balances(self) -> Iterator[tuple[str, str, list[Row]]]:
        """Each client and type with its rows, in order."""
        order = "SELECT client, type, line, balance, ends, value, note FROM row ORDER BY client, type, line"
        owner, found = None, list[Row]()
        for client_id, kind, line, balance, ends, value, note in self._database.execute(order):
            if owner and owner != (client_id, kind):
                yield *owner, found
                found = []
            owner = client_id, kind
            end = datetime.fromisoformat(ends) if ends else None
            found.append(Row(line, "client", client_id, kind, balance, end, value, note))
        if owner:
            yield *owner, found
