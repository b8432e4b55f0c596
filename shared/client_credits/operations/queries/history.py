"""What happened to one type's credits, newest first, what fell due and is not written yet included."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from heapq import merge

from client_credits.domain.errors import NotFound
from client_credits.domain.ledger.entries import Change, Entry
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import Client, SettingsChange
from client_credits.operations.context import Context
from client_credits.operations.queries.credits import _settled
from client_credits.store import keys
from client_credits.store.records import Wanted
from client_credits.store.writes import sortable

SETTINGS_CHANGED = "settings_changed"
LOOKED_AT = 250  # records of each stream that a filtered page looks at: at most a quarter of a request's megabyte

Record = Entry | SettingsChange


@dataclass(frozen=True, slots=True)
class HistoryPosition:
    """Behind which record of each stream a history goes on: sort keys, None for the newest.

    `merged` are the numbers of the entries behind which each record goes on that was merged into the client's.
    """

    entry: str | None = None
    account: str | None = None
    client: str | None = None
    merged: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class HistoryPage:
    items: list[Record]
    next: HistoryPosition | None


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Which records of a history are wanted: of one kind, with `since <= occurred_at < until`."""

    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def lets_all(self) -> bool:
        return self == EVERYTHING

    @property
    def entries(self) -> bool:
        """Whether any entry may be wanted."""
        return self.kind != SETTINGS_CHANGED

    @property
    def settings(self) -> bool:
        """Whether any change of settings may be wanted."""
        return self.kind in (None, SETTINGS_CHANGED)

    def lets(self, record: Record) -> bool:
        kind = record.kind if isinstance(record, Entry) else SETTINGS_CHANGED
        late_enough = self.since is None or record.occurred_at >= self.since
        early_enough = self.until is None or record.occurred_at < self.until
        return late_enough and early_enough and self.kind in (None, kind)


EVERYTHING = HistoryFilter()


@dataclass(frozen=True, slots=True)
class _Stream:
    """Records of one kind, newest first, as far as they were read; `more` where older ones are left."""

    name: str
    records: list[Record]
    more: bool

    @property
    def read_to(self) -> datetime | None:
        """The instant down to which every record of it was read; None for all of them."""
        return _written(self.records[-1]) if self.more and self.records else None


def history(
    context: Context,
    client_id: str,
    type_id: str,
    limit: int,
    start: HistoryPosition = HistoryPosition(),
    only: HistoryFilter = EVERYTHING,
) -> HistoryPage:
    """What happened to one type's credits and to the settings behind them, newest first.

    Reads side by side, so a page takes one round trip, filtered or not: a filtered page looks at the next LOOKED_AT
    records of each stream, so it may be short, or empty, and not the last. Where records were merged, it takes one
    round trip more and shows the entries of all. Raises NotFound for an unknown client or type.
    """
    pool, size = _pool(), limit + 1 if only.lets_all else LOOKED_AT
    wanted = Wanted(client_id=client_id, types=(type_id,))
    loading = pool.submit(context.store.load, context.practice_id, wanted)
    reading: dict[str, Future[tuple[list[SettingsChange], bool]]] = {}
    if only.settings:
        for name, owner, before in (("account", None, start.account), ("client", client_id, start.client)):
            reading[name] = pool.submit(context.store.settings_changes, context.practice_id, owner, before, size)
    stored, more = _entries(context, client_id, type_id, start.entry, size) if only.entries else ([], False)
    loaded = loading.result()
    if loaded.client is None or type_id not in loaded.catalogue.types:
        raise NotFound("There is no such client or appointment type.")
    if not loaded.settings.enabled:
        return HistoryPage([], None)
    client = loaded.client
    if client_id in loaded.merged:  # what was read beside is the old record's
        if only.settings:
            reading["client"] = pool.submit(
                context.store.settings_changes, context.practice_id, client.client_id, start.client, size
            )
        stored, more = _entries(context, client.client_id, type_id, start.entry, size) if only.entries else ([], False)
    merged = _merged_records(client, start)
    taken_in = [
        pool.submit(_entries, context, owner, type_id, before, size) for owner, before in _keys(type_id, merged)
    ]
    settled = _settled(loaded.wallets[type_id], context.now, loaded.dated)
    entries = _unwritten(settled, start) + stored if only.entries else []
    streams = [_Stream("entry", _in_order(entries), more and not _all_older(stored, only.since))]
    for name, read in reading.items():
        changes, further = read.result()
        streams.append(_Stream(name, list(changes), further and not _all_older(changes, only.since)))
    for number, others in enumerate(taken_in if only.entries else ()):
        found, further = others.result()
        streams.append(_Stream(str(number), list(found), further and not _all_older(found, only.since)))
    begun = start if start.entry else _newest(settled.wallet, context.now)
    return _page(streams, limit, replace(begun, merged=begun.merged or (None,) * len(merged)), only)


