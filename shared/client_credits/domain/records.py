"""The records beside wallets: practices, clients, operations, links and parked payments."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from client_credits.domain.payments import Payment

MAX_CUSTOMERS = 40  # listed with one client; a customer linked beyond is the client's all the same


@dataclass(frozen=True, slots=True)
class Account:
    """A practice's settings as set (no defaults), and the version of its catalogue."""

    practice_id: str
    values: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    catalogue_version: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class Client:
    """A person who books, by the practice's own id; `overrides` are this client's settings."""

    client_id: str
    name: str | None = None
    email: str | None = None
    stripe_customers: tuple[str, ...] = ()
    external_ids: dict[str, str] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """One change of settings, of the account (`client_id` None) or of one client."""

    change_id: str
    client_id: str | None
    before: dict[str, Any]
    after: dict[str, Any]
    actor_kind: str
    actor_id: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class EntryRef:
    """Where an entry of an operation stands."""

    appointment_type: str
    sequence: int
    amount: int
    client_id: str | None = None  # where it is not the operation's own client


@dataclass(frozen=True, slots=True)
class Operation:
    """The record of one source id: what it did, for good. A repeat is answered from here."""

    source_id: str
    content: str  # hash of what was asked
    outcome: str  # granted, no_credits
    client_id: str
    entries: tuple[EntryRef, ...] = ()
    recorded_at: datetime | None = None


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
