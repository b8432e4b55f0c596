"""What may happen to a practice's clients: payments, money given back, subscriptions and sessions, with their dates."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from client_credits.domain.dates import months_after
from client_credits.domain.payments.facts import (
    Dispute,
    DisputeStatus,
    MoneyBack,
    Payment,
    PaymentLine,
    Refund,
    RefundStatus,
    SubscriptionNews,
    SubscriptionStatus,
)
from client_credits.domain.practice.catalogue import Expiry, ExpiryKind, Package
from tests.property.hearing import Change, Fact, Happening
from tests.support.builders import DAY, HOUR, a_line, a_package, a_payment

BEGINS = datetime(2026, 1, 5, 9, tzinfo=UTC)
PAID = 9_000
Draw = Callable[[st.SearchStrategy[Any]], Any]
Story = list[Happening]


def day(number: float) -> datetime:
    return BEGINS + number * DAY


def month(number: int) -> datetime:
    """The beginning of a billing cycle, the first is 0."""
    return months_after(BEGINS, number, BEGINS.day)


def _package(name: str, each: int, expiry: Expiry | None = None, **fields: Any) -> Package:
    plain = {"credits": {"follow-up": each}, "stripe_prices": (f"price_{name}",), "expiry": expiry or Expiry()}
    return a_package(name, **(plain | fields))


PACKAGES = [
    _package("first", 1, credits={"initial": 1}),
    _package("three", 3, credits={"follow-up": 3, "initial": 1}),
    _package("month", 4),
    _package("more", 9),
    _package("year", 2, monthly_tranches=True),
    _package("forty", 10, Expiry(ExpiryKind.DAYS, 40)),
    _package("lost", 10, Expiry(ExpiryKind.CYCLE_END)),
    _package("capped", 10, Expiry(ExpiryKind.CYCLE_END), rollover_cap=3),
    _package("kept", 10, Expiry(ExpiryKind.CYCLE_END), rollover_cap=None),
    _package("monthly", 2, Expiry(ExpiryKind.MONTHS, 1), monthly_tranches=True),
    _package("closing", 4, Expiry(ExpiryKind.DATE, date="2026-03-31")),
    _package("sixty", 3, Expiry(ExpiryKind.DAYS, 60)),
    _package("ninety", 3, Expiry(ExpiryKind.DAYS, 90)),
]
FIRST = a_payment(
    "in_first",
    a_line(price="price_first"),
    customer=None,
    subscription=None,
    paid_at=BEGINS - DAY,
)


class Names:
    """Every payment, refund and booking of a set has a number of its own."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        self.last += 1
        return self.last


def purchase(number: int, client: str, price: str, at: datetime, quantity: int = 1) -> Payment:
    line = a_line(f"il_{number}", price=price, quantity=quantity, amount=PAID)
    return _payment(number, client, at, line)


def cycle(number: int, client: str, price: str, sub: str, period: tuple[datetime, datetime]) -> Payment:
    where: dict[str, Any] = {"period_start": period[0], "period_end": period[1], "subscription_item": f"si_{sub}"}
    line = a_line(f"il_{number}", price=price, amount=PAID, **where)
    return _payment(number, client, period[0] + HOUR, line, subscription=sub)


