"""What is known of a subscription: whether it runs, which periods were paid, and what changed within them.

Everything is a function of what was heard, not of the order in which it was heard.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from client_credits.domain.ledger.tranches import Ended
from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus
from client_credits.domain.payments.plan_changes import Base, Interval, PlanChange, PlanPeriod
from client_credits.domain.words import Unknown

PERIODS_KEPT = 12
TRIALS_KEPT = 12
ANCHORS_KEPT = 12
PRICES_KEPT = 100
PAYMENTS_KEPT = 100  # beyond, an end or being past due is no longer followed in the oldest
_STATUS_RANK = {status: rank for rank, status in enumerate(SubscriptionStatus)}


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """A subscription as far as it was heard. `waiting` are parked changes of plan whose period is not paid yet;
    `payments` are (payment id, paid at), the newest: their records know the wallets that have its credits."""

    subscription: str
    account: str = ""
    mode: str = ""
    client_id: str | None = None
    status: SubscriptionStatus | Unknown = SubscriptionStatus.RUNNING
    status_at: datetime | None = None
    ended_at: datetime | None = None
    paid_at: datetime | None = None
    periods: tuple[PlanPeriod, ...] = ()
    payments: tuple[tuple[str, datetime], ...] = ()
    waiting: tuple[str, ...] = ()
    trials: tuple[tuple[datetime, datetime], ...] = ()  # when it was in trial, as its own events stated
    item_trials: tuple[tuple[str, datetime, datetime], ...] = ()  # and single items, by an offer
    prices: tuple[tuple[str, str], ...] = ()  # (item, price) as far as any event stated, by item
    intervals: dict[str, Interval] = field(default_factory=dict)  # how long its prices last, as its events tell
    anchors: tuple[datetime, ...] = ()  # what its periods were counted from, the newest
    frozen: bool = False  # whether wallets know that it is past due
    version: int = 0

    def in_trial(self, at: datetime) -> bool:
        """Whether it was in trial, as far as its own events stated."""
        return any(starts <= at < ends for starts, ends in self.trials)

    def is_tried(self, item: str, at: datetime) -> bool:
        """Whether an offer let an item be tried then, as far as its subscription's events stated."""
        return any(own == item and starts <= at < ends for own, starts, ends in self.item_trials)

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
        """Since when its plans, or those of one item, bring no more tranches, and which were given back."""
        of_all_items = (Ended(self.subscription, self.ended_at),) if self.ended_at else ()
        return (*of_all_items, *sorted({*self._given_back(), *self._replaced()}, key=repr))

    def _given_back(self) -> Iterator[Ended]:
        """Items that ended with money back, and those whose place they had taken."""
        for period in self.periods:
            for change in period.changes:
                for item, at in change.gone.items():
                    for each in sorted({item, *period.predecessors(item)}):
                        yield Ended(self.subscription, at, each, until=period.ends)

    def _replaced(self) -> Iterator[Ended]:
        """Items whose period gave way to a full one of another length before it was over."""
        begun = [(base.item, base.starts, period) for period in self.periods for base in period.bases]
        for item, starts, period in begun:
            if any(own == item and starts < other < period.ends for own, other, _ in begun):
                at = min(other for own, other, _ in begun if own == item and starts < other < period.ends)
                yield Ended(self.subscription, at, item)

    @property
    def is_past_due(self) -> bool:
        """Past due, not paid since, not ended. Whether that freezes its lots is a setting."""
        if self.status is not SubscriptionStatus.PAST_DUE or self.ended_at:
            return False
        assert self.status_at is not None
        return self.paid_at is None or self.paid_at < self.status_at

    def period_of(self, at: datetime, ends: datetime | None = None) -> PlanPeriod | None:
        """The paid period that an instant lies in, if its own invoice is known.

        Items of different intervals have periods of their own, and one that gave way to another may end after that
        began: given its end, it is the one that `ends` then, and no other.
        """
        known = (p for p in self.periods if p.is_paid and p.starts <= at < p.ends and ends in (None, p.ends))
        return max(known, key=lambda p: p.starts, default=None)

    def with_base(self, base: Base, starts: datetime, ends: datetime) -> "SubscriptionState":
        """An item was paid for this period, or from `base.starts` on. What changed within it may be known already."""
        known = next((p for p in self.periods if p.is_same(starts, ends)), None)
        waiting = next((p for p in self.periods if not p.is_paid and p.ends == ends), None)
        period = known or waiting or PlanPeriod(starts, ends)
        if base.starts == starts or not period.is_paid:
            period = replace(period, starts=starts)
        return self._with_period(known or waiting, period.with_base(base))

    def with_change(self, change: PlanChange, at: datetime, ends: datetime) -> "SubscriptionState":
        """An invoice changed the items of the period that `ends` then; it may not be paid yet, as far as is known."""
        known = self.period_of(at, ends) or next((p for p in self.periods if p.ends == ends), None)
        period = known or PlanPeriod(at, ends)
        before = period.change_of(change.invoice)
        kept = replace(change, stated=before.stated) if before else change
        return self._with_period(known, period.with_change(kept))

    def with_undone(self, invoice: str, at: datetime | None) -> "SubscriptionState":
        """An invoice was refunded in full at an instant, or is not any more."""
        periods = [
            p.with_change(replace(change, undone_at=at)) if (change := p.change_of(invoice)) else p
            for p in self.periods
        ]
        return replace(self, periods=tuple(periods))

    def with_stated(self, invoice: str, ends: datetime, stated: dict[str, int]) -> "SubscriptionState":
        """An invoice's payment's record now says what its change within a period owns."""
        periods = [
            p.with_change(replace(change, stated=stated)) if p.ends == ends and (change := p.change_of(invoice)) else p
            for p in self.periods
        ]
        return replace(self, periods=tuple(periods))

    def _with_period(self, before: PlanPeriod | None, after: PlanPeriod) -> "SubscriptionState":
        others = [period for period in self.periods if period is not before]
        newest = sorted([*others, after], key=lambda p: (p.starts, p.ends))[-PERIODS_KEPT:]
        return replace(self, periods=tuple(newest))

    def with_payment(self, payment_id: str, paid_at: datetime) -> "SubscriptionState":
        paid = {**dict(self.payments), payment_id: paid_at}
        newest = sorted(paid.items(), key=lambda each: (each[1], each[0]))[-PAYMENTS_KEPT:]
        return replace(
            self,
            payments=tuple(newest),
            paid_at=max(paid_at, self.paid_at or paid_at),
        )


