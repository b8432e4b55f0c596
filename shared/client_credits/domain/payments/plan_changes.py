"""What the changes of plan within one paid period grant: each invoice owns the rise of its own instant.

A pure function of what is known of the period: which items began it, what each invoice changed, and which of
these invoices were refunded in full. The order in which it was heard is no part of it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

from client_credits.domain.dates import months_after, months_before, on_anchor

MONTHLY = "/month"  # behind an appointment type: credits that come month by month; no id has a slash
SAME_MONTHS = timedelta(days=4)  # by which two months that end together may differ, as days are clipped
MONTH = timedelta(days=27)
MOST_DAYS = 31  # of a month
MEAN_MONTH = timedelta(days=365.2425) / 12

Credits = dict[str, int]  # per appointment type; with MONTHLY behind it, of each month


def by_type(kind: str) -> str:
    """The appointment type of a kind of credits."""
    return kind.removesuffix(MONTHLY)


@dataclass(frozen=True, slots=True)
class Base:
    """What an item brings to a period by its own paid lines, from `starts` on: with the period, or later by a stub.

    `credits` are those of a whole period.
    """

    item: str
    starts: datetime
    credits: Credits = field(default_factory=dict)
    invoice: str = ""


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What one paid invoice changes of a period's items: what each stands for after its last change, at `at`.

    `levels` are per item, in credits of a whole period. `gone` are the items that ended with money back and
    nothing in their place, and when. `undone_at` is when the invoice had been refunded in full. `stated` is what its
    payment's record says that it owns.
    """

    invoice: str
    at: datetime
    levels: dict[str, Credits] = field(default_factory=dict)
    gone: dict[str, datetime] = field(default_factory=dict)
    undone_at: datetime | None = None
    stated: Credits | None = None


@dataclass(frozen=True, slots=True)
class PlanPeriod:
    """A period that items were paid for, `starts <= t < ends`, and what changed within it.

    Without a base nothing of it was paid yet as far as is known: its changes wait.
    """

    starts: datetime
    ends: datetime
    bases: tuple[Base, ...] = ()
    changes: tuple[PlanChange, ...] = ()

    @property
    def is_paid(self) -> bool:
        return bool(self.bases)

    def is_same(self, starts: datetime, ends: datetime) -> bool:
        """Whether these are its bounds. Months that end together may begin on days clipped otherwise."""
        if self.ends != ends:
            return False
        longer = min(self.ends - self.starts, ends - starts) >= MONTH
        return self.starts == starts or (longer and abs(self.starts - starts) < SAME_MONTHS)

    def with_base(self, base: Base) -> "PlanPeriod":
        """The period with what an item's own line brings; several lines of an item are given as one."""
        known = {each.item: each for each in self.bases} | {base.item: base}
        return replace(self, bases=tuple(known[item] for item in sorted(known)))

    def with_change(self, change: PlanChange) -> "PlanPeriod":
        """The period with what an invoice tells, in place of what it said before."""
        others = [each for each in self.changes if each.invoice != change.invoice]
        return replace(self, changes=tuple(sorted([*others, change], key=_order)))

    def change_of(self, invoice: str) -> PlanChange | None:
        return next((each for each in self.changes if each.invoice == invoice), None)

    def predecessors(self, item: str) -> frozenset[str]:
        """The items whose place this one took, and those whose place these took."""
        found: set[str] = set()
        for change in reversed(self.changes):
            if {item, *found} & _new_in(change, self):
                found |= {name for name, level in change.levels.items() if not level and name not in change.gone}
        return frozenset(found - {item})


def _new_in(change: PlanChange, period: PlanPeriod) -> set[str]:
    """The items that a change brings in place of others."""
    earlier = {base.item for base in period.bases}
    for before in period.changes:
        if before is change:
            break
        earlier |= set(before.levels)
    return {item for item, level in change.levels.items() if level} - earlier


Rule = Callable[[datetime], str]  # the setting `upgrade_grant` as it held at an instant


def owned(period: PlanPeriod, rule: Rule) -> dict[str, Credits]:
    """What each invoice's change owns, per type: the rise of what the items come to together, over the highest
    before it that was not refunded in full by then.

    `prorated`: each rise times the part of the period left, their sum over the period to the nearest, halves
    up, each change owning what it adds to that. `difference`: the whole rise, of a stub for its part. `none`:
    nothing. Credits by the month count whole for each month to come. Nothing while the period is not paid.
    """
    found: dict[str, Credits] = {change.invoice: {} for change in period.changes}
    if not period.is_paid:
        return found
    for kind in _types(period):
        total = Fraction(0)
        for change in period.changes:
            before, total = total, total + _grants(period, change, kind, rule(change.at))
            if own := _nearest(total) - _nearest(before):
                found[change.invoice][kind] = own
    return found


