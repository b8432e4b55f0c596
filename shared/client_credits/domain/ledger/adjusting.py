"""What staff do to credits by hand: set the number, add or take some, extend or void a lot.

Raising clears what is owed, oldest first, then adds a complimentary lot. Lowering takes usable
credits first, then those not yet effective, then frozen, then held ones; what is still missing is
owed, as a debt of staff's making.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from client_credits.domain.errors import Invalid, LotClosed, Problem, VersionConflict
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting, Repayment, check_bounds
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.taking import taken_from, without_excess_holds
from client_credits.domain.ledger.wallet import (
    PRIORITY,
    Debt,
    DebtCause,
    Lot,
    LotSource,
    Wallet,
)
from client_credits.domain.practice.dated_settings import SettingsOverTime


def set_balance(
    change: Change,
    balance: int,
    version: int,
    expires_at: datetime | None,
    act: Act,
    settings: SettingsOverTime,
    room: int,
) -> Change:
    """Makes the balance of a settled wallet exactly `balance`, if `version` is the one stored.

    The number already being so changes nothing. Raises VersionConflict, Invalid, LimitReached.
    """
    check_version(change.before, version)
    delta = balance - change.wallet.balance
    return adjust(change, delta, expires_at, act, settings, room) if delta else change


def check_version(stored: Wallet, seen: int) -> None:
    """Raises VersionConflict when a wallet has changed since staff saw it. Settling alone is no change."""
    if not stored.version - stored.settlings <= seen <= stored.version:
        raise VersionConflict(
            "These credits have changed since you saw them. Look again, then save.",
            appointment_type=stored.appointment_type,
            version=stored.version,
        )


def adjust(
    change: Change, delta: int, expires_at: datetime | None, act: Act, settings: SettingsOverTime, room: int
) -> Change:
    """Adds (`delta` > 0) or takes (< 0) credits of a settled wallet: one `adjusted` entry.

    `expires_at` is the end of what is added, None for never. Raises Invalid when it is not in the
    future, LimitReached when the wallet would outgrow its bounds.
    """
    assert delta != 0
    made = _raised(change, delta, expires_at, act, room) if delta > 0 else lowered(change, -delta, act)
    made = settle(made, act.now, settings, act, limit=room_left(change, made, room))
    check_bounds(made)
    return made


def room_left(before: Change, after: Change, room: int) -> int:
    """How many records settling may add after an operation, of `room` less the bookings that it repaid itself."""
    return max(0, room - len(after.repayments) + len(before.repayments))


def _raised(change: Change, amount: int, expires_at: datetime | None, act: Act, room: int) -> Change:
    """A complimentary lot, which first repays what is owed, oldest first, whatever its end and `auto_repay` say.

    So a booking that it paid for knows the lot, and its credit comes back when it is cancelled.
    """
    lot = a_complimentary_lot(change.wallet, amount, expires_at, act)
    wallet = change.wallet.with_lot(lot)
    wallet = replace(wallet, granted_total=wallet.granted_total + amount)
    change = change.record(wallet, EntryKind.ADJUSTED, act, (Posting(amount, lot_id=lot.lot_id),))
    return repaid_from(change, [lot], act, room)


def repaid_from(change: Change, lots: Iterable[Lot], act: Act, room: int) -> Change:
    """The credits of these lots, in this order, repay what is owed, the oldest first.

    One `repaid` entry, or none where nothing is owed. Each booking repaid is one more record: beyond `room` they
    stay owed, until settling repays them where `auto_repay` says so.
    """
    wallet = change.wallet
    postings: list[Posting] = []
    repayments: list[Repayment] = []
    for lot in lots:
        left = lot.remaining
        for debt in sorted(wallet.debts, key=lambda d: (d.since, d.cause, d.ref)):
            part = min(debt.amount, left)
            if part and (debt.cause is not DebtCause.BOOKING or len(repayments) < room):
                left -= part
                wallet = wallet.with_debt(replace(debt, amount=debt.amount - part))
                postings += [Posting(-part, lot_id=lot.lot_id), Posting(part, debt=debt.ref)]
                if debt.cause is DebtCause.BOOKING:
                    repayments.append(Repayment(debt.ref, lot.lot_id, part))
        wallet = wallet.with_lot(replace(lot, remaining=left))
    if not postings:
        return change
    return change.record(wallet, EntryKind.REPAID, act, tuple(postings)).repaid_by(tuple(repayments))


def a_complimentary_lot(wallet: Wallet, amount: int, expires_at: datetime | None, act: Act) -> Lot:
    """A lot of staff's making, usable at once. Raises Invalid when it would have ended already."""
    check_end(expires_at, act.now)
    return Lot(
        lot_id=derived_id("lot", act.source_id, wallet.client_id, wallet.appointment_type),
        granted=amount,
        remaining=amount,
        effective_at=act.now,
        expires_at=expires_at,
        source=LotSource.COMPLIMENTARY,
        priority=PRIORITY[LotSource.COMPLIMENTARY],
    )


