"""Payments that could not be granted are kept, with the reason and all that is needed to grant them later."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from client_credits.domain.errors import AlreadyResolved, NotFound
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.payments.facts import Payment, Unsupported
from client_credits.domain.payments.parked import Named, Parked, ParkedState
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.records import Client
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.store import keys, writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import TRANSACTION, Write

RAW_KEPT = timedelta(days=30)
UNKNOWN_ACCOUNT = "unknown_account"  # why an event is parked that belongs to nobody's connected account
OF_ANOTHER = "of_another_payment"  # why news of a refund or dispute are parked
PAGE = 100
NOBODY = Named()
MAX_NAMED = 40  # names in an event whose body is kept: each may be a profile in the transaction
TOGETHER = 40  # notes of what a payment waits for that share a transaction with other records


def park_payment(
    context: Context,
    payment: Payment,
    reason: str,
    missing: Sequence[str],
    *,
    subscriptions: Sequence[str] = (),
    client_id: str | None = None,
) -> bool:
    """Parks a payment once; one already parked (or resolved, or dismissed) stays as it is, but for whose it is.

    `missing` are the lines not granted. The next payment or news of each of these `subscriptions` tries
    it again, parked before or not. True where something was written: look once more whether it is
    explained, since what explains it may have come while it was being parked. `client_id` is whose it is,
    where that client does not exist yet. Safe to repeat.
    """
    record = replace(_of_payment(payment, reason, missing, context.now), client_id=client_id)

    def attempt(subscription: str | None) -> bool:
        loaded = context.load(Wanted(parked_id=record.parked_id, subscription=subscription))
        known, state = loaded.parked, loaded.subscription
        is_open = known is None or known.is_open
        items = [] if known else _beginning(context, record)
        if known and is_open and client_id and known.client_id != client_id:  # whose it is became known meanwhile
            items = _beginning(context, replace(known, client_id=client_id))
        if subscription and is_open and record.parked_id not in state.waiting:
            waiting = replace(state, waiting=(*state.waiting, record.parked_id))
            items.append(writes.subscription(context.practice_id, waiting))
        if items:
            context.commit(items)
        return bool(items) and not context.store.rehearsing

    written = [once(partial(attempt, subscription)) for subscription in subscriptions or (None,)]
    return any(written)


def id_of(payment: Payment) -> str:
    """The id under which a payment is parked."""
    return derived_id("prk", payment.account, payment.mode, payment.payment_id)


def id_of_event(about: str) -> str:
    """The id under which an event is parked that no payment could be made of, by its payment's id or its own."""
    return derived_id("prk", about)


def _of_payment(payment: Payment, reason: str, missing: Sequence[str], now: datetime) -> Parked:
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
        missing=tuple(missing),
    )


def park_event(context: Context, fact: Unsupported, raw: str, named: Named = NOBODY) -> None:
    """Parks an event no payment could be made of; its body is kept 30 days. Safe to repeat.

    `named` are those whom the body names, beside the event's customer. No body is kept where one of them was
    forgotten, or where they are more than 40.
    """
    record = Parked(
        parked_id=id_of_event(fact.payment_id or fact.event_id),
        reason=fact.reason,
        event_id=fact.event_id,
        received_at=context.now,
        customer=fact.customer,
        payment_id=fact.payment_id,
        prices=fact.prices,
        account=fact.account if fact.reason == UNKNOWN_ACCOUNT else None,
    )
    if fact.customer:
        named = replace(named, links=named.links | {("customer", fact.customer)})

    def body() -> list[Write]:
        if len(named.links) + len(named.clients) > MAX_NAMED:
            return []
        people = _people(context, named)
        if any(each.forgotten_at for each in people):
            return []
        kept = writes.raw_event(context.practice_id, record.parked_id, raw, context.now + RAW_KEPT)
        # Each profile under its version, unchanged: who forgets one of them meanwhile finds the body, or is found.
        return [kept, *(writes.client(context.practice_id, each) for each in people)]

    _park(context, record, body)


def _people(context: Context, named: Named) -> list[Client]:
    """The clients who are named, each once, as they stand; those who were merged as who goes on for them."""
    owners = context.load(Wanted(links=tuple(named.links))).links.values() if named.links else ()
    ids = named.clients.union(owners)
    if not ids:
        return []
    found = context.load(Wanted(others=tuple(ids))).others.values()
    return list({each.client_id: each for each in found}.values())


def park_news(context: Context, payment_id: str, about: str) -> None:
    """Parks news of a refund or dispute (`about`) that another payment has followed. Safe to repeat."""
    record = Parked(
        parked_id=derived_id("prk", payment_id, about),
        reason=OF_ANOTHER,
        event_id=about,
        received_at=context.now,
        payment_id=payment_id,
    )
    _park(context, record)


def park_revoked(context: Context, state: SubscriptionState, payment_id: str, reason: str) -> None:
    """Parks a payment whose grants were taken back, so that staff may uphold it."""
    record = Parked(
        parked_id=derived_id("prk", state.account, state.mode, payment_id),
        reason=reason,
        event_id=payment_id,
        received_at=context.now,
        payment_id=payment_id,
        subscription=state.subscription,
    )

    def attempt() -> None:
        known = context.load(Wanted(parked_id=record.parked_id)).parked
        if known is None:
            context.commit(_beginning(context, record))
        elif known.reason != reason and known.is_closed:  # it was parked for something else
            context.commit(_beginning(context, replace(record, version=known.version)))

    once(attempt)


