"""Bookings that an insurance authorisation covers: they use one visit, whatever their seats, and no credit.

Owns the entries of them. Which authorisation covers a session, `practice.authorizations` says.
"""

from dataclasses import replace

from client_credits.domain.bookings.booking import Booking, BookingState
from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, EntryKind
from client_credits.domain.practice.authorizations import Authorization
from client_credits.domain.practice.settings import Settings


def cover(
    change: Change, booking: Booking, act: Act, authorization: Authorization
) -> tuple[Change, Booking, Authorization]:
    """The booking stands, owes nothing and has taken nothing; an entry of 0 names the authorisation."""
    covered = change.record(change.wallet, EntryKind.COVERED, _caused_by(act, authorization), ())
    booked = replace(
        booking, state=BookingState.BOOKED, covered_by=authorization.ref, visit_returned=False, rule=None, refusal=None
    )
    return covered, booked, authorization.with_visit_used()


def return_visit(
    change: Change, booking: Booking, act: Act, settings: Settings, authorization: Authorization
) -> tuple[Change, Booking, Authorization]:
    """Gives back the visit of a cancelled booking. With restoring switched off it stays used, and an entry says so.

    Safe once: the caller's record sees to it.
    """
    assert booking.covered_by == authorization.ref and not booking.visit_returned, "a visit returns once, where it was"
    act = _caused_by(act, authorization)
    if not settings.restore_on_cancel:
        return change.record(change.wallet, EntryKind.FORFEITED, act, ()), booking, authorization
    restored = change.record(change.wallet, EntryKind.RESTORED, act, ())
    return restored, replace(booking, visit_returned=True), authorization.with_visit_returned()


def _caused_by(act: Act, authorization: Authorization) -> Act:
    ids = act.cause.ids | {"authorization_id": authorization.authorization_id}
    return replace(act, cause=Cause(CauseKind.AUTHORIZATION, ids))
