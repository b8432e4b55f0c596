"""What a line of a paid invoice tells of its subscription: the period it begins, the stub or change it is part of.

Pure, and safe to repeat: the same line tells the same again.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from client_credits.domain.dates import months_before
from client_credits.domain.payments.facts import Payment, PaymentLine
from client_credits.domain.payments.granting import LineDecision
from client_credits.domain.payments.plan_changes import MONTHLY, Base, Credits, Interval, PlanChange, stub_credits
from client_credits.domain.payments.prorations import PackageOf, Prorations, Stub, credits_of, prorated, prorations
from client_credits.domain.payments.replaced import Span
from client_credits.domain.payments.subscriptions import SubscriptionState


class LineRole(StrEnum):
    """What a proration line of an item is."""

    STUB = "stub"
    STUB_WITHOUT_INTERVAL = "stub_without_interval"
    CHANGE = "change"
    WAITING = "waiting"  # a change whose period is not known to be paid
    GIVING_BACK = "giving_back"  # part of a change that only gives back: it waits for nothing
    NOTHING = "nothing"  # of an item that grants once and took another's place


def role(state: SubscriptionState, payment: Payment, line: PaymentLine, package_of: PackageOf) -> LineRole:
    """What a proration line of an item is, by the invoice and by what is known of its subscription."""
    prorations = prorations_of(state, payment, line, package_of)
    item = str(line.subscription_item)
    if stub := prorations.stubs.get(item):
        return LineRole.STUB if _begins(state, stub, prorations.ends) else LineRole.STUB_WITHOUT_INTERVAL
    if prorations.only_gives_back or not prorations.levels:
        return LineRole.GIVING_BACK
    if item not in prorations.levels and item not in prorations.gone:
        return LineRole.NOTHING
    return LineRole.CHANGE if state.period_of(_start(line), line.period_end) else LineRole.WAITING


def prorations_of(state: SubscriptionState, payment: Payment, line: PaymentLine, package_of: PackageOf) -> Prorations:
    """What the invoice's prorations tell of the period that a line of them is part of."""
    known = state.period_of(_start(line), line.period_end)
    begun = known.bases if known and known.ends == line.period_end else ()
    items = frozenset(base.item for base in begun if base.invoice != payment.payment_id)
    return prorations(payment, line, package_of, items)


def with_cycle(state: SubscriptionState, payment: Payment, line: PaymentLine, credits: Credits) -> SubscriptionState:
    """The subscription with a full line's period, of which the item's lines together bring `credits`."""
    item, starts, ends = line.subscription_item, line.period_start, line.period_end
    if not (item and starts and ends):
        return state
    return state.with_base(Base(item, starts, credits, payment.payment_id), starts, ends)


def with_prorations(
    state: SubscriptionState, payment: Payment, line: PaymentLine, package_of: PackageOf, undone_at: datetime | None
) -> SubscriptionState:
    """The subscription with the stubs and the change that a line is part of. What waits for its period is left out,
    but for what only gives back."""
    prorations = prorations_of(state, payment, line, package_of)
    for stub in prorations.stubs.values():
        if begins := _begins(state, stub, prorations.ends):
            base = Base(stub.item, stub.starts, stub.level, payment.payment_id)
            state = state.with_base(base, min(begins, stub.starts), prorations.ends)
    if not prorations.is_change:
        return state
    if not prorations.only_gives_back and state.period_of(_start(line), line.period_end) is None:
        return state
    change = PlanChange(payment.payment_id, prorations.at, prorations.levels, prorations.gone, undone_at)
    if prorations.only_gives_back:
        change = replace(change, stated={})
    return state.with_change(change, prorations.at, prorations.ends)


