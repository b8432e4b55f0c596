"""What waited for a customer, a subscription or a price is tried again once that is known.

A request tries a few; the rest is left to the sweep as an item of what is due, worked off page by page.
So a request costs the same whatever is parked.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from client_credits.domain.payments.parked import ParkedState, Replay
from client_credits.operations.committing import once
from client_credits.operations.payments.parking import every_open
from client_credits.operations.payments.paying import try_again
from client_credits.store import writes
from client_credits.store.store import Store
from client_credits.store.table import Conflicted

INLINE = 20  # parked payments that one request tries again, and one visit of the sweep
NOTES = 1000  # what one look reads: small notes, those of closed payments of the last day among them

WaitsFor = tuple[str, str]  # customer, subscription or price, and its id


def replay(store: Store, practice_id: str, known: Iterable[WaitsFor], now: datetime) -> int:
    """Tries again parked payments that what is `known` now may explain: one query for each, at most 20 payments
    in all. The others are left to the sweep.

    Returns how many were granted; what is still unexplained stays parked. Safe to repeat.
    """
    granted, room = 0, INLINE
    for waits_for in known:
        parked_ids, more = store.waiting_page(practice_id, waits_for, None, NOTES)
        here = parked_ids[:room]
        room -= len(here)
        granted += _tried(store, practice_id, waits_for, here, now)
        if more or len(parked_ids) > len(here):
            _leave(store, practice_id, waits_for, here[-1] if here else None, now)
    return granted


def replay_everything(store: Store, practice_id: str, now: datetime) -> int:
    """Tries again all that is parked, however much it is; returns how many were granted."""
    return sum(try_again(store, practice_id, parked, now) for parked in every_open(store, practice_id))


def work_off(store: Store, practice_id: str, waits_for: WaitsFor, now: datetime) -> bool:
    """The next page of what was left to the sweep; whether more is left. Safe to repeat."""
    left = store.replay(practice_id, waits_for)
    if left.done or not left.version:
        return False
    parked_ids, after = store.waiting_page(practice_id, waits_for, left.after, INLINE)
    _tried(store, practice_id, waits_for, parked_ids, now)
    try:
        store.commit([writes.replay(practice_id, replace(left, after=after, done=after is None), now)])
    except Conflicted:
        return True  # something new is known: all of it is begun anew
    return after is not None


def _tried(store: Store, practice_id: str, waits_for: WaitsFor, parked_ids: list[str], now: datetime) -> int:
    granted = 0
    for parked in store.parked(practice_id, parked_ids):
        is_settled = try_again(store, practice_id, parked, now)
        if parked.state is ParkedState.OPEN:
            granted += is_settled
        elif not parked.unfinished:  # closed, and whoever closed it died before saying so here
            store.commit([writes.waiting(practice_id, waits_for, parked, now)])
    return granted


def _leave(store: Store, practice_id: str, waits_for: WaitsFor, after: str | None, now: datetime) -> None:
    def attempt() -> None:
        version = store.replay(practice_id, waits_for).version
        store.commit([writes.replay(practice_id, Replay(waits_for, after, version=version), now)])

    once(attempt)
