"""Instants as others write them: RFC 3339 with a zone, stated in UTC. For every edge alike."""

import re
from datetime import UTC, datetime

YEARS = range(1970, 3000)  # date arithmetic stays far from overflow

_RFC3339 = re.compile(
    r"(?P<local>[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(\.(?P<fraction>[0-9]{1,9}))?(?P<zone>[Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class BadInstant(ValueError):
    """A value that is not a valid instant. `code` is stable; the value is never part of the text."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def read_instant(value: object) -> datetime:
    """An RFC 3339 instant, or a datetime with a zone, as UTC. Fractions below 1 us are cut.

    Raises BadInstant.
    """
    instant = value if isinstance(value, datetime) else _written_instant(value)
    if instant is None or instant.tzinfo is None:
        raise BadInstant("not_an_instant", "Not an RFC 3339 instant with a zone.")
    if instant.year not in YEARS:  # before astimezone, which may overflow
        raise BadInstant("instant_out_of_range", "Years 1970 to 2999 only.")
    return instant.astimezone(UTC)


def _written_instant(value: object) -> datetime | None:
    """None for what is not RFC 3339, or names a day or time that does not exist."""
    written = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if written is None:
        return None
    fraction = (written["fraction"] or "0")[:6].ljust(6, "0")
    zone = written["zone"].upper().replace("Z", "+00:00")
    try:
        return datetime.fromisoformat(f"{written['local']}.{fraction}{zone}")
    except ValueError:
        return None


def instant_text(instant: datetime, timespec: str = "auto") -> str:
    """RFC 3339 in UTC with Z; fractions only where there are any, or as `timespec` says (of `isoformat`)."""
    return instant.isoformat(timespec=timespec).replace("+00:00", "Z")