def stub_grants(
    state: SubscriptionState, payment: Payment, line: PaymentLine, package_of: PackageOf
) -> tuple[Credits, Span]:
    """What a stub grants by this line, and for which time: per type by the last of its lines that has it.

    Credits by the month are not parted: as many months come as the stub has.
    """
    prorations = prorations_of(state, payment, line, package_of)
    stub = prorations.stubs[str(line.subscription_item)]
    begins = _begins(state, stub, prorations.ends)
    assert begins is not None
    parts = [part for each in stub.lines for part in _parts(each, prorations.ends, begins, package_of)]
    every = stub_credits(parts) | {kind: n for kind, n in stub.level.items() if kind.endswith(MONTHLY)}
    span = Span(stub.item, stub.starts, prorations.ends)
    return {kind: n for kind, n in every.items() if _leads(line, kind, stub.lines, package_of)}, span


def leads(state: SubscriptionState, payment: Payment, line: PaymentLine, kind: str, package_of: PackageOf) -> bool:
    """Whether a change grants a type by this line: the last that has it of those that the new plans cost."""
    prorations = prorations_of(state, payment, line, package_of)
    lines = [each for each in prorated(payment, line) if prorations.levels.get(str(each.subscription_item))]
    return _leads(line, kind, tuple(lines), package_of)


def _leads(line: PaymentLine, kind: str, lines: tuple[PaymentLine, ...], package_of: PackageOf) -> bool:
    having = [each for each in lines if not each.gives_back and _has(each, kind, package_of)]
    return bool(having) and having[-1].line_id == line.line_id


def _has(line: PaymentLine, kind: str, package_of: PackageOf) -> bool:
    package = package_of(line)
    return package is not None and package.renews_each_cycle and kind in credits_of(package, line)


def _parts(line: PaymentLine, ends: datetime, begins: datetime, package_of: PackageOf) -> list[tuple[str, Fraction]]:
    """What a line of a stub adds, or takes away, by its part of the interval."""
    package = package_of(line)
    if package is None:
        return []
    length = max(1, int((ends - begins).total_seconds()))
    part = Fraction(int((ends - _start(line)).total_seconds()), length)
    sign = -1 if line.gives_back else 1
    return [(kind, sign * n * min(part, Fraction(1))) for kind, n in credits_of(package, line).items()]


def _interval(state: SubscriptionState, stub: Stub) -> Interval | None:
    """How long the stub's price lasts: as its lines tell, else as the subscription's events do."""
    intervals = [line.interval or state.intervals.get(line.price or "") for line in stub.lines]
    return next((interval for interval in reversed(intervals) if interval), None)


def _begins(state: SubscriptionState, stub: Stub, ends: datetime) -> datetime | None:
    """When the interval begins that ends then: as the period of other items that is the same, where one is known to be
    paid, else as it is reckoned. None where neither tells.

    Of a month that ends on its last day only the anchor's day tells, or such a period.
    """
    interval = _interval(state, stub)
    if interval is None:
        return None
    reckoned = interval.before(ends, state.anchors)
    near = reckoned or months_before(ends, interval.months)
    return min((p.starts for p in state.periods if p.is_paid and p.is_same(near, ends)), default=reckoned)


def _start(line: PaymentLine) -> datetime:
    assert line.period_start is not None
    return line.period_start


def with_line(
    state: SubscriptionState,
    payment: Payment,
    decision: LineDecision,
    credits: dict[str, int],
    package_of: PackageOf,
    undone_at: datetime | None,
) -> SubscriptionState:
    """The subscription with what a line tells: the period it begins with `credits`, or the change it is part of."""
    line = decision.line
    if not (payment.subscription and line.subscription_item and line.period_start and line.period_end):
        return state
    state = replace(state, account=payment.account, mode=payment.mode)
    if line.price:
        state = state.with_prices([(line.subscription_item, line.price)])
    if line.proration:
        return with_prorations(state, payment, line, package_of, undone_at)
    mark = MONTHLY if decision.package is not None and decision.package.monthly_tranches else ""
    return with_cycle(state, payment, line, {f"{kind}{mark}": n for kind, n in credits.items()})


def changed_at(payment: Payment, *lines: PaymentLine) -> datetime:
    """When the change of plan took effect that these lines tell of; of several with the last."""
    return max((line.period_start for line in lines if line.period_start), default=payment.paid_at)
