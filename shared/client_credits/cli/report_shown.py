"""What people see of each report: its columns, and what is added up over all of its rows.

Owns no row: those are the API's. Instants are shown in the practice's time zone, amounts in their currency.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from client_credits.domain.currencies import money

Row = Mapping[str, Any]
Key = tuple[str, ...]
_KINDS = (
    *("granted", "spent", "restored", "forgiven", "expired", "adjusted", "voided"),
    *("transferred_in", "transferred_out", "clawed_back", "reinstated", "other"),
)


@dataclass(frozen=True, slots=True)
class Sums:
    """What is added up: `of` the columns, or how many rows there are, for each value of `by`."""

    by: tuple[str, ...]
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """One report's title, the columns of its table, and its sums. Each column's name says what it is: ` #` a number,
    ` $` an amount in the row's currency, ` @` an instant; `client` is its name or else its id."""

    title: str
    columns: tuple[str, ...]
    sums: Sums


SHOWN = {
    "credits": Shown(
        "Credits",
        ("client", "appointment_type", "balance #", "available #", "held #", "frozen #", "debt #", "next_expiry @"),
        Sums(("appointment_type",), ("balance", "available", "debt")),
    ),
    "movements": Shown(
        "Movements",
        ("client", "appointment_type", "opening #", "movements", "closing #"),
        Sums(("appointment_type",), ("opening", *_KINDS, "closing")),
    ),
    "negative": Shown(
        "Clients who owe credits",
        ("client", "appointment_type", "debt #", "balance #", "owed_since @"),
        Sums(("appointment_type",), ("debt",)),
    ),
    "expiring": Shown(
        "Credits that end",
        ("client", "appointment_type", "package_id", "remaining #", "frozen", "expires_at @"),
        Sums(("appointment_type",), ("remaining",)),
    ),
    "outstanding": Shown(
        "Outstanding value",
        (
            *("client", "package_id", "unspent_credits #", "unspent_amount $"),
            *("booked_credits #", "booked_amount $", "outstanding_amount $"),
        ),
        Sums(("package_id", "currency"), ("unspent_amount", "booked_amount", "outstanding_amount")),
    ),
    "revenue": Shown(
        "Revenue",
        ("client", "package_id", "opening $", "sold $", "earned $", "expired $", "refunded $", "closing $"),
        Sums(("package_id", "currency"), ("opening", "sold", "earned", "expired", "refunded", "closing")),
    ),
    "refusals": Shown(
        "Refused bookings",
        ("client", "booking_id", "appointment_type", "starts_at @", "seats #", "reason", "refused_at @"),
        Sums(("reason",)),
    ),
    "parked": Shown(
        "Payments that wait", ("received_at @", "reason", "customer", "payment", "prices"), Sums(("reason",))
    ),
}


@dataclass(slots=True)
class Totals:
    """The sums of all rows that were added, in the order of what they are by."""

    sums: Sums
    found: dict[Key, Counter[str]] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        key = tuple(str(row[name] or "-") for name in self.sums.by)
        sums = self.found.setdefault(key, Counter())
        sums["rows"] += 1
        for name in self.sums.of:
            sums[name] += row[name]

    @property
    def columns(self) -> tuple[str, ...]:
        """As those of the report; in place of every kind of movement there is one column for all."""
        if "granted" in self.sums.of:
            return (*self.sums.by, "opening #", "movements", "closing #")
        sign = "$" if "currency" in self.sums.by else "#"
        by = tuple(name for name in self.sums.by if name != "currency")
        return (*by, *(f"{name} {sign}" for name in self.sums.of), *(() if self.sums.of else ("rows #",)))

    def rows(self) -> list[dict[str, Any]]:
        return [dict(zip(self.sums.by, key, strict=True)) | dict(sums) for key, sums in sorted(self.found.items())]


def cells(columns: Iterable[str], row: Row, zone: ZoneInfo) -> list[Any]:
    """A row as people read it, a cell for each column."""
    return [_cell(name, row, zone) for name in columns]


def _cell(column: str, row: Row, zone: ZoneInfo) -> Any:
    name, _, sign = column.partition(" ")
    if name == "client":
        return row["client_name"] or row["client_id"]
    if name == "movements":
        return ", ".join(f"{kind.replace('_', ' ')} {row[kind]:+}" for kind in _KINDS if row[kind]) or None
    value = row[name]
    if value is None or isinstance(value, bool):
        return "yes" if value else None
    return _SIGNS[sign](value, row, zone) if sign in _SIGNS else value


def _local(value: str, _row: Row, zone: ZoneInfo) -> str:
    return f"{datetime.fromisoformat(value).astimezone(zone):%Y-%m-%d %H:%M}"


def _money(value: int, row: Row, _zone: ZoneInfo) -> str:
    return money(value, str(row["currency"]))


_SIGNS: dict[str, Callable[[Any, Row, ZoneInfo], Any]] = {"@": _local, "$": _money}


def heading(column: str) -> str:
    """A column's name for people: `owed since`."""
    return column.partition(" ")[0].removesuffix("_id").removesuffix("_amount").replace("_", " ")
