"""How a balance moved over a period: what each kind of entry changed, from the opening balance to the closing one.

An entry counts by when it happened (`occurred_at`), whenever it was heard.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Moved:
    """What one entry changed. `kind` is the entry's, as stored."""

    kind: str
    amount: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Movements:
    """`opening` and all of `by_kind` together make `closing`. `entries` counts those of the period."""

    opening: int
    by_kind: Mapping[str, int]
    closing: int
    entries: int


def movements(balance: int, moved: Iterable[Moved], since: datetime, until: datetime) -> Movements:
    """The period `since <= t < until` of a wallet whose balance is `balance` now.

    `moved` are at least the entries that happened at or after `since`, in any order; earlier ones change nothing.
    """
    closing = balance
    by_kind: Counter[str] = Counter()
    entries = 0
    for each in moved:
        if each.occurred_at >= until:
            closing -= each.amount
        elif each.occurred_at >= since:
            by_kind[each.kind] += each.amount
            entries += 1
    return Movements(closing - sum(by_kind.values()), by_kind, closing, entries)