def _types(period: PlanPeriod) -> list[str]:
    levels = [base.credits for base in period.bases]
    levels += [level for change in period.changes for level in change.levels.values()]
    return sorted({kind for level in levels for kind in level})


def _grants(period: PlanPeriod, change: PlanChange, kind: str, rule: str) -> Fraction:
    match rule:
        case "none":
            return Fraction(0)
        case "prorated" if not kind.endswith(MONTHLY):
            return _rise(period, change, kind, lambda item: Fraction(1)) * part_left(period, change.at)
        case _ if kind.endswith(MONTHLY):
            return _rise(period, change, kind, lambda item: Fraction(1))
        case _:
            return _rise(period, change, kind, lambda item: _part_of(period, item))


class _Step(NamedTuple):
    """One thing that changes what a period's items come to. A base comes before the changes of its instant."""

    at: datetime
    rank: int
    name: str
    base: Base | None = None
    change: PlanChange | None = None


def _rise(period: PlanPeriod, of: PlanChange, kind: str, part: Callable[[str], Fraction]) -> Fraction:
    """What the items come to together after a change above the highest before it, each counted for its part."""
    now: dict[str, Fraction] = {}
    height = Fraction(0)
    for step in _steps(period):
        before = sum(now.values(), Fraction(0))
        if step.base:
            now[step.base.item] = step.base.credits.get(kind, 0) * part(step.base.item)
            height += sum(now.values()) - before
            continue
        change = step.change
        assert change is not None
        for item in change.gone:  # money came back for it: what it stood for is no height any more
            height -= now.pop(item, Fraction(0))
        for item, level in change.levels.items():
            now[item] = level.get(kind, 0) * part(item)
        total = sum(now.values(), Fraction(0))
        if change is of:
            return max(Fraction(0), total - height)
        if change.undone_at is None or change.undone_at > of.at:
            height = max(height, total)
    raise AssertionError(f"{of.invoice} is no change of this period")


def _steps(period: PlanPeriod) -> list[_Step]:
    steps = [_Step(base.starts, 0, base.item, base=base) for base in period.bases]
    steps += [_Step(change.at, 1, change.invoice, change=change) for change in period.changes]
    return sorted(steps, key=lambda step: step[:3])


def _part_of(period: PlanPeriod, item: str) -> Fraction:
    """For which part of the period an item was paid: a stub's for its own; one that took another's place as that."""
    parts = {base.item: part_left(period, base.starts) for base in period.bases}
    return parts.get(item, max(parts.values(), default=Fraction(1)))


def part_left(period: PlanPeriod, at: datetime) -> Fraction:
    """Which part of the period is still to come at an instant, by whole seconds, within 0 to 1."""
    length = int((period.ends - period.starts).total_seconds())
    left = int((period.ends - at).total_seconds())
    return Fraction(max(0, min(left, length)), length) if length > 0 else Fraction(0)


def _nearest(number: Fraction) -> int:
    """To the nearest whole number, halves up."""
    return (number + Fraction(1, 2)).__floor__()


def _order(change: PlanChange) -> tuple[datetime, str]:
    return change.at, change.invoice


# Stubs


@dataclass(frozen=True, slots=True)
class Interval:
    """How long a price lasts: so many months, or so many days."""

    months: int = 0
    days: int = 0

    def before(self, ends: datetime, anchors: Iterable[datetime] = ()) -> datetime | None:
        """When the interval begins that ends then. Months fall on the day of the newest anchor by which they end.

        None where they end on the last day of a month of less than 31, and no anchor by then is known.
        """
        if not self.months:
            return ends - timedelta(days=self.days)
        held = [anchor for anchor in anchors if anchor <= ends]
        if not held and ends.day < MOST_DAYS and on_anchor(ends, MOST_DAYS) == ends:
            return None
        day = next((anchor.day for anchor in sorted(held)[::-1] if on_anchor(ends, anchor.day) == ends), ends.day)
        return on_anchor(months_before(ends, self.months), day)

    def times(self, starts: datetime, ends: datetime) -> int:
        """How many of these intervals a period is; one where it is not a number of them."""
        if self.months:
            number = round((ends - starts) / MEAN_MONTH / self.months)
            as_long = months_after(starts, number * self.months, starts.day)
        else:
            number = round((ends - starts) / timedelta(days=self.days))
            as_long = starts + number * timedelta(days=self.days)
        return number if number > 1 and abs(as_long - ends) <= SAME_MONTHS else 1


def stub_credits(credits: Iterable[tuple[str, Fraction]]) -> Credits:
    """What a stub grants: per type the credits of its part, rounded up. Nothing below zero."""
    found: dict[str, Fraction] = {}
    for kind, part in credits:
        found[kind] = found.get(kind, Fraction(0)) + part
    return {kind: part.__ceil__() for kind, part in found.items() if part > 0}
