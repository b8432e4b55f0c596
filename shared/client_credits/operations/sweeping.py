"""The sweep: finds what has something due and works it off, each by its kind.

Its cost follows from what is due, not from what exists. Late, twice or overlapping makes no
difference: a version guards each item, and what is settled has nothing left to settle.

One that cannot be worked off stops no other: it is set aside with its reason, behind all the rest, and
tried again after growing pauses.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from client_credits.domain.errors import Busy
from client_credits.domain.ledger.settling import SCHEDULE, next_due
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.dated_settings import SettingsOverTime
from client_credits.domain.practice.jobs import JobMessage
from client_credits.operations.committing import once, settle_wallet
from client_credits.operations.context import Context
from client_credits.operations.jobs import running
from client_credits.operations.payments import replaying
from client_credits.store import keys, practice_writes, writes
from client_credits.store.keys import DUE_SHARDS, ItemKind
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Conflicted, Item, is_unavailable
from client_credits.store.writes import sortable

PAGE = 50
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=5), timedelta(days=1)


def shards() -> list[str]:
    """Every shard's name, two digits."""
    return [f"{number:02d}" for number in range(DUE_SHARDS)]


@dataclass(frozen=True, slots=True)
class ItemSetAside:
    """An item that could not be worked off: its place in ids, why, and how often by now."""

    place: str
    reason: str
    times: int


@dataclass(frozen=True, slots=True)
class Swept:
    """What one page came to. `more` says that the shard had further items due; `replays` counts pages of
    parked payments that were tried again. `jobs` are to be woken by these messages, which the caller sends."""

    wallets: int
    entries: int
    more: bool
    replays: int = 0
    set_aside: tuple[ItemSetAside, ...] = ()
    jobs: tuple[JobMessage, ...] = ()


class _NotKnown(Exception):
    """An item of a kind that only a later release can work off."""


def sweep_shard(store: Store, shard: str, now: datetime, limit: int = PAGE) -> Swept:
    """Works off at most `limit` items of one shard that are due at `now`, the longest due first.

    Raises what the table raises when it is not available; all else is an item's own fault and sets it aside.
    One that many change at once is tried a second time: then the others are worked off and Busy is raised.
    """
    page = store.due_page(shard, sortable(now), limit)
    swept, busy = Swept(0, 0, page.last is not None), None
    for item in page.items:
        try:
            swept = _work_off(store, swept, item, now)
        except Exception as error:  # whatever it is, the others' turn must come
            if is_unavailable(error):
                raise
            aside = _set_aside(store, item, error, now)
            swept = replace(swept, set_aside=(*swept.set_aside, aside))
            if isinstance(error, Busy) and aside.times == 1:
                busy = error
    if busy:
        raise busy
    return swept


def _work_off(store: Store, swept: Swept, item: Item, now: datetime) -> Swept:
    match keys.kind_of(item):
        case ItemKind.WALLET:
            place = keys.wallet_place(item)
            here = Context(store, place.practice_id, SCHEDULE, now)
            written = settle_one(here, place.client_id, place.appointment_type)
            return replace(swept, wallets=swept.wallets + 1, entries=swept.entries + written)
        case ItemKind.REPLAY:
            practice_id, waits_for = keys.replay_place(item)
            is_left = replaying.work_off(Context(store, practice_id, SCHEDULE, now), waits_for)
            return replace(swept, replays=swept.replays + 1, more=swept.more or is_left)
        case ItemKind.JOB:
            message = running.woken(store, *keys.job_place(item), now)
            return replace(swept, jobs=(*swept.jobs, message)) if message else swept
        case _:
            raise _NotKnown


def _set_aside(store: Store, item: Item, error: Exception, now: datetime) -> ItemSetAside:
    key, reason = keys.key_of(item), type(error).__name__
    times = int(store.table.get([key]).get(key, {}).get("set_aside_times", 0)) + 1
    at_once = isinstance(error, Busy) and times == 1
    pause = timedelta(0) if at_once else min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(times - 1, 10))
    with suppress(Conflicted):  # worked off by another meanwhile
        due_at = now + pause
        store.commit([writes.set_aside(key, due_at, reason, times, now), practice_writes.set_aside(key, due_at)])
    return ItemSetAside(keys.where(key), reason, times)


def settle_one(context: Context, client_id: str, appointment_type: str) -> int:
    """Writes what is due in one wallet; returns the number of entries. Safe to repeat. Raises Busy."""

    def attempt() -> int:
        loaded = context.load(Wanted(client_id=client_id, types=(appointment_type,)))
        wallet, settings = loaded.wallets[appointment_type], loaded.dated
        written = settle_wallet(context.store, wallet, context.now, settings)
        if not written:
            _not_due_after_all(context.store, wallet, context.now, settings)
        return written

    return once(attempt)


def _not_due_after_all(store: Store, wallet: Wallet, now: datetime, settings: SettingsOverTime) -> None:
    """A debt that no lot could repay when one began: the wallet waits for its next instant."""
    try:
        store.commit([writes.due(wallet, next_due(wallet, now, settings), now)])
    except Conflicted:
        return  # settled by another, or not due any more
