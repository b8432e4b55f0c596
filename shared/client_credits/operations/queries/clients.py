"""Lists over a practice's roster: its clients and what each holds. They may lag a write by a moment."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from client_credits.domain.ledger.entries import untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import Client
from client_credits.store import keys
from client_credits.store.keys import ROSTER_SHARDS
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store
from client_credits.store.writes import sortable

PAGE = 200


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A client and its stored balances and debts per appointment type, and when the first of them falls due."""

    client_id: str
    name: str | None = None
    balances: dict[str, int] = field(default_factory=dict)
    debts: dict[str, int] = field(default_factory=dict)
    due_at: str | None = None

    @property
    def holding(self) -> bool:
        return any(self.balances[t] + self.debts.get(t, 0) > 0 for t in self.balances)

    @property
    def negative(self) -> bool:
        return any(debt > 0 for debt in self.debts.values())

    def may_differ(self, now: datetime) -> bool:
        """Whether settling could change these numbers: something is due, or credits stand beside debts."""
        return (self.due_at is not None and self.due_at <= sortable(now)) or (self.holding and self.negative)


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
            client_id = keys.listed_client(item)
            if line is None or line.client_id != client_id:
                if line:
                    yield line
                line = RosterLine(client_id)
            line = _with(line, item)
        if page.last is None:
            break
        key = page.last["roster_sk"]
    if line:
        yield line


def _with(line: RosterLine, item: dict[str, Any]) -> RosterLine:
    if keys.kind_of(item) is not keys.ItemKind.WALLET:
        return replace(line, name=item.get("name"))
    kind = keys.wallet_place(item).appointment_type
    return replace(
        line,
        balances=line.balances | {kind: item["balance"]},
        debts=line.debts | {kind: item["debt"]},
        due_at=min(filter(None, (line.due_at, item.get("due_at"))), default=None),
    )


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
    """A client with its settled balances; none are shown while credits are switched off."""

    client: Client
    balances: dict[str, int]


def clients_page(
    store: Store, practice_id: str, now: datetime, start: Position, limit: int, only: Filter
) -> tuple[list[ListedClient], Position | None]:
    """Clients in the roster's order, and where the next page begins (None: this was the last)."""
    chosen: list[tuple[Position, RosterLine]] = []
    for position, line in roster(store, practice_id, start):
        if only.lets(_settled(store, practice_id, line, now)):
            chosen.append((position, line))
        if len(chosen) > limit:
            break
    page = [line for _, line in chosen[:limit]]
    more = chosen[limit - 1][0] if len(chosen) > limit else None
    return _listed(store, practice_id, page, now), more


def count_holding(store: Store, practice_id: str, now: datetime) -> int:
    """How many clients have credits left."""
    return sum(1 for _, line in roster(store, practice_id) if _settled(store, practice_id, line, now).holding)


def _settled(store: Store, practice_id: str, line: RosterLine, now: datetime) -> RosterLine:
    """The line as it stands now; the wallets are read only where the stored numbers may be behind."""
    if not line.may_differ(now):
        return line
    loaded = _load(store, practice_id, [line])
    wallets = [_settled_wallet(loaded, line.client_id, t, now) for t in line.balances]
    balances = {wallet.appointment_type: wallet.balance for wallet in wallets}
    return replace(line, balances=balances, debts={w.appointment_type: w.debt for w in wallets})


def _load(store: Store, practice_id: str, lines: list[RosterLine]) -> Loaded:
    """The clients of these lines and all their wallets, in as few requests as there are hundreds of keys."""
    clients = tuple(line.client_id for line in lines)
    wallets = tuple((line.client_id, t) for line in lines for t in line.balances)
    return store.load(practice_id, Wanted(others=clients, also=wallets))


def _settled_wallet(loaded: Loaded, client_id: str, appointment_type: str, now: datetime) -> Wallet:
    wallet = loaded.also[client_id, appointment_type]
    return settle(untouched(wallet), now, loaded.settings_of(client_id)).wallet


def _listed(store: Store, practice_id: str, lines: list[RosterLine], now: datetime) -> list[ListedClient]:
    loaded = _load(store, practice_id, lines)
    shown = loaded.account.values.get("enabled", True)
    return [
        ListedClient(
            loaded.others.get(line.client_id) or Client(line.client_id),
            {t: _settled_wallet(loaded, line.client_id, t, now).balance for t in line.balances if shown},
        )
        for line in lines
    ]
