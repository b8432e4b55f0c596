"""A practice of many clients, put straight into the table's double, and the requests that are made for it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import Client
from client_credits.store import writes
from client_credits.store.table import Write
from tests.support.api import api_on
from tests.support.builders import DAY, NOW, a_lot
from tests.support.memory_table import memory_store
from tests.support.stock import catalogue


class Crowd:
    """Clients who owe nothing and hold one credit of each type; if `due`, one that ended yesterday."""

    def __init__(self, size: int, types: int = 1, due: bool = False) -> None:
        store, self.table = memory_store()
        self.api = api_on(store)
        self.ids = [f"c-{number:04}" for number in range(size)]
        catalogue(self.api, *[f"type-{number}" for number in range(types)])
        ends = NOW - DAY if due else None
        for client_id in self.ids:
            self.put(writes.client("p1", Client(client_id, name=f"Name {client_id}", created_at=NOW)))
            lots = (a_lot("lot-1", 1, effective_at=NOW - 9 * DAY, expires_at=ends),)
            for number in range(types):
                self.put(writes.wallet(Wallet("p1", client_id, f"type-{number}", lots=lots), ends))

    def put(self, write: Write) -> None:
        """Over whatever is there."""
        item = write["Put"]["Item"]
        self.table.items[item["pk"]["S"], item["sk"]["S"]] = item

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """The requests made within the block, by call."""
        calls: Counter[str] = Counter()
        self.table.watch = lambda moment, call: calls.update([call] if moment == "before" else [])
        yield calls
        self.table.watch = lambda moment, call: None
