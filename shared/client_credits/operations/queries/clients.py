"""Lists over a practice's roster: its clients and what each holds. They may lag a write by a moment."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from heapq import merge
from itertools import count
from typing import Any

from client_credits.domain.ids import is_id
from client_credits.domain.ledger.entries import untouched
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import Client
from client_credits.operations.context import Context
from client_credits.store import keys
from client_credits.store.keys import ROSTER_SHARDS
from client_credits.store.projected import package_mark, packages_text
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store
from client_credits.store.table import Page
from client_credits.store.writes import sortable

FIRST_PAGE, PAGE = 25, 200  # rows of a shard: few at first, since most lists end there
ROSTER_REQUESTS = 48  # pages of the roster for one answer
CHUNK = 100  # lines judged together
BATCH_KEYS = 98  # of a batch read's 100, the settings and the catalogue take two


@dataclass(frozen=True, slots=True)
class RosterLine:
    """A client and its stored balances, debts and lots' packages per appointment type, and when the first of them
    falls due.

    `last_at` is when its newest entry was recorded; `next_expiry` is the first end of its credits, in seconds.
    """

    client_id: str
    name: str | None = None
    balances: dict[str, int] = field(default_factory=dict)
    debts: dict[str, int] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    due_at: str | None = None
    last_at: str | None = None
    next_expiry: int | None = None

    def has_lots_of(self, package_id: str) -> bool:
        """Whether some of the credits left came with the package."""
        mark = package_mark(package_id)
        return any(mark in packages.split() for packages in self.packages.values())

    @property
    def holding(self) -> bool:
        return any(self.balances[t] + self.debts.get(t, 0) > 0 for t in self.balances)

    @property
    def negative(self) -> bool:
        return any(debt > 0 for debt in self.debts.values())

    def may_differ(self, now: datetime) -> bool:
        """Whether settling could change these numbers: something is due, or a type has both credits and debts."""
        due = self.due_at is not None and self.due_at <= sortable(now)
        return due or any(debt > 0 and self.balances[t] + debt > 0 for t, debt in self.debts.items())


class Spent(Exception):
    """As many requests were made as one answer may cost."""


@dataclass(slots=True)
class Requests:
    """How many pages may still be read for one answer; the first item is read whatever it takes."""

    left: int
    spent: bool = False

    def take(self, found: bool) -> None:
        """Raises Spent when none is left and something was found."""
        if self.left <= 0 and found:
            self.spent = True
            raise Spent
        self.left -= 1


def roster(
    store: Store, practice_id: str, after: str | None = None, begins: str = "", requests: Requests | None = None
) -> Iterator[RosterLine]:
    """Every client behind the id `after` whose id begins so, in order of id. Raises Spent when `requests` are."""
    budget = requests or Requests(sys.maxsize)
    found = [False]  # whether a line has been given out yet

    def shard(number: int) -> Iterator[RosterLine]:
        def page(key: str | None, read: int) -> Page:
            budget.take(found[0])
            return store.roster_page(practice_id, number, key, min(PAGE, FIRST_PAGE << read), begins=begins)

        return _lines(page, after)

    for line in merge(*map(shard, range(ROSTER_SHARDS)), key=lambda line: line.client_id):
        found[0] = True
        yield line


def _lines(page_behind: Callable[[str | None, int], Page], after: str | None) -> Iterator[RosterLine]:
    """The clients of a shard behind the id `after`. `page_behind` gives the page behind a place, told how many were
    read before it."""
    place = keys.behind_client(after) if after else None
    line: RosterLine | None = None
    for read in count():
        page = page_behind(place, read)
        for item in page.items:
            client_id = keys.listed_client(item)
            if line is None or line.client_id != client_id:
                if line:
                    yield line
                line = RosterLine(client_id)
            line = _with(line, item)
        if page.after is None:
            break
        place = page.after
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
        packages=line.packages | {kind: item.get("packages", "")},
        due_at=min(filter(None, (line.due_at, item.get("due_at"))), default=None),
        last_at=max(filter(None, (line.last_at, item.get("last_at"))), default=None),
        next_expiry=min(filter(None, (line.next_expiry, item.get("next_expiry"))), default=None),
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """Which clients are wanted: who owes, who has credits left (None does not ask), whose id begins so, who has
    lots of a package."""

    negative: bool | None = None
    holding: bool | None = None
    begins: str = ""
    package_id: str | None = None

    @property
    def by_numbers(self) -> bool:
        return self.negative is not None or self.holding is not None or self.package_id is not None

    @property
    def impossible(self) -> bool:
        """Whether no id begins so; what is no id could be a part of a key."""
        return self.begins != "" and not is_id(self.begins)

    def lets(self, line: RosterLine) -> bool:
        owes = self.negative in (None, line.negative)
        numbers = owes and self.holding in (None, line.holding)
        holds = self.package_id is None or line.has_lots_of(self.package_id)
        return numbers and holds and line.client_id.startswith(self.begins)


@dataclass(frozen=True, slots=True)
class ListedClient:
    """A client with its settled balances; none are shown while credits are switched off."""

    client: Client
    balances: dict[str, int]


def clients_page(
    context: Context, after: str | None, limit: int, only: Filter
) -> tuple[list[ListedClient], str | None]:
    """Clients in order of id, and the id behind which the next page begins (None: this was the last).

    Reads at most ROSTER_REQUESTS pages of the roster, so a page may be short, or empty, and not the last.
    Raises NotFound for a practice without record.
    """
    context.store.catalogue(context.practice_id)  # where there is no such practice, there is no list of its clients
    if only.impossible:
        return [], None
    requests = Requests(ROSTER_REQUESTS)
    chosen: list[RosterLine] = []
    for lines in chunks(roster(context.store, context.practice_id, after, only.begins, requests), context.now):
        for line in settled(context, lines) if only.by_numbers else lines:
            if only.lets(line):
                if len(chosen) == limit:
                    return listed(context, chosen), after
                chosen.append(line)
            after = line.client_id
    return listed(context, chosen), after if requests.spent else None


@dataclass(frozen=True, slots=True)
class CountBounds:
    """Of one count: rows of a page of the roster, pages, and batch reads for what fell due.

    The usual ones reach over 480,000 profiles and wallets, in half the time that an answer may take.
    """

    page: int = 2_000
    requests: int = 240
    settled: int = 100


COUNTED = CountBounds()


@dataclass(frozen=True, slots=True)
class Count:
    """How many clients; `at_least`: there may be more."""

    clients: int
    at_least: bool = False


def count_holding(context: Context, bounds: CountBounds = COUNTED) -> Count:
    """How many clients have credits left. Reads the roster, as far as the bounds let it.

    What fell due, or could repay a debt, and is not written yet counts; beyond the bound clients count as stored.
    """
    requests, reads, found = Requests(bounds.requests), 0, 0
    for lines in chunks(_may_hold(context, requests, bounds.page), context.now):
        reads += any(line.may_differ(context.now) for line in lines)
        found += sum(line.holding for line in (settled(context, lines) if reads <= bounds.settled else lines))
    return Count(found, requests.spent)


def _may_hold(context: Context, requests: Requests, rows: int) -> Iterator[RosterLine]:
    """The clients with credits, debts or anything to come, shard after shard. Raises Spent."""
    for number in range(ROSTER_SHARDS):

        def page(key: str | None, read: int, number: int = number) -> Page:
            requests.take(found=True)
            return context.store.holders_page(context.practice_id, number, key, rows)

        yield from _lines(page, None)


def chunks(lines: Iterator[RosterLine], now: datetime) -> Iterator[list[RosterLine]]:
    """The lines in lots, each with as many as one batch read settles. Ends where the lines are Spent."""
    chunk: list[RosterLine] = []
    keys = 0
    try:
        for line in lines:
            needs = 1 + len(line.balances) if line.may_differ(now) else 0
            if len(chunk) == CHUNK or (chunk and keys + needs > BATCH_KEYS):
                yield chunk
                chunk, keys = [], 0
            chunk.append(line)
            keys += needs
    except Spent:
        pass
    if chunk:
        yield chunk


def settled(context: Context, lines: list[RosterLine]) -> list[RosterLine]:
    """The lines as they stand now; wallets are read only where the stored numbers may be behind, all in one."""
    behind = [line for line in lines if line.may_differ(context.now)]
    if not behind:
        return lines
    loaded = _load(context, behind)
    return [_settled_line(loaded, line, context.now) if line.may_differ(context.now) else line for line in lines]


def _settled_line(loaded: Loaded, line: RosterLine, now: datetime) -> RosterLine:
    wallets = [settled_wallet(loaded, line.client_id, t, now) for t in line.balances]
    balances = {wallet.appointment_type: wallet.balance for wallet in wallets}
    debts = {w.appointment_type: w.debt for w in wallets}
    return replace(
        line, balances=balances, debts=debts, packages={w.appointment_type: packages_text(w) for w in wallets}
    )


def _load(context: Context, lines: list[RosterLine]) -> Loaded:
    """The clients of these lines and all their wallets, in as few requests as there are hundreds of keys."""
    clients = tuple(line.client_id for line in lines)
    wallets = tuple((line.client_id, t) for line in lines for t in line.balances)
    return context.load(Wanted(others=clients, also=wallets))


def settled_wallet(loaded: Loaded, client_id: str, appointment_type: str, now: datetime) -> Wallet:
    wallet = loaded.also[client_id, appointment_type]
    return settle(untouched(wallet), now, loaded.dated_of(client_id)).wallet


def listed(context: Context, lines: list[RosterLine]) -> list[ListedClient]:
    """These clients with their settled balances, in this order."""
    if not lines:
        return []
    loaded = _load(context, lines)
    shown = loaded.account.values.get("enabled", True)
    return [
        ListedClient(
            loaded.others.get(line.client_id) or Client(line.client_id),
            {t: settled_wallet(loaded, line.client_id, t, context.now).balance for t in line.balances if shown},
        )
        for line in lines
        if loaded.goes_on_as(line.client_id) == line.client_id  # the roster may lag a merge by a moment
    ]