def with_news(state: SubscriptionState, news: SubscriptionNews) -> SubscriptionState:
    """The state with what the news say. Ended is for good; the rest is as heard last."""
    ends = [instant for instant in (state.ended_at, news.ended_at) if instant]
    state = replace(state, ended_at=min(ends, default=None), account=news.account, mode=news.mode)
    state = state.with_prices(news.prices)
    if news.trial:
        state = replace(state, trials=tuple(sorted({*state.trials, news.trial})[-TRIALS_KEPT:]))
    if news.item_trials:
        tried = sorted({*state.item_trials, *news.item_trials}, key=lambda each: each[1:])
        state = replace(state, item_trials=tuple(tried[-TRIALS_KEPT:]))
    if news.anchor:
        state = replace(state, anchors=tuple(sorted({*state.anchors, news.anchor})[-ANCHORS_KEPT:]))
    prices = {**state.intervals, **news.intervals}
    state = replace(state, intervals={price: prices[price] for price in sorted(prices)[-PRICES_KEPT:]})
    known = (state.status_at, _rank(state.status)) if state.status_at else None
    if known is None or (news.occurred_at, _rank(news.status)) > known:
        state = replace(state, status=news.status, status_at=news.occurred_at)
        state = replace(state, client_id=_owner(state, news))
    return state if state.client_id else replace(state, client_id=news.client_id)


def _rank(status: SubscriptionStatus | Unknown) -> int:
    """Which of two statuses of one instant stands: that of a later release before any other."""
    return _STATUS_RANK[status] if isinstance(status, SubscriptionStatus) else len(_STATUS_RANK)


def _owner(state: SubscriptionState, news: SubscriptionNews) -> str | None:
    """Whose it is: as its payments said, until there is one as its own newest event does."""
    return state.client_id if state.payments else news.client_id or state.client_id
