"""A file of balances from another system, row by row: what each says, or why it is a bad one.

Owns the columns and what makes a row bad by itself. Whose a row is, as far as the table must be asked, is the
caller's to say.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client_credits.cli.errors import CommandError
from client_credits.cli.import_mapping import COLUMNS, DELIMITERS, ColumnMapping
from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.currencies import digits, minor_units, money
from client_credits.domain.dates import FOREVER
from client_credits.domain.ids import is_id
from client_credits.domain.ledger.expiry import fixed_end

WHO = ("client", "external_id", "email")
NEEDED = ("type", "balance")
READ = tuple(name for name in COLUMNS if name != "name")
MAX_NOTE = 500  # characters
MAX_VALUE = 10**12  # minor units of one row
_WHOLE = re.compile(r"[+-]?[0-9]{1,15}(\.0{1,15})?")
_LONG = 60  # characters of a cell that a reason repeats


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


def rows(
    path: Path, mapping: ColumnMapping, types: Mapping[str, Any], timezone: str, now: datetime
) -> Iterator[Row | BadRow]:
    """Every row of the file, in order. Raises CommandError where the file itself cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            delimiter = mapping.delimiter or _delimiter(file.readline(), mapping)
            file.seek(0)
            reader = csv.DictReader(file, delimiter=delimiter)
            _check_header(path, list(reader.fieldnames or []), mapping)
            for cells in reader:
                if any(value and "".join(value).strip() for value in cells.values()):
                    yield _Reading(cells, reader.line_num, mapping).row(types, timezone, now)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error


def _delimiter(header: str, mapping: ColumnMapping) -> str:
    """The one by which the header has the columns that every file needs."""
    needed = {mapping.column(name) for name in NEEDED}
    for each in DELIMITERS:
        if needed <= set(next(csv.reader([header], delimiter=each), [])):
            return each
    return DELIMITERS[0]


def _check_header(path: Path, header: list[str], mapping: ColumnMapping) -> None:
    named = [name for name in mapping.columns if mapping.column(name) not in header]
    needed = [name for name in NEEDED if mapping.column(name) not in header]
    if named or needed:
        missing = mapping.column((named or needed)[0])
        raise CommandError(f"{path} has no column {missing!r}; it has {', '.join(header) or 'none'}.")
    if twice := [name for name in READ if header.count(mapping.column(name)) > 1]:
        raise CommandError(f"{path} has the column {mapping.column(twice[0])!r} twice: which one counts is not clear.")
    if not any(mapping.column(name) in header for name in WHO):
        raise CommandError(f"{path} says of nobody whose the balances are: name a client, external_id or email column.")
    if mapping.column("external_id") in header and "external_id" not in mapping.columns:
        raise CommandError(f"{path} has a column external_id: say in a mapping file whose ids these are.")


def _quoted(text: str) -> str:
    """A cell as a reason repeats it."""
    return repr(text if len(text) <= _LONG else f"{text[:_LONG]}…")


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
            self._check_length()
            who, whose = self._who()
            balance = self._balance()
            return Row(
                *(self.line, who, whose, self._type(types), balance),
                *(self._end(timezone, now), self._value(balance), self._note()),
            )
        except _Bad as bad:
            return BadRow(self.line, str(bad))

    def _check_length(self) -> None:
        if any(cell.strip() for cell in self.cells.get(None, ())):
            raise _Bad("it has more cells than the header")

    def _cell(self, name: str) -> str:
        value = self.cells.get(self.mapping.column(name))
        return value.strip() if isinstance(value, str) else ""

    def _who(self) -> tuple[str, str]:
        given = [(name, self._cell(name)) for name in WHO if self._cell(name)]
        if not given:
            only = "a name alone does not say whose it is; " if self._cell("name") else ""
            raise _Bad(f"{only}give a client, external_id or email")
        if len(given) > 1:
            raise _Bad(f"{' and '.join(name for name, _ in given)} may tell of two people: give one of them")
        who, whose = given[0]
        if who != "email" and not is_id(whose):
            raise _Bad(f"{_quoted(whose)} is no id: 1 to 128 of A-Z a-z 0-9 . _ : ~ -")
        if who == "email" and "@" not in whose:
            raise _Bad("this is no e-mail address")
        return who, whose

    def _type(self, types: Mapping[str, Any]) -> str:
        theirs = self._cell("type")
        ours = self.mapping.types.get(theirs, theirs)
        if ours not in types:
            raise _Bad(f"there is no appointment type {_quoted(ours)}")
        return ours

    def _number(self, name: str) -> str:
        """A cell's number with the decimal point that code reads."""
        text = self._cell(name)
        return text if self.mapping.decimal == "." else text.replace(".", "_").replace(self.mapping.decimal, ".")

    def _balance(self) -> int:
        text = self._number("balance")
        if not _WHOLE.fullmatch(text) or abs(balance := int(text.partition(".")[0])) > MAX_CREDITS:
            raise _Bad(f"the balance {_quoted(self._cell('balance'))} is no whole number within {MAX_CREDITS:,}")
        return balance

    def _end(self, timezone: str, now: datetime) -> datetime | None:
        text = self._cell("expires_at")
        if not text:
            return None
        try:
            end = self._instant(text, timezone)
        except (ValueError, OverflowError):
            raise _Bad(f"the end {_quoted(text)} is no day like {now.strftime(self.mapping.dates)}") from None
        if end.year == FOREVER.year:
            return None
        if end <= now:
            raise _Bad(f"the credits ended on {text}: leave them out, or set the balance to 0")
        return end

    def _instant(self, text: str, timezone: str) -> datetime:
        """The end in UTC; the end of the calendar for what lies in its last year, which others write for never."""
        try:
            day = datetime.strptime(text, self.mapping.dates).date()
        except ValueError:
            instant = datetime.fromisoformat(text)
            if instant.tzinfo is None:
                raise
            return FOREVER if instant.year == FOREVER.year else instant.astimezone(UTC)
        return FOREVER if day.year == FOREVER.year else fixed_end(day.isoformat(), timezone)

    def _value(self, balance: int) -> int | None:
        text = self._cell("value")
        if not text:
            return None
        currency = self.mapping.currency
        if not currency:
            raise _Bad('a value needs its currency: say currency = "eur" in a mapping file')
        try:
            amount = minor_units(self._number("value"), currency)
        except ValueError:
            like = (
                money(12 * 10 ** (digits(currency) + 1), currency).partition(" ")[0].replace(".", self.mapping.decimal)
            )
            raise _Bad(f"the value {_quoted(text)} is no amount of {currency} like {like}") from None
        if not 0 <= amount <= MAX_VALUE or balance <= 0:
            raise _Bad(f"the value {_quoted(text)} is no amount for credits above zero")
        return amount

    def _note(self) -> str | None:
        text = self._cell("note")
        if len(text) > MAX_NOTE:
            raise _Bad(f"a note has at most {MAX_NOTE} characters")
        return text or None
