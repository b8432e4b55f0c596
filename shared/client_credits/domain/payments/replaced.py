"""Periods that gave way before they were over: which part of a grant was given back with the rest of its period.

What is given back goes by time, of each grant by its own: a cycle's from its start, an upgrade's from its instant,
a stub's from where it begins. It counts as refunded; of it and the payment's refunds the larger counts, for the
one is usually paid out as the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from client_credits.domain.ledger.tranches import Ended

TOGETHER = timedelta(hours=1)  # within which a subscription and its items are said to have ended


@dataclass(frozen=True, slots=True)
class Span:
    """Of which time of an item a grant was paid for. `once`: of a package that grants once, of which something
    is given back only where its subscription ends."""

    item: str
    starts: datetime
    ends: datetime
    once: bool = False


def given_back(span: Span | None, ends: Iterable[Ended]) -> Fraction:
    """Which part of a grant, 0 to 1, was given back with the rest of its period."""
    if span is None:
        return Fraction(0)
    every = list(ends)
    of_all_items = [ended.at for ended in every if ended.item is None]
    parts = [
        Fraction(_seconds(span.ends - max(ended.at, span.starts)), _seconds(span.ends - span.starts))
        for ended in every
        if ended.item == span.item and ended.until == span.ends and ended.at < span.ends
        if not span.once or any(abs(at - ended.at) <= TOGETHER for at in of_all_items)
    ]
    return max(parts, default=Fraction(0))


def undone_of(granted: int, owned: int | None, refunded: Fraction, back: Fraction) -> int:
    """How many of the credits granted are to be taken back.

    What is beyond those the payment owns, and of these the larger of the part refunded, rounded down, and the
    part given back with its period, to the nearest with halves in the client's favour.
    """
    stands_for = granted if owned is None else min(owned, granted)
    nearest = -((Fraction(1, 2) - stands_for * back).__floor__())
    return granted - stands_for + max(int(stands_for * refunded), nearest)


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
