"""What a change of many clients is, and what it does to one of them: one operation, `api/<key>/<client>`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from client_credits.domain.ledger.entries import Act, Cause, Change, Entry
from client_credits.domain.ledger.wallet import MAX_TYPES
from client_credits.operations.committing import entries_of, once, room_for, settled, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.payments.following import follow_what_came
from client_credits.operations.queries.clients import RosterLine
from client_credits.operations.staff.idempotent import Keyed, own_entries, record_of
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted


@dataclass(frozen=True, slots=True)
class LotChange:
    """What became of one lot: so many credits came back or went, and when it ends now (None: never)."""

    client_id: str
    appointment_type: str
    lot_id: str
    amount: int
    expires_at: datetime | None = None


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
