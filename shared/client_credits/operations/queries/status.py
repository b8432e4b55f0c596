"""How a practice stands: its last check, its last comparison with Stripe, and what waits for somebody."""

from dataclasses import dataclass

from client_credits.domain.payments.reconciliation import Reconciliation
from client_credits.domain.practice.verification import Verification
from client_credits.operations.context import Context
from client_credits.store.lists import AsideItem
from client_credits.store.records import Wanted

MOST_PARKED = 1_000
MOST_ASIDE = 100


@dataclass(frozen=True, slots=True)
class PracticeStatus:
    """Counts stop at a bound; `more_parked`, `more_set_aside` say that there are, or may be, more."""

    verify: Verification | None
    reconcile: Reconciliation | None
    parked: int
    more_parked: bool
    set_aside: tuple[AsideItem, ...]
    more_set_aside: bool


def status_of(
    context: Context, mode: str, most_parked: int = MOST_PARKED, most_aside: int = MOST_ASIDE
) -> PracticeStatus:
    """Six requests at most, whatever the practice holds. Raises NotFound: no such practice."""
    store, practice_id = context.store, context.practice_id
    context.load(Wanted())
    # An attempt is noted as a run over no time at all.
    runs = [run for run in store.reconciliations(practice_id, "own", mode) if run.at and run.since < run.until]
    parked, more_parked = store.count_parked(practice_id, most_parked)
    aside, more_aside = store.set_aside(practice_id, most_aside)
    return PracticeStatus(
        verify=store.verification(practice_id),
        reconcile=max(runs, key=lambda run: (run.at, run.name), default=None),
        parked=parked,
        more_parked=more_parked,
        set_aside=tuple(aside),
        more_set_aside=more_aside,
    )
