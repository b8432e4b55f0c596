"""What waited for a customer, a subscription, a package or a price is tried again once that is known.

A request tries a few; the rest is left to the sweep as an item of what is due, worked off page by page.
So a request costs the same whatever is parked.
"""

from collections.abc import Iterable
from dataclasses import replace

from client_credits.domain.payments.parked import Replay
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments.parking import every_open
from client_credits.operations.payments.paying import retry_parked
from client_credits.store import writes
from client_credits.store.table import Conflicted

INLINE = 20  # parked payments that one request tries again, and one visit of the sweep
NOTES = 1000  # what one look reads: small notes, those of closed payments of the last day among them

WaitsFor = tuple[str, str]  # customer, subscription, package or price, and its id


def replay(context: Context, known: Iterable[WaitsFor]) -> int:
    """Tries again parked payments that what is `known` now may explain: one query for each, at most 20 payments
    in all. The others are left to the sweep.

    Returns how many were granted; what is still unexplained stays parked. Safe to repeat.
    """
    granted, room = 0, INLINE
    for waits_for in known:
        parked_ids, more = context.store.waiting_page(context.practice_id, waits_for, None, NOTES)
        here = parked_ids[:room]
        room -= len(here)
        granted += _tried(context, waits_for, here)
        if more or len(parked_ids) > len(here):
            _leave(context, waits_for, here[-1] if here else None)
    return granted


def replay_everything(context: Context) -> int:
    """Tries again all that is parked, however much it is; returns how many were granted."""
    return sum(retry_parked(context, parked) for parked in every_open(context.store, context.practice_id))


def work_off(context: Context, waits_for: WaitsFor) -> bool:
    """The next page of what was left to the sweep; whether more is left. Safe to repeat."""
    left = context.store.replay(context.practice_id, waits_for)
    if left.done or not left.version:
        return False
    parked_ids, after = context.store.waiting_page(context.practice_id, waits_for, left.after, INLINE)
    _tried(context, waits_for, parked_ids)
    try:
        context.commit(
            [writes.replay(context.practice_id, replace(left, after=after, done=after is None), context.now)]
        )
    except Conflicted:
        return True  # something new is known: all of it is begun anew
    return after is not None


def _tried(context: Context, waits_for: WaitsFor, parked_ids: list[str]) -> int:
    granted = 0
    for parked in context.store.parked(context.practice_id, parked_ids):
        is_settled = retry_parked(context, parked)
        if parked.is_open:
            granted += is_settled
        elif parked.is_closed and not parked.unfinished:  # closed, and whoever closed it died before saying so here
            context.commit([writes.waiting(context.practice_id, waits_for, parked, context.now)])
    return granted


def _leave(context: Context, waits_for: WaitsFor, after: str | None) -> None:
    def attempt() -> None:
        version = context.store.replay(context.practice_id, waits_for).version
        context.commit([writes.replay(context.practice_id, Replay(waits_for, after, version=version), context.now)])

    once(attempt)
