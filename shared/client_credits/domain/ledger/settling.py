"""Bringing a wallet up to date: what fell due by now is written, oldest first.

Lots past their end are written off or roll over; tranches of paid plans come; debts are repaid by
lots that can: in this order at one instant, each dated at the instant it fell due. Every operation
settles first, and every answer is that of the settled wallet, so a sweep that is late, doubled or
absent changes no number anyone sees. Each uses the settings that held at its instant.
"""

from dataclasses import replace
from datetime import datetime
from itertools import dropwhile

from client_credits.domain.ids import derived_id
from client_credits.domain.instants import instant_text
from client_credits.domain.ledger import tranches
from client_credits.domain.ledger.entries import (
    Act,
    Actor,
    Cause,
    CauseKind,
    Change,
    EntryKind,
    Posting,
    Repayment,
)
from client_credits.domain.ledger.freezing import freezes, refrozen
from client_credits.domain.ledger.rolling import Ending, endings
from client_credits.domain.ledger.taking import without_excess_holds
from client_credits.domain.ledger.wallet import Debt, DebtCause, Lot, Wallet, take
from client_credits.domain.practice.dated_settings import SettingsOverTime
from client_credits.domain.practice.settings import Settings

SCHEDULE = Actor("system", "schedule")


def settle(
    change: Change,
    now: datetime,
    settings: SettingsOverTime,
    act: Act | None = None,
    limit: int | None = None,
) -> Change:
    """Settles at `now`, inclusive: a lot that ends at `now` is gone. What returned to a voided lot is taken again.

    With `act`, what falls due is part of that operation and its entries carry its source id;
    without, each names itself (`expire/<lot>/<end>`, `repay/<lot>/<debt>/<instant>`), as a tranche
    always does (`<paid line>/<number>`). `limit` bounds the records this adds (entries, and bookings
    repaid), because a transaction does: what is left stays due and the next settling goes on there.
    What one subscription rolls over is never parted. Settling a settled wallet changes nothing.
    Lots end up frozen by what freezes them at `now`, by the settings that hold then.
    """
    settled = _settled(change, now, settings, act, limit)
    wallet = refrozen(settled.wallet, settings.at(now))
    if wallet == change.wallet:
        wallet = change.wallet
    return settled if wallet is settled.wallet else replace(settled, wallet=wallet)


def _settled(change: Change, now: datetime, settings: SettingsOverTime, act: Act | None, limit: int | None) -> Change:
    room = _Room(change, limit)
    change = _void_returned(change, now, act, room)
    floor, older = change.wallet.settled_at, _older_lots(change, act)
    reached = min(act.occurred_at, now) if act else floor
    instants = _instants(change.wallet, now, settings, act)
    while instants:
        instant, known = instants.pop(0), len(change.entries)
        change = _frozen_at(change, instant, settings)
        change, complete = _expire(change, instant, now, act, room)
        if complete and change.wallet.coming:
            change, complete = _bring_tranches(change, instant, now, settings, act, room)
        if complete and change.wallet.debts:
            idle = older if floor and instant < floor else frozenset()
            change, complete = _repay(change, instant, now, settings.at(instant), act, room, idle)
        if len(change.entries) > known:
            reached = instant
        if not complete:
            return _as_settled(change, reached)
        if any(entry.kind in _BRING for entry in change.entries[known:]):
            instants = [t for t in _instants(change.wallet, now, settings, act) if t > instant]
    return _as_settled(_without_the_lapsed(change, now), reached)


def _frozen_at(change: Change, instant: datetime, settings: SettingsOverTime) -> Change:
    wallet = refrozen(change.wallet, settings.at(instant))
    return change if wallet is change.wallet else replace(change, wallet=wallet)


_BRING = (EntryKind.GRANTED, EntryKind.ROLLED_OVER)  # what makes lots that were not there before


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


def _older_lots(change: Change, act: Act | None) -> frozenset[str]:
    """The lots that the operation did not touch: what they are like holds since the wallet's `settled_at` only."""
    own = [entry for entry in change.entries if act and entry.source_id == act.source_id]
    touched = {posting.lot_id for entry in own for posting in entry.postings}
    return frozenset(lot.lot_id for lot in change.wallet.lots) - touched


def _as_settled(change: Change, reached: datetime | None) -> Change:
    """What lots and debts are like now says nothing of earlier instants: a frozen lot may be free today.
    So where both remain, a changed wallet remembers since when it is as it is, that is, the instant of its
    last change."""
    wallet = change.wallet
    known = [each for each in (wallet.settled_at, reached) if each and wallet.open_lots and wallet.debts]
    settled_at = max(known, default=None)
    if not change.made or settled_at == wallet.settled_at:
        return change
    return replace(change, wallet=replace(wallet, settled_at=settled_at))


def next_due(wallet: Wallet, now: datetime, settings: SettingsOverTime) -> datetime | None:
    """The first instant after `now` at which settling will have something to write."""
    ends = {lot.end for lot in wallet.open_lots if lot.expires_at} | _repayable(wallet, settings)
    if wallet.coming:
        ends |= _tranches(wallet)
    return min((t for t in ends if t > now), default=None)


