"""How a subscription stands, by Stripe's events about it.

Nothing here grants: a cycle's invoice does. A paused collection or a cancellation to come leaves a
subscription running, and an ended one never runs again.
"""

from collections.abc import Iterator
from datetime import datetime

from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus
from client_credits.domain.payments.plan_changes import Interval
from client_credits.stripe.events import shapes, values
from client_credits.stripe.events.frame import Event, customer_of
from client_credits.stripe.events.values import Fields

DELETED = "customer.subscription.deleted"

STATUSES = {
    "active": SubscriptionStatus.RUNNING,
    "trialing": SubscriptionStatus.RUNNING,
    "incomplete": SubscriptionStatus.RUNNING,
    "past_due": SubscriptionStatus.PAST_DUE,
    "unpaid": SubscriptionStatus.PAST_DUE,
    "paused": SubscriptionStatus.PAUSED,
    "canceled": SubscriptionStatus.ENDED,
    "incomplete_expired": SubscriptionStatus.ENDED,
}


def subscription(event: Event) -> SubscriptionNews:
    """Raises Unreadable for a status nobody knows, unless the event itself says that it ended."""
    about = event.about
    word = values.text(about, "status") or ""
    status = SubscriptionStatus.ENDED if event.kind == DELETED else values.required(STATUSES.get(word))
    return SubscriptionNews(
        event_id=event.event_id,
        account=event.account,
        mode=event.mode,
        occurred_at=event.occurred_at,
        subscription=values.required(values.reference(about, "id")),
        status=status,
        ended_at=_ended_at(event) if status is SubscriptionStatus.ENDED else None,
        customer=customer_of(about),
        trial=_trial(about),
        prices=_prices(about),
        intervals=_intervals(about),
        anchor=values.instant(about, "billing_cycle_anchor"),
        client_id=values.first_named("client_id", [values.metadata(about)]),
        item_trials=tuple(_item_trials(about)),
    )


def _trial(about: Fields) -> tuple[datetime, datetime] | None:
    """When it is or was in trial, `start <= t < end`."""
    return _span(about, "trial_start", "trial_end")


def _item_trials(about: Fields) -> Iterator[tuple[str, datetime, datetime]]:
    """The items that an offer lets try now, each with when."""
    for item in _items(about):
        span = _span(values.child(item, "current_trial"), "start_date", "end_date")
        if span and (item_id := values.reference(item, "id")):
            yield item_id, *span


def _span(of: Fields, start: str, end: str) -> tuple[datetime, datetime] | None:
    starts, ends = values.instant(of, start), values.instant(of, end)
    return (starts, ends) if starts and ends and starts < ends else None


def _prices(about: Fields) -> tuple[tuple[str, str], ...]:
    """The (item, price) pairs that the event shows."""
    pairs = ((values.reference(item, "id"), shapes.price_of(item)) for item in _items(about))
    return tuple((item, price) for item, price in pairs if item and price)


def _intervals(about: Fields) -> dict[str, Interval]:
    """How long the prices of its items last."""
    found = {shapes.price_of(item): shapes.interval_of(item) for item in _items(about)}
    return {price: interval for price, interval in found.items() if price and interval}


def _items(about: Fields) -> list[Fields]:
    return values.rows(values.child(about, "items"), "data") if about.get("items") else []


def _ended_at(event: Event) -> datetime:
    ended = values.instant(event.about, "ended_at") or values.instant(event.about, "canceled_at")
    return ended or event.occurred_at
