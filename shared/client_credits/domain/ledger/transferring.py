"""One client gives credits to another: the sum over both never changes.

Lots move in burn order and keep their end, payment, value and source; each part becomes a lot of
the receiver that names the one it came from.
"""

from dataclasses import replace

from client_credits.domain.errors import InsufficientCredits
from client_credits.domain.ids import derived_id, payment_of
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting, check_bounds
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Lot, Wallet, available, take
from client_credits.domain.practice.dated_settings import SettingsOverTime


def transfer(
    giver: Change,
    receiver: Change,
    amount: int,
    act: Act,
    settings: SettingsOverTime,
    receiver_settings: SettingsOverTime,
    room: int,
) -> tuple[Change, Change]:
    """Moves `amount` (1 or more) between two settled wallets of one type.

    Both entries name the same source id and both clients. What the receiver owes is then repaid by
    what came, as with any new lot. Raises InsufficientCredits, LimitReached.
    """
    assert amount > 0 and giver.wallet.appointment_type == receiver.wallet.appointment_type
    has = available(giver.wallet, act.now, settings=settings.at(act.now))
    if amount > has:
        raise InsufficientCredits(f"Only {has} credits can be given away.", available=has, shortfall=amount - has)
    lots = [(lot, giver.wallet.free(lot, act.now)) for lot in giver.wallet.usable_lots(act.now)]
    less, more = giver.wallet, receiver.wallet
    given, taken = [], []
    for lot, part in take(lots, amount):
        less = less.with_lot(replace(lot, remaining=lot.remaining - part))
        moved = replace(
            lot,
            lot_id=derived_id("lot", act.source_id, more.client_id, lot.lot_id),
            granted=part,
            remaining=part,
            parent=lot.lot_id,
            rollover=None,
        )
        more = marked_also(less, more.with_lot(moved), lot)
        given.append(Posting(-part, lot_id=lot.lot_id))
        taken.append(Posting(part, lot_id=moved.lot_id))
    giver = giver.record(less, EntryKind.TRANSFERRED_OUT, act, tuple(given))
    receiver = receiver.record(more, EntryKind.TRANSFERRED_IN, act, tuple(taken))
    receiver = settle(receiver, act.now, receiver_settings, act, limit=room)
    check_bounds(receiver)
    return giver, receiver


def marked_also(giver: Wallet, receiver: Wallet, lot: Lot) -> Wallet:
    """What binds credits that return to the lots of a payment or subscription holds for the receiver, too."""
    for about in (lot.payment, lot.subscription):
        if about:
            mine, theirs = giver.mark(about), receiver.mark(about)
            causes = tuple(dict.fromkeys((*theirs.frozen, *mine.frozen)))
            receiver = receiver.with_mark(replace(theirs, frozen=causes, short=mine.short or theirs.short))
    return receiver


def payments_moved(before: Change, giver: Change) -> list[str]:
    """The payments whose credits a transfer moved, given the giver's settled wallet before it and its change."""
    moved = {p.lot_id for e in giver.entries if e.kind is EntryKind.TRANSFERRED_OUT for p in e.postings}
    return sorted({payment_of(lot.payment) for lot in before.wallet.lots if lot.lot_id in moved and lot.payment})
