"""Booking events: a created one spends or is refused, a cancelled one gives back; each once.

The booking's record is the operation's record: it is read first, written in the same transaction,
and tells a repeat what happened.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from client_credits.domain.bookings.booking import (
    Booking,
    BookingState,
    Cancelled,
    Created,
    Next,
    Refusal,
    after_cancelled,
    after_created,
    restore,
    spend,
)
from client_credits.domain.bookings.covering import cover, return_visit
from client_credits.domain.bookings.deciding import Reason
from client_credits.domain.errors import NotFound
from client_credits.domain.ids import payment_of
from client_credits.domain.instants import instant_text
from client_credits.domain.ledger.entries import Act, Actor, Cause, CauseKind, Change, Entry
from client_credits.domain.practice.authorizations import Authorization, covering
from client_credits.domain.practice.records import Client
from client_credits.domain.practice.settings import Settings
from client_credits.operations.committing import (
    knowing,
    knowing_cycles,
    once,
    own_repayments,
    room_for,
    settled,
    wallet_writes,
)
from client_credits.operations.context import Context
from client_credits.store import practice_writes, writes
from client_credits.store.records import Loaded, Wanted
from client_credits.store.store import Store

Event = TypeVar("Event", Created, Cancelled)


@dataclass(frozen=True, slots=True)
class BookingOutcome:
    """The record as it stands now, and the entries this call wrote (none for a repeat)."""

    booking: Booking
    entries: tuple[Entry, ...] = ()
    repeated: bool = False
    is_awaited: bool = False  # its client was not known before, and payments may be parked for that


def book(context: Context, event: Created) -> BookingOutcome:
    """Uses a visit of an insurance authorisation, or spends one credit per seat, or records why not. Repeats, and
    bookings already cancelled, change nothing.

    A client not yet known is created; where payments are parked for such clients, they are tried again.
    An event dated ahead of `now` counts as of now.
    """
    if event.occurred_at > context.now:
        event = replace(event, occurred_at=context.now, stated_at=event.occurred_at)

    awaited = False

    def attempt(client_id: str | None, type_id: str) -> BookingOutcome:
        nonlocal awaited
        loaded = _load(context, event.booking_id, client_id, type_id)
        awaited = loaded.settings.unknown_clients == "park"
        booking, step = after_created(loaded.booking, _named(event, loaded))
        if step is Next.NOTHING:
            return BookingOutcome(booking, repeated=True)
        if _elsewhere(loaded, booking, client_id, type_id):
            return attempt(booking.client_id, _type(booking, type_id))
        act = _act("created", booking, event.occurred_at, context.now, context.actor)
        if step is Next.NOTE:
            return _commit(context, booking, [], loaded, act)
        free = _free(loaded, booking, loaded.dated.at(act.occurred_at))
        if free:
            noted = _spending_nothing(booking, free, loaded, act)
            return _commit(context, noted, [], loaded, act)
        room = room_for(1)
        settings = loaded.dated
        before = settled(context.store, [loaded.wallets[type_id]], context.now, settings, room)[type_id]
        if authorization := _covering(context, loaded, booking, settings.at(act.occurred_at)):
            change, booked, used = cover(before, booking, act, authorization)
            return _commit(context, booked, [change], loaded, act, used)
        kind = loaded.catalogue.types[type_id]
        change, booked, _ = spend(before, booking, act, settings.at(act.occurred_at), kind.bookable_without_credits)
        return _commit(context, booked, [change], loaded, act)

    outcome = once(lambda: attempt(event.client_id, event.session.appointment_type))
    if outcome.is_awaited or (awaited and outcome.repeated):  # by a repeat, too: the first may have died in between
        _wake(context, outcome.booking)
    return outcome


def cancel(context: Context, event: Cancelled) -> BookingOutcome:
    """Gives back what the booking took, by the settings; a booking not yet created is remembered as cancelled.

    What returns to a payment that was given back beyond its lots is then clawed back, or lessens its debt.
    A cancellation dated ahead of `now` counts as of now.
    """
    event = replace(event, occurred_at=min(event.occurred_at, context.now))

    def attempt(client_id: str | None, type_id: str) -> BookingOutcome:
        loaded = _load(context, event.booking_id, client_id, type_id)
        booking, step = after_cancelled(loaded.booking, _named(event, loaded))
        if step is Next.NOTHING:
            return BookingOutcome(booking, repeated=True)
        if _elsewhere(loaded, booking, client_id, type_id):
            return attempt(booking.client_id, _type(booking, type_id))
        act = _act("cancelled", booking, event.occurred_at, context.now, context.actor)
        if step is Next.NOTE or booking.free:
            return _commit(context, booking, [], loaded, act)
        room, settings = room_for(1), loaded.dated
        before = settled(context.store, [loaded.wallets[type_id]], context.now, settings, room)[type_id]
        if booking.covered_by:
            return _uncovered(context, before, booking, loaded, act)
        booking = own_repayments(booking, before)
        before = knowing(context.store, before, [payer.lot_id for payer in booking.payers])
        paid = [lot for payer in booking.payers if (lot := before.wallet.lot(payer.lot_id))]
        before = knowing_cycles(context.store, before, paid, act.occurred_at, act.now)
        change, booking = restore(before, booking, act, settings, room)
        return _commit(context, booking, [change], loaded, act)

    outcome = once(lambda: attempt(event.client_id, event.appointment_type or ""))
    if outcome.is_awaited:
        _wake(context, outcome.booking)
    cancellation = outcome.booking.cancellation
    if cancellation and outcome.booking.follow:  # by a repeat, too: the first may have died in between
        # Few cancellations touch a refunded payment; every cold start would pay for what they need.
        from client_credits.operations.payments.following import follow  # noqa: PLC0415

        for key in outcome.booking.follow:
            follow(context, payment_of(key), returned_at=cancellation.occurred_at)
    return outcome


def find(store: Store, practice_id: str, booking_id: str) -> Booking:
    """A booking's record. Raises NotFound."""
    booking = store.load(practice_id, Wanted(booking_id=booking_id)).booking
    if booking is None:
        raise NotFound("There is no such booking.")
    return booking


