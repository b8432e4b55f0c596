"""What the last check of a practice's stored data came to."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Verification:
    """How much was read, and how many breaches were found of each law; `at` is when it began."""

    at: datetime
    clients: int
    wallets: int
    entries: int
    bookings: int
    breaches: dict[str, int] = field(default_factory=dict)
