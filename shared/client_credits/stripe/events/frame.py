"""What every Stripe event says about itself, whatever it is about.

Owns the frame: the event's id, account, mode and instant, and what an event that cannot be turned
into a fact is parked with. What each type means stands in the modules beside it.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import OWN_ACCOUNT, Unsupported
from client_credits.stripe.events import values
from client_credits.stripe.events.values import Fields, Unreadable

Mode = Literal["test", "live"]

THIN = "v2.core.event"  # an event that names its object but does not carry it
THIN_PREFIX = "v1."  # of the types of thin events about the objects that other events carry


@dataclass(frozen=True, slots=True)
class Event:
    """What an event says about itself, and the object it is about."""

    event_id: str
    kind: str
    account: str
    mode: Mode
    created: datetime | None
    about: Fields

    @property
    def occurred_at(self) -> datetime:
        """Raises Unreadable where the event does not tell."""
        return values.required(self.created)

    def parked(
        self,
        reason: str,
        payment_id: str | None = None,
        customer: str | None = None,
        prices: tuple[str, ...] = (),
    ) -> Unsupported:
        """The event for staff to look at: nothing more can be fetched that would explain it."""
        return Unsupported(self.event_id, reason, payment_id, customer, prices)

    def incomplete(self, reason: str, payment_id: str, customer: str | None) -> Unsupported:
        """The event with what it takes to fetch what it lacks and translate it again."""
        related = values.required(values.reference(self.about, "id"))
        return Unsupported(
            *(self.event_id, reason, payment_id, customer),
            related=related,
            event_type=self.kind,
            account=self.account,
        )


def read(event: Fields, event_id: str, kind: str, mode: Mode) -> Event:
    """Raises Unreadable for what is not an event with an object."""
    if event.get("object") != "event":
        raise Unreadable
    return Event(
        event_id=event_id,
        kind=kind,
        account=values.reference(event, "account") or OWN_ACCOUNT,
        mode=mode,
        created=values.instant(event, "created"),
        about=values.child(event, "data", "object"),
    )


def id_of(event: object) -> str:
    """The event's id, else one made of its content, so that a redelivery is known again."""
    given = event.get("id") if isinstance(event, dict) else None
    if isinstance(given, str) and is_id(given):
        return given
    try:
        content = json.dumps(event, sort_keys=True)
    except (RecursionError, TypeError, ValueError):
        return "unnamed"
    return "unnamed-" + sha256(content.encode()).hexdigest()[:32]


def parked_event(event_id: str, reason: str, event: object, payments: frozenset[str]) -> Unsupported:
    """An event parked with what it shows of payment and customer; `payments` are the types about payments."""
    try:
        body = values.fields(event)
        about = values.child(body, "data", "object")
        of_payment = values.text(body, "type") in payments
        payment_id = values.reference(about, "id" if of_payment else "invoice")
        return Unsupported(event_id, reason, payment_id, customer_of(about))
    except Unreadable:
        return Unsupported(event_id, reason)


def thin(event_id: str, event: Fields, payments: frozenset[str]) -> Unsupported:
    """An event without its object: which object it is about, of which account, and what happened to it."""
    kind = values.required(values.text(event, "type")).removeprefix(THIN_PREFIX)
    about = values.child(event, "related_object") or values.child(event, "data", "object")
    related = values.reference(about, "id")
    return Unsupported(
        event_id,
        "thin_event",
        payment_id=related if kind in payments else None,
        customer=customer_of(about),
        related=related,
        event_type=kind,
        account=_account_of_thin(event),
    )


def _account_of_thin(event: Fields) -> str:
    """The account named last in `context`: the connected one, where a platform names itself before it."""
    context = values.text(event, "context") or ""
    last = context.rpartition("/")[2]
    return values.reference(event, "account") or (last if is_id(last) else OWN_ACCOUNT)


def customer_of(of: Fields) -> str | None:
    return values.reference(of, "customer") or values.reference(of, "customer_account")
