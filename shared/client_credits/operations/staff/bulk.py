"""One change of staff's for the lots of all clients it concerns: one operation per client, `api/<key>/<client>`.

The clients are found in the roster, which may lag a write by a second. The record `api/<key>` claims the
key first; `done/api/<key>` says last that all was done, and whom it changed. A worker that dies between
the two is completed by the same request: who was changed before is not changed twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from client_credits.domain.errors import KeyReused, LimitReached, NotFound
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.operations.committing import entries_of, once
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import Requests, RosterLine, Spent, roster
from client_credits.operations.staff.bulk_changes import BulkChange, LotChange, change_client
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import writes
from client_credits.store.codec import from_json, to_json
from client_credits.store.records import Loaded, Wanted

MOST_CLIENTS = 100  # that one request changes
MOST_LOOKED_AT = 500  # clients whose wallets one request reads
MOST_LOTS = 5_000  # of one page of a rehearsal, and those of one client more: an answer has 6 MB
ROSTER_PAGES = 48  # that one request reads
JOB = "job"  # the outcome of a request that a job carries out


class TooManyClients(LimitReached):
    """One request cannot carry this out; nothing was written."""

    def __init__(self) -> None:
        super().__init__(f"This may concern more than {MOST_CLIENTS} clients. Choose fewer at a time.")


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What became of each lot, and whether an earlier request did it.

    A page of a rehearsal goes on behind the client `after`, None where that was all.
    """

    lots: list[LotChange]
    repeated: bool = False
    after: str | None = None


@dataclass(frozen=True, slots=True)
class RehearsalBounds:
    """How much one page of a rehearsal shows, looks at and reads."""

    clients: int = MOST_CLIENTS
    looked_at: int = MOST_LOOKED_AT
    lots: int = MOST_LOTS
    roster_pages: int = ROSTER_PAGES


BOUNDS = RehearsalBounds()


@dataclass(frozen=True, slots=True)
class _Changed:
    """The clients whom a request changed, as its record keeps them."""

    client_ids: tuple[str, ...] = ()


def change_all(context: Context, change: BulkChange, keyed: Keyed, reason: str | None) -> BulkOutcome:
    """Carries the change out for every client it concerns, once per key.

    Raises TooManyClients where these are more than 100, or could only be found among too many, and where a job
    has taken the key for that. Raises KeyReused, and what the change refuses. Safe to repeat.
    """
    loaded, claimed, done = _known(context, keyed)
    if done:
        return _first_outcome(context, change, done, keyed)
    change.check(loaded, context.now)
    concerned = _concerned(context, change, keyed, reason, is_begun=claimed is not None)
    if not claimed:
        once(lambda: _claim(context, change, keyed))
    entries = [
        e for client_id, types in concerned for e in change_client(context, change, client_id, types, keyed, reason)
    ]
    once(lambda: _note_done(context, change, keyed, entries))
    return BulkOutcome(change.lots(entries))


def rehearsed_page(
    context: Context,
    change: BulkChange,
    keyed: Keyed,
    reason: str | None,
    after: str | None,
    bounds: RehearsalBounds = BOUNDS,
) -> BulkOutcome:
    """What the change would do to the next clients behind the id `after`, as it would be done now. Writes nothing.

    A key that was used is answered with what the request did. Raises TooManyClients where a job has taken the key
    for this, KeyReused, and what the change refuses.
    """
    loaded, _, done = _known(context, keyed)
    if done:
        return _first_outcome(context, change, done, keyed)
    change.check(loaded, context.now)
    rehearsing = _rehearsing(context)
    lots: list[LotChange] = []
    clients = looked_at = 0
    try:
        for client_id, types in _candidates(context, change, Requests(bounds.roster_pages), after):
            if clients >= bounds.clients or looked_at >= bounds.looked_at or len(lots) >= bounds.lots:
                return BulkOutcome(lots, after=after)
            entries = change_client(rehearsing, change, client_id, types, keyed, reason) if types else []
            lots += change.lots(entries)
            clients, looked_at, after = clients + bool(entries), looked_at + bool(types), client_id
    except Spent:
        return BulkOutcome(lots, after=after)
    return BulkOutcome(lots)