def _merged_records(client: Client, start: HistoryPosition) -> list[tuple[str, int | None]]:
    """The records that were merged into the client's, and where each goes on. One that is merged while someone reads
    on stays out of later pages."""
    if start.entry is None:
        return [(owner, None) for owner in client.merged_from]
    return list(zip(client.merged_from, start.merged, strict=False))


def _keys(type_id: str, merged: list[tuple[str, int | None]]) -> list[tuple[str, str | None]]:
    return [(owner, None if number is None else keys.entry("", "", type_id, number)[1]) for owner, number in merged]


def _entries(context: Context, client_id: str, type_id: str, before: str | None, size: int) -> tuple[list[Entry], bool]:
    return context.store.history_page(context.practice_id, client_id, type_id, before, size)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=3, thread_name_prefix="history")


def _all_older(records: list[Entry] | list[SettingsChange], since: datetime | None) -> bool:
    """Whether what is left was written before `since`; nothing happens after it is written down."""
    return bool(since and records and _written(records[-1]) < since)


def _written(record: Record) -> datetime:
    return record.recorded_at if isinstance(record, Entry) else record.occurred_at


def _unwritten(settled: Change, start: HistoryPosition) -> list[Entry]:
    """Entries of what fell due and no one has written yet, newest first; they will be written just so."""
    return [e for e in reversed(settled.entries) if start.entry is None or _sort_key(e) < start.entry]


def _in_order(entries: list[Entry]) -> list[Record]:
    """Newest first, each once: what was unwritten for the wallet may be written for its entries, read beside it."""
    once = {entry.sequence: entry for entry in reversed(entries)}
    return [once[sequence] for sequence in sorted(once, reverse=True)]


def _newest(wallet: Wallet, now: datetime) -> HistoryPosition:
    """Where a history begins, so that what is written while someone reads on stays out of later pages."""
    after_all = keys.entry("", "", wallet.appointment_type, wallet.sequence + 1)[1]
    from_now = keys.settings_change("", None, sortable(now), "~")[1]
    return HistoryPosition(after_all, from_now, from_now)


def _page(streams: list[_Stream], limit: int, position: HistoryPosition, only: HistoryFilter) -> HistoryPage:
    """The newest `limit` records that are wanted, as far down as every stream was read."""
    depth = max((stream.read_to for stream in streams if stream.read_to), default=None)
    ordered = _merged(streams)
    items: list[Record] = []
    for name, record in ordered:
        if len(items) == limit or (depth and _written(record) < depth):
            left = only.lets(record) or any(only.lets(each) for _, each in ordered)
            more = left or any(stream.more for stream in streams)
            return HistoryPage(items, position if more else None)
        position = _behind(position, name, record)
        if only.lets(record):
            items.append(record)
    return HistoryPage(items, position if any(stream.more for stream in streams) else None)


def _merged(streams: list[_Stream]) -> Iterator[tuple[str, Record]]:
    named = ([(stream.name, record) for record in stream.records] for stream in streams)
    return iter(merge(*named, key=lambda each: _written(each[1]), reverse=True))


def _behind(position: HistoryPosition, name: str, record: Record) -> HistoryPosition:
    """The position behind a record of a stream; those of merged records are named by their numbers."""
    match name:
        case "entry":
            return replace(position, entry=_sort_key(record))
        case "account":
            return replace(position, account=_sort_key(record))
        case "client":
            return replace(position, client=_sort_key(record))
        case _:
            assert isinstance(record, Entry)
            number = int(name)
            merged = (*position.merged[:number], record.sequence, *position.merged[number + 1 :])
            return replace(position, merged=merged)


def _sort_key(record: Record) -> str:
    if isinstance(record, Entry):
        return keys.entry("", "", record.appointment_type, record.sequence)[1]
    when = sortable(record.occurred_at)
    return keys.settings_change("", record.client_id, when, record.change_id)[1]
