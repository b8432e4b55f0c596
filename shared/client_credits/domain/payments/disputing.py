"""Disputes that were won give the time back: lots end later by what they waited, and what expired meanwhile returns.

Both follow from the disputes as heard last and the entries of the wallets, so that they may be reckoned anew
at will: what a lot waited is a number of seconds kept in it, what returned to it a number kept by the payment.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from client_credits.domain.dates import FOREVER
from client_credits.domain.ledger.entries import Act, Change, Entry, EntryKind, Posting
from client_credits.domain.ledger.lost import losses_at_ends, lost_at_ends
from client_credits.domain.ledger.wallet import Lot, Wallet
from client_credits.domain.payments.facts import Dispute, DisputeStatus

_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Wait:
    """A time in which disputes that were won held credits, `opened <= t < closed`."""

    opened: datetime
    closed: datetime


def waits(disputes: Iterable[Dispute]) -> tuple[Wait, ...]:
    """The times of disputes that were won, in order; where they overlap or touch they are one."""
    found: list[Wait] = []
    for dispute in sorted(_won(disputes), key=lambda d: d.since):
        wait = Wait(dispute.since, dispute.closed)
        if found and wait.opened <= found[-1].closed:
            found[-1] = replace(found[-1], closed=max(found[-1].closed, wait.closed))
        else:
            found.append(wait)
    return tuple(found)


def _won(disputes: Iterable[Dispute]) -> list[Dispute]:
    return [d for d in disputes if d.status is DisputeStatus.WON and d.since < d.closed]


def waited(lot: Lot, times: Iterable[Wait]) -> tuple[int, datetime | None]:
    """For how many seconds a lot waited, and since when first. A time that opened after its end is not its."""
    if lot.expires_at is None:
        return 0, None
    base = lot.expires_at - timedelta(seconds=lot.paused_seconds)
    total, first = _NOTHING, None
    for wait in times:
        own = wait.closed - max(wait.opened, lot.effective_at)
        if wait.opened < base + total and own > _NOTHING:
            total, first = min(total + own, FOREVER - base), first or wait.opened
    return int(total.total_seconds()), first


def put_off(change: Change, lot_ids: Iterable[str], times: tuple[Wait, ...], act: Act, at: datetime) -> Change:
    """Lots end later by what they waited: one `extended` entry of 0, dated `at`. A voided one keeps its end."""
    wallet = change.wallet
    moved: list[Posting] = []
    for lot_id in sorted(lot_ids):
        lot = wallet.lot(lot_id)
        if lot is None or lot.voided or lot.expires_at is None:
            continue
        seconds, _ = waited(lot, times)
        if seconds != lot.paused_seconds:
            ends = lot.expires_at + timedelta(seconds=seconds - lot.paused_seconds)
            wallet = wallet.with_lot(replace(lot, expires_at=ends, paused_seconds=seconds))
            moved.append(Posting(0, lot_id=lot_id))
    return change.record(wallet, EntryKind.EXTENDED, act, tuple(moved), at) if moved else change


def expired_too_soon(
    wallet: Wallet, entries: Iterable[Entry], lots: frozenset[str], times: tuple[Wait, ...]
) -> Counter[str]:
    """What expired of these lots of a wallet since a dispute opened that was won, before the end they have now.

    What staff removed stays gone, and what an extension has brought back does not return twice.
    """
    own = [entry for entry in entries if entry.client_id == wallet.client_id]
    found = Counter[str]()
    for entry, posting in losses_at_ends(own):
        lot = wallet.lot(posting.lot_id or "") if posting.lot_id in lots else None
        if lot is None or lot.voided:
            continue
        _, since = waited(lot, times)
        if since is not None and since <= entry.occurred_at < lot.end:
            found[lot.lot_id] -= posting.amount
    return found & lost_at_ends(own)


def lots_by_client(entries: Iterable[Entry], lots: frozenset[str]) -> Mapping[str, list[str]]:
    """Which of these lots each client has had."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        own = found.setdefault(entry.client_id, [])
        own += [p.lot_id for p in entry.postings if p.facts and p.lot_id in lots and p.lot_id not in own]
    return found