def _known(context: Context, keyed: Keyed) -> tuple[Loaded, Operation | None, Operation | None]:
    """The records of the request, as far as it was begun and done. Raises KeyReused, and TooManyClients where a job
    carries it out."""
    loaded = context.load(Wanted(source_ids=(keyed.source_id, _done(keyed))))
    claimed, done = (loaded.operations.get(source_id) for source_id in (keyed.source_id, _done(keyed)))
    if claimed and claimed.content != keyed.digest:
        raise KeyReused("This Idempotency-Key stands for another request. Use a new one.")
    if claimed and claimed.outcome == JOB:
        raise TooManyClients
    return loaded, claimed, done


def _rehearsing(context: Context) -> Context:
    return context if context.store.rehearsing else replace(context, store=context.store.rehearsal())


def _concerned(
    context: Context, change: BulkChange, keyed: Keyed, reason: str | None, *, is_begun: bool
) -> list[tuple[str, tuple[str, ...]]]:
    """Whom the change concerns, found by rehearsing it. Raises TooManyClients where that takes too much.

    A request that was begun is finished, whoever has come since.
    """
    rehearsing = _rehearsing(context)
    found: list[tuple[str, tuple[str, ...]]] = []
    looked_at = 0
    try:
        for client_id, types in _candidates(context, change, None if is_begun else Requests(ROSTER_PAGES)):
            if not types:
                continue
            if looked_at == MOST_LOOKED_AT and not is_begun:
                raise TooManyClients
            looked_at += 1
            if change_client(rehearsing, change, client_id, types, keyed, reason):
                found.append((client_id, types))
            if len(found) > MOST_CLIENTS and not is_begun:
                raise TooManyClients
    except Spent:
        raise TooManyClients from None
    return found


def _candidates(
    context: Context, change: BulkChange, requests: Requests | None, after: str | None = None
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The clients behind the id `after`, with the types that may be concerned. Raises Spent when `requests` are."""
    if change.only_client is not None:
        loaded = context.load(Wanted(client_id=change.only_client, every_type=True))
        if loaded.client is None:
            raise NotFound("There is no such client.")
        balances = {t: w.balance for t, w in loaded.wallets.items() if w.version}
        unsettled = RosterLine(change.only_client, balances=balances, due_at="")  # whatever it has may differ yet
        yield loaded.goes_on_as(change.only_client), change.types(unsettled, context.now)
        return
    for line in roster(context.store, context.practice_id, after, requests=requests):
        yield line.client_id, change.types(line, context.now)


def _claim(context: Context, change: BulkChange, keyed: Keyed) -> None:
    """The key stands for this request from here on. Raises KeyReused where another took it meanwhile."""
    claimed = context.load(Wanted(source_ids=(keyed.source_id,))).operations.get(keyed.source_id)
    if claimed and claimed.content != keyed.digest:
        raise KeyReused("This Idempotency-Key stands for another request. Use a new one.")
    if not claimed:
        record = Operation(keyed.source_id, keyed.digest, change.outcome, "", (), context.now)
        context.commit([writes.operation(context.practice_id, record)])


def _note_done(context: Context, change: BulkChange, keyed: Keyed, entries: list[Entry]) -> None:
    if _done(keyed) not in context.load(Wanted(source_ids=(_done(keyed),))).operations:
        changed = _Changed(tuple(dict.fromkeys(entry.client_id for entry in entries)))
        record = Operation(_done(keyed), "", change.outcome, "", (), context.now, to_json(changed))
        context.commit([writes.operation(context.practice_id, record)])


def _first_outcome(context: Context, change: BulkChange, done: Operation, keyed: Keyed) -> BulkOutcome:
    entries: list[Entry] = []
    for client_id in from_json(_Changed, done.answer or "{}").client_ids:
        source_ids = tuple(f"{keyed.source_id}/{client_id}{end}" for end in ("", *_LATER))
        records = context.load(Wanted(source_ids=source_ids)).operations
        for record in (records[each] for each in source_ids if each in records):
            entries += entries_of(context.store, context.practice_id, record)
    return BulkOutcome(change.lots(entries), repeated=True)


_LATER = tuple(f"/{number}" for number in range(2, 5))  # a client's further types, 25 at a time


def _done(keyed: Keyed) -> str:
    return f"done/{keyed.source_id}"
