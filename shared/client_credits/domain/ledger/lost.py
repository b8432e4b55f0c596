"""What lots lost because they had ended, read off a wallet's entries."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from client_credits.domain.ledger.entries import CauseKind, Entry, EntryKind, Posting


def losses_at_ends(entries: Iterable[Entry]) -> Iterator[tuple[Entry, Posting]]:
    """What expired at or after its lot's end as it then stood. Leftovers that staff removed before it are left out.

    `entries` are one wallet's, in order, from before the lots were made.
    """
    ends: dict[str, datetime] = {}
    for entry in entries:
        for posting in entry.postings:
            if posting.lot_id and posting.facts:
                ends[posting.lot_id] = posting.facts.end
            end = ends.get(posting.lot_id or "")
            if entry.kind is EntryKind.EXPIRED and end and end <= entry.occurred_at:
                yield entry, posting


def lost_at_ends(entries: Iterable[Entry]) -> Counter[str]:
    """What each lot lost so, less what extensions have brought back."""
    known = list(entries)
    lost = Counter[str]()
    for _, posting in losses_at_ends(known):
        lost[posting.lot_id or ""] -= posting.amount
    for entry in known:
        if entry.kind is EntryKind.REINSTATED and entry.cause.kind is CauseKind.EXTENSION:
            lost.subtract({posting.lot_id or "": posting.amount for posting in entry.postings})
    return lost