def _without_the_lapsed(change: Change, now: datetime) -> Change:
    """Drops, without an entry, holds that lapsed and plans of tranches that bring nothing more."""
    wallet = tranches.without_past(change.wallet, now) if change.wallet.coming else change.wallet
    live = tuple(hold for hold in wallet.holds if now < hold.expires_at)
    if live != wallet.holds:
        wallet = replace(wallet, holds=live)
    return change if wallet is change.wallet else replace(change, wallet=wallet)


def _instants(wallet: Wallet, now: datetime, settings: SettingsOverTime, act: Act | None) -> list[datetime]:
    """Every instant up to `now` at which a lot ends, a tranche comes or a debt may become repayable.

    Credits that an operation brings were not there before it happened, so nothing of them falls
    due earlier than that. A tranche has a date of its own.
    """
    ends, repayable = ({t for t in due if t <= now} for due in (_ends(wallet), _repayable(wallet, settings)))
    floor = wallet.settled_at
    if act:
        instants = {max(t, min(act.occurred_at, now)) for t in ends | repayable}
        instants |= {floor} if floor and act.occurred_at < floor <= now else set()
    else:
        instants = ends | {max(t, floor or t) for t in repayable}
    if wallet.coming:
        instants |= {t for t in _tranches(wallet) if t <= now}
    return sorted(instants)


def _ends(wallet: Wallet) -> set[datetime]:
    return {lot.end for lot in wallet.open_lots}


def _tranches(wallet: Wallet) -> set[datetime]:
    return {tranches.comes_at(coming) for coming in wallet.coming if tranches.brings(coming)}


def _repayable(wallet: Wallet, settings: SettingsOverTime) -> set[datetime]:
    """When a debt may become repayable: a lot that could pay it begins, a hold on its credits lapses, or a
    setting changes."""
    if not wallet.debts or not wallet.open_lots:
        return set()
    since = min(debt.since for debt in wallet.debts)
    changed = {t for t in settings.changed("auto_repay", "credit_must_cover", "past_due") if t > since}
    begins = {
        begin
        for lot in wallet.open_lots
        for debt in wallet.debts
        if (begin := max(lot.effective_at, debt.since)) < lot.end
        and not freezes(wallet, lot, settings.at(begin))
        and _may_repay(lot, debt, settings.at(begin))
    }
    lapses = {hold.expires_at for hold in wallet.holds if settings.at(hold.expires_at).auto_repay}
    return begins | lapses | changed


def _may_repay(lot: Lot, debt: Debt, settings: Settings) -> bool:
    lasts = settings.credit_must_cover != "session" or debt.starts_at is None or debt.starts_at < lot.end
    return settings.auto_repay and lasts


def _void_returned(change: Change, now: datetime, act: Act | None, room: _Room) -> Change:
    """What came back to lots that staff have voided is voided, too; without room for it, by the next settling."""
    lots = [lot for lot in change.wallet.open_lots if lot.voided]
    if not lots or not room.left(change):
        return change
    wallet = change.wallet
    for lot in lots:
        wallet = without_excess_holds(wallet.with_lot(replace(lot, remaining=0)), lot.lot_id)
    name = f"void/{lots[0].lot_id}/{instant_text(now)}"
    postings = tuple(Posting(-lot.remaining, lot_id=lot.lot_id) for lot in lots)
    return change.record(wallet, EntryKind.VOIDED, act or _by_schedule(name, lots[0].lot_id, now, now), postings)


def _expire(change: Change, instant: datetime, now: datetime, act: Act | None, room: _Room) -> tuple[Change, bool]:
    """Ends the lots past their end: each in its own operation, or together as part of the given one.

    Also says whether there is room left: what does not fit whole waits.
    """
    ended = [lot for lot in change.wallet.open_lots if lot.end <= instant]
    if not ended:
        return change, room.left(change)
    ended.sort(key=lambda lot: (lot.end, lot.lot_id))
    ends = endings(change.wallet, ended, instant)
    if act:
        within = [ending for ending in ends if _within(change, act, ending)]
        ends = [ending for ending in ends if ending not in within]
        kinds = any(ending.kept for ending in within) + any(ending.lost for ending in within)
        if within and not room.left(change, coming=kinds - 1):
            return change, False
        change = _end(change, within, _during(act, instant), instant)
    for ending in ends:
        if not room.left(change, coming=ending.entries - 1):
            return change, False
        lot = ending.first
        name = f"expire/{lot.lot_id}/{instant_text(lot.end)}"
        change = _end(change, [ending], _by_schedule(name, lot.lot_id, instant, now), instant)
    return change, room.left(change)


