"""What staff do about a parked payment: grant it with what was missing, or dismiss it."""

from client_credits.domain.errors import AlreadyResolved, Invalid, Problem
from client_credits.domain.ledger.entries import Entry
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.operations.committing import entries_of
from client_credits.operations.context import Context
from client_credits.operations.payments import money_back, parking
from client_credits.operations.payments.lines import PARKED_FATES
from client_credits.operations.payments.outcomes import LineOutcome
from client_credits.operations.payments.paying import pay, retry_parked
from client_credits.store.store import Store


def resolve(
    context: Context, parked_id: str, client_id: str | None = None, package_id: str | None = None
) -> list[LineOutcome]:
    """Grants a parked payment with what staff add to it; each line at most once, whoever repeats it.

    A repeat completes what a request that was cut off left undone, and says AlreadyResolved. Raises
    NotFound, AlreadyResolved, or Invalid naming what is still missing; then the payment stays parked.
    """
    parked = _open(context, parked_id)
    if parked.payment is None:
        return _upheld(context, parked)
    insists = parked.reason in (LineFate.SUBSCRIPTION_ENDED, LineFate.OVER_LIMIT)
    answers = {"client_id": client_id, "package_id": package_id}
    outcomes = pay(context, parked.payment, **answers, insists=insists)
    missing = [outcome for outcome in outcomes if outcome.fate in PARKED_FATES]
    if missing:
        raise Invalid(
            "The payment is still not explained.",
            *(Problem(_pointer(o.fate), o.fate, _ADVICE.get(o.fate, o.fate)) for o in missing),
        )
    if parked.payment.lines_missing:  # staff say that the lines nobody knows do not matter
        parking.close(context, parked_id, ParkedState.RESOLVED)
    return outcomes


def _open(context: Context, parked_id: str) -> Parked:
    try:
        return parking.open_one(context.store, context.practice_id, parked_id)
    except AlreadyResolved:
        for closed in context.store.parked(context.practice_id, [parked_id]):
            retry_parked(context, closed)
        raise


def _upheld(context: Context, parked: Parked) -> list[LineOutcome]:
    """A payment whose grants were taken back counts after all. Raises Invalid where there was no payment."""
    if parked.reason != LineFate.SUBSCRIPTION_ENDED or not parked.payment_id:
        raise Invalid(
            "This event holds no payment that could be granted. Settle it by hand, then dismiss it.",
            Problem("", parked.reason, f"event {parked.event_id} cannot be granted"),
        )
    entries = money_back.uphold(context, parked.payment_id)
    parking.close(context, parked.parked_id, ParkedState.RESOLVED)
    return [LineOutcome(parked.payment_id, "upheld", entries=tuple(entries))]


def line_entries(store: Store, practice_id: str, outcome: LineOutcome) -> list[Entry]:
    """The entries of a line: those just decided, or those its record names."""
    if outcome.entries or outcome.operation is None:
        return list(outcome.entries)
    return entries_of(store, practice_id, outcome.operation)


def dismiss(context: Context, parked_id: str, reason: str) -> Parked:
    """Closes a parked payment without granting it; what waited for it is tried again.

    Raises NotFound or AlreadyResolved.
    """
    closed = parking.close(context, parked_id, ParkedState.DISMISSED, reason)
    if closed.payment and closed.payment.subscription:
        pay(context, closed.payment)
    return closed


def _pointer(fate: str) -> str:
    return {"unknown_client": "/client_id"}.get(fate, "/package_id")


_ADVICE = {
    "unknown_client": "name the client this payment is for",
    "unknown_package": "name the package, or give one of the packages this price",
    "package_archived": "the package was archived before this payment: name a package on sale",
    "too_many_credits": "quantity times credits is beyond 1,000,000",
    "no_cycle_to_end_with": "the package expires with a billing cycle and this payment has none",
    "limit_reached": "the client's wallet is full",
    "subscription_ended": "it was paid after its subscription had ended: resolving it grants all the same",
    "waits_for_interval": "how long its price lasts is not known; it is tried again with its subscription's next event",
    "trial_not_known": "it is not known whether its subscription was in trial; it is tried again when that comes",
    "needs_later_release": "a later release stored what it depends on: it is granted with that release, and a replay",
    "over_limit": "the client bought this package as often as one client may: resolving it grants all the same",
    "waits_for_cycle": "the payment of the period it changes is not known yet; it is tried again when that comes",
}
