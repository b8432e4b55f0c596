"""Payments grant credits: which lines count, what lots they make, and when those end.

Rules: every line of a known package grants credits x quantity, one lot per appointment type, timed
by the payment and never by its arrival. A package that renews grants every paid cycle; one that
does not grants once per subscription item.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.ids import derived_id, payment_key
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting, check_bounds
from client_credits.domain.ledger.expiry import expires_at
from client_credits.domain.ledger.rolling import begins_with, ends_corrected, rollover_of, with_cycle
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.tranches import Plan, months_in, starts_of
from client_credits.domain.ledger.wallet import (
    DEFAULT_PRIORITY,
    PRIORITY,
    Coming,
    Cycle,
    Lot,
    LotSource,
    Rollover,
    Value,
    Wallet,
)
from client_credits.domain.payments.facts import Payment, PaymentLine, Trial
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.catalogue import Catalogue, ExpiryKind, Package
from client_credits.domain.practice.dated_settings import SettingsOverTime


@dataclass(frozen=True, slots=True)
class LineDecision:
    line: PaymentLine
    fate: LineFate
    package: Package | None = None
    source_id: str = ""  # the line's one name in the practice
    once_id: str | None = None  # of a subscription's item: the name of its first paid grant, or of its trial's
    owns: int | None = None  # how many credits its amount is for, where that is not the package's number
    within: datetime | None = None  # of a change: when the period begins that it is within

    @property
    def grants_once(self) -> bool:
        """Whether its subscription item grants no second time."""
        renews = self.package is not None and self.package.renews_each_cycle
        return self.once_id is not None and (not renews or self.line.trial is Trial.YES)

    @property
    def grant_id(self) -> str:
        """The source id of the grant: the item's first one, if the package grants no other."""
        return self.once_id if self.once_id and self.grants_once else self.source_id

    @property
    def credits(self) -> dict[str, int]:
        """What the line's package stands for, per appointment type."""
        return _times(self.package, self.line) if self.package else {}


def decide_line(
    payment: Payment, line: PaymentLine, catalogue: Catalogue, package_id: str | None = None
) -> LineDecision:
    """What one line of a payment does. `package_id` is staff's answer for a line no rule explains."""
    source_id, once_id = source_id_of(payment, line), None if line.proration else once_id_of(payment, line)
    if line.proration and line.gives_back:
        return LineDecision(line, LineFate.PRORATION, None, source_id)
    package = package_of(line, catalogue, package_id)
    if line.proration and line.subscription_item is None:
        return LineDecision(line, LineFate.PRORATION, package, source_id)
    if line.within_cycle:
        return LineDecision(line, LineFate.WITHIN_CYCLE, package, source_id)
    if package is None:
        fate = LineFate.UNKNOWN_PACKAGE if line.quantity else LineFate.NO_QUANTITY
        return LineDecision(line, fate, None, source_id, once_id)
    return LineDecision(line, _fate(payment, line, package), package, source_id, once_id)


def with_fate(decision: LineDecision, payment: Payment, fate: LineFate) -> LineDecision:
    """The decision as all that is known of the subscription has it. What grants as the begin of an item, be it a part
    of a period, is the item's first payment."""
    begins = fate in (LineFate.GRANT, LineFate.STUB)
    once_id = once_id_of(payment, decision.line) if begins else decision.once_id
    return replace(decision, fate=fate, once_id=once_id)


def judged(line: PaymentLine, state: SubscriptionState) -> PaymentLine:
    """The line as its subscription's events tell: whether it costs nothing because of a trial, of how many periods
    it is and, of a proration that does not say, which item it is for."""
    if line.proration and line.subscription_item is None and line.price:
        line = replace(line, subscription_item=state.item_of(line.price))
    line = replace(line, periods=_periods(line, state))
    if not isinstance(line.trial, Trial):
        return line
    if line.amount == 0 and line.period_start and state.is_tried(line.subscription_item or "", line.period_start):
        return replace(line, trial=Trial.YES)
    if line.trial is not Trial.NO and line.period_start and state.in_trial(line.period_start):
        return replace(line, trial=Trial.YES)
    if line.trial is Trial.UNKNOWN and state.status_at is not None:
        return replace(line, trial=Trial.NO)
    return line


def _periods(line: PaymentLine, state: SubscriptionState) -> int:
    """Of how many periods of its price a line is, or the one that it is within. One where that is not known."""
    interval = line.interval or state.intervals.get(line.price or "")
    if not (interval and line.subscription_item and line.period_start and line.period_end):
        return 1
    if not line.proration:
        return interval.times(line.period_start, line.period_end) if line.amount else 1  # a trial may be longer
    within = state.period_of(line.period_start, line.period_end)
    return interval.times(within.starts, within.ends) if within else 1


def _times(package: Package, line: PaymentLine) -> dict[str, int]:
    units = line.quantity if package.monthly_tranches else line.units
    return {t: n * units for t, n in package.credits.items() if n * units}


