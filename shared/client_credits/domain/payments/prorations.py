"""What the proration lines of a paid invoice tell of the items of one period.

An item with a line for the plan before and one for the plan after changes. One that only gives money back gives
way: to an item that comes by this invoice, or to nothing. One that only costs takes another's place, or begins
with a stub. Knows no period and no wallet.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from client_credits.domain.payments.facts import Payment, PaymentLine, Trial
from client_credits.domain.payments.plan_changes import MONTHLY, Credits
from client_credits.domain.practice.catalogue import Package

PackageOf = Callable[[PaymentLine], Package | None]


@dataclass(frozen=True, slots=True)
class Stub:
    """The first lines of an item that begins within an interval: all of them, and what it stands for after them."""

    item: str
    starts: datetime
    lines: tuple[PaymentLine, ...]
    level: Credits


@dataclass(frozen=True, slots=True)
class Prorations:
    """What an invoice changes of the items of the period that ends at `ends`; the last of it at `at`.

    `levels` are what items stand for afterwards, those that gave way to another nothing. `gone` are those that
    gave way to nothing, and when.
    """

    ends: datetime
    at: datetime
    levels: dict[str, Credits] = field(default_factory=dict)
    gone: dict[str, datetime] = field(default_factory=dict)
    stubs: dict[str, Stub] = field(default_factory=dict)

    @property
    def is_change(self) -> bool:
        return bool(self.levels or self.gone)

    @property
    def only_gives_back(self) -> bool:
        """Whether nothing in it may grant."""
        return not self.stubs and not any(self.levels.values())


def prorations(
    payment: Payment, of: PaymentLine, package_of: PackageOf, begun: frozenset[str] = frozenset()
) -> Prorations:
    """What a proration line and those beside it tell. `begun` are the period's items of other invoices."""
    assert of.period_end is not None
    ends = of.period_end
    items: dict[str, list[PaymentLine]] = {}
    for line in prorated(payment, of):
        items.setdefault(str(line.subscription_item), []).append(line)
    given = {item: _level(lines, package_of) for item, lines in items.items()}
    new = {item for item, lines in items.items() if item not in begun and _only_costs(lines)}
    way = {item for item, lines in items.items() if not _after(lines)}
    split = Prorations(ends, max((_start(line) for lines in items.values() for line in lines), default=ends))
    for item, lines in items.items():
        if item in way and not new:
            split.gone[item] = _last(lines)
        elif item in new and not way:
            first = min(map(_start, lines))
            split.stubs[item] = Stub(item, first, tuple(lines), given[item])
        elif item in way or not _grants_once(lines, package_of):
            split.levels[item] = given[item]
    return split


def prorated(payment: Payment, of: PaymentLine) -> list[PaymentLine]:
    """The proration lines of the same subscription's items up to the same instant, those of a trial apart."""
    beside = (of.period_end, of.subscription)
    found = [line for line in payment.lines if line.proration and (line.period_end, line.subscription) == beside]
    return [line for line in found if line.subscription_item and line.period_start and line.trial is not Trial.YES]


def _level(lines: list[PaymentLine], package_of: PackageOf) -> Credits:
    """What an item stands for after its lines, in credits of a whole period. Of a package that grants once nothing."""
    found: Credits = {}
    for line in _after(lines):
        package = package_of(line)
        if package is not None and package.renews_each_cycle:
            for kind, n in credits_of(package, line).items():
                found[kind] = found.get(kind, 0) + n
    return found


def credits_of(package: Package, line: PaymentLine) -> Credits:
    """What a line's package stands for, those by the month named so."""
    mark, units = (MONTHLY, line.quantity) if package.monthly_tranches else ("", line.units)
    return {f"{kind}{mark}": n * units for kind, n in package.credits.items() if n * units}


def _after(lines: list[PaymentLine]) -> list[PaymentLine]:
    """The lines of the plan that an item has after its last change; none where it has none any more."""
    last = [line for line in lines if _start(line) == _last(lines) and not line.gives_back]
    dearest = max(last, key=lambda line: line.amount, default=None)
    return [line for line in last if dearest and line.price == dearest.price]


def _only_costs(lines: list[PaymentLine]) -> bool:
    """Whether an item has no plan before its first change."""
    first = min(map(_start, lines))
    begins = [line for line in lines if _start(line) == first]
    return not any(line.gives_back for line in begins) and len({line.price for line in begins}) == 1


def _grants_once(lines: list[PaymentLine], package_of: PackageOf) -> bool:
    packages = [package_of(line) for line in lines]
    return all(package is not None and not package.renews_each_cycle for package in packages)


def _last(lines: list[PaymentLine]) -> datetime:
    return max(map(_start, lines))


def _start(line: PaymentLine) -> datetime:
    assert line.period_start is not None
    return line.period_start
