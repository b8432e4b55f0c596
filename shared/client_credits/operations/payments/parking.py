"""Payments that could not be granted are kept, with the reason and all that is needed to grant them later."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from client_credits.domain.ids import derived_id
from client_credits.domain.payments.facts import Payment, Unsupported
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.operations.committing import once
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store

RAW_KEPT = timedelta(days=30)


def park_payment(store: Store, practice_id: str, payment: Payment, reason: str, now: datetime) -> None:
    """Parks a payment once; one already parked (or resolved, or dismissed) stays as it is."""
    _park(store, practice_id, _of_payment(payment, reason, now))


def park_until_told(
    store: Store,
    practice_id: str,
    payment: Payment,
    reason: str,
    now: datetime,
    explained: Callable[[SubscriptionState], bool],
) -> bool:
    """Parks a payment that another payment of its subscription may explain; that one tries it again.

    Returns False, and parks nothing, when the subscription explains it by now: both are written under
    the subscription's version.
    """
    record = _of_payment(payment, reason, now)
    assert payment.subscription is not None

    def attempt() -> bool:
        loaded = store.load(practice_id, Wanted(parked_id=record.parked_id, subscription=payment.subscription))
        state = loaded.subscription
        if explained(state):
            return False
        items = [] if loaded.parked else [writes.parked(practice_id, record)]
        is_open = loaded.parked is None or loaded.parked.state is ParkedState.OPEN
        if record.parked_id not in state.waiting and is_open:
            waiting = replace(state, waiting=(*state.waiting, record.parked_id))
            items.append(writes.subscription(practice_id, waiting))
        if items:
            store.commit(items)
        return True

    return once(attempt)


def id_of(payment: Payment) -> str:
    """The id under which a payment is parked."""
    return derived_id("prk", payment.account, payment.mode, payment.payment_id)


def id_of_event(about: str) -> str:
    """The id under which an event is parked that no payment could be made of, by its payment's id or its own."""
    return derived_id("prk", about)


def _of_payment(payment: Payment, reason: str, now: datetime) -> Parked:
    return Parked(
        parked_id=id_of(payment),
        reason=reason,
        event_id=payment.event_id,
        received_at=now,
        customer=payment.customer,
        payment_id=payment.payment_id,
        subscription=payment.subscription,
        prices=tuple(line.price for line in payment.lines if line.price),
        payment=payment,
    )


def park_event(store: Store, practice_id: str, fact: Unsupported, raw: str, now: datetime) -> None:
    """Parks an event no payment could be made of; its body is kept 30 days."""
    record = Parked(
        parked_id=id_of_event(fact.payment_id or fact.event_id),
        reason=fact.reason,
        event_id=fact.event_id,
        received_at=now,
        customer=fact.customer,
        payment_id=fact.payment_id,
        prices=fact.prices,
    )
    _park(store, practice_id, record, raw, now + RAW_KEPT)


def park_revoked(
    store: Store, practice_id: str, state: SubscriptionState, payment_id: str, reason: str, now: datetime
) -> None:
    """Parks a payment whose grants were taken back, so that staff may uphold it."""
    record = Parked(
        parked_id=derived_id("prk", state.account, state.mode, payment_id),
        reason=reason,
        event_id=payment_id,
        received_at=now,
        payment_id=payment_id,
        subscription=state.subscription,
    )

    def attempt() -> None:
        known = store.load(practice_id, Wanted(parked_id=record.parked_id)).parked
        if known is None:
            store.commit([writes.parked(practice_id, record)])
        elif known.reason != reason and known.state is not ParkedState.OPEN:  # it was parked for something else
            store.commit([writes.parked(practice_id, replace(record, version=known.version))])

    once(attempt)


def _park(
    store: Store,
    practice_id: str,
    record: Parked,
    raw: str | None = None,
    raw_until: datetime | None = None,
) -> None:
    items = [writes.parked(practice_id, record)]
    if raw is not None and raw_until is not None:
        items.append(writes.raw_event(practice_id, record.parked_id, raw, raw_until))

    def attempt() -> None:
        # Only finding it there says that it was parked before: a conflict may be mere contention.
        if store.load(practice_id, Wanted(parked_id=record.parked_id)).parked is None:
            store.commit(items)

    once(attempt)
