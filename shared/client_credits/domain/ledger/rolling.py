"""What remains at a billing cycle's end moves on: how much, for how long, and what is too old to stay.

Rules: of one subscription's lots that end together at most the newest one's cap is kept, the oldest
credits go first. What was kept once is kept again only while the subscription's cycles are paid.
Owns the length of a cycle and the calendar of its anchor day, in UTC as the provider counts.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.dates import FOREVER, months_after, on_anchor
from client_credits.domain.ledger.entries import Entry, EntryKind
from client_credits.domain.ledger.wallet import PRIORITY, Cycle, Lot, LotSource, Rollover, Wallet

MAX_MONTHS = 36
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Ending:
    """What becomes of `lots` that end together: parts kept, each with its next lot (its id not yet
    named), and parts lost."""

    lots: tuple[Lot, ...]  # the oldest first
    kept: tuple[tuple[Lot, Lot], ...] = ()
    lost: tuple[tuple[Lot, int], ...] = ()

    @property
    def first(self) -> Lot:
        return self.lots[0]

    @property
    def entries(self) -> int:
        """How many entries it makes."""
        return bool(self.kept) + bool(self.lost)


def endings(wallet: Wallet, ended: Sequence[Lot], instant: datetime) -> list[Ending]:
    """How these lots end, in order: alone, or with the others of their subscription where they roll over.

    Only what was there at its cycle's end rolls over; what came back to an ended lot expires.
    """
    alone, groups = [], defaultdict[tuple[str | None, datetime], list[Lot]](list)
    for lot in ended:
        if lot.rollover and lot.effective_at < lot.end == instant:
            groups[lot.subscription, cycle_end_of(lot)].append(lot)
        else:
            alone.append(Ending((lot,), lost=((lot, lot.remaining),)))
    if not groups:
        return alone
    rolled = [_rolled(wallet, sorted(lots, key=_age), instant) for lots in groups.values()]
    return [*alone, *sorted(rolled, key=lambda ending: ending.first.lot_id)]


def _age(lot: Lot) -> tuple[datetime, str]:
    assert lot.rollover is not None
    return lot.rollover.since, lot.lot_id


def _rolled(wallet: Wallet, lots: list[Lot], instant: datetime) -> Ending:
    """Keeps the newest credits up to the cap. Those of the same cycle that were kept already, because
    others came late or end later, count too and give way to newer ones."""
    staying = [lot for lot in lots if _may_stay(wallet, lot)]
    before = _kept_before(wallet, lots[0])
    newest = max(lots, key=_age).rollover
    assert newest is not None
    left = MAX_CREDITS * len(wallet.lots) if newest.cap is None else newest.cap
    kept, lost = [], [(lot, lot.remaining) for lot in lots if lot not in staying]
    for lot in sorted([*staying, *before], key=_age, reverse=True):
        has = lot.granted if lot in before else lot.remaining
        part = min(has, left)
        left -= part
        if part and lot not in before:
            kept.append((lot, _next_lot(wallet, lot, part, instant)))
        if gone := min(lot.remaining, has - part):
            lost.append((lot, gone))
    lost.sort(key=lambda each: _age(each[0]))
    return Ending(tuple(lots), tuple(reversed(kept)), tuple(lost))


def _kept_before(wallet: Wallet, ending: Lot) -> list[Lot]:
    """What was kept already of the cycle that a lot ends with. What was made from it since is part of it."""
    ends = cycle_end_of(ending)
    kept = [lot for lot in wallet.lots if _kept_of(lot, ending.subscription) and _kept_at(lot) == ends]
    own = {lot.lot_id for lot in kept}
    return [lot for lot in kept if lot.parent not in own]


def _kept_at(lot: Lot) -> datetime:
    """The end of the cycle at which a rolled-over lot was kept."""
    return lot.effective_at - timedelta(seconds=lot.rollover.late_seconds if lot.rollover else 0)


def _kept_of(lot: Lot, subscription: str | None) -> bool:
    return lot.source is LotSource.ROLLED_OVER and lot.subscription == subscription and lot.rollover is not None


def _may_stay(wallet: Wallet, lot: Lot) -> bool:
    """A cycle's own credits roll over once, rolled ones again while a paid cycle lasts until their end."""
    if lot.source is not LotSource.ROLLED_OVER:
        return True
    return any(c.subscription == lot.subscription and c.starts < cycle_end_of(lot) <= c.ends for c in wallet.cycles)


def _next_lot(wallet: Wallet, lot: Lot, amount: int, instant: datetime) -> Lot:
    rollover = lot.rollover
    assert rollover is not None
    cycle_end = min(cycle_end_of(lot), instant)  # what was put off does not shift the cycles to come
    late = int((instant - cycle_end).total_seconds())
    rollover = replace(rollover, put_off_seconds=0, late_seconds=late)
    begun = [
        c for c in wallet.cycles if c.subscription == lot.subscription and c.starts == cycle_end and instant < c.ends
    ]
    cycle = min(begun, key=lambda c: c.ends, default=None)
    if cycle:
        rollover = _as_long_as(cycle, rollover)
    ends = cycle.ends if cycle else one_interval_after(cycle_end, rollover)
    return replace(
        lot,
        granted=amount,
        remaining=amount,
        effective_at=instant,
        expires_at=ends if instant < ends else one_interval_after(instant, rollover),
        source=LotSource.ROLLED_OVER,
        priority=PRIORITY[LotSource.ROLLED_OVER],
        parent=lot.lot_id,
        rollover=rollover,
        paused_seconds=0,
        extended=False,
    )


