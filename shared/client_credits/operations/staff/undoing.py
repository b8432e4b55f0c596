"""Staff undo an adjustment, a gift or a transfer by one of its entries: once, however often it is asked.

That it was undone is the record `undo/<source id>/<type>`, written with the undoing itself. Both sides of a
transfer share it. Of several types saved or given together each is undone by its own entry.
"""

from dataclasses import replace

from client_credits.domain.errors import AlreadyResolved, NotFound, NothingToUndo
from client_credits.domain.ledger.entries import Act, CauseKind, Change, Entry, EntryKind
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.ledger.undoing import (
    UNDOES,
    UNDOES_CLIENT,
    check_undoable,
    is_transfer,
    undo_edit,
    undo_transfer,
)
from client_credits.operations.committing import (
    entries_of,
    knowing,
    once,
    room_for,
    settled,
    settled_all,
    wallet_writes,
)
from client_credits.operations.context import Context
from client_credits.operations.payments.following import follow_what_came
from client_credits.operations.staff.idempotent import (
    Edited,
    Keyed,
    act_of,
    first_answer,
    known_client,
    own_entries,
    record_of,
)
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.table import Write


def undo(
    context: Context, client_id: str, appointment_type: str, sequence: int, keyed: Keyed, reason: str | None = None
) -> Edited:
    """Writes the opposite of one entry. What then belongs to a refund is taken again.

    Raises NothingToUndo for an entry of another kind and for a transfer of which nothing is left, AlreadyResolved
    where it was undone before, NotFound, KeyReused. Safe to repeat under one key.
    """

    def attempt() -> Edited:
        loaded = known_client(context, client_id, (appointment_type,), (keyed.source_id,))
        done = loaded.operations.get(keyed.source_id)
        if done:
            return first_answer(context, done, keyed)
        entries = context.store.entries(context.practice_id, client_id, appointment_type, [sequence])
        if not entries:
            raise NotFound("There is no such entry.")
        check_undoable(entries[0])
        step = _undo_transfer if is_transfer(entries[0]) else _undo_edit
        return step(context, entries[0], keyed, reason)

    edited = once(attempt)
    follow_what_came(context, edited.entries)  # by a repeat, too: the first may have died in between
    return edited


def _undo_edit(context: Context, undone: Entry, keyed: Keyed, reason: str | None) -> Edited:
    kind, room = undone.appointment_type, room_for(1)
    wanted = Wanted(client_id=undone.client_id, types=(kind,), source_ids=(_undo_of(undone),))
    loaded = context.load(wanted)
    _check_first(loaded.operations)
    before = settled(context.store, loaded.wallets.values(), context.now, loaded.dated, room)[kind]
    before = knowing(context.store, before, _lots(undone))
    change = undo_edit(before, undone, _act(context, undone, keyed, reason), loaded.dated, room)
    items = wallet_writes(context.store, [change], context.now, loaded.dated)
    return _commit(context, undone, [change], items, keyed)


def _undo_transfer(context: Context, undone: Entry, keyed: Keyed, reason: str | None) -> Edited:
    kind, (giver_id, holder_id) = undone.appointment_type, _sides(undone)
    pairs = ((holder_id, kind), (giver_id, kind))
    wanted = Wanted(source_ids=(_undo_of(undone), undone.source_id), also=pairs, others=(holder_id, giver_id))
    loaded = context.load(wanted)
    _check_first(loaded.operations)
    giver_id, holder_id = loaded.goes_on_as(giver_id), loaded.goes_on_as(holder_id)
    if giver_id == holder_id:
        raise NothingToUndo("Both clients are one now.")
    pairs = ((holder_id, kind), (giver_id, kind))
    sides = {e.kind: e for e in entries_of(context.store, context.practice_id, loaded.operations[undone.source_id])}
    came, gave = sides[EntryKind.TRANSFERRED_IN], sides[EntryKind.TRANSFERRED_OUT]
    before = settled_all(context.store, loaded, pairs, context.now, room_for(2))
    giver = knowing(context.store, before[giver_id, kind], _lots(gave))
    acts = _act(context, came, keyed, reason), _act(context, gave, keyed, reason)
    settings = loaded.dated_of(giver_id)
    changes = undo_transfer(before[holder_id, kind], giver, came, acts, settings, room_for(2))
    items = [
        item
        for change in changes
        for item in wallet_writes(
            context.store, [change], context.now, loaded.dated_of(change.wallet.client_id), wallets=2
        )
    ]
    return _commit(context, undone, list(changes), items, keyed)


def _commit(context: Context, undone: Entry, changes: list[Change], items: list[Write], keyed: Keyed) -> Edited:
    entries = own_entries(changes, keyed.source_id)
    done = record_of(keyed, undone.client_id, "undone", entries, context.now)
    once_only = replace(done, source_id=_undo_of(undone), content="")
    records = [writes.operation(context.practice_id, each) for each in (done, once_only)]
    context.commit([*records, *items])
    return Edited(entries)


def _undo_of(entry: Entry) -> str:
    return f"undo/{entry.source_id}/{entry.appointment_type}"


def _check_first(operations: dict[str, Operation]) -> None:
    if any(source_id.startswith("undo/") for source_id in operations):
        raise AlreadyResolved("This has been undone before.")


def _sides(entry: Entry) -> tuple[str, str]:
    """Who gave and who received."""
    return entry.cause.ids["from_client_id"], entry.cause.ids["to_client_id"]


def _lots(entry: Entry) -> list[str]:
    return [posting.lot_id for posting in entry.postings if posting.lot_id]


def _act(context: Context, undone: Entry, keyed: Keyed, reason: str | None) -> Act:
    """Caused as what it undoes was, and naming it; a transfer goes the other way."""
    named = {UNDOES: str(undone.sequence), UNDOES_CLIENT: undone.client_id}
    kind, ids = CauseKind(undone.cause.kind), undone.cause.ids | named
    if kind is CauseKind.TRANSFER:
        giver_id, holder_id = _sides(undone)
        ids |= {"from_client_id": holder_id, "to_client_id": giver_id}
    return act_of(keyed.source_id, kind, ids, context.actor, context.now, reason)
