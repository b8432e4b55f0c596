"""What came of an event: waited for until a repeat of it would change nothing, which is when it has been worked off.

Nothing is written here. The event is carried out once more in a rehearsal, by the code that the workers run; while
that would still write something, the worker has not come to it.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from client_credits.cli.session import CliSession
from client_credits.store.store import Store
from client_credits.store.table import Table, Write

if TYPE_CHECKING:
    from client_credits.domain.payments.facts import Facts
    from client_credits.domain.payments.parked import Parked
    from client_credits.operations.context import Context

SECONDS = 15.0  # what an event causes is there within ten
PAUSE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Came:
    """How it ended, in a word of ours, and what people read; `outcome` None where it is not seen yet."""

    outcome: str | None
    text: str


NOT_YET = Came(None, "Nothing came of it yet. `credits replay` tries dead letters again.")


class _Watching(Store):
    """A rehearsal that knows whether it would have written anything."""

    def __init__(self, table: Table) -> None:
        super().__init__(table, rehearsing=True)
        self.would_write = False

    def commit(self, items: Sequence[Write]) -> None:
        self.would_write = True
        super().commit(items)


def came_of_stripe(session: CliSession, practice_id: str, event: dict[str, Any]) -> Came:
    """What came of an event of Stripe's that the webhook took."""
    from client_credits.cli.stripe_api import finder  # noqa: PLC0415
    from client_credits.stripe import work as stripe_work  # noqa: PLC0415
    from client_credits.stripe.events.translate import translate  # noqa: PLC0415

    mode = cast(Literal["test", "live"], session.target.outputs.get("StripeMode", "test"))
    find = finder(session)

    def rehearse(context: "Context") -> Came:
        outcome = stripe_work.handle(context, find, mode, event, json.dumps(event))
        parked = _open(context, translate(event, mode))
        return Came(outcome, _said(outcome, parked))

    return _settled(session, practice_id, rehearse)


def came_of_booking(session: CliSession, entry: dict[str, Any]) -> Came:
    """What came of an event that the bus took."""
    from client_credits.booking_systems import work as booking_work  # noqa: PLC0415
    from client_credits.booking_systems.events import MalformedBooking, booking_event_of  # noqa: PLC0415

    try:
        event = booking_event_of(entry)
    except MalformedBooking as malformed:
        return Came("dead_letter", f"It goes to the dead letters: {malformed}.")

    def rehearse(context: "Context") -> Came:
        try:
            done = booking_work.apply(context.store, event, context.now)
        except MalformedBooking as malformed:
            return Came("dead_letter", f"It goes to the dead letters: {malformed}.")
        if done is None:
            return Came("ignored", "It changes nothing.")
        booking, refusal = done.booking, done.booking.refusal
        why = f": {refusal.reason}" if refusal else ""
        return Came(str(booking.state), f"The booking is {booking.state}{why}.")

    return _settled(session, event.practice_id, rehearse)


def _settled(session: CliSession, practice_id: str, rehearse: "Callable[[Context], Came]") -> Came:
    from client_credits.aws.worker import utc_now  # noqa: PLC0415
    from client_credits.domain.errors import NotFound  # noqa: PLC0415
    from client_credits.operations.context import STRIPE, Context  # noqa: PLC0415

    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        store = _Watching(session.store.table)
        try:
            came = rehearse(Context(store, practice_id, STRIPE, utc_now()))
        except NotFound:
            return Came("dead_letter", f"It goes to the dead letters: there is no practice {practice_id}.")
        if not store.would_write:
            return came
        time.sleep(PAUSE_SECONDS)
    return NOT_YET


def _open(context: "Context", facts: "Facts") -> "Parked | None":
    """The parked payment that is open for it, if there is one."""
    from client_credits.domain.payments.facts import Payment  # noqa: PLC0415
    from client_credits.domain.payments.parked import ParkedState  # noqa: PLC0415
    from client_credits.operations.payments import parking  # noqa: PLC0415

    about = parking.id_of(facts) if isinstance(facts, Payment) else parking.id_of_event(facts.event_id)
    found = context.store.parked(context.practice_id, [about])
    return next((each for each in found if each.state is ParkedState.OPEN), None)


def _said(outcome: str, parked: "Parked | None") -> str:
    if parked:
        what_next = f"`credits parked resolve {parked.parked_id}` grants it; docs/stripe.md says what is missing."
        return f"Parked: {parked.reason}. {what_next}"
    if outcome.startswith("ignored_"):
        return f"It changes nothing: {outcome.removeprefix('ignored_')}."
    return f"It ended as {outcome.replace(',', ' and ')}."
