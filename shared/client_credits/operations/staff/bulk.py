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
from client_credits.store.records import Wanted

MOST_CLIENTS = 100  # that one request changes
MOST_LOOKED_AT = 500  # clients whose wallets one request reads
ROSTER_PAGES = 48  # that one request reads
JOB = "job"  # the outcome of a request that a job carries out


class TooManyClients(LimitReached):
    """One request cannot carry this out; nothing was written."""

    def __init__(self) -> None:
        super().__init__(f"This may concern more than {MOST_CLIENTS} clients. Choose fewer at a time.")


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What became of each lot, and whether an earlier request did it."""

    lots: list[LotChange]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class _Changed:
    """The clients whom a request changed, as its record keeps them."""

    client_ids: tuple[str, ...] = ()


def change_all(context: Context, change: BulkChange, keyed: Keyed, reason: str | None) -> BulkOutcome:
    """Carries the change out for every client it concerns, once per key.

    Raises TooManyClients where these are more than 100, or could only be found among too many, and where a job
    has taken the key for that. Raises KeyReused, and what the change refuses. Safe to repeat.
    """
    loaded = context.load(Wanted(source_ids=(keyed.source_id, _done(keyed))))
    claimed, done = (loaded.operations.get(source_id) for source_id in (keyed.source_id, _done(keyed)))
    if claimed and claimed.content != keyed.digest:
        raise KeyReused("This Idempotency-Key stands for another request. Use a new one.")
    if done:
        return _first_outcome(context, change, done, keyed)
    if claimed and claimed.outcome == JOB:
        raise TooManyClients
    change.check(loaded, context.now)
    concerned = _concerned(context, change, keyed, reason, is_begun=claimed is not None)
    if not claimed:
        once(lambda: _claim(context, change, keyed))
    entries = [
        e for client_id, types in concerned for e in change_client(context, change, client_id, types, keyed, reason)
    ]
    once(lambda: _note_done(context, change, keyed, entries))
    return BulkOutcome(change.lots(entries))


def _concerned(
    context: Context, change: BulkChange, keyed: Keyed, reason: str | None, *, is_begun: bool
) -> list[tuple[str, tuple[str, ...]]]:
    """Whom the change concerns, found by rehearsing it. Raises TooManyClients where that takes too much.

    A request that was begun is finished, whoever has come since.
    """
    rehearsing = replace(context, store=context.store if context.store.rehearsing else context.store.rehearsal())
    found = []
    for looked_at, (client_id, types) in enumerate(_candidates(context, change, is_begun=is_begun)):
        if looked_at == MOST_LOOKED_AT and not is_begun:
            raise TooManyClients
        if change_client(rehearsing, change, client_id, types, keyed, reason):
            found.append((client_id, types))
        if len(found) > MOST_CLIENTS and not is_begun:
            raise TooManyClients
    return found


def _candidates(context: Context, change: BulkChange, *, is_begun: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    if change.only_client is not None:
        loaded = context.load(Wanted(client_id=change.only_client, every_type=True))
        if loaded.client is None:
            raise NotFound("There is no such client.")
        balances = {t: w.balance for t, w in loaded.wallets.items() if w.version}
        unsettled = RosterLine(change.only_client, balances=balances, due_at="")  # whatever it has may differ yet
        yield loaded.goes_on_as(change.only_client), change.types(unsettled, context.now)
        return
    requests = None if is_begun else Requests(ROSTER_PAGES)
    try:
        for line in roster(context.store, context.practice_id, requests=requests):
            if types := change.types(line, context.now):
                yield line.client_id, types
    except Spent:
        raise TooManyClients from None


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
