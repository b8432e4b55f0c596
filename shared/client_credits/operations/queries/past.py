"""The balances of a client at a past instant: what had happened by then, as known now.

The sum of the entries with `occurred_at` up to that instant, those included that fell due and are not written yet. It
is reckoned backwards: from the balance of now, what happened since is taken off. So it costs what happened since, and
where nothing happened since it costs nothing more than the balances of now.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from client_credits.domain.errors import Invalid, NotFound, Problem
from client_credits.domain.ledger.entries import Change, Entry
from client_credits.operations.context import Context
from client_credits.operations.queries.credits import _settled
from client_credits.store import keys
from client_credits.store.records import Wanted

ENTRIES_READ = 500  # of one type in one request


@dataclass(frozen=True, slots=True)
class PastBalance:
    appointment_type: str
    name: str
    balance: int


@dataclass(frozen=True, slots=True)
class PastCredits:
    """The balances of every type of today's catalogue; none while credits are switched off."""

    client_id: str
    enabled: bool
    as_of: datetime
    credits: list[PastBalance]


def balances_at(context: Context, client_id: str, at: datetime) -> PastCredits:
    """A client's balances at an instant, what occurred at it included.

    One round trip, and one more for what happened since to the types that moved, 500 entries of each at a time.
    Raises NotFound for an unknown client, Invalid for an instant ahead of now.
    """
    if at > context.now:
        fault = Problem("/query/as_of", "out_of_range", "name an instant that is not ahead of now")
        raise Invalid("This instant is still to come.", fault)
    loaded = context.store.load(context.practice_id, Wanted(client_id=client_id, every_type=True))
    if loaded.client is None:
        raise NotFound("There is no such client.")
    if not loaded.settings.enabled:
        return PastCredits(loaded.goes_on_as(client_id), False, at, [])
    settled = {kind: _settled(loaded.wallets[kind], context.now, loaded.dated) for kind in loaded.catalogue.types}
    reading = {kind: _pool().submit(_balance_at, context, change, at) for kind, change in settled.items()}
    names = {kind: named.name for kind, named in loaded.catalogue.types.items()}
    lines = [PastBalance(kind, names[kind], reading[kind].result()) for kind in sorted(names)]
    return PastCredits(loaded.goes_on_as(client_id), True, at, lines)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=8, thread_name_prefix="past")


def _balance_at(context: Context, settled: Change, at: datetime) -> int:
    since = sum(entry.amount for entry in _recorded_after(context, settled, at) if entry.occurred_at > at)
    before_merging = sum(_left_since(context, settled, owner, at) for owner in settled.wallet.owners[1:])
    return settled.wallet.balance_at(context.now) - since + before_merging


def _left_since(context: Context, settled: Change, owner: str, at: datetime) -> int:
    """What a record that was merged into the client's had at the instant: all of it has left since."""
    of = settled.before
    entries = _newest_of(context, owner, of.appointment_type, None, at)
    return -sum(entry.amount for entry in entries if entry.occurred_at > at)


def _recorded_after(context: Context, settled: Change, at: datetime) -> Iterator[Entry]:
    """The entries recorded after an instant, newest first: nothing is dated later than it was recorded."""
    yield from settled.entries
    stored = settled.before
    if stored.last_at is None or stored.last_at <= at:
        return
    before = keys.entry("", "", stored.appointment_type, stored.sequence + 1)[1]
    yield from _newest_of(context, stored.client_id, stored.appointment_type, before, at)


def _newest_of(context: Context, owner: str, kind: str, before: str | None, at: datetime) -> Iterator[Entry]:
    """One record's entries of a type, older than the sort key `before`, down to those recorded at the instant."""
    while True:
        found, more = context.store.history_page(context.practice_id, owner, kind, before, ENTRIES_READ)
        for entry in found:
            if entry.recorded_at <= at:
                return
            yield entry
        if not (found and more):
            return
        before = keys.entry("", "", kind, found[-1].sequence)[1]
