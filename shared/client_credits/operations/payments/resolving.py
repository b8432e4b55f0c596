"""What becomes of parked payments: granted once the missing fact is known, or dismissed by staff."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from client_credits.domain.errors import AlreadyResolved, Invalid, NotFound, Problem
from client_credits.domain.ledger.entries import Actor, Entry
from client_credits.domain.payments.facts import Payment
from client_credits.domain.payments.granting import LineFate
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.operations.committing import entries_of, once
from client_credits.operations.payments import money_back as following
from client_credits.operations.payments.grant import LineOutcome
from client_credits.operations.payments.lines import (
    PARKED_FATES,
    SYSTEM,
    apply_payment,
    wait_on,
)
from client_credits.store import keys, writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store

CLOSED_KEPT = timedelta(days=400)
PAGE = 100


def grant(
    store: Store,
    practice_id: str,
    payment: Payment,
    now: datetime,
    *,
    client_id: str | None = None,
    package_id: str | None = None,
    actor: Actor = SYSTEM,
    park: bool = True,
    insists: bool = False,
) -> list[LineOutcome]:
    """Applies a payment, then the parked changes of plan that had waited for it. Safe to repeat."""
    outcomes = apply_payment(
        store,
        practice_id,
        payment,
        now,
        client_id=client_id,
        package_id=package_id,
        actor=actor,
        park=park,
        insists=insists,
    )
    for parked_id in sorted({parked_id for outcome in outcomes for parked_id in outcome.wakes}):
        parked = store.load(practice_id, Wanted(parked_id=parked_id)).parked
        if parked:
            _try(store, practice_id, parked, now, apply=apply_payment)
            once(partial(_waits_no_more, store, practice_id, parked))
    return outcomes


def _waits_no_more(store: Store, practice_id: str, parked: Parked) -> None:
    """A subscription forgets a change of plan that is closed. Only now, so that a worker that died
    before is completed by the redelivery of what woke it."""
    loaded = store.load(practice_id, Wanted(parked_id=parked.parked_id, subscription=parked.subscription))
    state = loaded.subscription
    is_open = loaded.parked is not None and loaded.parked.state is ParkedState.OPEN
    if parked.parked_id in state.waiting and not is_open:
        waiting = tuple(parked_id for parked_id in state.waiting if parked_id != parked.parked_id)
        store.commit([writes.subscription(practice_id, replace(state, waiting=waiting))])


def resolve(
    store: Store,
    practice_id: str,
    parked_id: str,
    now: datetime,
    actor: Actor,
    client_id: str | None = None,
    package_id: str | None = None,
) -> list[LineOutcome]:
    """Grants a parked payment with what staff add to it; each line at most once, whoever repeats it.

    Raises NotFound, AlreadyResolved, or Invalid naming what is still missing; then the payment
    stays parked.
    """
    return _resolve(store, practice_id, parked_id, now, actor, client_id=client_id, package_id=package_id, apply=grant)


def _resolve(
    store: Store,
    practice_id: str,
    parked_id: str,
    now: datetime,
    actor: Actor,
    *,
    apply: Callable[..., list[LineOutcome]],
    client_id: str | None = None,
    package_id: str | None = None,
) -> list[LineOutcome]:
    parked = _open(store, practice_id, parked_id)
    if parked.payment is None and parked.reason == LineFate.SUBSCRIPTION_ENDED and parked.payment_id:
        entries = following.uphold(store, practice_id, parked.payment_id, now)
        _close(store, practice_id, parked, ParkedState.RESOLVED, actor, None, now)
        return [LineOutcome(parked.payment_id, "upheld", entries=tuple(entries))]
    if parked.payment is None:
        raise Invalid(
            "This event holds no payment that could be granted. Settle it by hand, then dismiss it.",
            Problem("", parked.reason, f"event {parked.event_id} cannot be granted"),
        )
    outcomes = apply(
        store,
        practice_id,
        parked.payment,
        now,
        client_id=client_id,
        package_id=package_id,
        actor=actor,
        park=False,
        insists=actor is not SYSTEM and parked.reason == LineFate.SUBSCRIPTION_ENDED,
    )
    missing = [outcome for outcome in outcomes if outcome.fate in PARKED_FATES]
    wait_on(store, practice_id, parked.payment, missing, now)
    if parked.payment.lines_missing and actor is SYSTEM:
        raise Invalid("Some of the payment's lines are not known yet.")  # nobody has said that they do not matter
    if missing:
        raise Invalid(
            "The payment is still not explained.",
            *(Problem(_pointer(o.fate), o.fate, _ADVICE.get(o.fate, o.fate)) for o in missing),
        )
    _close(store, practice_id, parked, ParkedState.RESOLVED, actor, None, now)
    return outcomes


def line_entries(store: Store, practice_id: str, outcome: LineOutcome) -> list[Entry]:
    """The entries of a line: those just decided, or those its record names."""
    if outcome.entries or outcome.operation is None:
        return list(outcome.entries)
    return entries_of(store, practice_id, outcome.operation)


def dismiss(store: Store, practice_id: str, parked_id: str, now: datetime, actor: Actor, reason: str) -> Parked:
    """Closes a parked payment without granting it. Raises NotFound or AlreadyResolved."""
    parked = _open(store, practice_id, parked_id)
    return _close(store, practice_id, parked, ParkedState.DISMISSED, actor, reason, now)


def replay(
    store: Store,
    practice_id: str,
    now: datetime,
    *,
    customer: str | None = None,
    client_id: str | None = None,
    unknown_clients: bool = False,
    subscription: str | None = None,
    prices: frozenset[str] = frozenset(),
    everything: bool = False,
) -> int:
    """Tries again the open parked payments that a new link, client or mapped price may explain, or all of them.

    `unknown_clients`: those whose client did not exist.

    Returns how many were granted; what is still unexplained stays parked. Safe to repeat.
    """
    granted = 0
    for parked in open_payments(store, practice_id):
        about: bool | str | None = (customer is not None and parked.customer == customer) or (
            subscription is not None and parked.subscription == subscription
        )
        if parked.payment and parked.reason == "unknown_client":
            about = about or unknown_clients or (client_id and parked.payment.client_id in (None, client_id))
        if parked.payment and (everything or about or prices & set(parked.prices)):
            granted += _try(store, practice_id, parked, now)
    return granted


def raw_of(store: Store, practice_id: str, parked: Parked) -> str | None:
    """The body of an event that was not understood, as long as it is kept."""
    key = keys.raw_event(practice_id, parked.parked_id)
    item = store.table.get([key]).get(key)
    return str(item["raw"]) if item else None


def close_understood(store: Store, practice_id: str, parked: Parked, now: datetime) -> None:
    """What was parked has had its effect since, by another way than the parked record itself. Safe to repeat."""
    with suppress(AlreadyResolved):
        _close(store, practice_id, parked, ParkedState.RESOLVED, SYSTEM, None, now)


def open_payments(store: Store, practice_id: str) -> Iterator[Parked]:
    """Every payment that is still parked, events that no payment could be made of included."""
    after: str | None = None
    while True:
        page, after = store.parked_page(practice_id, after, PAGE)
        yield from page
        if after is None:
            return


def _try(
    store: Store, practice_id: str, parked: Parked, now: datetime, apply: Callable[..., list[LineOutcome]] | None = None
) -> int:
    """1 when it is granted now. `apply` is how: by default others that waited for it are woken, too."""
    try:
        _resolve(store, practice_id, parked.parked_id, now, SYSTEM, apply=apply or grant)
    except (Invalid, AlreadyResolved, NotFound):
        return 0
    return 1


def _open(store: Store, practice_id: str, parked_id: str) -> Parked:
    parked = store.load(practice_id, Wanted(parked_id=parked_id)).parked
    if parked is None:
        raise NotFound("There is no such parked payment.")
    if parked.state is not ParkedState.OPEN:
        raise AlreadyResolved(f"This payment is already {parked.state}.")
    return parked


def _close(
    store: Store,
    practice_id: str,
    parked: Parked,
    state: ParkedState,
    actor: Actor,
    reason: str | None,
    now: datetime,
) -> Parked:
    closed = replace(parked, state=state, closed_by=f"{actor.kind}/{actor.actor_id}", closed_reason=reason)
    ttl = int((now + CLOSED_KEPT).timestamp())

    def attempt() -> None:
        _open(store, practice_id, parked.parked_id)
        store.commit([writes.parked(practice_id, closed, ttl)])

    once(attempt)
    return closed


def _pointer(fate: str) -> str:
    return {"unknown_client": "/client_id"}.get(fate, "/package_id")


_ADVICE = {
    "unknown_client": "name the client this payment is for",
    "unknown_package": "name the package, or give one of the packages this price",
    "package_archived": "the package was archived before this payment: name a package on sale",
    "too_many_credits": "quantity times credits is beyond 1,000,000",
    "no_cycle_to_end_with": "the package expires with a billing cycle and this payment has none",
    "limit_reached": "the client's wallet is full",
    "subscription_ended": "it was paid after its subscription had ended: resolving it grants all the same",
    "waits_for_cycle": "the payment of the period it changes is not known yet; it is tried again when that comes",
}
