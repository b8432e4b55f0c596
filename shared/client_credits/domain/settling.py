"""Bringing a wallet up to date: what fell due by now is written, oldest first.

Lots past their end are written off; debts are repaid by lots that can, each dated at the instant
it fell due. Every operation settles first, and every answer is that of the settled wallet, so a
sweep that is late, doubled or absent changes no number anyone sees.
"""

from dataclasses import replace
from datetime import datetime

from client_credits.domain.entries import (
    Act,
    Actor,
    Cause,
    CauseKind,
    Change,
    EntryKind,
    Posting,
    Repayment,
)
from client_credits.domain.settings import Settings
from client_credits.domain.wallet import DebtCause, Lot, Wallet, take

SCHEDULE = Actor("system", "schedule")


def settle(
    change: Change,
    now: datetime,
    settings: Settings,
    act: Act | None = None,
    limit: int | None = None,
) -> Change:
    """Settles at `now`, inclusive: a lot that ends at `now` is gone.

    With `act`, what falls due is part of that operation and its entries carry its source id;
    without, each names itself (`expire/<lot>/<end>`, `repay/<lot>/<debt>/<instant>`). `limit`
    bounds the records this adds (entries, and bookings repaid), because a transaction does: what is
    left stays due and the next settling goes on there. Settling a settled wallet changes nothing.
    """
    room = _Room(change, limit)
    for instant in _instants(change.wallet, now, settings, act):
        change = _expire(change, instant, now, act, room)
        complete = room.left(change)
        if complete and settings.auto_repay and change.wallet.debts:
            change, complete = _repay(change, instant, now, settings, act, room)
        if not complete:
            return change
    return _without_lapsed_holds(change, now)


class _Room:
    """How many more records fit into the transaction being built."""

    def __init__(self, change: Change, limit: int | None) -> None:
        self._before = self._records(change)
        self._limit = limit

    @staticmethod
    def _records(change: Change) -> int:
        return len(change.entries) + len(change.repayments)

    def left(self, change: Change, coming: int = 0) -> bool:
        return self._limit is None or self._records(change) + coming - self._before < self._limit


def next_due(wallet: Wallet, now: datetime, settings: Settings) -> datetime | None:
    """The first instant after `now` at which settling will have something to write."""
    ends = {lot.end for lot in wallet.lots if lot.remaining and lot.expires_at}
    return min((t for t in ends | _repayable(wallet, settings) if t > now), default=None)


def _without_lapsed_holds(change: Change, now: datetime) -> Change:
    live = tuple(hold for hold in change.wallet.holds if now < hold.expires_at)
    if live == change.wallet.holds:
        return change
    return replace(change, wallet=replace(change.wallet, holds=live))


def _instants(wallet: Wallet, now: datetime, settings: Settings, act: Act | None) -> list[datetime]:
    """Every instant up to `now` at which a lot ends or a debt may become repayable.

    Credits that an operation brings were not there before it happened, so nothing of them falls
    due earlier than that.
    """
    due = {lot.end for lot in wallet.lots} | _repayable(wallet, settings)
    happened = min(act.occurred_at, now) if act else None
    return sorted({max(t, happened) if happened else t for t in due if t <= now})


def _repayable(wallet: Wallet, settings: Settings) -> set[datetime]:
    """When a debt may become repayable: a lot that could pay it begins, or a hold on its credits lapses."""
    if not wallet.debts or not settings.auto_repay:
        return set()
    cover = settings.credit_must_cover == "session"
    begins = {
        max(lot.effective_at, debt.since)
        for lot in wallet.lots
        for debt in wallet.debts
        if not lot.frozen
        and max(lot.effective_at, debt.since) < lot.end
        and (not cover or debt.starts_at is None or debt.starts_at < lot.end)
    }
    return begins | {hold.expires_at for hold in wallet.holds}


def _expire(change: Change, instant: datetime, now: datetime, act: Act | None, room: _Room) -> Change:
    """Writes off the lots past their end: one entry each, or one together as part of an operation."""
    ended = [lot for lot in change.wallet.lots if lot.remaining and lot.end <= instant]
    ended.sort(key=lambda lot: (lot.end, lot.lot_id))
    if act and ended:
        return _write_off(change, ended, _during(act, instant), instant)
    for lot in ended:
        if room.left(change):
            name = f"expire/{lot.lot_id}/{instant_text(lot.end)}"
            change = _write_off(change, [lot], _by_schedule(name, lot.lot_id, instant, now), instant)
    return change


def _write_off(change: Change, lots: list[Lot], act: Act, instant: datetime) -> Change:
    wallet = change.wallet
    for lot in lots:
        wallet = wallet.with_lot(replace(lot, remaining=0))
    postings = tuple(Posting(-lot.remaining, lot_id=lot.lot_id) for lot in lots)
    return change.record(wallet, EntryKind.EXPIRED, act, postings, instant)


def _during(act: Act, instant: datetime) -> Act:
    """The operation itself, or what fell due between its happening and now, named after both."""
    if instant <= min(act.occurred_at, act.now):
        return act
    return replace(act, source_id=f"{act.source_id}/{instant_text(instant)}")


def _by_schedule(source_id: str, lot_id: str, instant: datetime, now: datetime) -> Act:
    return Act(source_id, Cause(CauseKind.SCHEDULE, {"lot_id": lot_id}), SCHEDULE, instant, now)


def _repay(
    change: Change,
    instant: datetime,
    now: datetime,
    settings: Settings,
    act: Act | None,
    room: _Room,
) -> tuple[Change, bool]:
    """Lots usable at `instant` repay the debts they could have paid, the oldest debt first.

    Also says whether all was repaid that could be: there may have been room for a part only.
    """
    wallet = change.wallet
    complete = True
    postings: list[Posting] = []
    repayments: list[Repayment] = []
    for debt in sorted(wallet.debts, key=lambda d: (d.since, d.cause, d.ref)):
        if debt.since > instant:
            continue
        covers = debt.starts_at if settings.credit_must_cover == "session" else None
        owed = debt.amount
        lots = ((lot, wallet.free(lot, instant)) for lot in wallet.usable_lots(instant, covers))
        for lot, part in take(lots, owed):
            if not room.left(change, coming=1 + len(repayments)):
                complete = False
                break
            wallet = wallet.with_lot(replace(lot, remaining=lot.remaining - part))
            owed -= part
            postings += [Posting(-part, lot_id=lot.lot_id), Posting(part, debt=debt.ref)]
            if debt.cause is DebtCause.BOOKING:
                repayments.append(Repayment(debt.ref, as_payer(lot), part))
        wallet = wallet.with_debt(replace(debt, amount=owed))
    if not postings:
        return change, complete
    lot_id = str(postings[0].lot_id)
    name = f"repay/{lot_id}/{postings[1].debt}/{instant_text(instant)}"
    own = _during(act, instant) if act else _by_schedule(name, lot_id, instant, now)
    recorded = change.record(wallet, EntryKind.REPAID, own, tuple(postings), instant)
    return recorded.repaid_by(tuple(repayments)), complete


def as_payer(lot: Lot) -> Lot:
    """What a booking remembers of a lot that paid it: enough to open the lot again when it has closed."""
    return replace(lot, remaining=0)


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC with Z; fractions only where there are any."""
    return instant.isoformat().replace("+00:00", "Z")
