"""How a practice stands."""

from datetime import datetime

from client_credits.domain.payments.reconciliation import Reconciliation, Verdict
from client_credits.domain.practice.verification import Verification
from client_credits.http.schemas.common import View
from client_credits.operations.queries.status import PracticeStatus


class VerifyView(View):
    """The last `credits verify` of the whole practice; `breaches` counts those of each law that was broken."""

    at: datetime
    clients: int
    wallets: int
    entries: int
    bookings: int
    breaches: dict[str, int]


class ReconcileView(View):
    """The last comparison with Stripe, by schedule or by hand. `counts` are objects by verdict; `left` are those
    missing or different that were not brought in."""

    name: str
    at: datetime
    since: datetime
    until: datetime
    finished: bool
    counts: dict[str, int]
    repaired: int
    left: int


class WaitingView(View):
    """`count` stops at a bound; `more` says that there are, or may be, more."""

    count: int
    more: bool


class AsideView(View):
    """`item` is its place in ids."""

    item: str
    reason: str
    times: int


class SetAsideView(WaitingView):
    items: list[AsideView]


class FailingEndpointView(View):
    id: str
    failing_since: datetime


class StatusView(View):
    """`parked` and `set_aside` are the practice's. `dead_letters` are the stack's: messages given up, about, by what
    was to work them off."""

    verify: VerifyView | None
    reconcile: ReconcileView | None
    parked: WaitingView
    set_aside: SetAsideView
    failing_endpoints: list[FailingEndpointView]
    dead_letters: dict[str, int]


def status_view(status: PracticeStatus, dead_letters: dict[str, int]) -> StatusView:
    items = [AsideView(item=each.place, reason=each.reason, times=each.times) for each in status.set_aside]
    return StatusView(
        verify=_verify_view(status.verify) if status.verify else None,
        reconcile=_reconcile_view(status.reconcile) if status.reconcile else None,
        parked=WaitingView(count=status.parked, more=status.more_parked),
        set_aside=SetAsideView(count=len(items), more=status.more_set_aside, items=items),
        failing_endpoints=[],
        dead_letters=dead_letters,
    )


def _verify_view(done: Verification) -> VerifyView:
    return VerifyView(
        at=done.at,
        clients=done.clients,
        wallets=done.wallets,
        entries=done.entries,
        bookings=done.bookings,
        breaches=done.breaches,
    )


def _reconcile_view(run: Reconciliation) -> ReconcileView:
    assert run.at is not None
    return ReconcileView(
        name=run.name,
        at=run.at,
        since=run.since,
        until=run.until,
        finished=run.finished,
        counts={str(verdict): run.counts.get(verdict, 0) for verdict in Verdict},
        repaired=run.repaired,
        left=run.left,
    )