def _park(context: Context, record: Parked, beside: Callable[[], list[Write]] = list) -> None:
    def attempt() -> None:
        # Only finding it there says that it was parked before: a conflict may be mere contention.
        if context.load(Wanted(parked_id=record.parked_id)).parked is None:
            context.commit([*_beginning(context, record), *beside()])

    once(attempt)


def _beginning(context: Context, record: Parked) -> list[Write]:
    """The record with notes of what it waits for. What one transaction would not hold is committed first."""
    _note_others(context, record)
    return record_writes(context.practice_id, record, context.now)


def record_writes(practice_id: str, record: Parked, now: datetime) -> list[Write]:
    """The record as it stands, and notes that it waits, or waits no more: at most 1 + TOGETHER writes."""
    notes = [writes.waiting(practice_id, each, record, now) for each in record.waits_for[:TOGETHER]]
    return [writes.parked(practice_id, record, now), *notes]


def _note_others(context: Context, record: Parked) -> None:
    """The notes beyond TOGETHER. One that is not true yet, or no more, is passed over by whoever finds it."""
    _note(context, record, record.waits_for[TOGETHER:])


def finish(context: Context, parked_id: str) -> None:
    """Closes the notes of a payment that was closed by its grant, once all that follows from the grant is done.

    Until then, news of what it waited for come back to it, and so complete a worker that died. Safe to repeat.
    """

    def attempt() -> None:
        for record in context.store.parked(context.practice_id, [parked_id]):
            if record.unfinished and record.is_closed:
                context.commit(_beginning(context, replace(record, unfinished=False)))

    once(attempt)


def _note(context: Context, record: Parked, others: tuple[tuple[str, str], ...]) -> None:
    for start in range(0, len(others), TRANSACTION):
        batch = others[start : start + TRANSACTION]
        context.commit([writes.waiting(context.practice_id, each, record, context.now) for each in batch])


# -- closing


def without_line(record: Parked, payment: Payment, line_id: str, settled: frozenset[str], actor: Actor) -> Parked:
    """The record once a line is granted, given the lines that need nothing more: closed with the last missing one."""
    assert record.payment is not None
    heard = {line.line_id for line in record.payment.lines}
    lines = [*record.missing, *(line.line_id for line in payment.lines if line.line_id not in heard)]
    missing = tuple(each for each in lines if each != line_id and each not in settled)
    known = payment if len(payment.lines) > len(heard) else record.payment
    record = replace(record, missing=missing, payment=known)
    if missing or payment.lines_missing:
        return record
    return replace(closed(record, ParkedState.RESOLVED, actor), unfinished=True)


def closed(record: Parked, state: ParkedState, actor: Actor, reason: str | None = None) -> Parked:
    return replace(record, state=state, closed_by=f"{actor.kind}/{actor.actor_id}", closed_reason=reason, missing=())


def close(context: Context, parked_id: str, state: ParkedState, reason: str | None = None) -> Parked:
    """Closes an open parked payment. Raises NotFound or AlreadyResolved."""

    def attempt() -> Parked:
        record = closed(open_one(context.store, context.practice_id, parked_id), state, context.actor, reason)
        context.commit(record_writes(context.practice_id, record, context.now))
        return record

    record = once(attempt)
    _note_others(context, record)
    return record


# -- finding


def open_one(store: Store, practice_id: str, parked_id: str) -> Parked:
    """Raises NotFound, or AlreadyResolved for one that is closed, or in a state that only a later release knows."""
    parked = store.load(practice_id, Wanted(parked_id=parked_id)).parked
    if parked is None:
        raise NotFound("There is no such parked payment.")
    if not parked.is_open:
        raise AlreadyResolved(f"This payment is already {parked.state}.")
    return parked


def every_open(store: Store, practice_id: str) -> Iterator[Parked]:
    """Every payment that is parked, the longest parked first, events that no payment could be made of included.

    May lag a second behind.
    """
    after: str | None = None
    while True:
        page, after = store.parked_page(practice_id, after, PAGE)
        yield from (parked for parked in page if parked.is_open)
        if after is None:
            return


def open_for(store: Store, practice_id: str, waits_for: tuple[str, str]) -> Iterator[Parked]:
    """Every payment or event that is parked and waits for this, as it stands now."""
    after: str | None = None
    while True:
        parked_ids, after = store.waiting_page(practice_id, waits_for, after, PAGE)
        found = store.parked(practice_id, parked_ids)
        yield from (parked for parked in found if parked.is_open)
        if after is None:
            return


def raw_of(store: Store, practice_id: str, parked: Parked) -> str | None:
    """The body of an event that was not understood, as long as it is kept."""
    key = keys.raw_event(practice_id, parked.parked_id)
    item = store.table.get([key]).get(key)
    return str(item["raw"]) if item else None
