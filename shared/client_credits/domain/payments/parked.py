"""Payments that were not granted, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from client_credits.domain.payments.facts import Payment


class ParkedState(StrEnum):
    OPEN = "open"
    RESOLVED = "resolved"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class Parked:
    """A payment not granted, with its reason. `payment` is None when the event made no payment of it."""

    parked_id: str
    reason: str
    event_id: str
    received_at: datetime
    customer: str | None = None
    payment_id: str | None = None
    subscription: str | None = None
    prices: tuple[str, ...] = ()
    payment: Payment | None = None
    state: ParkedState = ParkedState.OPEN
    closed_by: str | None = None
    closed_reason: str | None = None
    version: int = 0
