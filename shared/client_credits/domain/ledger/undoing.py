"""Undoing what staff did: an adjustment, a gift, a transfer, each by the opposite of its entry.

Undoing is never refused for a wallet's bounds. Entries are not changed: the undoing entry's cause names the
one it undoes by its client and number. That each is undone once is for the caller to see to.
"""

from dataclasses import replace

from client_credits.domain.errors import NothingToUndo
from client_credits.domain.ledger.adjusting import a_complimentary_lot, lowered, repaid_from, room_left
from client_credits.domain.ledger.entries import Act, CauseKind, Change, Entry, EntryKind, Posting
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.taking import taken_from
from client_credits.domain.ledger.transferring import marked_also
from client_credits.domain.ledger.wallet import Debt, DebtCause, Wallet
from client_credits.domain.practice.dated_settings import SettingsOverTime

UNDOES = "undoes"  # the cause's name for the sequence number of the entry undone
UNDOES_CLIENT = "undoes_client_id"  # whose entry that is: where records were merged, each numbers its own
_BY_STAFF = frozenset({CauseKind.STAFF, CauseKind.PACKAGE})


def check_undoable(entry: Entry) -> None:
    """Raises NothingToUndo unless this is an adjustment, a gift or a side of a transfer, and undoes nothing itself."""
    if UNDOES in entry.cause.ids:
        raise NothingToUndo("This entry undoes another one. Adjust the balance instead.")
    if not (is_transfer(entry) or _is_edit(entry)):
        raise NothingToUndo("Only an adjustment, a gift or a transfer can be undone.")


def is_transfer(entry: Entry) -> bool:
    sides = (EntryKind.TRANSFERRED_IN, EntryKind.TRANSFERRED_OUT)
    return entry.kind in sides and entry.cause.kind is CauseKind.TRANSFER


def _is_edit(entry: Entry) -> bool:
    """What a payment granted has a source of its own, and is undone by giving its money back."""
    by_hand = entry.kind is EntryKind.GRANTED and "payment" not in entry.cause.ids
    return entry.cause.kind in _BY_STAFF and (entry.kind is EntryKind.ADJUSTED or by_hand)


def undo_edit(change: Change, undone: Entry, act: Act, settings: SettingsOverTime, room: int) -> Change:
    """The opposite of an adjustment or gift in its settled wallet: one `adjusted` entry, and what follows from it.

    What was added goes from the lots it made first, the rest as with any lowering. What was taken returns to
    the lots it came from and lessens the debt it made, the rest is added as with any raising. The wallet knows
    every lot that the entry names.
    """
    if undone.amount > 0:
        made = {posting.lot_id for posting in undone.postings}
        first = [lot for lot in change.wallet.open_lots if lot.lot_id in made]
        return settle(lowered(change, undone.amount, act, first), act.now, settings, act, limit=room)
    after, added = _returned(change, undone, act)
    after = settle(after, act.now, settings, act, limit=room)
    lot = after.wallet.lot(added) if added else None
    if lot is None or not lot.remaining:
        return after
    own = replace(act, source_id=f"{act.source_id}/repaid")  # settling may have repaid under the act's own name
    return repaid_from(after, [lot], own, room_left(change, after, room))


def _returned(change: Change, undone: Entry, act: Act) -> tuple[Change, str | None]:
    """The change with what was taken put back, and the lot that was added for what could not be, if any."""
    wallet, left = change.wallet, -undone.amount
    postings: list[Posting] = []
    for posting in undone.postings:
        wallet, part = _opposite(wallet, posting)
        if part:
            left -= part
            postings.append(replace(posting, amount=part, facts=None))
    if not left:
        return change.record(wallet, EntryKind.ADJUSTED, act, tuple(postings)), None
    lot = a_complimentary_lot(wallet, left, None, act)
    wallet = replace(wallet.with_lot(lot), granted_total=wallet.granted_total + left)
    postings.append(Posting(left, lot_id=lot.lot_id))
    return change.record(wallet, EntryKind.ADJUSTED, act, tuple(postings)), lot.lot_id


def _opposite(wallet: Wallet, posting: Posting) -> tuple[Wallet, int]:
    """The wallet with what a lot gave back in it, or with what is left of a debt no longer owed; and how much."""
    if posting.lot_id:
        lot = wallet.lot(posting.lot_id)
        assert lot is not None, "the wallet knows every lot that gave"
        return wallet.with_lot(replace(lot, remaining=lot.remaining - posting.amount)), -posting.amount
    debt = _staff_debt(wallet, posting.debt)
    part = min(debt.amount, -posting.amount) if debt else 0
    return (wallet.with_debt(replace(debt, amount=debt.amount - part)) if debt and part else wallet), part


def _staff_debt(wallet: Wallet, ref: str | None) -> Debt | None:
    return next((d for d in wallet.debts if d.cause is DebtCause.STAFF and d.ref == ref), None)


def undo_transfer(
    holder: Change, giver: Change, undone: Entry, acts: tuple[Act, Act], settings: SettingsOverTime, room: int
) -> tuple[Change, Change]:
    """What is left of a transfer (`undone` is its entry of whoever received) returns to the very lots that gave.

    `holder` and `giver` are settled wallets, the giver's knowing the lots that gave; `acts` are their acts in
    this order, `settings` the giver's. Raises NothingToUndo when nothing is left.
    """
    came = {posting.lot_id for posting in undone.postings}
    lots = [lot for lot in holder.wallet.open_lots if lot.lot_id in came]
    less, parts = taken_from(holder.wallet, undone.amount, acts[0].now, lots)
    if not parts:
        raise NothingToUndo("Nothing is left of what was transferred.")
    more = giver.wallet
    returned = []
    for lot, part in parts:
        home = more.lot(lot.parent or "")
        assert home is not None, "the giver's wallet knows every lot that gave"
        more = marked_also(less, more.with_lot(replace(home, remaining=home.remaining + part)), lot)
        returned.append(Posting(part, lot_id=home.lot_id))
    out = tuple(Posting(-part, lot_id=lot.lot_id) for lot, part in parts)
    holder = holder.record(less, EntryKind.TRANSFERRED_OUT, acts[0], out)
    giver = giver.record(more, EntryKind.TRANSFERRED_IN, acts[1], tuple(returned))
    return holder, settle(giver, acts[1].now, settings, acts[1], limit=room)