def _within(change: Change, act: Act, ending: Ending) -> bool:
    """Whether lots end as part of the operation. Those that came by schedule since, and those that roll
    over for the first time, do so under the name that they would have had in time."""
    since = dropwhile(lambda entry: entry.source_id != act.source_id, change.entries)
    brought = {p.lot_id: e.source_id for e in since if e.kind in _BRING for p in e.postings if p.amount > 0}
    if ending.kept:
        return any(lot.lot_id not in brought for lot in ending.lots)
    return any(brought.get(lot.lot_id, act.source_id) == act.source_id for lot in ending.lots)


def _end(change: Change, ends: list[Ending], act: Act, instant: datetime) -> Change:
    """What is kept moves to its next lot, then the rest is written off: at most one entry of each kind."""
    kept = [each for ending in ends for each in ending.kept]
    lost = [each for ending in ends for each in ending.lost]
    if kept:
        moved = [replace(new, lot_id=derived_id("lot", act.source_id, old.lot_id)) for old, new in kept]
        wallet, postings = change.wallet, []
        for (old, _), new in zip(kept, moved, strict=True):
            wallet = wallet.with_lot(replace(old, remaining=old.remaining - new.granted)).with_lot(new)
            postings += [Posting(-new.granted, lot_id=old.lot_id)]
            postings += [Posting(new.granted, lot_id=new.lot_id)]
        change = change.record(wallet, EntryKind.ROLLED_OVER, act, tuple(postings), instant)
    if lost:
        wallet = change.wallet
        for lot, part in lost:
            left = wallet.lot(lot.lot_id)
            assert left is not None
            wallet = wallet.with_lot(replace(left, remaining=left.remaining - part))
        written_off = tuple(Posting(-part, lot_id=lot.lot_id) for lot, part in lost)
        change = change.record(wallet, EntryKind.EXPIRED, act, written_off, instant)
    return change


def _bring_tranches(
    change: Change, instant: datetime, now: datetime, settings: SettingsOverTime, act: Act | None, room: _Room
) -> tuple[Change, bool]:
    """Grants the tranches that have come, each under its own name; one that had ended by then ends at once."""
    while coming := tranches.due(change.wallet, instant):
        if not room.left(change):
            return change, False
        lot = tranches.next_lot(change.wallet, coming, settings.at(tranches.comes_at(coming)).timezone)
        wallet = tranches.after_next(change.wallet, coming)
        if lot.granted:  # all of it may be withheld
            wallet = wallet.with_lot(lot)
        wallet = replace(wallet, granted_total=wallet.granted_total + lot.granted)
        kept_back = tranches.withheld(coming)
        noted = {tranches.WITHHELD: str(kept_back)} if kept_back else {}
        cause = Cause(CauseKind.PACKAGE, coming.cause | noted)
        own = Act(tranches.source_id(coming), cause, SCHEDULE, lot.effective_at, now)
        postings = (Posting(lot.granted, lot_id=lot.lot_id),) if lot.granted else ()
        change = _frozen_at(change.record(wallet, EntryKind.GRANTED, own, postings), instant, settings)
        if lot.end <= instant:
            change, complete = _expire(change, instant, now, act, room)
            if not complete:
                return change, False
    return change, room.left(change)


def _during(act: Act, instant: datetime) -> Act:
    """The operation itself, or what fell due between its happening and now, named after both."""
    if instant == min(act.occurred_at, act.now):
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
    idle: frozenset[str],
) -> tuple[Change, bool]:
    """Lots usable at `instant`, but for `idle` ones, repay the debts they could have paid, the oldest debt first.

    Also says whether all was repaid that could be: there may have been room for a part only.
    """
    if not settings.auto_repay:
        return change, True
    wallet = change.wallet
    complete = True
    postings: list[Posting] = []
    repayments: list[Repayment] = []
    for debt in sorted(wallet.debts, key=lambda d: (d.since, d.cause, d.ref)):
        if debt.since > instant:
            continue
        covers = debt.starts_at if settings.credit_must_cover == "session" else None
        owed = debt.amount
        usable = (lot for lot in wallet.usable_lots(instant, covers) if lot.lot_id not in idle)
        lots = ((lot, wallet.free(lot, instant)) for lot in usable)
        for lot, part in take(lots, owed):
            if not room.left(change, coming=1 + len(repayments)):
                complete = False
                break
            wallet = wallet.with_lot(replace(lot, remaining=lot.remaining - part))
            owed -= part
            postings += [Posting(-part, lot_id=lot.lot_id), Posting(part, debt=debt.ref)]
            if debt.cause is DebtCause.BOOKING:
                repayments.append(Repayment(debt.ref, lot.lot_id, part))
        wallet = wallet.with_debt(replace(debt, amount=owed))
    if not postings:
        return change, complete
    lot_id = str(postings[0].lot_id)
    name = f"repay/{lot_id}/{postings[1].debt}/{instant_text(instant)}"
    own = _during(act, instant) if act else _by_schedule(name, lot_id, instant, now)
    recorded = change.record(wallet, EntryKind.REPAID, own, tuple(postings), instant)
    return recorded.repaid_by(tuple(repayments)), complete
