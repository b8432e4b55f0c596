"""Bookings: one record each, folded from events in any order; spend, refuse, restore.

Rules: a booking spends once. A cancellation stands whenever it arrives; the first one applied
decides who cancelled and when. A refusal binds nobody: a newer `created` tries again. The client
is the first that any event names. Credits return to the very lots that paid, once.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from client_credits.domain.bookings.deciding import Decision, Reason, SessionToBook, decide
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Act, Change, EntryKind, Posting, Repayment
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.wallet import Debt, DebtCause, Lot, LotSource, Wallet
from client_credits.domain.practice.authorizations import AuthorizationRef
from client_credits.domain.practice.dated_settings import SettingsOverTime
from client_credits.domain.practice.settings import Settings
from client_credits.domain.words import Unknown


class BookingState(StrEnum):
    """Where a booking stands. Review, no-show and moved are kept for the events that lead there."""

    BOOKED = "booked"
    REFUSED = "refused"
    REVIEW = "review"  # waits for staff
    CANCELLED = "cancelled"
    NO_SHOW = "no_show"
    MOVED = "moved"  # goes on under another id


class BookedAs(StrEnum):
    """What was booked: an appointment, or a place at an event."""

    APPOINTMENT = "appointment"
    EVENT = "event"


class Origin(StrEnum):
    """Who made the booking, or by which way."""

    CLIENT = "client"
    STAFF = "staff"
    SHARE_LINK = "share_link"
    EMBED = "embed"


class CancelledBy(StrEnum):
    """Whose doing a cancellation or a reschedule was."""

    CLIENT = "client"
    PRACTICE = "practice"


@dataclass(frozen=True, slots=True)
class BookingSource:
    """Where a booking comes from: the system, and its own id and version of it where it tells them."""

    system: str
    external_id: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Created:
    """A session was booked, as a booking system tells it.

    `stated_at` is the instant that the event named, where that was ahead of its arrival.
    """

    booking_id: str
    client_id: str | None
    session: SessionToBook
    occurred_at: datetime
    kind: BookedAs = BookedAs.APPOINTMENT
    origin: Origin = Origin.CLIENT
    previous_booking_id: str | None = None
    series_id: str | None = None
    hold_id: str | None = None
    location_id: str | None = None
    provider_id: str | None = None
    source: BookingSource | None = None
    stated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A booking was cancelled. `by` None, or a word of a later release, counts as the client.

    `appointment_type` is what the event says, only to find the wallet sooner: the record decides.
    """

    booking_id: str
    client_id: str | None
    occurred_at: datetime
    by: CancelledBy | Unknown | None = None
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
    """A lot that paid a booking: whose wallet it is in, how many credits it gave, and how many came back.

    What the lot is stands in the wallet, or beside it once it is emptied.
    """

    owner: str
    appointment_type: str
    lot_id: str
    amount: int
    returned: int = 0

    @property
    def kept(self) -> int:
        """What it gave and has not got back."""
        return self.amount - self.returned


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking's record: what is known of it, whether it stands, and who paid.

    Each kind of event has its newest instant here; that of a cancellation stands in `cancellation`.
    """

    booking_id: str
    state: BookingState | Unknown
    client_id: str | None = None
    session: SessionToBook | None = None  # None while only its cancellation is known
    kind: BookedAs | Unknown = BookedAs.APPOINTMENT
    origin: Origin | Unknown = Origin.CLIENT
    source: BookingSource | None = None
    series_id: str | None = None
    hold_id: str | None = None
    location_id: str | None = None
    provider_id: str | None = None
    moved_from: str | None = None  # the booking that this one took the place of
    moved_to: str | None = None  # the booking that took its place
    created_at: datetime | None = None
    created_stated_at: datetime | None = None  # what the `created` said, where that was ahead of its time
    rescheduled_at: datetime | None = None
    rescheduled_by: CancelledBy | Unknown | None = None
    no_show_at: datetime | None = None
    no_show_reverted_at: datetime | None = None
    identified_at: datetime | None = None
    review_since: datetime | None = None
    cancellation: Cancelled | None = None
    refusal: Refusal | None = None
    payers: tuple[Payer, ...] = ()
    rule: str | None = None  # which rule let it through without enough credits
    free: Reason | Unknown | None = None  # why a standing booking spent nothing
    returned: int = 0  # credits given back when it was cancelled
    covered_by: AuthorizationRef | None = None  # the authorisation that it has used a visit of
    visit_returned: bool = False  # the visit, when it was cancelled
    follow: tuple[str, ...] = ()  # payments that what was given back belongs to first
    version: int = 0

    @property
    def unidentified(self) -> bool:
        """Whether it stands, or was refused, without a client to ask for credits."""
        refused = self.refusal.reason if self.refusal and self.state is BookingState.REFUSED else None
        return Reason.UNIDENTIFIED in (refused, self.free if self.state is BookingState.BOOKED else None)

    def paid_by(self, wallet: Wallet, repayments: tuple[Repayment, ...]) -> "Booking":
        """The booking with the lots of a wallet that repaid its debt among its payers."""
        whose = wallet.client_id, wallet.appointment_type
        own = (Payer(*whose, r.lot_id, r.amount) for r in repayments if r.booking_id == self.booking_id)
        return replace(self, payers=(*self.payers, *own))


class Next(StrEnum):
    """What an event asks for."""

    SPEND = "spend"
    RESTORE = "restore"
    NOTE = "note"  # the record learns something; no wallet changes
    NOTHING = "nothing"


def after_created(booking: Booking | None, event: Created) -> tuple[Booking, Next]:
    """Folds a `created` into the record.

    A new booking spends. A refused one is tried again by a newer event. One that has spent nothing for
    want of a client is taken up by the event that names one, whatever its time, as if it were new.
    """
    if booking is None:
        return _begun(Booking(event.booking_id, BookingState.BOOKED), event), Next.SPEND
    if booking.session is None:  # cancelled before it was created: nothing is spent
        return _begun(booking, event), Next.NOTE
    named = booking.client_id is None and event.client_id is not None
    if (named and booking.unidentified) or _newer_than_refusal(booking, event):
        return _begun(booking, event), Next.SPEND
    return (replace(booking, client_id=event.client_id), Next.NOTE) if named else (booking, Next.NOTHING)


def _newer_than_refusal(booking: Booking, event: Created) -> bool:
    refusal = booking.refusal if booking.state is BookingState.REFUSED else None
    repeated = (event.stated_at or event.occurred_at) == booking.created_stated_at
    return refusal is not None and event.occurred_at > refusal.occurred_at and not repeated


def after_cancelled(booking: Booking | None, event: Cancelled) -> tuple[Booking, Next]:
    """Folds a cancellation into the record. Only a standing booking gives anything back."""
    if booking is None:
        return Booking(event.booking_id, BookingState.CANCELLED, event.client_id, cancellation=event), Next.NOTE
    known = replace(booking, client_id=booking.client_id or event.client_id)
    if booking.state is BookingState.CANCELLED:
        return (known, Next.NOTE) if known != booking else (booking, Next.NOTHING)
    step = Next.RESTORE if booking.state is BookingState.BOOKED else Next.NOTE
    return replace(known, state=BookingState.CANCELLED, cancellation=event), step


def _begun(booking: Booking, event: Created) -> Booking:
    return replace(
        booking,
        client_id=booking.client_id or event.client_id,
        session=event.session,
        kind=event.kind,
        origin=event.origin,
        source=event.source,
        series_id=event.series_id,
        hold_id=event.hold_id,
        location_id=event.location_id,
        provider_id=event.provider_id,
        moved_from=event.previous_booking_id,
        created_at=event.occurred_at,
        created_stated_at=event.stated_at,
        free=None,
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
    paid = tuple(Payer(wallet.client_id, wallet.appointment_type, lot.lot_id, part) for lot, part in decision.takes)
    booked = replace(booking, state=BookingState.BOOKED, payers=paid, rule=decision.rule, refusal=None)
    return change.record(wallet, EntryKind.SPENT, act, tuple(postings)), booked, decision


def owed_for(session: SessionToBook, booking_id: str, decision: Decision, since: datetime) -> Debt:
    """The debt of a booking that credits do not cover in full."""
    return Debt(DebtCause.BOOKING, booking_id, decision.shortfall, since, session.starts_at)


def restore(
    change: Change, booking: Booking, act: Act, settings: SettingsOverTime, room: int
) -> tuple[Change, Booking]:
    """Gives back what a cancelled booking took: its debt first, then credits to the lots that paid.

    A lot that ends sooner than the grace after the cancellation gives way to a new lot that ends
    with the grace. With restoring switched off nothing returns, and an entry of 0 says so.
    `booking` already carries every repayment of its debt, and the wallet knows
    all lots that paid. Safe once: the caller's record sees to it.
    """
    cancelled = booking.cancellation
    assert cancelled is not None
    then = settings.at(act.occurred_at)
    if not then.restore_on_cancel:
        kept = any(payer.kept for payer in booking.payers) or change.wallet.booking_debt(booking.booking_id)
        forfeited = change.record(change.wallet, EntryKind.FORFEITED, act, ()) if kept else change
        return forfeited, booking
    wallet = change.wallet
    postings = []
    short = {m.about for m in wallet.marks if m.short}
    paid_with = {_lot(wallet, payer).payment for payer in booking.payers if payer.kept}
    follow = tuple(sorted(payment for payment in paid_with if payment in short and payment))
    debt = wallet.booking_debt(booking.booking_id)
    if debt:
        wallet = wallet.with_debt(replace(debt, amount=0))
        postings.append(Posting(debt.amount, debt=booking.booking_id))
    for number, payer in enumerate(booking.payers):
        if payer.kept:
            lot = _returning_lot(_lot(wallet, payer), payer, number, cancelled, act, then)
            wallet = wallet.with_lot(lot)  # settling freezes it by whatever freezes its payment
            postings.append(Posting(payer.kept, lot_id=lot.lot_id))
    if not postings:
        return change, booking
    change = change.record(wallet, EntryKind.RESTORED, act, tuple(postings))
    change = settle(change, act.now, settings, act, limit=room)
    payers = tuple(replace(payer, returned=payer.amount) for payer in booking.payers)
    return change, replace(booking, returned=sum(p.amount for p in postings), payers=payers, follow=follow)


def _lot(wallet: Wallet, payer: Payer) -> Lot:
    lot = wallet.lot(payer.lot_id)
    assert lot is not None, "the wallet knows every lot that paid"
    return lot


def _returning_lot(
    lot: Lot,
    payer: Payer,
    number: int,
    cancelled: Cancelled,
    act: Act,
    settings: Settings,
) -> Lot:
    by_practice = cancelled.by is CancelledBy.PRACTICE
    days = settings.restore_grace_days_practice if by_practice else settings.restore_grace_days_client
    grace_ends = cancelled.occurred_at + timedelta(days=days)
    if days and lot.end < grace_ends and not lot.voided:
        return replace(
            lot,
            lot_id=derived_id("lot", act.source_id, "grace", lot.lot_id, str(number)),
            granted=payer.kept,
            remaining=payer.kept,
            effective_at=min(cancelled.occurred_at, act.now),
            expires_at=grace_ends,
            source=LotSource.GRACE,
            parent=lot.lot_id,
            rollover=None,
            paused_seconds=0,
        )
    remaining = lot.remaining + payer.kept
    assert remaining <= lot.granted, "a lot never holds more than it was granted"
    return replace(lot, remaining=remaining)
