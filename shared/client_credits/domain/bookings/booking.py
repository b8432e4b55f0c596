"""Bookings: one record each, folded from events in any order; spend, refuse, restore.

Rules: a booking spends once. A cancellation stands whenever it arrives; the first one applied
decides who cancelled and when. A refusal binds nobody: a newer `created` tries again. Credits
return to the very lots that paid, once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from client_credits.domain.bookings.deciding import Decision, Reason, Session, decide
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting, Repayment, check_bounds
from client_credits.domain.ledger.settling import as_payer, settle
from client_credits.domain.ledger.wallet import Debt, DebtCause, Lot, LotSource
from client_credits.domain.practice.settings import Settings
from client_credits.domain.words import Unknown


class BookingState(StrEnum):
    BOOKED = "booked"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class CancelledBy(StrEnum):
    CLIENT = "client"
    PRACTICE = "practice"


@dataclass(frozen=True, slots=True)
class Created:
    """A session was booked, as a booking system tells it."""

    booking_id: str
    client_id: str | None
    session: Session
    occurred_at: datetime
    kind: str = "appointment"
    origin: str = "client"


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A booking was cancelled. `by` unknown counts as the client.

    `appointment_type` is what the event says, only to find the wallet sooner: the record decides.
    """

    booking_id: str
    client_id: str | None
    occurred_at: datetime
    by: CancelledBy | None = None
    appointment_type: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a booking was refused: binds nobody, makes no entry, is published once."""

    reason: Reason | Unknown
    available: int
    shortfall: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Payer:
    """A lot that paid a booking, as it was, and how many credits it gave."""

    lot: Lot
    amount: int


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking's record: what is known of it, whether it stands, and who paid."""

    booking_id: str
    state: BookingState | Unknown
    client_id: str | None = None
    session: Session | None = None  # None while only its cancellation is known
    kind: str = "appointment"
    origin: str = "client"
    created_at: datetime | None = None
    cancellation: Cancelled | None = None
    refusal: Refusal | None = None
    payers: tuple[Payer, ...] = ()
    rule: str | None = None  # which rule let it through without enough credits
    free: Reason | None = None  # why a standing booking spent nothing
    returned: int = 0  # credits given back when it was cancelled
    follow: tuple[str, ...] = ()  # payments that what was given back belongs to first
    version: int = 0

    def paid_by(self, repayments: tuple[Repayment, ...]) -> "Booking":
        """The booking with the lots that repaid its debt among its payers."""
        own = (Payer(r.lot, r.amount) for r in repayments if r.booking_id == self.booking_id)
        return replace(self, payers=(*self.payers, *own))


class Next(StrEnum):
    """What an event asks for."""

    SPEND = "spend"
    RESTORE = "restore"
    NOTE = "note"  # the record learns something; no wallet changes
    NOTHING = "nothing"


def after_created(booking: Booking | None, event: Created) -> tuple[Booking | None, Next]:
    """Folds a `created` into the record. Only a new booking, or a refused one asked for anew, spends."""
    if booking is None:
        return _begun(Booking(event.booking_id, BookingState.BOOKED), event), Next.SPEND
    refusal = booking.refusal if booking.state is BookingState.REFUSED else None
    if refusal and event.occurred_at > refusal.occurred_at:
        return _begun(booking, event), Next.SPEND
    if booking.session is None:  # cancelled before it was created: nothing is spent
        return _begun(booking, event), Next.NOTE
    return booking, Next.NOTHING


def after_cancelled(booking: Booking | None, event: Cancelled) -> tuple[Booking, Next]:
    """Folds a cancellation into the record. Only a standing booking gives anything back."""
    if booking is None:
        return Booking(event.booking_id, BookingState.CANCELLED, event.client_id, cancellation=event), Next.NOTE
    if booking.state is BookingState.CANCELLED:
        return booking, Next.NOTHING
    step = Next.RESTORE if booking.state is BookingState.BOOKED else Next.NOTE
    client_id = booking.client_id or event.client_id
    return replace(booking, state=BookingState.CANCELLED, cancellation=event, client_id=client_id), step


def _begun(booking: Booking, event: Created) -> Booking:
    return replace(
        booking,
        client_id=booking.client_id or event.client_id,
        session=event.session,
        kind=event.kind,
        origin=event.origin,
        created_at=event.occurred_at,
    )


