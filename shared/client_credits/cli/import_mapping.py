"""How a file of balances is read: what its columns and types are called, how it writes days and money.

Owns the mapping file and what makes it a bad one.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from client_credits.cli.errors import CommandError
from client_credits.domain.currencies import is_currency
from client_credits.domain.ids import is_id

COLUMNS = ("client", "external_id", "email", "name", "type", "balance", "expires_at", "value", "note")
DAY = "%Y-%m-%d"
DELIMITERS = (",", ";", "\t")
_A_DAY = datetime(2027, 12, 31)  # any day whose parts all differ


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """What the columns are called in the file, and how its types, days and money are written.

    `types` gives our type for each of theirs; without it they are called alike. `dates` is a strptime form of a
    local day; an RFC 3339 instant is read in any case. `system` is whose ids `external_id` holds. `delimiter` stands
    between cells; None: the one that the header shows. `decimal` stands before the decimals of a number.
    """

    columns: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    dates: str = DAY
    system: str | None = None
    currency: str | None = None
    delimiter: str | None = None
    decimal: str = "."

    def column(self, name: str) -> str:
        return self.columns.get(name, name)


def read_mapping(path: Path | None) -> ColumnMapping:
    """The mapping of a TOML file; without one the columns are called as ours. Raises CommandError."""
    if path is None:
        return ColumnMapping()
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandError(f"{path} cannot be read as TOML: {error}.") from error
    try:
        return _mapping(given)
    except _Wrong as wrong:
        raise CommandError(f"{path}: {wrong}.") from None


class _Wrong(Exception):
    pass


def _mapping(given: dict[str, Any]) -> ColumnMapping:
    _only_known(given, ("columns", "types", "dates", "system", "currency", "delimiter", "decimal"))
    columns, types = _texts(given, "columns"), _texts(given, "types")
    _only_known(columns, COLUMNS)
    if "external_id" in columns and "system" not in given:
        raise _Wrong('name whose ids external_id holds, like system = "healthie"')
    return ColumnMapping(
        columns,
        types,
        _dates(given),
        _text(given, "system", is_id, 'an id, like "healthie"'),
        _text({k: _lower(v) for k, v in given.items()}, "currency", is_currency, 'a code of three letters, like "eur"'),
        _text(given, "delimiter", _may_divide, 'one character, like ";" or "\\t"'),
        _text(given, "decimal", (".", ",").__contains__, '"." or ","') or ".",
    )


def _only_known(given: dict[str, Any], known: tuple[str, ...]) -> None:
    if unknown := sorted(set(given) - set(known)):
        raise _Wrong(f"{unknown[0]!r} is not known; it may hold {', '.join(sorted(known))}")


def _texts(given: dict[str, Any], name: str) -> dict[str, str]:
    found = given.get(name, {})
    if not isinstance(found, dict):
        raise _Wrong(f'{name} is a table, with lines like "{"type" if name == "columns" else "theirs"}" = "…"')
    if wrong := [key for key, value in found.items() if not isinstance(value, str)]:
        raise _Wrong(f"{name}: {wrong[0]} is a text in quotes")
    return found


def _text(given: dict[str, Any], name: str, fits: Callable[[str], bool], like: str) -> str | None:
    found = given.get(name)
    if found is not None and not (isinstance(found, str) and fits(found)):
        raise _Wrong(f"{name} is {like}")
    return found


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _may_divide(text: str) -> bool:
    return len(text) == 1 and not text.isalnum() and text not in '"\r\n'


def _dates(given: dict[str, Any]) -> str:
    """A form in which a day is written and read as the same."""
    return _text(given, "dates", _tells_a_day, 'a form of a whole day, like "%d.%m.%Y"') or DAY


def _tells_a_day(form: str) -> bool:
    try:
        return datetime.strptime(_A_DAY.strftime(form), form).date() == _A_DAY.date()
    except ValueError:
        return False


def digest(path: Path, mapping: ColumnMapping) -> str:
    """What a run is named after: 16 hexadecimal digits of the file's content and of how it is read. Raises
    CommandError."""
    made = sha256(repr(mapping).encode())
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                made.update(block)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    return made.hexdigest()[:16]