def upgrade(number: int, client: str, old: str, new: str, sub: str, at: datetime, ends: datetime, n: int) -> Payment:
    """What remained of the old plan is given back, the new one charged."""
    rest: dict[str, Any] = {"period_start": at, "period_end": ends, "subscription_item": f"si_{sub}", "proration": True}
    less = a_line(f"il_{number}_old", price=old, amount=-PAID // 2, **rest)
    more = a_line(f"il_{number}_new", price=new, amount=PAID + PAID // 2, quantity=n, **rest)
    return _payment(number, client, at, less, more, subscription=sub)


def _payment(number: int, client: str, at: datetime, *lines: PaymentLine, subscription: str | None = None) -> Payment:
    ids = {"event_id": f"evt_{number}", "payment_intent": f"pi_{number}", "customer": None}
    return a_payment(f"in_{number}", *lines, client_id=client, subscription=subscription, paid_at=at, paid=PAID, **ids)


def refunded(number: int, refund: int, amount: int, status: str, at: datetime) -> MoneyBack:
    return _back(number, at, refunds=(Refund(f"re_{refund}", amount, RefundStatus(status), at),))


def disputed(number: int, dispute: int, amount: int, status: str, opened: datetime, at: datetime) -> MoneyBack:
    return _back(number, at, disputes=(Dispute(f"dp_{dispute}", amount, DisputeStatus(status), at, opened),))


def _back(number: int, at: datetime, **fields: Any) -> MoneyBack:
    return MoneyBack(f"evt_{at:%m%d%H%M}", "own", "test", at, payment_intent=f"pi_{number}", **fields)


def standing(sub: str, status: str, at: datetime) -> SubscriptionNews:
    ended_at = at if status == "ended" else None
    return SubscriptionNews(f"evt_{sub}", "own", "test", at, sub, SubscriptionStatus(status), ended_at)


often = st.sampled_from([True, True, False])
amounts = st.sampled_from([PAID // 9, PAID // 3, PAID // 2, PAID - 1, PAID, PAID * 2])


def money_back(
    draw: Draw, names: Names, payment: int, since: datetime, until: datetime, *, disputes: bool
) -> list[Fact]:
    """At most two refunds and a dispute of one payment, said between two instants, ends exclusive."""
    stated: list[Fact] = []
    for _ in range(draw(st.sampled_from([1, 2, 0]))):
        amount, number, (first, then) = draw(amounts), names.next(), two(draw, since, until)
        match draw(st.sampled_from(["failed", "succeeded", "later"])):
            case "succeeded":
                stated.append(refunded(payment, number, amount, "succeeded", first))
            case "later":
                stated += [
                    refunded(payment, number, amount, "pending", first),
                    refunded(payment, number, amount, "succeeded", then),
                ]
            case "failed":
                stated += [
                    refunded(payment, number, amount, "pending", first),
                    refunded(payment, number, amount, "failed", then),
                ]
    if disputes and draw(often):
        stated += dispute(draw, names, payment, since, until)
    return stated


def dispute(
    draw: Draw,
    names: Names,
    payment: int,
    since: datetime,
    until: datetime,
    closes: tuple[str, ...] = ("won", "lost"),
) -> list[Fact]:
    amount, number, (first, then) = draw(amounts), names.next(), two(draw, since, until)
    opened = disputed(payment, number, amount, "open", first, first)
    return [opened, disputed(payment, number, amount, draw(st.sampled_from(closes)), first, then)]


def two(draw: Draw, since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """Two whole hours between, the earlier first."""
    hours = int((until - since) / HOUR) - 1
    first, then = sorted(draw(st.lists(st.integers(1, hours), min_size=2, max_size=2, unique=True)))
    return since + first * HOUR, since + then * HOUR


def between(draw: Draw, since: datetime, until: datetime) -> datetime:
    return two(draw, since, until)[0]


def of(facts: list[Fact], by: datetime) -> Story:
    return [Happening(instant(fact), fact, by) for fact in facts]


def of_ending(facts: list[Fact], by: datetime) -> Story:
    """A payment and its money back. A refund that fails is heard after the payment and before it fails, for
    only credits that it took come back and end later."""
    failing = {_refund(fact) for fact in facts if fails(fact)}
    ordered = [f for f in facts if failing and (isinstance(f, Payment) or _refund(f) in failing)]
    queue = _refund(ordered[-1]) if ordered else ""
    in_order = [Happening(instant(fact), fact, by, queue) for fact in sorted(ordered, key=instant)]
    return in_order + of([fact for fact in facts if fact not in ordered], by)


def _refund(fact: Fact) -> str:
    return fact.refunds[0].refund_id if isinstance(fact, MoneyBack) and fact.refunds else ""


def fails(fact: Fact) -> bool:
    return isinstance(fact, MoneyBack) and any(r.status is RefundStatus.FAILED for r in fact.refunds)


def instant(fact: Fact) -> datetime:
    assert not isinstance(fact, Change)
    return fact.paid_at if isinstance(fact, Payment) else fact.occurred_at


def change(draw: Draw, client: str | None, name: str, value: Any, since: datetime, until: datetime) -> Happening:
    """Changed at some half hour: nothing else happens at the very instant."""
    return Happening(between(draw, since, until) + HOUR / 2, Change(client, name, value))
