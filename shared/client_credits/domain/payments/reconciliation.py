"""How far a comparison of the payment provider with the ledger has come, and what it has found."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from client_credits.domain.words import Unknown

MAX_FINDINGS = 200  # listed in full; beyond it they are only counted


class Verdict(StrEnum):
    """How the ledger stands to one payment, refund or dispute."""

    FINE = "fine"  # known here, or none of the ledger's business
    MISSING = "missing"  # the ledger knows nothing of it, or not all
    DIFFERENT = "different"  # the ledger knows it otherwise
    PARKED = "parked"  # known, and waiting for staff
    SET_ASIDE = "set_aside"  # not to be compared, or brought in, for a reason that will not go away by itself


@dataclass(frozen=True, slots=True)
class Finding:
    """One object that is not fine. `repaired` says that it was, and is fine by now."""

    kind: str
    object_id: str
    verdict: Verdict | Unknown
    detail: str = ""
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run stands: in which slice of its window, at which kind, behind which object."""

    slice: int = 0
    kind: int = 0
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run over the window `since <= t < until`, as far as it has come.

    `counts` are objects by verdict, each as it was found. `findings` holds the first of those not fine.
    `at` is the clock of the run that stored it.
    """

    name: str
    account: str
    mode: str
    since: datetime
    until: datetime
    place: Place = field(default_factory=Place)
    counts: dict[str, int] = field(default_factory=dict)
    repaired: int = 0
    findings: tuple[Finding, ...] = ()
    finished: bool = False
    at: datetime | None = None

    @property
    def seen(self) -> int:
        """Objects looked at so far."""
        return sum(self.counts.values())

    @property
    def left(self) -> int:
        """Objects that are missing or different, and were not repaired."""
        return self.counts.get(Verdict.MISSING, 0) + self.counts.get(Verdict.DIFFERENT, 0) - self.repaired

    @property
    def set_aside(self) -> int:
        """Objects that could not be worked off."""
        return self.counts.get(Verdict.SET_ASIDE, 0)

    def with_finding(self, found: Finding, place: Place) -> "Reconciliation":
        """One object further."""
        counts = {**self.counts, found.verdict: self.counts.get(found.verdict, 0) + 1}
        listed = found.verdict is not Verdict.FINE and len(self.findings) < MAX_FINDINGS
        findings = (*self.findings, found) if listed else self.findings
        repaired = self.repaired + found.repaired
        return replace(self, place=place, counts=counts, repaired=repaired, findings=findings)
