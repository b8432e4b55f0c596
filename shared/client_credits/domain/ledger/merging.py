"""Two records of one person become one: all that a wallet has moves to the other record's wallet of that type.

Lots keep their ids, and all they are. So whoever names one (a booking's payer, a refund, a hold) finds it in the
wallet that stays, which knows whose wallets it took in: their emptied lots are stored with them.
"""

from collections.abc import Iterable
from dataclasses import replace

from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Cycle, Debt, Lot, Mark, TakenIn, Wallet
from client_credits.domain.practice.dated_settings import SettingsOverTime


def merge(gone: Change, staying: Change, act: Act, settings: SettingsOverTime, room: int) -> tuple[Change, Change]:
    """Moves lots, debts, holds, marks and what is to come between two settled wallets of one type.

    One entry in each, of opposite amounts, also where nothing is left to move. What either owed is then repaid
    by what the other had, by the `settings` of who stays. Never refused.
    """
    before, into = gone.wallet, staying.wallet
    assert before.appointment_type == into.appointment_type and before.client_id != into.client_id
    assert before.merged_into is None, "moved once"
    given = _postings(before.lots, before.debts, -1)
    taken = _postings(before.lots, before.debts, 1)
    gone = gone.record(_emptied(before, into.client_id), EntryKind.TRANSFERRED_OUT, act, given)
    since = into.sequence
    staying = staying.record(_joined(into, before, since), EntryKind.TRANSFERRED_IN, act, taken)
    gone = replace(gone, wallet=replace(gone.wallet, lots=()))
    return gone, settle(staying, act.now, settings, act, limit=room)


def closed_to_all(wallet: Wallet, into: str) -> Wallet:
    """A wallet that was never touched, so that nothing comes into being there any more."""
    assert wallet.version == 0
    return replace(wallet, merged_into=into)


def _postings(lots: Iterable[Lot], debts: Iterable[Debt], sign: int) -> tuple[Posting, ...]:
    """Emptied lots that are still in the wallet move, too: with a posting of 0."""
    moved = [Posting(sign * lot.remaining, lot_id=lot.lot_id) for lot in lots]
    return (*moved, *(Posting(-sign * debt.amount, debt=debt.ref) for debt in debts))


def _emptied(wallet: Wallet, into: str) -> Wallet:
    return replace(
        wallet,
        lots=tuple(replace(lot, remaining=0) for lot in wallet.lots),
        debts=(),
        holds=(),
        marks=(),
        cycles=(),
        coming=(),
        settled_at=None,
        merged_into=into,
    )


def _joined(into: Wallet, gone: Wallet, since: int) -> Wallet:
    known = {lot.lot_id for lot in into.lots}
    assert not known & {lot.lot_id for lot in gone.lots}, "a lot is in one wallet"
    joined = replace(
        into,
        granted_total=into.granted_total + gone.granted_total,
        lots=(*into.lots, *gone.lots),
        holds=(*into.holds, *gone.holds),
        cycles=_newest((*into.cycles, *gone.cycles)),
        coming=(*into.coming, *gone.coming),
        settled_at=max((t for t in (into.settled_at, gone.settled_at) if t), default=None),
        taken_in=(
            *into.taken_in,
            *(replace(each, since=since) for each in gone.taken_in),
            TakenIn(gone.client_id, since),
        ),
    )
    for debt in gone.debts:
        joined = joined.with_debt(_added(joined, debt))
    for mark in gone.marks:
        joined = joined.with_mark(_of_both(joined.mark(mark.about), mark))
    return joined


def _added(wallet: Wallet, debt: Debt) -> Debt:
    """The debt with what is owed for the same already."""
    own = next((d for d in wallet.debts if (d.cause, d.ref) == (debt.cause, debt.ref)), None)
    return replace(debt, amount=debt.amount + own.amount, since=min(debt.since, own.since)) if own else debt


def _of_both(one: Mark, other: Mark) -> Mark:
    causes = tuple(dict.fromkeys((*one.frozen, *other.frozen)))
    return replace(one, frozen=causes, short=one.short or other.short)


def _newest(cycles: Iterable[Cycle]) -> tuple[Cycle, ...]:
    """One cycle a subscription: the newest."""
    found: dict[str, Cycle] = {}
    for cycle in sorted(cycles, key=lambda each: each.starts):
        found[cycle.subscription] = cycle
    return tuple(found.values())