def package_of(line: PaymentLine, catalogue: Catalogue, package_id: str | None = None) -> Package | None:
    """The package that a line pays for; `package_id` is staff's answer where none is on sale."""
    package = _package(line, catalogue)
    if package_id and (package is None or package.archived):
        package = catalogue.packages.get(package_id)
    return package


def _package(line: PaymentLine, catalogue: Catalogue) -> Package | None:
    if line.price:
        return catalogue.package_for_price(line.price)
    return catalogue.packages.get(line.package_id or "")


def _fate(payment: Payment, line: PaymentLine, package: Package) -> LineFate:
    if package.archived_at and payment.paid_at >= package.archived_at:
        return LineFate.PACKAGE_ARCHIVED
    if line.quantity == 0:
        return LineFate.NO_QUANTITY
    if not isinstance(line.trial, Trial):
        return LineFate.NEEDS_LATER_RELEASE
    if line.trial is Trial.UNKNOWN:
        return LineFate.TRIAL_NOT_KNOWN
    if line.trial is Trial.YES and (line.proration or not package.trial_grants):
        return LineFate.TRIAL
    if any(n * line.units > MAX_CREDITS for n in package.credits.values()):
        return LineFate.TOO_MANY
    if not package.expiry.is_known:
        return LineFate.NEEDS_LATER_RELEASE
    if package.expiry.kind == "cycle_end" and not (line.subscription_item and line.period_end):
        return LineFate.NO_CYCLE
    return LineFate.UPGRADE if line.proration else LineFate.GRANT


def source_id_of(payment: Payment, line: PaymentLine) -> str:
    """`stripe/<account>/<mode>/<payment>/<line>`."""
    return f"stripe/{payment.account}/{payment.mode}/{payment.payment_id}/{line.line_id}"


def once_id_of(payment: Payment, line: PaymentLine) -> str | None:
    """`stripe/<account>/<mode>/<subscription>/first/<item>`, which every paid line of a subscription's item
    shares; for the lines of its trial `trial` in place of `first`."""
    if not (line.subscription_item and payment.subscription) or line.trial not in (Trial.NO, Trial.YES):
        return None
    which = "trial" if line.trial is Trial.YES else "first"
    return f"stripe/{payment.account}/{payment.mode}/{payment.subscription}/{which}/{line.subscription_item}"


def starts_at(payment: Payment, line: PaymentLine) -> datetime:
    """A lot starts when it was paid, or with its cycle where that was paid ahead of time."""
    if line.subscription_item and line.period_start:
        return max(payment.paid_at, line.period_start)
    return payment.paid_at


def ends_at(payment: Payment, line: PaymentLine) -> datetime | None:
    """When what a line paid for ends: with its period or, paid at or after that, as long from the payment on."""
    if line.period_start and line.period_end and is_late(payment, line):
        return payment.paid_at + (line.period_end - line.period_start)
    return line.period_end


def grant(
    change: Change,
    amount: int,
    line: LineDecision,
    payment: Payment,
    act: Act,
    settings: SettingsOverTime,
    room: int,
) -> Change:
    """Adds the lot of one appointment type to a settled wallet, then lets it repay what is owed.

    `amount` is 1..1,000,000. Raises LimitReached when the wallet would hold more than 500 open
    lots, debts and holds, or more credits than a number may say.
    """
    lot = lot_for(change.wallet, amount, line, payment, act, settings)
    plan = plan_for(lot, line)
    change = change if plan and plan.later else _entered(change, lot, act)
    change = _with_tranches(change, lot, line, act)
    change = _with_cycle(change, lot, line.line, act)
    return _settled(change, act, settings, room)


def is_late(payment: Payment, line: PaymentLine) -> bool:
    """Whether it was paid at or after the end of what it paid for."""
    return line.period_end is not None and payment.paid_at >= line.period_end


def lot_for(
    wallet: Wallet, amount: int, line: LineDecision, payment: Payment, act: Act, settings: SettingsOverTime
) -> Lot:
    """The lot that a line brings to a wallet; of several monthly tranches the first."""
    package = line.package
    assert package is not None and 0 < amount <= MAX_CREDITS
    recurring = payment.subscription is not None and line.line.subscription_item is not None
    source = LotSource.CYCLE if recurring else LotSource.PURCHASE
    begins, ends = starts_at(payment, line.line), ends_at(payment, line.line)
    subscription = payment.subscription if recurring else None
    cycle = _cycle(subscription, line.line)
    plan = _months(subscription, line)
    tranches = max(1, plan.count - plan.first + 1) if plan else 1
    source_id = f"{act.source_id}/{plan.first}" if plan and plan.later else act.source_id
    each = sum(line.credits.values()) if line.owns is None else max(1, line.owns)
    return Lot(
        lot_id=derived_id("lot", source_id, wallet.client_id, wallet.appointment_type),
        granted=amount,
        remaining=amount,
        effective_at=begins,
        expires_at=expires_at(package.expiry, begins, settings.at(act.occurred_at).timezone, ends),
        source=source,
        priority=PRIORITY.get(source, DEFAULT_PRIORITY),
        package_id=package.package_id,
        payment=payment_key(payment.payment_id, line.line.line_id),
        subscription=subscription,
        cycle=(cycle.starts, cycle.ends) if cycle else None,
        value=Value(line.line.worth, line.line.currency, each * tranches),
        rollover=None if is_late(payment, line.line) else _rollover(wallet, subscription, package, line.line, begins),
    )


