"""The wallets of a client that is merged into another one: each moves in one transaction, at most once, ever.

Owns no decision to merge: the records of the clients say who goes on for whom before the first wallet moves, and
whoever meets a wallet that has not moved yet moves it. So a merge that was cut short is completed by what comes by.
"""

from client_credits.domain.ledger import merging
from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Entry
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.wallet import Wallet
from client_credits.operations.context import Context
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted
from client_credits.store.table import Conflicted


def source_id_of(gone: str, appointment_type: str) -> str:
    """The operation that moves this wallet."""
    return f"merge/{gone}/{appointment_type}"


def goes_on_as(context: Context, client_id: str) -> str:
    """Who goes on for a client, by the records as they stand: itself, where it was never merged."""
    while True:
        found = context.store.load(context.practice_id, Wanted(others=(client_id,), as_stored=True)).others
        into = found[client_id].merged_into if client_id in found else None
        if into is None:
            return client_id
        client_id = into


def move(context: Context, gone: str, into: str, appointment_type: str) -> list[Entry]:
    """One attempt to move a wallet to who goes on; none where that was done before. Raises Conflicted.

    One that was never touched is closed, so that nothing that began before the merge brings it into being.
    """
    pairs = ((gone, appointment_type), (into, appointment_type))
    wanted = Wanted(others=(gone, into), also=pairs, as_stored=True)
    loaded = context.store.load(context.practice_id, wanted)
    wallet = loaded.also[pairs[0]]
    if wallet.merged_into is not None:
        return []
    if loaded.also[pairs[1]].merged_into is not None:
        raise Conflicted("who goes on was merged meanwhile")
    if wallet.version == 0:
        context.commit([writes.wallet(merging.closed_to_all(wallet, into), None)])
        return []
    return _moved(context, loaded, wallet, into)


def _moved(context: Context, loaded: Loaded, wallet: Wallet, into: str) -> list[Entry]:
    # `committing` moves wallets in passing, so this module can only be its neighbour.
    from client_credits.operations.committing import room_for, settled_all, wallet_writes  # noqa: PLC0415

    gone, kind, room = wallet.client_id, wallet.appointment_type, room_for(2)
    cause = Cause(CauseKind.MERGE, {"from_client_id": gone, "to_client_id": into})
    act = Act(source_id_of(gone, kind), cause, context.actor, context.now, context.now)
    before = settled_all(context.store, loaded, ((gone, kind), (into, kind)), context.now, room)
    theirs, ours = loaded.dated_of(gone), loaded.dated_of(into)
    left, came = merging.merge(before[gone, kind], before[into, kind], act, ours, room)
    entries = [entry for change in (left, came) for entry in change.entries if entry.source_id == act.source_id]
    items = [writes.operation(context.practice_id, _done(act, into, entries))]
    items += wallet_writes(context.store, [left], context.now, theirs, wallets=2)
    items += wallet_writes(context.store, [came], context.now, ours, wallets=2)
    context.commit(items)
    return entries


def _done(act: Act, into: str, entries: list[Entry]) -> Operation:
    refs = tuple(EntryRef(e.appointment_type, e.sequence, e.amount, e.client_id) for e in entries)
    return Operation(act.source_id, "", "merged", into, refs, act.now)
