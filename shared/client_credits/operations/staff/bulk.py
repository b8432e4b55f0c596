"""One change of staff's for the lots of all clients it concerns: one operation per client, `api/<key>/<client>`.

The clients are found in the roster, which may lag a write by a second. The record `api/<key>` claims the
key first; `done/api/<key>` says last that all was done, and whom it changed. A worker that dies between
the two is completed by the same request: who was changed before is not changed twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Protocol

from client_credits.domain.errors import Busy, CreditsError, KeyReused, LimitReached, NotFound
from client_credits.domain.ledger.entries import Act, Cause, Change, Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.wallet import MAX_TYPES
from client_credits.operations.committing import entries_of, once, room_for, settled, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.payments.following import follow_what_came
from client_credits.operations.queries.clients import Requests, RosterLine, Spent, roster
from client_credits.operations.staff.idempotent import Keyed, own_entries, record_of
from client_credits.store import writes
from client_credits.store.codec import from_json, to_json
from client_credits.store.records import Loaded, Wanted
from client_credits.store.table import Conflicted, is_unavailable

MOST_CLIENTS = 100  # that one request changes
MOST_LOOKED_AT = 500  # clients whose wallets one request reads
STEP_REQUESTS = 48  # pages of the roster that one step or request reads
JOB = "job"  # the outcome of a request that a job carries out


@dataclass(frozen=True, slots=True)
class LotChange:
    """What became of one lot: so many credits came back or went, and when it ends now (None: never)."""

    client_id: str
    appointment_type: str
    lot_id: str
    amount: int
    expires_at: datetime | None = None


class TooManyClients(LimitReached):
    """One request cannot carry this out; nothing was written."""

    def __init__(self) -> None:
        super().__init__(f"This may concern more than {MOST_CLIENTS} clients. Choose fewer at a time.")


class BulkChange(Protocol):
    """A change of the lots of many clients."""

    @property
    def outcome(self) -> str: ...

    @property
    def cause(self) -> Cause: ...

    @property
    def only_client(self) -> str | None: ...

    def check(self, loaded: Loaded, now: datetime) -> None:
        """Raises Invalid or NotFound where the rule cannot be carried out: it names what does not exist."""

    def types(self, line: RosterLine, now: datetime) -> tuple[str, ...]:
        """Of which types a client's wallets may be concerned, by what the roster shows."""

    def decide(
        self, context: Context, loaded: Loaded, before: Mapping[str, Change], act: Act, room: int
    ) -> list[Change]:
        """The settled wallets of one client with what the change makes of them."""

    def lots(self, entries: Sequence[Entry]) -> list[LotChange]:
        """What its own entries say of each lot."""


@dataclass(frozen=True, slots=True)
class BulkOutcome:
    """What became of each lot, and whether an earlier request did it."""

    lots: list[LotChange]
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class BulkProblem:
    """A client that could not be changed: a stable code, and a sentence for people."""

    client_id: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class BulkStep:
    """How many clients one step changed, and whom it could not; it goes on behind the client `after`, None where
    that was all."""

    clients: int
    problems: tuple[BulkProblem, ...]
    after: str | None


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


def step(
    context: Context, change: BulkChange, keyed: Keyed, reason: str | None, after: str | None, clients: int = 100
) -> BulkStep:
    """The same for at most so many of the clients that may be concerned, behind the id `after`. Safe to repeat.

    A client that cannot be changed stops no other. Raises Busy, and what the table raises where it is away.
    """
    changed, looked_at, requests = 0, 0, Requests(STEP_REQUESTS)
    problems: list[BulkProblem] = []
    try:
        for line in roster(context.store, context.practice_id, after, requests=requests):
            if looked_at == clients:
                return BulkStep(changed, tuple(problems), after)
            if types := change.types(line, context.now):
                made = _tried(context, change, line.client_id, types, keyed, reason)
                problems += [made] if isinstance(made, BulkProblem) else []
                changed += made is True
                looked_at += 1
            after = line.client_id
    except Spent:
        return BulkStep(changed, tuple(problems), after)
    return BulkStep(changed, tuple(problems), None)


def _tried(
    context: Context, change: BulkChange, client_id: str, types: tuple[str, ...], keyed: Keyed, reason: str | None
) -> bool | BulkProblem:
    """Whether anything of the client's was changed, or why it could not be."""
    try:
        return bool(change_client(context, change, client_id, types, keyed, reason))
    except Exception as error:  # whatever it is, the others' turn must come
        if is_unavailable(error) or isinstance(error, Busy | Conflicted):
            raise
        if isinstance(error, CreditsError):
            return BulkProblem(client_id, error.code, error.detail)
        detail = f"This client could not be changed by an error of ours: {type(error).__name__}."
        return BulkProblem(client_id, "internal_error", detail)


def change_client(
    context: Context, change: BulkChange, client_id: str, types: tuple[str, ...], keyed: Keyed, reason: str | None
) -> list[Entry]:
    """The change's own entries for one client: 25 types in one transaction, more in the next. Safe to repeat."""
    entries: list[Entry] = []
    for number, first in enumerate(range(0, len(types), MAX_TYPES)):
        own = Keyed("/".join([keyed.key, client_id, *([str(number + 1)] if number else [])]), keyed.content)
        some = tuple(sorted(types)[first : first + MAX_TYPES])
        entries += once(partial(_change, context, change, client_id, some, own, reason))
    follow_what_came(context, entries)
    return entries


def _change(
    context: Context, change: BulkChange, client_id: str, types: tuple[str, ...], own: Keyed, reason: str | None
) -> list[Entry]:
    loaded = context.load(Wanted(client_id=client_id, types=types, source_ids=(own.source_id,)))
    done = loaded.operations.get(own.source_id)
    if done:
        return entries_of(context.store, context.practice_id, done)
    if loaded.client is None or loaded.goes_on_as(client_id) != client_id:  # the roster may lag a merge
        return []
    act = Act(own.source_id, change.cause, context.actor, context.now, context.now, reason)
    room = room_for(len(types))
    before = settled(context.store, loaded.wallets.values(), context.now, loaded.dated, room)
    changes = change.decide(context, loaded, before, act, room)
    changes = [each for each in changes if own_entries([each], own.source_id)]
    entries = own_entries(changes, own.source_id)
    if entries:
        record = record_of(own, client_id, change.outcome, entries, context.now)
        items = wallet_writes(context.store, changes, context.now, loaded.dated, wallets=len(changes))
        context.commit([writes.operation(context.practice_id, record), *items])
    return entries


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
    requests = None if is_begun else Requests(STEP_REQUESTS)
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
