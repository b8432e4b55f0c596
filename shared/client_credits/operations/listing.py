"""Lists over a practice's roster: its clients and what each holds. They may lag a write by a moment."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from client_credits.domain.entries import untouched
from client_credits.domain.records import Client
from client_credits.domain.settling import settle
from client_credits.store.keys import ROSTER_SHARDS
from client_credits.store.store import Store, Wanted

PAGE = 200


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A client and its stored balances and debts per appointment type."""

    client_id: str
    name: str | None = None
    balances: dict[str, int] = field(default_factory=dict)
    debts: dict[str, int] = field(default_factory=dict)

    @property
    def holding(self) -> bool:
        return any(self.balances[t] + self.debts.get(t, 0) > 0 for t in self.balances)

    @property
    def negative(self) -> bool:
        return any(debt > 0 for debt in self.debts.values())


@dataclass(frozen=True, slots=True)
class Position:
    """Behind which client a list goes on."""

    shard: int = 0
    client_id: str | None = None


def roster(store: Store, practice_id: str, start: Position = Position()) -> Iterator[tuple[Position, RosterLine]]:
    """Every client behind `start`, shard by shard, in order of id within a shard."""
    for shard in range(start.shard, ROSTER_SHARDS):
        after = start.client_id if shard == start.shard else None
        for line in _shard(store, practice_id, shard, after):
            yield Position(shard, line.client_id), line


def _shard(store: Store, practice_id: str, shard: int, after: str | None) -> Iterator[RosterLine]:
    key = f"{after}#~" if after else None  # behind everything of that client: "~" sorts last
    line: RosterLine | None = None
    while True:
        page = store.roster_page(practice_id, shard, key, PAGE)
        for item in page.items:
            client_id, _, sort_key = item["roster_sk"].partition("#")
            if line is None or line.client_id != client_id:
                if line:
                    yield line
                line = RosterLine(client_id)
            line = _with(line, sort_key, item)
        if page.last is None:
            break
        key = page.last["roster_sk"]
    if line:
        yield line


def _with(line: RosterLine, sort_key: str, item: dict[str, object]) -> RosterLine:
    if sort_key == "client":
        name = item.get("name")
        return RosterLine(line.client_id, str(name) if name else None, line.balances, line.debts)
    kind = sort_key.removeprefix("wallet#")
    balances = line.balances | {kind: int(str(item.get("balance", 0)))}
    debts = line.debts | {kind: int(str(item.get("debt", 0)))}
    return RosterLine(line.client_id, line.name, balances, debts)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which clients are wanted; None does not ask. `text` is part of an id or of a name, in any case."""

    negative: bool | None = None
    holding: bool | None = None
    text: str | None = None

    def lets(self, line: RosterLine) -> bool:
        wanted = (self.text or "").casefold()
        named = wanted in line.client_id.casefold() or wanted in (line.name or "")
        owes = self.negative in (None, line.negative)
        return named and owes and self.holding in (None, line.holding)


@dataclass(frozen=True, slots=True)
class ListedClient:
    client: Client
    balances: dict[str, int]


def clients_page(
    store: Store, practice_id: str, now: datetime, start: Position, limit: int, only: Filter
) -> tuple[list[ListedClient], Position | None]:
    """Clients with their settled balances, and where the next page begins (None: this was the last)."""
    chosen: list[tuple[Position, RosterLine]] = []
    for position, line in roster(store, practice_id, start):
        if only.lets(line):
            chosen.append((position, line))
        if len(chosen) > limit:
            break
    page = chosen[:limit]
    more = page[-1][0] if len(chosen) > limit else None
    return [_listed(store, practice_id, line, now) for _, line in page], more


def _listed(store: Store, practice_id: str, line: RosterLine, now: datetime) -> ListedClient:
    wanted = Wanted(client_id=line.client_id, types=tuple(sorted(line.balances)))
    loaded = store.load(practice_id, wanted)
    balances = {
        type_id: settle(untouched(wallet), now, loaded.settings).wallet.balance
        for type_id, wallet in loaded.wallets.items()
    }
    return ListedClient(loaded.client or Client(line.client_id), balances)


def count_holding(store: Store, practice_id: str) -> int:
    """How many clients have credits left."""
    return sum(1 for _, line in roster(store, practice_id) if line.holding)
