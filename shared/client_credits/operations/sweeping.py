"""The sweep: finds the wallets that have something due and settles each.

Its cost follows from what is due, not from what exists. Late, twice or overlapping makes no
difference: a wallet's version guards it, and a settled wallet has nothing left to settle.
"""

from dataclasses import dataclass
from datetime import datetime

from client_credits.domain.ledger.settling import next_due
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.dated_settings import SettingsOverTime
from client_credits.operations.committing import once, settle_wallet
from client_credits.store import writes
from client_credits.store.keys import DUE_SHARDS
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Conflicted
from client_credits.store.writes import sortable

PAGE = 50


def shards() -> list[str]:
    """Every shard's name, two digits."""
    return [f"{number:02d}" for number in range(DUE_SHARDS)]


@dataclass(frozen=True, slots=True)
class Swept:
    """What one page came to. `more` says that the shard had further wallets due."""

    wallets: int
    entries: int
    more: bool


def sweep_shard(store: Store, shard: str, now: datetime, limit: int = PAGE) -> Swept:
    """Settles at most `limit` wallets of one shard that are due at `now`. Raises Busy under contention."""
    page = store.due_page(shard, sortable(now), limit)
    entries = 0
    for item in page.items:
        practice_id, client_id = item["pk"].split("#")
        entries += settle_one(store, practice_id, client_id, item["sk"].split("#")[1], now)
    return Swept(len(page.items), entries, page.last is not None)


def settle_one(store: Store, practice_id: str, client_id: str, appointment_type: str, now: datetime) -> int:
    """Writes what is due in one wallet; returns the number of entries. Safe to repeat."""

    def attempt() -> int:
        loaded = store.load(practice_id, Wanted(client_id=client_id, types=(appointment_type,)))
        wallet, settings = loaded.wallets[appointment_type], loaded.dated
        written = settle_wallet(store, wallet, now, settings)
        if not written:
            _not_due_after_all(store, wallet, now, settings)
        return written

    return once(attempt)


def _not_due_after_all(store: Store, wallet: Wallet, now: datetime, settings: SettingsOverTime) -> None:
    """A debt that no lot could repay when one began: the wallet waits for its next instant."""
    try:
        store.commit([writes.due(wallet, next_due(wallet, now, settings), now)])
    except Conflicted:
        return  # settled by another, or not due any more
