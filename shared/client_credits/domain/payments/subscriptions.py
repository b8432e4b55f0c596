"""What is known of a subscription: whether it runs, which periods were paid, and what a change of plan brings.

Rules: a plan change grants `max(0, new - most granted this period)` per type, so that up-down-up
mints nothing. Everything is a function of what was told, not of the order in which it was told.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from client_credits.domain.ledger.tranches import Ended
from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus

PERIODS_KEPT = 12
TRIALS_KEPT = 12
PRICES_KEPT = 100
PAYMENTS_KEPT = 100  # beyond, an end or being past due is no longer told to the oldest
_STATUS_RANK = {status: rank for rank, status in enumerate(SubscriptionStatus)}


@dataclass(frozen=True, slots=True)
class Level:
    """From `at` on a subscription's item stands for these credits per period; none: the item is gone.

    `base` is what the period's own invoice brought; what comes above it is an upgrade.
    """

    item: str
    at: datetime
    credits: dict[str, int] = field(default_factory=dict)
    base: bool = False


@dataclass(frozen=True, slots=True)
class Period:
    """A paid period, `starts <= t < ends`, its plan levels, and what upgrades granted within it."""

    starts: datetime
    ends: datetime
    levels: tuple[Level, ...] = ()
    upgraded: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """A subscription as far as it was told. `waiting` are parked changes of plan whose period is not paid yet;
    `payments` are (payment id, paid at), the newest: their records know the wallets that have its credits."""

    subscription: str
    account: str = ""
    mode: str = ""
    client_id: str | None = None
    status: SubscriptionStatus = SubscriptionStatus.RUNNING
    status_at: datetime | None = None
    ended_at: datetime | None = None
    paid_at: datetime | None = None
    periods: tuple[Period, ...] = ()
    payments: tuple[tuple[str, datetime], ...] = ()
    waiting: tuple[str, ...] = ()
    trials: tuple[tuple[datetime, datetime], ...] = ()  # when it was in trial, as its own events told
    prices: tuple[tuple[str, str], ...] = ()  # (item, price) as far as any event told, by item
    replaced: tuple[tuple[str, datetime], ...] = ()  # (item, since when a new period of it runs in place of the old)
    frozen: bool = False  # whether wallets were told that it is past due
    version: int = 0

    def in_trial(self, at: datetime) -> bool:
        """Whether it was in trial, as far as its own events told."""
        return any(starts <= at < ends for starts, ends in self.trials)

    def item_of(self, price: str) -> str | None:
        """The item that has, or had, this price; else the one item there is. None where that is not known."""
        items = {item for item, own in self.prices if own == price} or {item for item, _ in self.prices}
        return items.pop() if len(items) == 1 else None

    def with_prices(self, pairs: Iterable[tuple[str, str]]) -> "SubscriptionState":
        known = tuple(sorted({*self.prices, *pairs})[:PRICES_KEPT])
        return self if known == self.prices else replace(self, prices=known)

    def ended_before(self, instant: datetime) -> bool:
        return self.ended_at is not None and self.ended_at < instant

    @property
    def ends(self) -> tuple[Ended, ...]:
        """Since when its plans, or those of one item, bring no more tranches."""
        whole = (Ended(self.subscription, self.ended_at),) if self.ended_at else ()
        return (*whole, *(Ended(self.subscription, at, item) for item, at in self.replaced))

    @property
    def is_past_due(self) -> bool:
        """Past due, not paid since, not ended. Whether that freezes its lots is a setting."""
        if self.status is not SubscriptionStatus.PAST_DUE or self.ended_at:
            return False
        assert self.status_at is not None
        return self.paid_at is None or self.paid_at < self.status_at

    def period_of(self, at: datetime, ends: datetime | None = None) -> Period | None:
        """The paid period that an instant lies in, if its own invoice is known.

        Items of different intervals have periods of their own: where several run, the one that `ends` then.
        """
        known = (p for p in self.periods if p.starts <= at < p.ends)
        return max(known, key=lambda p: (p.ends == ends, p.starts), default=None)

    def with_item_period(self, item: str, starts: datetime, ends: datetime) -> "SubscriptionState":
        """A full period of an item is known: one it starts within gives way to it, as it does to one that
        starts within it. Whichever is heard first."""
        own = [p for p in self.periods if any(level.base and level.item == item for level in p.levels)]
        begun = {starts for p in own if p.starts < starts < p.ends} | {
            p.starts for p in own if starts < p.starts < ends
        }
        found = sorted({*self.replaced, *((item, at) for at in begun)})
        return replace(self, replaced=tuple(found[-PERIODS_KEPT:]))

    def with_period(self, period: Period) -> "SubscriptionState":
        others = [p for p in self.periods if (p.starts, p.ends) != (period.starts, period.ends)]
        newest = sorted([*others, period], key=lambda p: (p.starts, p.ends))[-PERIODS_KEPT:]
        return replace(self, periods=tuple(newest))

    def with_payment(self, payment_id: str, paid_at: datetime) -> "SubscriptionState":
        paid = {**dict(self.payments), payment_id: paid_at}
        newest = sorted(paid.items(), key=lambda each: (each[1], each[0]))[-PAYMENTS_KEPT:]
        return replace(
            self,
            payments=tuple(newest),
            paid_at=max(paid_at, self.paid_at or paid_at),
        )


def told(state: SubscriptionState, news: SubscriptionNews) -> SubscriptionState:
    """The state with what the news say. Ended is for good; the rest is as told last."""
    ends = [instant for instant in (state.ended_at, news.ended_at) if instant]
    state = replace(state, ended_at=min(ends, default=None), account=news.account, mode=news.mode)
    state = state.with_prices(news.prices)
    if news.trial:
        state = replace(state, trials=tuple(sorted({*state.trials, news.trial})[-TRIALS_KEPT:]))
    known = (state.status_at, _STATUS_RANK[state.status]) if state.status_at else None
    if known is None or (news.occurred_at, _STATUS_RANK[news.status]) > known:
        state = replace(state, status=news.status, status_at=news.occurred_at)
    return state


def with_levels(period: Period, levels: Iterable[Level]) -> Period:
    """The period with these levels known, each once."""
    known = {(level.item, level.at, level.base): level for level in (*period.levels, *levels)}
    return replace(period, levels=tuple(known[key] for key in sorted(known)))


def upgrade(period: Period, rule: str) -> dict[str, int]:
    """What the changes of plan within a period grant in all, per type, by the setting `upgrade_grant`.

    `difference`: the highest level above the period's own; `prorated`: each rise above all before
    counts by what remains of the period, their sum to the nearest, halves up; `none`: nothing.
    """
    if rule == "none":
        return {}
    types = {t for level in period.levels for t in level.credits}
    return {t: int(_rises(period, t, prorated=rule == "prorated") + Fraction(1, 2)) for t in types}


def _rises(period: Period, appointment_type: str, *, prorated: bool) -> Fraction:
    now: dict[str, int] = {}
    for level in period.levels:
        if level.base:
            now[level.item] = level.credits.get(appointment_type, 0)
    most, total = sum(now.values()), Fraction(0)
    changes = sorted((level for level in period.levels if not level.base), key=lambda level: (level.at, level.item))
    for instant in sorted({level.at for level in changes}):
        for level in changes:
            if level.at == instant:
                now[level.item] = level.credits.get(appointment_type, 0)
        rise = max(0, sum(now.values()) - most)
        most += rise
        total += rise * (_left(period, instant) if prorated else 1)
    return total


def _left(period: Period, instant: datetime) -> Fraction:
    """Which part of the period is still to come, by whole seconds."""
    length = int((period.ends - period.starts).total_seconds())
    return Fraction(int((period.ends - instant).total_seconds()), length) if length > 0 else Fraction(0)
