"""Monthly tranches of a plan paid for several months at once: when each comes, and what may stop it.

Owns the credits to come (`Coming`), which hold all they need: no later edit of the package changes
them. Knows nothing of how they are written.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from client_credits.domain.dates import months_after
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.expiry import expires_at
from client_credits.domain.ledger.rolling import MAX_MONTHS, rollover_of
from client_credits.domain.ledger.wallet import Coming, Lot, Wallet
from client_credits.domain.practice.catalogue import Expiry

WITHHELD = "withheld"  # in the cause of a tranche's entry: what a refund before it kept back


def months_in(starts: datetime, ends: datetime) -> int:
    """How many monthly tranches a period brings, 1 to 36: its calendar months, begun ones included."""
    if months := rollover_of(None, starts, starts, ends).months:
        return months
    day = starts.day
    return 1 + sum(months_after(starts, n, day) < ends for n in range(1, MAX_MONTHS))


def starts_of(coming: "Coming | Plan", number: int) -> datetime:
    """When a tranche's month starts: on the day of the first, clipped to the month it falls in."""
    anchor_day = rollover_of(None, coming.starts, coming.starts, coming.cycle_end).anchor_day
    return months_after(coming.starts, number - 1, anchor_day or coming.starts.day)


def comes_at(coming: Coming) -> datetime:
    """When the next tranche comes: with its month, yet not before the payment."""
    return max(starts_of(coming, coming.number), coming.lot.effective_at)


def brings(coming: Coming) -> bool:
    """Whether another tranche comes. A plan whose last one has come is kept until its cycle ends, because
    the news that its subscription ended earlier may be late. Credits whose end only a later release knows wait
    for that release, each with its own date, and the wallet goes on without them."""
    return coming.number <= coming.count and not coming.stopped and coming.expiry.is_known


def due(wallet: Wallet, instant: datetime) -> Coming | None:
    """The first plan whose next tranche has come by `instant` and that nothing stops."""
    found = [c for c in wallet.coming if brings(c) and comes_at(c) <= instant]
    return min(found, key=lambda c: (comes_at(c), c.source_id), default=None)


def next_lot(wallet: Wallet, coming: Coming, timezone: str) -> Lot:
    """The lot of the next tranche; what freezes it is for the settings to say. Its end counts from its own start.

    Of a cycle paid at or after its end it lasts as long from the payment on as its part of the cycle, and does not
    roll over.
    """
    begins = comes_at(coming)
    lot = coming.lot
    amount = lot.granted - withheld(coming)
    return replace(
        lot,
        lot_id=lot_id_of(source_id(coming), wallet.client_id, wallet.appointment_type),
        granted=amount,
        remaining=amount,
        effective_at=begins,
        expires_at=expires_at(coming.expiry, begins, timezone, _cycle_end(coming)),
        rollover=replace(lot.rollover, since=begins) if lot.rollover else None,
    )


def _cycle_end(coming: Coming) -> datetime:
    """When the cycle ends for the next tranche."""
    paid_at = coming.lot.effective_at
    if paid_at < coming.cycle_end:
        return coming.cycle_end
    return paid_at + (coming.cycle_end - starts_of(coming, coming.number))


def withheld(coming: Coming) -> int:
    """What of the next tranche is withheld: with it, that of all tranches so far is the undone part of them all."""
    part, each, come = Fraction(*coming.undone), coming.lot.granted, coming.number - coming.first
    return int((come + 1) * each * part) - int(come * each * part)


def withhold(wallet: Wallet, payment: str, part: Fraction) -> Wallet:
    """The wallet whose tranches of a payment's line come without this part of them."""
    undone = part.numerator, part.denominator
    return _each(wallet, lambda c: replace(c, undone=undone) if c.lot.payment == payment else c)


def lot_id_of(source_id: str, client_id: str, appointment_type: str) -> str:
    """The id of a tranche's lot, also where all of it was withheld and there is none."""
    return derived_id("lot", source_id, client_id, appointment_type)


def source_id(coming: Coming) -> str:
    """The name of the next tranche: the paid line's, and which one it is."""
    return f"{coming.source_id}/{coming.number}"


