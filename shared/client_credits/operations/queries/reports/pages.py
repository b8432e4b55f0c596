"""What all reports share: the period they are about, a page of rows, and the walk through a practice's clients.

A page costs a bounded number of requests, whatever is stored. It may be short, or empty, and not be the last.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Generic, TypeVar

from client_credits.domain.errors import Invalid, Problem
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
CLIENTS_READ = 1000  # for one page
READS = 400  # requests for histories, for one page
_AND = "#"  # between a client's id and the row of it: it is in no id


@dataclass(frozen=True, slots=True)
class Period:
    """`since <= t < until`."""

    since: datetime
    until: datetime

    def holds(self, instant: datetime) -> bool:
        return self.since <= instant < self.until


@dataclass(frozen=True, slots=True)
class ReportAsk:
    """What a page is asked for: its period, and how many requests it may make for the clients' histories."""

    period: Period
    most_reads: int = READS


class TooLong(Exception):
    """One client's rows take more requests than the page may make."""


@dataclass(slots=True)
class Reads:
    """How many requests may still be made for one page."""

    left: int

    def take(self, count: int = 1) -> None:
        """Raises TooLong when they are used up."""
        self.check(count)
        self.left -= count

    def check(self, count: int) -> None:
        """Raises TooLong where so many are not left, before any of them is made."""
        if self.left < count:
            raise TooLong


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
) -> ReportPage[Row]:
    """Rows of the clients that are wanted, in order of client and `key`, which is unique within a client.

    `rows_of` gets a client's line with its profile and all its wallets. Where it raises TooLong, the page ends
    before that client, and the next one begins with it. Raises Invalid where not even one client can be read,
    NotFound for a practice without record.
    """
    context.store.catalogue(context.practice_id)
    client_id, _, row_key = (after or "").partition(_AND)
    requests = Requests(ROSTER_REQUESTS)
    walk = _Walk(_lines(context, client_id, bool(row_key), requests), client_id or None)
    rows: list[Row] = []
    place: str | None = None
    for line, loaded in _read(context, islice(filter(wanted, walk), CLIENTS_READ)):
        given = row_key if line.client_id == client_id else ""
        try:
            own = [row for row in sorted(rows_of(line, loaded), key=key) if key(row) > given]
        except TooLong:
            if place is None:
                raise _too_long() from None
            return ReportPage(rows, place)
        for row in own:
            if len(rows) == limit:
                return ReportPage(rows, place)
            rows.append(row)
            place = f"{line.client_id}{_AND}{key(row)}"
        place = line.client_id
    return ReportPage(rows, walk.behind)


def _too_long() -> Invalid:
    detail = "name a shorter period, or ask for the report as a file with POST /v1/reports/exports"
    fault = Problem("/query/from", "too_long_for_one_answer", detail)
    return Invalid("This report reads more of one client's history than one answer can.", fault)


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
    """Each line with its client and wallets, as many of them in one batch read as it takes.

    A client that was merged into another one is left out: the roster may lag the merge by a moment.
    """
    for batch in _batches(lines):
        clients = tuple(line.client_id for line in batch)
        wallets = tuple((line.client_id, t) for line in batch for t in line.balances)
        loaded = context.load(Wanted(others=clients, also=wallets))
        yield from ((line, loaded) for line in batch if loaded.goes_on_as(line.client_id) == line.client_id)


def merged_into(loaded: Loaded, client_id: str) -> tuple[str, ...]:
    """The records that were merged into a client's; they stand in no list, and their history is the client's."""
    client = loaded.others.get(client_id)
    return client.merged_from if client else ()


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
