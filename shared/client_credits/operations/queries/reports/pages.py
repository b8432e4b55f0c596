"""What all reports share: the period they are about, a page of rows, and the walk through a practice's clients.

A page costs a bounded number of requests, whatever is stored. It may be short, or empty, and not be the last.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Generic, TypeVar

from client_credits.operations.context import Context
from client_credits.operations.queries.clients import (
    BATCH_KEYS,
    ROSTER_REQUESTS,
    Requests,
    RosterLine,
    Spent,
    roster,
)
from client_credits.store.records import Loaded, Wanted

Row = TypeVar("Row")
CLIENTS_READ = 1000  # for one page; reports that read histories take fewer
_AND = "#"  # between a client's id and the row of it: it is in no id


@dataclass(frozen=True, slots=True)
class Period:
    """`since <= t < until`."""

    since: datetime
    until: datetime

    def holds(self, instant: datetime) -> bool:
        return self.since <= instant < self.until


@dataclass(frozen=True, slots=True)
class ReportPage(Generic[Row]):
    """Rows in order, and behind which place the next page begins (None: this was the last)."""

    rows: list[Row]
    next: str | None


def by_client(
    context: Context,
    after: str | None,
    limit: int,
    *,
    wanted: Callable[[RosterLine], bool],
    rows_of: Callable[[RosterLine, Loaded], Iterable[Row]],
    key: Callable[[Row], str],
    most: int = CLIENTS_READ,
) -> ReportPage[Row]:
    """Rows of the clients that are wanted, in order of client and `key`, which is unique within a client.

    `rows_of` gets a client's line with its profile and all its wallets. At most `most` clients are read.
    Raises NotFound for a practice without record.
    """
    context.store.catalogue(context.practice_id)
    client_id, _, row_key = (after or "").partition(_AND)
    requests = Requests(ROSTER_REQUESTS)
    walk = _Walk(_lines(context, client_id, bool(row_key), requests), client_id or None)
    found: list[tuple[str, Row]] = []
    for line, loaded in _read(context, islice(filter(wanted, walk), most)):
        given = row_key if line.client_id == client_id else ""
        for row in sorted(rows_of(line, loaded), key=key):
            if key(row) > given:
                if len(found) == limit:
                    return ReportPage([each for _, each in found], found[-1][0])
                found.append((f"{line.client_id}{_AND}{key(row)}", row))
    return ReportPage([each for _, each in found], walk.behind)


@dataclass(slots=True)
class _Walk:
    """Lines of the roster one by one, and the client behind which those not read yet begin (None: all are read)."""

    lines: Iterator[RosterLine]
    last: str | None
    ended: bool = False

    def __iter__(self) -> Iterator[RosterLine]:
        try:
            for line in self.lines:
                self.last = line.client_id
                yield line
        except Spent:
            return
        self.ended = True

    @property
    def behind(self) -> str | None:
        return None if self.ended else self.last


def _lines(context: Context, after: str, with_own: bool, requests: Requests) -> Iterator[RosterLine]:
    """The clients behind `after`; `with_own`: it is the first, for it has rows left."""
    behind = roster(context.store, context.practice_id, after or None, requests=requests)
    if not with_own:
        return behind
    # Of all ids that begin so, the id itself comes first.
    own = islice(roster(context.store, context.practice_id, None, after, requests), 1)
    return chain((line for line in own if line.client_id == after), behind)


def _read(context: Context, lines: Iterable[RosterLine]) -> Iterator[tuple[RosterLine, Loaded]]:
    """Each line with its client and wallets, as many of them in one batch read as it takes."""
    for batch in _batches(lines):
        clients = tuple(line.client_id for line in batch)
        wallets = tuple((line.client_id, t) for line in batch for t in line.balances)
        loaded = context.load(Wanted(others=clients, also=wallets))
        yield from ((line, loaded) for line in batch)


def _batches(lines: Iterable[RosterLine]) -> Iterator[list[RosterLine]]:
    batch: list[RosterLine] = []
    keys = 0
    for line in lines:
        needs = 1 + len(line.balances)
        if batch and keys + needs > BATCH_KEYS:
            yield batch
            batch, keys = [], 0
        batch.append(line)
        keys += needs
    if batch:
        yield batch