def with_more(wallet: Wallet, source_id: str, more: Coming) -> Wallet:
    """The wallet in which each tranche of the plan of this name brings so much `more`.

    Those to come bring it themselves; for those that have come it is a plan of its own, which is due at once.
    """
    known = next((coming for coming in wallet.coming if coming.source_id == source_id), None)
    plans = [coming for coming in wallet.coming if coming is not known]
    if known:
        lot = replace(known.lot, granted=known.lot.granted + more.lot.granted, value=more.lot.value)
        plans.append(replace(known, lot=lot))
        count = min(more.count, known.number - 1)
        more = replace(more, count=count, stopped=known.stopped, undone=known.undone)
    if more.number <= more.count:
        plans.append(more)
    return replace(wallet, coming=tuple(plans))


def after_next(wallet: Wallet, coming: Coming) -> Wallet:
    """The wallet once the next tranche has come; after the last there is none to come."""
    following = replace(coming, number=coming.number + 1)
    return _each(wallet, lambda c: following if c is coming else c)


@dataclass(frozen=True, slots=True)
class Plan:
    """The tranches that a paid line brings of one type, as its payment remembers them for good: `first` to `count`.

    `each` is the credits of one. The rest is named as in `Coming`. The first comes with the payment or, of a
    change within the plan (`later`), with its month.
    """

    starts: datetime
    cycle_end: datetime
    first: int
    count: int
    each: int
    item: str | None = None
    later: bool = False
    expiry: Expiry | None = None  # of a change within the plan, which may own more than it was granted

    @property
    def months(self) -> int:
        """How many tranches it brings; none where a change came after the last month had started."""
        return max(0, self.count - self.first + 1)


@dataclass(frozen=True, slots=True)
class Ended:
    """From an instant on a subscription's plans bring no more tranches: all of its items', or one's that
    was replaced, as far as it began before. `until` is the end of the period of which the rest was given back."""

    subscription: str
    at: datetime
    item: str | None = None
    until: datetime | None = None

    def concerns(self, plan: Plan) -> bool:
        return self.item is None or (plan.item == self.item and plan.starts < self.at)


def last_of(plan: Plan, ends: Iterable[Ended]) -> int:
    """The number of the last tranche that comes: one whose month starts at or after an end does not."""
    at = min((ended.at for ended in ends if ended.concerns(plan)), default=None)
    if at is None:
        return plan.count
    none = plan.first - 1 if plan.later else plan.first
    return max((n for n in range(plan.first, plan.count + 1) if starts_of(plan, n) < at), default=none)


def part_of_those_that_come(plan: Plan, ends: Iterable[Ended], part: Fraction) -> Fraction:
    """Which part of the tranches that come makes `part` of all undone: those that no longer come are taken first."""
    last = last_of(plan, ends)
    if last == plan.count:
        return part
    every, come = ((n - plan.first + 1) * plan.each for n in (plan.count, last))
    if not come:
        return Fraction(0)
    return Fraction(max(0, int(every * part) - (every - come)), come)


def only_until(wallet: Wallet, payment: str, last: int) -> Wallet:
    """The wallet whose tranches of a payment's line end with this number."""

    def cut(coming: Coming) -> Coming:
        return replace(coming, count=last) if coming.lot.payment == payment and coming.count > last else coming

    return _each(wallet, cut)


def stop_tranches(wallet: Wallet, payment: str, cause: str, stopped: bool) -> Wallet:
    """The wallet with one more cause (or one fewer) for which the tranches of a payment's line do not come.

    `payment` is named as lots name theirs, a subscription stands for all of its lines. While there is
    a cause none comes; afterwards those left out come, each with its own date. Safe to repeat.
    """

    def turned(coming: Coming) -> Coming:
        if payment not in (coming.lot.payment, coming.lot.subscription) or (cause in coming.stopped) == stopped:
            return coming
        causes = {*coming.stopped, cause} if stopped else {*coming.stopped} - {cause}
        return replace(coming, stopped=tuple(sorted(causes)))

    return _each(wallet, turned)


def _each(wallet: Wallet, change: Callable[[Coming], Coming]) -> Wallet:
    """The wallet with every plan changed. The same where none changed."""
    changed = tuple(map(change, wallet.coming))
    return wallet if changed == wallet.coming else replace(wallet, coming=changed)


def without_past(wallet: Wallet, now: datetime) -> Wallet:
    """The wallet without plans that bring nothing more and whose cycle is over."""
    kept = tuple(c for c in wallet.coming if c.number <= c.count or now < c.cycle_end)
    return wallet if kept == wallet.coming else replace(wallet, coming=kept)