def check_end(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        fault = Problem("/expires_at", "out_of_range", "name an instant that is still to come")
        raise Invalid("Credits cannot end before they are given.", fault)


def lowered(change: Change, amount: int, act: Act, first: Iterable[Lot] = ()) -> Change:
    """Takes credits: one `adjusted` entry. The lots named `first` give before all others."""
    wallet, parts = taken_from(change.wallet, amount, act.now, first)
    wallet, more = taken_from(wallet, amount - sum(part for _, part in parts), act.now, wallet.open_lots)
    postings = [Posting(-part, lot_id=lot.lot_id) for lot, part in (*parts, *more)]
    amount += sum(posting.amount for posting in postings)
    if amount:
        owed = Debt(DebtCause.STAFF, act.source_id, amount, act.now)
        wallet = wallet.with_debt(owed)
        postings.append(Posting(-amount, debt=act.source_id))
    return change.record(wallet, EntryKind.ADJUSTED, act, tuple(postings))


def extend(
    change: Change, lot_id: str, expires_at: datetime | None, act: Act, settings: SettingsOverTime, room: int
) -> Change:
    """Gives a lot a later end (None: never): one `extended` entry of 0. An emptied one, too, for what returns to it.

    Raises LotClosed when the lot was voided, Invalid when the end is not later than today's and
    than now. The same end again changes nothing.
    """
    lot = _known_lot(change.wallet, lot_id)
    if expires_at == lot.expires_at:
        return change
    check_end(expires_at, act.now)
    if expires_at is not None and expires_at < lot.end:
        fault = Problem("/expires_at", "out_of_range", f"name an instant after {lot.end.isoformat()}")
        raise Invalid("A lot can be extended, not cut short. Void it to take it back.", fault)
    later = change.wallet.with_lot(replace(lot, expires_at=expires_at, extended=True))
    change = change.record(later, EntryKind.EXTENDED, act, (Posting(0, lot_id=lot_id),))
    return settle(change, act.now, settings, act, limit=room)


def void(change: Change, lot_id: str, act: Act) -> Change:
    """Takes back all that remains of a lot, and whatever returns to it later: one `voided` entry.

    An emptied lot is voided, too. Raises LotClosed when it was voided before.
    """
    lot = _known_lot(change.wallet, lot_id)
    gone = change.wallet.with_lot(replace(lot, remaining=0, voided=True))
    postings = (Posting(-lot.remaining, lot_id=lot_id),)
    return change.record(without_excess_holds(gone, lot_id), EntryKind.VOIDED, act, postings)


def _known_lot(wallet: Wallet, lot_id: str) -> Lot:
    lot = wallet.lot(lot_id)
    if lot is None or lot.voided:
        raise LotClosed("This lot does not exist or was voided. A void is final.")
    return lot