def _rollover(
    wallet: Wallet, subscription: str | None, package: Package, line: PaymentLine, begins: datetime
) -> Rollover | None:
    """What a cycle's lot carries over; None for use or lose."""
    cycle = _cycle(subscription, line)
    if cycle is None or package.rollover_cap == 0 or package.expiry.kind is not ExpiryKind.CYCLE_END:
        return None
    full_cycle = begins_with(wallet, cycle)
    return rollover_of(package.rollover_cap, begins, full_cycle.starts, full_cycle.ends)


def _cycle(subscription: str | None, line: PaymentLine) -> Cycle | None:
    starts, ends = line.period_start, line.period_end
    return Cycle(subscription, starts, ends) if subscription and starts and ends and starts < ends else None


def _with_cycle(change: Change, lot: Lot, line: PaymentLine, act: Act) -> Change:
    """The wallet learns that the cycle is paid, and what rolled over into it ends with it (`extended`)."""
    cycle = _cycle(lot.subscription, line)
    if cycle is None or lot.rollover is None:
        return change
    wallet = with_cycle(change.wallet, cycle, act.now)
    if line.proration:  # tells the rest of a cycle that has its own line
        return replace(change, wallet=wallet)
    wallet, moved = ends_corrected(wallet, cycle, act.now)
    if not moved:
        return replace(change, wallet=wallet)
    return change.record(wallet, EntryKind.EXTENDED, act, tuple(Posting(0, lot_id=lot_id) for lot_id in moved))


def _months(subscription: str | None, line: LineDecision) -> Plan | None:
    """The monthly tranches that a line brings; None where all comes at once.

    A change within a period brings those whose months start from its instant on: nothing at once, unless a
    month starts just then.
    """
    cycle = _cycle(subscription, line.line)
    if cycle is None or line.package is None or not line.package.monthly_tranches:
        return None
    starts = line.within or cycle.starts
    plan = Plan(starts, cycle.ends, 1, months_in(starts, cycle.ends), 0, line.line.subscription_item)
    if line.within is None:
        return plan
    first = next((n for n in range(1, plan.count + 1) if starts_of(plan, n) >= cycle.starts), plan.count + 1)
    later = first > plan.count or starts_of(plan, first) > cycle.starts
    return replace(plan, first=first, later=later)


def months_left(payment: Payment, line: LineDecision) -> bool:
    """Whether a month is still to come for what a line brings by the month."""
    plan = _months(payment.subscription, line)
    return plan is None or plan.first <= plan.count


def plan_for(lot: Lot, line: LineDecision) -> Plan | None:
    """The tranches of which a line's lot is one; None where it is all there is."""
    plan = _months(lot.subscription, line)
    if plan is None or (plan.count == plan.first and not plan.later):
        return None
    return replace(plan, each=lot.granted)


def months_for(lot: Lot, line: LineDecision, each: int) -> Plan | None:
    """The tranches that a change of plan brings, be it one or none; None where nothing comes by the month."""
    plan = _months(lot.subscription, line)
    assert line.package is not None
    return replace(plan, each=each, expiry=line.package.expiry) if plan else None


def _with_tranches(change: Change, lot: Lot, line: LineDecision, act: Act) -> Change:
    """The wallet expects the tranches after the first, or all of those that come later."""
    plan = plan_for(lot, line)
    if plan is None or plan.first > plan.count:
        return change
    assert line.package is not None
    coming = Coming(
        source_id=act.source_id,
        lot=lot,
        starts=plan.starts,
        number=plan.first + (not plan.later),
        first=plan.first,
        item=plan.item,
        count=plan.count,
        expiry=line.package.expiry,
        cycle_end=plan.cycle_end,
        cause=act.cause.ids,
    )
    return replace(change, wallet=replace(change.wallet, coming=(*change.wallet.coming, coming)))


def add_lot(change: Change, lot: Lot, act: Act, settings: SettingsOverTime, room: int) -> Change:
    """A new lot enters a settled wallet: one `granted` entry, then repayments and, if it came too late, its end.

    It is frozen by whatever freezes its payment or subscription. Raises LimitReached.
    """
    return _settled(_entered(change, lot, act), act, settings, room)


def _entered(change: Change, lot: Lot, act: Act) -> Change:
    wallet = change.wallet
    grown = replace(wallet.with_lot(lot), granted_total=wallet.granted_total + lot.granted)
    return change.record(grown, EntryKind.GRANTED, act, (Posting(lot.granted, lot_id=lot.lot_id),))


def _settled(change: Change, act: Act, settings: SettingsOverTime, room: int) -> Change:
    change = settle(change, act.now, settings, act, limit=room)
    check_bounds(change)
    return change
