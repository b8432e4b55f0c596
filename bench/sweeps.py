"""What a sweep of every shard costs when 0, 20 and 40 wallets are due: proportional to them, whatever exists."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.support.counting import Meter

from bench.practice import DAY, NOW, TYPE, P
from client_credits.domain.ledger.wallet import Lot, LotSource, Wallet
from client_credits.operations.sweeping import shards, sweep_shard
from client_credits.store import writes
from client_credits.store.store import Store
from client_credits.store.table import Table

DUE = (0, 20, 40)
_numbers = count(9_500_001)


@dataclass(frozen=True)
class Sweep:
    """One sweep of all shards."""

    due: int
    swept: int
    requests: int
    reads: float
    writes: float


def sweeps(table: Table, client: Any) -> Iterator[Sweep]:
    meter = Meter(client)
    store = Store(Table(client, table.name))
    store.catalogue(P)
    for due in DUE:
        for _ in range(due):
            table.transact([_due_wallet()])
        with meter.measuring() as usage:
            swept = sum(sweep_shard(store, shard, NOW).wallets for shard in shards())
        yield Sweep(due, swept, usage.requests, usage.read_units, usage.write_units)


def _due_wallet() -> Any:
    lot = Lot(
        lot_id="lot_due",
        granted=5,
        remaining=5,
        effective_at=NOW - 9 * DAY,
        expires_at=NOW - DAY,
        source=LotSource.PURCHASE,
    )
    return writes.wallet(Wallet(P, f"client-{next(_numbers):07d}", TYPE, lots=(lot,)), NOW - DAY)


def proportional(found: list[Sweep], units: bool) -> bool:
    """A query per shard, and per due wallet what one costs: a read and a transaction."""
    none, some, more = found
    if any(sweep.swept != sweep.due or sweep.requests != len(shards()) + 2 * sweep.due for sweep in found):
        return False
    return not units or (
        more.reads - none.reads == 2 * (some.reads - none.reads)
        and more.writes - none.writes == 2 * (some.writes - none.writes)
    )
