"""What becomes of one line of a payment, and what staff may add to it."""

from dataclasses import dataclass
from hashlib import sha256

from client_credits.domain.ledger.entries import Entry
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.payments.facts import Payment, PaymentLine, Trial
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.granting import LineDecision, package_of
from client_credits.domain.payments.parked import Parked
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.practice.catalogue import Package
from client_credits.store.records import Loaded

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


@dataclass(frozen=True, slots=True)
class DecidedLine:
    """A payment's line with what its rule says, the records that this rests on, what staff add, and whose it is
    (None where nobody has said)."""

    payment: Payment
    decision: LineDecision
    loaded: Loaded
    by_staff: StaffDecision
    client_id: str | None

    @property
    def record(self) -> PaymentRecord:
        """The payment's, or the one that holds its grants."""
        return self.loaded.payments[self.payment.payment_id]

    def package_of(self, line: PaymentLine) -> Package | None:
        return package_of(line, self.loaded.catalogue, self.by_staff.package_id)


def outcome_of(decision: LineDecision, credits: dict[str, int], *, granted_before: bool) -> str:
    if granted_before:
        return LineFate.TRIAL if decision.line.trial is Trial.YES else LineFate.NOT_RENEWING
    if credits:
        return "granted"
    return "nothing_more" if decision.fate is LineFate.UPGRADE else "no_credits"


def cause_ids(payment: Payment, decision: LineDecision) -> dict[str, str]:
    assert decision.package is not None
    ids = {
        "package_id": decision.package.package_id,
        "payment": payment.payment_id,
        "line": decision.line.line_id,
        "event_id": payment.event_id,
        "subscription": payment.subscription,
        "customer": payment.customer,
        "quantity_from": decision.line.quantity_from,
    }
    return {name: value for name, value in ids.items() if value}


def content(payment: Payment, line: PaymentLine) -> str:
    """A hash of what was paid: the first one stands, also when a later event says otherwise."""
    text = f"{payment.payment_id}|{line.line_id}|{line.price}|{line.quantity}|{line.amount}"
    return sha256(text.encode()).hexdigest()[:16]
