"""The record of one operation: what it did, for good. A repeat is answered from here."""

from dataclasses import dataclass
from datetime import datetime


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
    answer: str | None = None  # what else the caller was answered, as text; who asked for it knows its form