def cycle_end_of(lot: Lot) -> datetime:
    """When a lot would end had no dispute and no failed refund put it off."""
    return lot.end - _put_off(lot)


def _put_off(lot: Lot) -> timedelta:
    return timedelta(seconds=lot.paused_seconds + (lot.rollover.put_off_seconds if lot.rollover else 0))


# -- the length of a cycle -----------------------------------------------------------------------


def rollover_of(cap: int | None, since: datetime, starts: datetime, ends: datetime) -> Rollover:
    """What rolls over at the end of the cycle from `starts` to `ends` of credits that came at `since`.

    The interval is 1 to 36 calendar months where one anchor day explains both instants, 31 included
    (31 January to 28 February is a month), else whole days, at least one.
    """
    months = (ends.year - starts.year) * 12 + ends.month - starts.month
    anchor_day = max(starts.day, ends.day)
    fits = starts == on_anchor(starts, anchor_day) and ends == months_after(starts, months, anchor_day)
    if fits and 1 <= months <= MAX_MONTHS:
        return Rollover(cap, since, months=months, anchor_day=anchor_day)
    return Rollover(cap, since, days=max(1, round((ends - starts) / _DAY)))


def one_interval_after(instant: datetime, rollover: Rollover) -> datetime:
    if rollover.months:
        return months_after(instant, rollover.months, rollover.anchor_day)
    days = timedelta(days=rollover.days)
    return instant + days if days < FOREVER - instant else FOREVER


# -- what a payment tells about cycles -----------------------------------------------------------


def begins_with(wallet: Wallet, cycle: Cycle) -> Cycle:
    """The cycle from its beginning, where an earlier payment stated it: a change of plan names only the rest."""
    known = [c.starts for c in wallet.cycles if (c.subscription, c.ends) == (cycle.subscription, cycle.ends)]
    return replace(cycle, starts=min([cycle.starts, *known]))


def with_cycle(wallet: Wallet, cycle: Cycle, now: datetime) -> Wallet:
    """The wallet knowing that this cycle is paid. Of a subscription those that last and the newest are kept, and
    those since what is still to roll over; one that is over is forgotten once nothing of it can roll over."""
    rolling = {lot.subscription for lot in wallet.lots if lot.rollover and (lot.remaining or now < lot.end)}
    left = [lot.end for lot in wallet.open_lots if lot.rollover and lot.subscription == cycle.subscription]
    since = min([now, *left])
    own = {c.ends: c for c in wallet.cycles if c.subscription == cycle.subscription}
    own[cycle.ends] = begins_with(wallet, cycle)
    kept = [c for c in wallet.cycles if c.subscription != cycle.subscription]
    kept = [c for c in kept if c.ends >= now or c.subscription in rolling]
    kept += [c for c in own.values() if c.ends >= since or c.ends == max(own)]
    return replace(wallet, cycles=tuple(sorted(kept, key=lambda c: (c.subscription, c.ends))))


def rolled_lots(entries: Iterable[Entry]) -> list[str]:
    """The lots that these entries made of what rolled over."""
    rolled = (entry for entry in entries if entry.kind is EntryKind.ROLLED_OVER)
    return [str(p.lot_id) for entry in rolled for p in entry.postings if p.amount > 0]


def with_cycles_of(wallet: Wallet, entries: Iterable[Entry]) -> Wallet:
    """The wallet knowing of each cycle that these entries granted credits for which end with it."""
    granted = (p.facts for entry in entries if entry.kind is EntryKind.GRANTED for p in entry.postings if p.facts)
    known = {(c.subscription, c.ends): c for c in wallet.cycles}
    for facts in granted:
        if facts.subscription and facts.cycle and facts.expires_at == facts.cycle[1]:
            cycle = Cycle(facts.subscription, *facts.cycle)
            before = known.get((cycle.subscription, cycle.ends), cycle)
            known[cycle.subscription, cycle.ends] = replace(cycle, starts=min(cycle.starts, before.starts))
    return replace(wallet, cycles=tuple(sorted(known.values(), key=lambda c: (c.subscription, c.ends))))


def ends_corrected(wallet: Wallet, cycle: Cycle, now: datetime) -> tuple[Wallet, tuple[str, ...]]:
    """Rolled-over lots that live in this cycle end with it, whatever was reckoned before the provider stated the end;
    one that staff extended ends no earlier than they said. An emptied one keeps the end that has passed by `now`, as
    it does where it is stored apart.

    Also names those whose end is another now. Where a subscription has cycles of different lengths,
    each is for lots of its own.
    """
    named, moved = rollover_of(None, cycle.starts, cycle.starts, cycle.ends), []
    for lot in wallet.lots:
        rollover = lot.rollover
        if not (rollover and _kept_of(lot, cycle.subscription) and (lot.remaining or now < lot.end)):
            continue
        other_length = rollover.months and named.months and rollover.months != named.months
        if other_length or not (lot.effective_at < cycle.ends and cycle.starts < cycle_end_of(lot)):
            continue
        ends = cycle.ends + _put_off(lot)
        if lot.extended and lot.end > ends:
            ends = lot.end
        expires_at = None if ends == FOREVER else ends
        wallet = wallet.with_lot(replace(lot, expires_at=expires_at, rollover=_as_long_as(cycle, rollover)))
        if lot.end != ends:
            moved.append(lot.lot_id)
    return wallet, tuple(moved)


def _as_long_as(cycle: Cycle, rollover: Rollover) -> Rollover:
    as_long = rollover_of(rollover.cap, rollover.since, cycle.starts, cycle.ends)
    return replace(as_long, put_off_seconds=rollover.put_off_seconds, late_seconds=rollover.late_seconds)
