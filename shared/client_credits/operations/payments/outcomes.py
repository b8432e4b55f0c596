"""What becomes of one line of a payment, and what staff may add to it."""

from dataclasses import dataclass

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.payments.parked import Parked

COVERED = "covered"  # all of it was granted by another payment of the same money


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one line. `operation` is the first outcome's record, also for a repeat.

    The rest is what remains to be done beside the line: to link what else paid the payment, to follow
    money given back, to freeze or unfreeze a subscription, to try parked changes of plan again. `parked`
    is the payment's parked record as the line left it.
    """

    line_id: str
    fate: str
    operation: Operation | None = None
    repeated: bool = False
    entries: tuple[Entry, ...] = ()  # written by this call; a repeat's are found by its record
    unlinked: bool = False
    follow: bool = False
    enforce: bool = False
    reckon: bool = False
    wakes: tuple[str, ...] = ()
    parked: Parked | None = None
    client_id: str | None = None  # whose it is, where that client does not exist yet
    home: str = ""  # the payment whose record holds what the line grants


@dataclass(frozen=True, slots=True)
class StaffDecision:
    """What staff add to a payment that no rule explained. With `insists` it counts after its subscription's end."""

    client_id: str | None = None
    package_id: str | None = None
    insists: bool = False
