"""Payments that could not be granted are kept, with the reason and all that is needed to grant them later."""

from datetime import datetime, timedelta

from client_credits.domain.ids import derived_id
from client_credits.domain.payments import Payment, Unsupported
from client_credits.domain.records import Parked
from client_credits.operations.committing import once
from client_credits.store import writes
from client_credits.store.store import Store, Wanted

RAW_KEPT = timedelta(days=30)


def park_payment(store: Store, practice_id: str, payment: Payment, reason: str, now: datetime) -> None:
    """Parks a payment once; one already parked (or resolved, or dismissed) stays as it is."""
    record = Parked(
        parked_id=derived_id("prk", payment.account, payment.mode, payment.payment_id),
        reason=reason,
        event_id=payment.event_id,
        received_at=now,
        customer=payment.customer,
        payment_id=payment.payment_id,
        subscription=payment.subscription,
        prices=tuple(line.price for line in payment.lines if line.price),
        payment=payment,
    )
    _park(store, practice_id, record)


def park_event(store: Store, practice_id: str, fact: Unsupported, raw: str, now: datetime) -> None:
    """Parks an event no payment could be made of; its body is kept 30 days."""
    record = Parked(
        parked_id=derived_id("prk", fact.payment_id or fact.event_id),
        reason=fact.reason,
        event_id=fact.event_id,
        received_at=now,
        customer=fact.customer,
        payment_id=fact.payment_id,
        prices=fact.prices,
    )
    _park(store, practice_id, record, raw, now + RAW_KEPT)


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
