"""What credits are worth, in minor units, and what becomes of that worth: exact sums, whatever is divided.

All credits that one payment line paid for are worth the same, rounded down, and the last one carries what the
division leaves. Which one is the last shows only at the end: while any of them is unspent or booked, the remainder is
among these; when none is left, it goes with the credit that left last.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from client_credits.domain.ledger.wallet import Value


class Fate(StrEnum):
    """Where a credit that was sold stands."""

    UNSPENT = "unspent"
    BOOKED = "booked"  # spent on a session that is still to come
    EARNED = "earned"  # its session has come, held or forfeited
    EXPIRED = "expired"  # with what was voided and lowered
    REFUNDED = "refunded"  # clawed back


OWED = (Fate.UNSPENT, Fate.BOOKED)  # what the practice still owes sessions for


@dataclass(frozen=True, slots=True)
class FateChange:
    """So many credits went from one fate to another at an instant; from None: they were sold.

    Changes of one instant count in the order in which they are given.
    """

    at: datetime
    credits: int
    since: Fate | None
    to: Fate


@dataclass(frozen=True, slots=True)
class Worth:
    """The credits of one payment line at an instant, and their worth in minor units, by fate."""

    credits: dict[Fate, int]
    amounts: dict[Fate, int]

    @property
    def sold(self) -> int:
        return sum(self.amounts.values())

    @property
    def owed(self) -> int:
        return sum(self.amounts[fate] for fate in OWED)


@dataclass(frozen=True, slots=True)
class Revenue:
    """What became of the worth of credits over a period, in minor units.

    `opening + sold - earned - expired - refunded = closing`, exactly. An amount is negative where the period
    takes back more than it brings: a forfeit forgiven after its session, say.
    """

    opening: int = 0
    sold: int = 0
    earned: int = 0
    expired: int = 0
    refunded: int = 0
    closing: int = 0

    def __add__(self, other: "Revenue") -> "Revenue":
        return Revenue(
            self.opening + other.opening,
            self.sold + other.sold,
            self.earned + other.earned,
            self.expired + other.expired,
            self.refunded + other.refunded,
            self.closing + other.closing,
        )


def worth_before(value: Value, changes: Iterable[FateChange], instants: Iterable[datetime]) -> Iterator[Worth]:
    """What stood just before each of these ascending instants.

    `value` is that of the payment line: `amount` for `credits`, 1 or more. While fewer have come, as of monthly
    tranches, the remainder is not sold yet.
    """
    each, remainder = divmod(value.amount, value.credits)
    waiting = sorted(changes, key=lambda change: change.at)  # stable: equal instants keep their order
    counts: Counter[Fate] = Counter()
    left_with, passed = Fate.UNSPENT, 0
    for instant in instants:
        while passed < len(waiting) and waiting[passed].at < instant:
            change = waiting[passed]
            passed += 1
            if change.since:
                counts[change.since] -= change.credits
            counts[change.to] += change.credits
            left_with = _holder(counts, change.to, left_with)
        sold = counts.total()
        amounts = {fate: each * counts[fate] for fate in Fate}
        amounts[left_with] += remainder if sold >= value.credits else 0
        yield Worth({fate: counts[fate] for fate in Fate}, amounts)


def _holder(counts: Counter[Fate], last: Fate, before: Fate) -> Fate:
    """With which fate the remainder is, given that of the credits that moved last."""
    for fate in OWED:
        if counts[fate] > 0:
            return fate
    return last if before in OWED and last not in OWED else before


def revenue(value: Value, changes: Iterable[FateChange], since: datetime, until: datetime) -> Revenue:
    """The period `since <= t < until` of one payment line's credits."""
    first, last = worth_before(value, changes, (since, until))
    return Revenue(
        opening=first.owed,
        sold=last.sold - first.sold,
        earned=last.amounts[Fate.EARNED] - first.amounts[Fate.EARNED],
        expired=last.amounts[Fate.EXPIRED] - first.amounts[Fate.EXPIRED],
        refunded=last.amounts[Fate.REFUNDED] - first.amounts[Fate.REFUNDED],
        closing=last.owed,
    )
