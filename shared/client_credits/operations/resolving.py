"""What becomes of parked payments: granted once the missing fact is known, or dismissed by staff."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from client_credits.domain.entries import Actor, Entry
from client_credits.domain.errors import AlreadyResolved, Invalid, NotFound, Problem
from client_credits.domain.records import Parked, ParkedState
from client_credits.operations import editing
from client_credits.operations.committing import once
from client_credits.operations.payments import (
    PARKED_FATES,
    SYSTEM,
    LineOutcome,
    apply_payment,
)
from client_credits.store import writes
from client_credits.store.store import Store, Wanted

CLOSED_KEPT = timedelta(days=400)
PAGE = 100


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
    parked = _open(store, practice_id, parked_id)
    if parked.payment is None:
        raise Invalid(
            "This event holds no payment that could be granted. Settle it by hand, then dismiss it.",
            Problem("", parked.reason, f"event {parked.event_id} cannot be granted"),
        )
    outcomes = apply_payment(
        store,
        practice_id,
        parked.payment,
        now,
        client_id=client_id,
        package_id=package_id,
        actor=actor,
        park=False,
    )
    missing = [outcome for outcome in outcomes if outcome.fate in PARKED_FATES]
    if missing:
        raise Invalid(
            "The payment is still not explained.",
            *(Problem(_pointer(o.fate), o.fate, _ADVICE.get(o.fate, o.fate)) for o in missing),
        )
    _close(store, practice_id, parked, ParkedState.RESOLVED, actor, None, now)
    return outcomes


def entries_of(store: Store, practice_id: str, outcome: LineOutcome) -> list[Entry]:
    """The entries of a line: those just decided, or those its record names."""
    if outcome.entries or outcome.operation is None:
        return list(outcome.entries)
    return editing.entries_of(store, practice_id, outcome.operation)


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
    subscription: str | None = None,
    prices: frozenset[str] = frozenset(),
    everything: bool = False,
) -> int:
    """Tries again the open parked payments that a new link or a newly mapped price may explain, or all of them.

    Returns how many were granted; what is still unexplained stays parked. Safe to repeat.
    """
    granted = 0
    for parked in open_payments(store, practice_id):
        about = (customer is not None and parked.customer == customer) or (
            subscription is not None and parked.subscription == subscription
        )
        if parked.payment and (everything or about or prices & set(parked.prices)):
            granted += _try(store, practice_id, parked, now)
    return granted


def open_payments(store: Store, practice_id: str) -> Iterator[Parked]:
    """Every payment that is still parked, events that no payment could be made of included."""
    after: str | None = None
    while True:
        page, after = store.parked_page(practice_id, after, PAGE)
        yield from page
        if after is None:
            return


def _try(store: Store, practice_id: str, parked: Parked, now: datetime) -> int:
    try:
        resolve(store, practice_id, parked.parked_id, now, SYSTEM)
    except (Invalid, AlreadyResolved):
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
}
