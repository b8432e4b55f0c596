"""The one way in for a payment: apply it, park what is not explained, wake what had waited for it.

The queue's worker, replays, the reconciler, staff and tests all come through `pay`. Nothing here calls
itself: what a payment wakes is worked off from a list, each parked payment once.
"""

from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from client_credits.domain.errors import AlreadyResolved
from client_credits.domain.payments.facts import Payment, SubscriptionNews
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.domain.payments.selling import with_items_sold
from client_credits.operations.committing import once
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import parking
from client_credits.operations.payments import subscriptions as subscribing
from client_credits.operations.payments.lines import PARKED_FATES, apply_lines
from client_credits.operations.payments.outcomes import LineOutcome, StaffDecision
from client_credits.store import writes
from client_credits.store.records import Wanted

ROUNDS = 3  # apply, park and look again; once more where the payment got a reason to wait on top

# Why a payment waits for more news of its subscription; the first two need nothing else.
_HEALED_BY_SUBSCRIPTION = {
    str(LineFate.WAITS_FOR_CYCLE),
    str(LineFate.TRIAL_NOT_KNOWN),
    str(LineFate.WAITS_FOR_INTERVAL),
}
_WAIT_FOR_SUBSCRIPTION = {*_HEALED_BY_SUBSCRIPTION, "unknown_client"}


def pay(
    context: Context,
    payment: Payment,
    *,
    client_id: str | None = None,
    package_id: str | None = None,
    insists: bool = False,
) -> list[LineOutcome]:
    """Grants every line that a known package explains, parks the payment if a line is left unexplained, then
    tries again the parked payments that had waited for this one.

    `client_id` and `package_id` are staff's answers for a parked payment; `insists`, that it counts
    though it was paid after its subscription's end. Safe to repeat: a line already granted answers with
    its first outcome. Raises Busy under contention.
    """
    if payment.items:
        payment = with_items_sold(payment, context.load(Wanted()).catalogue)
    outcomes = _applied(context, payment, StaffDecision(client_id, package_id, insists))
    _wake(context, _woken(outcomes))
    _close(context, payment, outcomes)
    return outcomes


def subscription_heard(context: Context, news: SubscriptionNews) -> str:
    """How a subscription stands, with all that follows, then tries the payments that waited for it. Safe to repeat."""
    standing = subscribing.apply_news(context, news)
    waiting = context.load(Wanted(subscription=news.subscription)).subscription.waiting
    _wake(context, list(waiting))
    return standing


def retry_parked(context: Context, parked: Parked) -> bool:
    """Pays a parked payment with what is known by now; whether nothing of it is missing any more.

    One that was granted already is completed, should the worker that granted it have died.
    """
    if parked.payment is None or not (parked.is_payable or parked.unfinished):
        return False
    return is_settled(parked.payment, pay(context.by(STRIPE), parked.payment))


def is_settled(payment: Payment, outcomes: Iterable[LineOutcome]) -> bool:
    """Whether nothing of a payment is left to be explained."""
    return not payment.lines_missing and all(outcome.fate not in PARKED_FATES for outcome in outcomes)


def _applied(context: Context, payment: Payment, by_staff: StaffDecision) -> list[LineOutcome]:
    """Applies a payment; once more when it was parked, since what explains it may have come in between."""
    for _ in range(ROUNDS):
        outcomes = apply_lines(context, payment, by_staff)
        if is_settled(payment, outcomes) or not _park(context, payment, outcomes):
            break
    return outcomes


def _park(context: Context, payment: Payment, outcomes: list[LineOutcome]) -> bool:
    """Whether it was parked now, or got a reason to wait that it had not."""
    missing = [outcome for outcome in outcomes if outcome.fate in PARKED_FATES]
    fates = [outcome.fate for outcome in missing]
    for_staff = [fate for fate in fates if fate not in _HEALED_BY_SUBSCRIPTION]
    reason = next(iter(for_staff or fates), "lines_missing")
    line_ids = [outcome.line_id for outcome in missing]
    awaited = next((outcome.client_id for outcome in missing if outcome.client_id), None)
    subscriptions = _awaited(payment, outcomes)
    return parking.park_payment(context, payment, reason, line_ids, subscriptions=subscriptions, client_id=awaited)


def _awaited(payment: Payment, outcomes: list[LineOutcome]) -> list[str]:
    """The subscriptions that news of which may explain a line."""
    lines = zip(payment.lines, outcomes, strict=True)
    waiting = {line.subscription or payment.subscription for line, each in lines if each.fate in _WAIT_FOR_SUBSCRIPTION}
    return sorted(subscription for subscription in waiting if subscription)


def _close(context: Context, payment: Payment, outcomes: list[LineOutcome]) -> None:
    """What is left to close: the notes of what a payment waited for that its grant has closed, or the payment,
    where its last missing line turned out to grant nothing, and so had no transaction to close it."""
    parked = outcomes[-1].parked if outcomes and is_settled(payment, outcomes) else None
    if parked and parked.is_payable:
        with suppress(AlreadyResolved):
            parking.close(context, parked.parked_id, ParkedState.RESOLVED)
    elif parked and parked.unfinished:
        parking.finish(context, parked.parked_id)


def _woken(outcomes: list[LineOutcome]) -> list[str]:
    return sorted({parked_id for outcome in outcomes for parked_id in outcome.wakes})


def _wake(context: Context, parked_ids: list[str]) -> None:
    """Tries again the parked payments that waited for another, and those that waited for these, each once."""
    queue, seen = deque(parked_ids), set(parked_ids)
    while queue:
        parked = context.load(Wanted(parked_id=queue.popleft())).parked
        if parked is None:
            continue
        if parked.payment is not None and (parked.is_payable or parked.unfinished):
            outcomes = _applied(context.by(STRIPE), parked.payment, StaffDecision())
            new = [parked_id for parked_id in _woken(outcomes) if parked_id not in seen]
            queue.extend(new)
            seen.update(new)
            _close(context.by(STRIPE), parked.payment, outcomes)
        for subscription in parked.subscriptions:
            once(partial(_waits_no_more, context, parked, subscription))


def _waits_no_more(context: Context, parked: Parked, subscription: str) -> None:
    """A subscription forgets a change of plan that is closed. Only now, so that a worker that died
    before is completed by the redelivery of what woke it."""
    loaded = context.load(Wanted(parked_id=parked.parked_id, subscription=subscription))
    state = loaded.subscription
    if parked.parked_id in state.waiting and (loaded.parked is None or loaded.parked.is_closed):
        waiting = tuple(parked_id for parked_id in state.waiting if parked_id != parked.parked_id)
        context.commit([writes.subscription(context.practice_id, replace(state, waiting=waiting))])
