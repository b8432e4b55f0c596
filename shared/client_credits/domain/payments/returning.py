"""Where credits return to when a refund fails: to lots made from those that gave, or to those that repaid.

A posting of a lot followed by one of a debt tells that the lot repaid it; followed by one of 0, that what
it repaid has returned to it. So it can be read off the entries who repaid a debt and has not had it back.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from client_credits.domain.dates import FOREVER
from client_credits.domain.ids import derived_id
from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.entries import Entry, EntryKind, Posting
from client_credits.domain.ledger.wallet import Lot

_UNDOING = (EntryKind.REINSTATED, EntryKind.CLAWED_BACK)


@dataclass(frozen=True, slots=True)
class Repaid:
    """What a lot repaid of a debt and has not had back, and when."""

    lot_id: str
    amount: int
    at: datetime


def returns(entry: Entry) -> Iterator[tuple[Posting, str]]:
    """What an entry returned to lots that had repaid debts: the lot's posting, and the debt's name."""
    if entry.kind in _UNDOING:
        for lot, debt in pairwise(entry.postings):
            if lot.lot_id and lot.amount > 0 and debt.debt and not debt.amount:
                yield lot, debt.debt


def repayers(entries: Iterable[Entry], client_id: str, debt: str) -> list[Repaid]:
    """Who repaid a client's debt, less what has returned to each, the last first."""
    found: list[Repaid] = []
    own = (e for e in entries if e.client_id == client_id)
    for entry in sorted(own, key=lambda e: (e.recorded_at, e.sequence)):  # of several records, where some were merged
        if entry.kind is EntryKind.REPAID:
            for lot, of in pairwise(entry.postings):
                if lot.lot_id and of.debt == debt:
                    found.append(Repaid(lot.lot_id, -lot.amount, entry.occurred_at))
        for lot, of_debt in returns(entry):
            if of_debt == debt:
                found = _less(found, lot.made_from or lot.lot_id or "", lot.amount)
    return [each for each in reversed(found) if each.amount]


def _less(known: list[Repaid], lot_id: str, amount: int) -> list[Repaid]:
    """What returns to a lot is what it repaid last."""
    left: list[Repaid] = []
    for each in reversed(known):
        part = min(amount, each.amount) if each.lot_id == lot_id else 0
        amount -= part
        left.append(replace(each, amount=each.amount - part))
    return left[::-1]


def made_from(lot: Lot, amount: int, source_id: str, since: datetime, until: datetime) -> Lot:
    """A lot for credits that were away from this one from `since` to `until`: it ends later by as long.

    What had ended by then does not roll over; what had not, shares its cycle's cap.
    """
    lasted = min(until - since, FOREVER - lot.end)
    put_off = lot.rollover.put_off_seconds + int(lasted.total_seconds()) if lot.rollover else 0
    return replace(
        lot,
        lot_id=derived_id("lot", source_id, lot.lot_id, instant_text(since)),
        granted=amount,
        remaining=amount,
        expires_at=lot.end + lasted,
        parent=lot.lot_id,
        rollover=replace(lot.rollover, put_off_seconds=put_off) if lot.rollover and until < lot.end else None,
    )