def _load(context: Context, booking_id: str, client_id: str | None, type_id: str) -> Loaded:
    types = (type_id,) if client_id and type_id else ()
    loaded = context.load(Wanted(client_id=client_id, types=types, booking_id=booking_id))
    if loaded.booking and not isinstance(loaded.booking.state, BookingState):
        raise ValueError(f"a booking whose state only a later release knows: {loaded.booking.state}")
    return loaded


def _type(booking: Booking, otherwise: str) -> str:
    return booking.session.appointment_type if booking.session else otherwise


def _named(event: Event, loaded: Loaded) -> Event:
    """The event, about who goes on for the client that it names."""
    into = loaded.merged.get(event.client_id or "")
    return replace(event, client_id=into) if into else event


def _elsewhere(loaded: Loaded, booking: Booking, client_id: str | None, type_id: str) -> bool:
    """Whether the record names another client or type than those that were loaded.

    Another record of the same person is no other client, once the loaded wallet has taken in its own.
    """
    if _type(booking, type_id) != type_id:
        return True
    owners = (client_id, loaded.goes_on_as(client_id or ""), *(o for w in loaded.wallets.values() for o in w.owners))
    return booking.client_id not in owners


def _act(event: str, booking: Booking, occurred_at: datetime, now: datetime, actor: Actor) -> Act:
    return Act(
        source_id=f"booking/{booking.booking_id}/{event}/{instant_text(occurred_at)}",
        cause=Cause(CauseKind.BOOKING, _cause_ids(booking)),
        actor=actor,
        occurred_at=occurred_at,
        now=now,
    )


def _cause_ids(booking: Booking) -> dict[str, str]:
    """What entries say of a booking: its id, when its session starts, and where and by whom it is held."""
    starts_at = instant_text(booking.session.starts_at) if booking.session else None
    details = {"starts_at": starts_at, "location_id": booking.location_id, "provider_id": booking.provider_id}
    return {"booking_id": booking.booking_id} | {name: value for name, value in details.items() if value}


def _free(loaded: Loaded, booking: Booking, settings: Settings) -> Reason | None:
    """Why a booking spends nothing, whatever the client holds."""
    assert booking.session is not None
    if not settings.enabled:
        return Reason.CREDITS_DISABLED
    if booking.session.appointment_type not in loaded.catalogue.types:
        return Reason.NOT_TRACKED
    return Reason.UNIDENTIFIED if booking.client_id is None else None


def _covering(context: Context, loaded: Loaded, booking: Booking, settings: Settings) -> Authorization | None:
    """The authorisation that covers the booking. Only where there may be one does it cost a read."""
    session, client = booking.session, loaded.client
    if not (settings.track_insurance_authorization and session and client and client.authorizations):
        return None
    known = context.store.authorizations(context.practice_id, client.authorizations)
    return covering(known, session.appointment_type, session.starts_at, settings.timezone)


def _uncovered(context: Context, before: Change, booking: Booking, loaded: Loaded, act: Act) -> BookingOutcome:
    assert booking.covered_by is not None
    (authorization,) = context.store.authorizations(context.practice_id, [booking.covered_by])
    settings = loaded.dated.at(act.occurred_at)
    change, booking, authorization = return_visit(before, booking, act, settings, authorization)
    return _commit(context, booking, [change], loaded, act, authorization)


def _spending_nothing(booking: Booking, free: Reason, loaded: Loaded, act: Act) -> Booking:
    refuse = free is Reason.UNIDENTIFIED and loaded.dated.at(act.occurred_at).unidentified_bookings == "refuse"
    if refuse:
        seats = booking.session.seats if booking.session else 1
        refusal = Refusal(Reason.UNIDENTIFIED, 0, seats, act.occurred_at)
        return replace(booking, state=BookingState.REFUSED, refusal=refusal)
    return replace(booking, state=BookingState.BOOKED, free=free, refusal=None)


def _commit(
    context: Context,
    booking: Booking,
    changes: list[Change],
    loaded: Loaded,
    act: Act,
    authorization: Authorization | None = None,
) -> BookingOutcome:
    # A refusal makes no entry and touches no wallet: what was settled on the way is left to the next change.
    wrote = [c for c in changes if booking.state is not BookingState.REFUSED]
    items = [writes.booking(context.practice_id, booking)]
    items += wallet_writes(context.store, wrote, act.now, loaded.dated, booking.booking_id)
    if authorization:  # under the version that was read: of two bookings of the last visit, one is decided anew
        items.append(practice_writes.authorization(context.practice_id, authorization))
    is_new = bool(booking.client_id) and loaded.client is None
    if booking.client_id and is_new:
        items.append(writes.client(context.practice_id, Client(booking.client_id, created_at=act.now)))
    context.commit(items)
    entries = tuple(entry for change in wrote for entry in change.entries)
    return BookingOutcome(booking, entries, is_awaited=is_new and loaded.settings.unknown_clients == "park")


def _wake(context: Context, booking: Booking) -> None:
    """Tries again the payments that are parked until the booking's client exists."""
    if booking.client_id:
        # Few practices park payments, and every cold start would pay for what it takes.
        from client_credits.operations.payments.replaying import replay  # noqa: PLC0415

        replay(context, [("client", booking.client_id)])
