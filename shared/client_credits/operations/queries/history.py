"""What happened to one type's credits, newest first, what fell due and is not written yet included."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from heapq import merge

from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.entries import Change, Entry
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import SettingsChange
from client_credits.operations.context import Context
from client_credits.operations.queries.credits import _settled
from client_credits.store import keys
from client_credits.store.histories import EVERYTHING, HistoryPeriod
from client_credits.store.records import Wanted
from client_credits.store.writes import sortable


@dataclass(frozen=True, slots=True)
class HistoryPosition:
    """Behind which record of each kind a history goes on: sort keys, None for the newest."""

    entry: str | None = None
    account: str | None = None
    client: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryPage:
    items: list[Entry | SettingsChange]
    next: HistoryPosition | None


def history(
    context: Context,
    client_id: str,
    type_id: str,
    limit: int,
    start: HistoryPosition = HistoryPosition(),
    only: HistoryPeriod = EVERYTHING,
) -> HistoryPage:
    """What happened to one type's credits and to the settings behind them, newest first.

    Reads side by side, so a page takes one round trip. Raises NotFound for an unknown client or type.
    """
    pool = _pool()
    wanted = Wanted(client_id=client_id, types=(type_id,))
    loading = pool.submit(context.store.load, context.practice_id, wanted)
    changes = [
        pool.submit(context.store.settings_changes, context.practice_id, owner, before, limit + 1, only)
        for owner, before in ((None, start.account), (client_id, start.client))
    ]
    stored = context.store.history_page(context.practice_id, client_id, type_id, start.entry, limit + 1, only)
    loaded = loading.result()
    if loaded.client is None or type_id not in loaded.catalogue.types:
        raise NotFound("There is no such client or appointment type.")
    if not loaded.settings.enabled:
        return HistoryPage([], None)
    settled = _settled(loaded.wallets[type_id], context.now, loaded.dated)
    stored = [e for e in _unwritten(settled, start) if only.holds(e.kind, e.occurred_at)] + stored
    begun = start if start.entry else _newest(settled.wallet, context.now)
    return _merged(stored, changes[0].result(), changes[1].result(), limit, begun)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=3, thread_name_prefix="history")


def _unwritten(settled: Change, start: HistoryPosition) -> list[Entry]:
    """Entries of what fell due and no one has written yet, newest first; they will be written just so."""
    return [e for e in reversed(settled.entries) if start.entry is None or _sort_key(e) < start.entry]


def _newest(wallet: Wallet, now: datetime) -> HistoryPosition:
    """Where a history begins, so that what is written while someone reads on stays out of later pages."""
    after_all = keys.entry("", "", wallet.appointment_type, wallet.sequence + 1)[1]
    from_now = keys.settings_change("", None, sortable(now), "~")[1]
    return HistoryPosition(after_all, from_now, from_now)


def _merged(
    entries: list[Entry],
    account: list[SettingsChange],
    client: list[SettingsChange],
    limit: int,
    start: HistoryPosition,
) -> HistoryPage:
    def changes_in(records: list[SettingsChange], kind: str) -> Iterator[tuple[datetime, str, Entry | SettingsChange]]:
        return ((record.occurred_at, kind, record) for record in records)

    # The wallet is read beside its entries, so what was unwritten for one may be written for the other.
    once = {entry.sequence: entry for entry in reversed(entries)}
    streams = [
        ((e.recorded_at, "entry", e) for e in sorted(once.values(), key=lambda e: -e.sequence)),
        changes_in(account, "account"),
        changes_in(client, "client"),
    ]
    ordered = list(merge(*streams, key=lambda each: each[0], reverse=True))
    position = start
    for _, kind, record in ordered[:limit]:
        position = replace(position, **{kind: _sort_key(record)})
    more = len(ordered) > limit
    return HistoryPage([record for _, _, record in ordered[:limit]], position if more else None)


def _sort_key(record: Entry | SettingsChange) -> str:
    if isinstance(record, Entry):
        return keys.entry("", "", record.appointment_type, record.sequence)[1]
    when = sortable(record.occurred_at)
    return keys.settings_change("", record.client_id, when, record.change_id)[1]
