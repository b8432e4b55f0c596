"""A change under an idempotency key: carried out at most once, and answered the same for good.

The key becomes the source id `api/<key>`: the same request again is answered with the entries it
wrote then, another request under the same key is refused.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from client_credits.domain.errors import KeyReused, NotFound
from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, Change, Entry
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.operations.committing import entries_of, once, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.queries.credits import TypeCredits
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted


@dataclass(frozen=True, slots=True)
class Keyed:
    """A request under an idempotency key; `content` is what was asked, as text."""

    key: str
    content: str

    @property
    def source_id(self) -> str:
        return f"api/{self.key}"

    @property
    def digest(self) -> str:
        return sha256(self.content.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Edited:
    """The entries of the operation itself, and whether they were written by an earlier request."""

    entries: list[Entry]
    repeated: bool = False
    credits: tuple[TypeCredits, ...] = ()  # of a replacement: the types named, as they stand after it


def once_per_key(
    context: Context, client_id: str, types: tuple[str, ...], keyed: Keyed, decide: Callable[[Loaded], list[Change]]
) -> Edited:
    def attempt() -> Edited:
        loaded = known_client(context, client_id, types, (keyed.source_id,))
        done = loaded.operations.get(keyed.source_id)
        if done:
            return first_answer(context, done, keyed)
        changes = decide(loaded)
        entries = own_entries(changes, keyed.source_id)
        items = [
            writes.operation(
                context.practice_id, record_of(keyed, loaded.goes_on_as(client_id), "edited", entries, context.now)
            )
        ]
        items += wallet_writes(context.store, changes, context.now, loaded.dated, wallets=len(changes))
        context.commit(items)
        return Edited(entries)

    return once(attempt)


def known_client(context: Context, client_id: str, types: tuple[str, ...], source_ids: tuple[str, ...] = ()) -> Loaded:
    wanted = Wanted(client_id=client_id, types=types, source_ids=source_ids)
    loaded = context.load(wanted)
    check_known(loaded, *types)
    return loaded


def check_known(loaded: Loaded, *types: str) -> None:
    if loaded.client is None:
        raise NotFound("There is no such client.")
    unknown = [t for t in types if t not in loaded.catalogue.types]
    if unknown:
        raise NotFound(f"There is no appointment type {unknown[0]}.")


def first_answer(context: Context, done: Operation, keyed: Keyed) -> Edited:
    """The first answer, read back by the operation's record. Raises KeyReused for another request."""
    if done.content != keyed.digest:
        raise KeyReused("This Idempotency-Key stands for another request. Use a new one.")
    return Edited(entries_of(context.store, context.practice_id, done), repeated=True)


def record_of(keyed: Keyed, client_id: str, outcome: str, entries: Iterable[Entry], now: datetime) -> Operation:
    refs = tuple(
        EntryRef(
            e.appointment_type,
            e.sequence,
            e.amount,
            e.client_id if e.client_id != client_id else None,
        )
        for e in entries
    )
    return Operation(keyed.source_id, keyed.digest, outcome, client_id, refs, now)


def own_entries(changes: Iterable[Change], source_id: str) -> list[Entry]:
    """The entries of the operation itself, without what was settled on the way."""
    return [e for change in changes for e in change.entries if e.source_id == source_id]


def act_of(
    source_id: str,
    kind: CauseKind,
    ids: Mapping[str, str],
    actor: Actor,
    now: datetime,
    reason: str | None,
) -> Act:
    return Act(source_id, Cause(kind, dict(ids)), actor, now, now, reason)
