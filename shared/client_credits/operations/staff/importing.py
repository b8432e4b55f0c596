"""Balances brought from another system: each row of a file at most once, whoever runs it and however often.

The source id is `import/<file>/<line>`: the file's digest and its first line about this client and type. So a run
that was cut off goes on, and a second run changes nothing. A client nobody knows yet is created.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from client_credits.domain.errors import Invalid, LimitReached
from client_credits.domain.ledger.entries import CauseKind, untouched
from client_credits.domain.ledger.importing import Brought, bring_balance
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.wallet import Wallet
from client_credits.domain.practice.records import Client
from client_credits.operations.committing import once, room_for, settled, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.queries.clients import settled_wallet
from client_credits.operations.staff.idempotent import act_of, check_known, own_entries
from client_credits.operations.staff.practices import put_client
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted

TOGETHER = 30  # balances looked at in one batch read: a client, a wallet and an operation each


@dataclass(frozen=True, slots=True)
class ImportedBalance:
    """What a file says of one client's credits of one type. `line` is the first line that says something of it."""

    client_id: str
    appointment_type: str
    file: str
    line: int
    brought: tuple[Brought, ...]
    note: str | None = None

    @property
    def balance(self) -> int:
        return sum(each.amount for each in self.brought)

    @property
    def source_id(self) -> str:
        return f"import/{self.file}/{self.line}"


@dataclass(frozen=True, slots=True)
class Compared:
    """A balance of a file beside the one here, settled. `moved` is by how much it moved since an earlier import
    brought it; None where none did, where it has not moved, and where this file did."""

    wanted: ImportedBalance
    balance: int
    new_client: bool
    done: bool
    moved: int | None = None


def bring(context: Context, wanted: ImportedBalance) -> Operation:
    """Makes the client's balance what the file says, once per file and line; the operation's record, repeated or not.

    A repeat costs one read. Raises Invalid for an end that is not to come, LimitReached, NotFound for an unknown type.
    """
    types, source_id = (wanted.appointment_type,), wanted.source_id
    needed = Wanted(client_id=wanted.client_id, types=types, source_ids=(source_id,))

    def attempt() -> Operation:
        loaded = context.load(needed)
        if done := loaded.operations.get(source_id):
            return done
        if loaded.client is None:
            put_client(context, Client(wanted.client_id, created_at=context.now))
            loaded = context.load(needed)
        check_known(loaded, *types)
        cause = {"file": wanted.file, "line": str(wanted.line)}
        act = act_of(source_id, CauseKind.IMPORT, cause, context.actor, context.now, wanted.note)
        room = room_for(1)
        before = settled(context.store, loaded.wallets.values(), context.now, loaded.dated, room)
        change = bring_balance(before[wanted.appointment_type], wanted.brought, act, loaded.dated, room)
        entries = own_entries([change], source_id)
        refs = tuple(EntryRef(each.appointment_type, each.sequence, each.amount) for each in entries)
        record = Operation(source_id, "", "imported", wanted.client_id, refs, context.now)
        items = wallet_writes(context.store, [change], context.now, loaded.dated)
        context.commit([writes.operation(context.practice_id, record), *items])
        return record

    return once(attempt)


def refusals(context: Context, wanted: Sequence[ImportedBalance]) -> list[tuple[ImportedBalance, str]]:
    """Of at most TOGETHER balances those that `bring` would refuse now, and why, in one batch read. Writes nothing."""
    loaded = _loaded(context, wanted)
    refused = []
    for each in wanted:
        wallet = settled_wallet(loaded, each.client_id, each.appointment_type, context.now)
        act = act_of(each.source_id, CauseKind.IMPORT, {}, context.actor, context.now, None)
        try:
            if each.source_id not in loaded.operations:
                bring_balance(untouched(wallet), each.brought, act, loaded.dated_of(each.client_id), room_for(1))
        except (LimitReached, Invalid) as error:
            refused.append((each, error.detail))
    return refused


def compare(context: Context, wanted: Sequence[ImportedBalance]) -> list[Compared]:
    """At most TOGETHER balances of a file beside those here, in one batch read, and for each wallet with entries
    those back to its newest import."""
    loaded = _loaded(context, wanted)
    return [_compared(context, loaded, each) for each in wanted]


def _loaded(context: Context, wanted: Sequence[ImportedBalance]) -> Loaded:
    """Their clients, wallets and operations. A merge that was cut short is left to whoever writes."""
    assert len(wanted) <= TOGETHER, len(wanted)
    return context.store.load(
        context.practice_id,
        Wanted(
            others=tuple({each.client_id for each in wanted}),
            also=tuple((each.client_id, each.appointment_type) for each in wanted),
            source_ids=tuple(each.source_id for each in wanted),
        ),
    )


def _compared(context: Context, loaded: Loaded, wanted: ImportedBalance) -> Compared:
    client_id, kind = wanted.client_id, wanted.appointment_type
    wallet = settled_wallet(loaded, client_id, kind, context.now)
    done = wanted.source_id in loaded.operations
    moved = None if done else _moved(context, wallet)
    return Compared(wanted, wallet.balance, client_id not in loaded.others, done, moved)


def _moved(context: Context, wallet: Wallet) -> int | None:
    """By how much a settled wallet differs from what its newest import made of it. Reads its entries back to there."""
    newest_first = context.store.entries_backwards(wallet) if wallet.sequence else ()
    imported = next((entry for entry in newest_first if entry.cause.kind == CauseKind.IMPORT), None)
    return wallet.balance - imported.balance_after or None if imported else None
