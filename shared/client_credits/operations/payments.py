"""A payment grants its lines, each once; what no rule explains is parked, never lost.

One payment line is one operation with its own source id, so a payment that was half applied when
a worker died is completed by its redelivery, and a second event about the same payment adds nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from client_credits.domain.entries import Act, Actor, Cause, CauseKind, Entry
from client_credits.domain.errors import LimitReached
from client_credits.domain.granting import PARKED, LineDecision, LineFate, decide_line, grant
from client_credits.domain.payments import Payment, PaymentLine
from client_credits.domain.records import Client, EntryRef, Operation
from client_credits.operations import parking
from client_credits.operations.committing import once, room_for, settled, wallet_writes
from client_credits.store import writes
from client_credits.store.store import Loaded, Store, Wanted

SYSTEM = Actor("system", "stripe")


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one line. `operation` is the first outcome's record, also for a repeat."""

    line_id: str
    fate: str
    operation: Operation | None = None
    repeated: bool = False
    entries: tuple[Entry, ...] = ()  # written by this call; a repeat's are found by its record


def apply_payment(
    store: Store,
    practice_id: str,
    payment: Payment,
    now: datetime,
    *,
    client_id: str | None = None,
    package_id: str | None = None,
    actor: Actor = SYSTEM,
    park: bool = True,
) -> list[LineOutcome]:
    """Grants every line that a known package explains; parks the payment if a line is left unexplained.

    `client_id` and `package_id` are staff's answers for a parked payment. Safe to repeat: a line
    already granted answers with its first outcome. Raises Busy under contention.
    """
    beneficiary = payment.client_id or client_id or _linked_client(store, practice_id, payment)
    outcomes = [
        _apply_line(store, practice_id, payment, line, beneficiary, package_id, actor, now) for line in payment.lines
    ]
    reason = _reason_to_park(outcomes, payment)
    if reason and park:
        parking.park_payment(store, practice_id, payment, reason, now)
    return outcomes


def _reason_to_park(outcomes: list[LineOutcome], payment: Payment) -> str | None:
    parked = [outcome.fate for outcome in outcomes if outcome.fate in PARKED_FATES]
    if parked:
        return parked[0]
    return "lines_missing" if payment.lines_missing else None


PARKED_FATES = {*map(str, PARKED), "unknown_client", "limit_reached"}


def _linked_client(store: Store, practice_id: str, payment: Payment) -> str | None:
    """The client by the subscription's checkout, then by the customer."""
    pairs = [("subscription", payment.subscription), ("customer", payment.customer)]
    links = tuple((kind, external) for kind, external in pairs if external)
    if not links:
        return None
    found = store.load(practice_id, Wanted(links=links)).links
    return next((found[pair] for pair in links if pair in found), None)


def _apply_line(
    store: Store,
    practice_id: str,
    payment: Payment,
    line: PaymentLine,
    client_id: str | None,
    package_id: str | None,
    actor: Actor,
    now: datetime,
) -> LineOutcome:
    def attempt() -> LineOutcome:
        guess = decide_line(payment, line, store.catalogue(practice_id), package_id)
        types = tuple(guess.package.credits) if guess.package and client_id else ()
        sources = tuple(s for s in (guess.source_id, guess.first_id) if s)
        loaded = store.load(practice_id, Wanted(client_id=client_id, types=types, source_ids=sources))
        decision = decide_line(payment, line, loaded.catalogue, package_id)
        if set(_credits(decision)) - set(loaded.wallets) and client_id:
            return attempt()  # the catalogue changed: this worker's copy is fresh now
        done = loaded.operations.get(decision.source_id)
        if done:
            return LineOutcome(line.line_id, done.outcome, done, True)
        if decision.fate is not LineFate.GRANT:
            return LineOutcome(line.line_id, decision.fate)
        if client_id is None:
            return LineOutcome(line.line_id, "unknown_client")
        if loaded.operations.get(decision.grant_id):
            return _not_renewing(store, practice_id, payment, decision, client_id, now)
        return _grant(store, practice_id, payment, decision, loaded, client_id, actor, now)

    try:
        return once(attempt)
    except LimitReached as limit:
        return LineOutcome(line.line_id, limit.code)


def _credits(decision: LineDecision) -> dict[str, int]:
    """What a line grants per appointment type."""
    credits = decision.package.credits if decision.package else {}
    return {t: n * decision.line.quantity for t, n in credits.items() if n}


def _not_renewing(
    store: Store,
    practice_id: str,
    payment: Payment,
    decision: LineDecision,
    client_id: str,
    now: datetime,
) -> LineOutcome:
    """A later cycle of a package that grants once. It is remembered, so that it stays without a
    grant when it is delivered again after the package was made to renew."""
    done = _record(payment, decision, LineFate.NOT_RENEWING, client_id, (), now)
    store.commit([writes.operation(practice_id, done)])
    return LineOutcome(decision.line.line_id, done.outcome, done)


def _record(
    payment: Payment,
    decision: LineDecision,
    outcome: str,
    client_id: str,
    entries: tuple[EntryRef, ...],
    now: datetime,
) -> Operation:
    content = _content(payment, decision.line)
    return Operation(decision.source_id, content, outcome, client_id, entries, now)


def _grant(
    store: Store,
    practice_id: str,
    payment: Payment,
    decision: LineDecision,
    loaded: Loaded,
    client_id: str,
    actor: Actor,
    now: datetime,
) -> LineOutcome:
    source_id = decision.grant_id
    act = Act(
        source_id=source_id,
        cause=Cause(CauseKind.PACKAGE, _cause_ids(payment, decision)),
        actor=actor,
        occurred_at=payment.paid_at,
        now=now,
    )
    settings = loaded.settings
    credits = _credits(decision)
    room = room_for(len(credits))
    wallets = [loaded.wallets[t] for t in credits]
    before = settled(store, wallets, now, settings, room)
    changes = [grant(before[t], amount, decision, payment, act, settings, room) for t, amount in credits.items()]
    entries = [entry for change in changes for entry in change.entries if entry.source_id == source_id]
    refs = tuple(EntryRef(e.appointment_type, e.sequence, e.amount) for e in entries)
    outcome = "granted" if credits else "no_credits"
    done = _record(payment, decision, outcome, client_id, refs, now)
    items = [writes.operation(practice_id, done)]
    if decision.first_id and decision.first_id not in loaded.operations:
        items.append(writes.operation(practice_id, replace(done, source_id=decision.first_id)))
    items += wallet_writes(store, changes, now, settings)
    if loaded.client is None:
        items.append(writes.client(practice_id, Client(client_id, created_at=now)))
    store.commit(items)
    return LineOutcome(decision.line.line_id, done.outcome, done, entries=tuple(entries))


def _cause_ids(payment: Payment, decision: LineDecision) -> dict[str, str]:
    assert decision.package is not None
    ids = {
        "package_id": decision.package.package_id,
        "payment": payment.payment_id,
        "line": decision.line.line_id,
        "event_id": payment.event_id,
        "subscription": payment.subscription,
        "customer": payment.customer,
    }
    return {name: value for name, value in ids.items() if value}


def _content(payment: Payment, line: PaymentLine) -> str:
    """A hash of what was paid: the first one stands, also when a later event says otherwise."""
    text = f"{payment.payment_id}|{line.line_id}|{line.price}|{line.quantity}|{line.amount}"
    return sha256(text.encode()).hexdigest()[:16]