def spend(
    change: Change, booking: Booking, act: Act, settings: Settings, bookable_without_credits: bool
) -> tuple[Change, Booking, Decision]:
    """Decides on a settled wallet; when allowed, the lots pay and the missing part becomes debt."""
    session = booking.session
    assert session is not None
    decision = decide(change.wallet, session.seats, session.starts_at, act.now, settings, bookable_without_credits)
    if not decision.allowed:
        refusal = Refusal(decision.reason, decision.available, decision.shortfall, act.occurred_at)
        return change, replace(booking, state=BookingState.REFUSED, refusal=refusal), decision
    wallet = change.wallet
    postings = []
    for lot, part in decision.takes:
        wallet = wallet.with_lot(replace(lot, remaining=lot.remaining - part))
        postings.append(Posting(-part, lot_id=lot.lot_id))
    if decision.shortfall:
        since = min(act.occurred_at, act.now)
        wallet = wallet.with_debt(owed_for(session, booking.booking_id, decision, since))
        postings.append(Posting(-decision.shortfall, debt=booking.booking_id))
    if decision.rule:
        act = replace(act, cause=replace(act.cause, ids=act.cause.ids | {"rule": decision.rule}))
    paid = tuple(Payer(as_payer(lot), part) for lot, part in decision.takes)
    booked = replace(booking, state=BookingState.BOOKED, payers=paid, rule=decision.rule, refusal=None)
    return change.record(wallet, EntryKind.SPENT, act, tuple(postings)), booked, decision


def owed_for(session: Session, booking_id: str, decision: Decision, since: datetime) -> Debt:
    """The debt of a booking that credits do not cover in full."""
    return Debt(DebtCause.BOOKING, booking_id, decision.shortfall, since, session.starts_at)


def restore(change: Change, booking: Booking, act: Act, settings: Settings, room: int) -> tuple[Change, Booking]:
    """Gives back what a cancelled booking took: its debt first, then credits to the lots that paid.

    A lot that ends sooner than the grace after the cancellation gives way to a new lot that ends
    with the grace. With restoring switched off nothing returns, and an entry of 0 says so.
    `booking` already carries every repayment of its debt. Safe once: the caller's record sees to it.
    """
    cancelled = booking.cancellation
    assert cancelled is not None
    if not settings.restore_on_cancel:
        kept = booking.payers or change.wallet.booking_debt(booking.booking_id)
        forfeited = change.record(change.wallet, EntryKind.FORFEITED, act, ()) if kept else change
        return forfeited, booking
    wallet = change.wallet
    postings = []
    short = {m.about for m in wallet.marks if m.short}
    follow = tuple(sorted({p.lot.payment for p in booking.payers if p.lot.payment in short}))
    debt = wallet.booking_debt(booking.booking_id)
    if debt:
        wallet = wallet.with_debt(replace(debt, amount=0))
        postings.append(Posting(debt.amount, debt=booking.booking_id))
    for number, payer in enumerate(booking.payers):
        lot = _returning_lot(wallet.lot(payer.lot.lot_id), payer, number, cancelled, act, settings)
        lot = replace(lot, frozen=wallet.frozen_by(lot))
        wallet = wallet.with_lot(lot)
        made_from = lot.parent if lot.lot_id != payer.lot.lot_id else None
        postings.append(Posting(payer.amount, lot_id=lot.lot_id, made_from=made_from))
    if not postings:
        return change, booking
    change = change.record(wallet, EntryKind.RESTORED, act, tuple(postings))
    change = settle(change, act.now, settings, act, limit=room)
    check_bounds(change)
    return change, replace(booking, returned=sum(p.amount for p in postings), payers=(), follow=follow)


def _returning_lot(
    open_lot: Lot | None,
    payer: Payer,
    number: int,
    cancelled: Cancelled,
    act: Act,
    settings: Settings,
) -> Lot:
    lot = open_lot or payer.lot
    by_practice = cancelled.by is CancelledBy.PRACTICE
    days = settings.restore_grace_days_practice if by_practice else settings.restore_grace_days_client
    grace_ends = cancelled.occurred_at + timedelta(days=days)
    if days and lot.end < grace_ends:
        return replace(
            lot,
            lot_id=derived_id("lot", act.source_id, "grace", lot.lot_id, str(number)),
            granted=payer.amount,
            remaining=payer.amount,
            effective_at=min(cancelled.occurred_at, act.now),
            expires_at=grace_ends,
            source=LotSource.GRACE,
            parent=lot.lot_id,
            rollover=None,
        )
    remaining = lot.remaining + payer.amount
    assert remaining <= lot.granted, "a lot never holds more than it was granted"
    return replace(lot, remaining=remaining)
