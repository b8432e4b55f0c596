"""How a subscription's standing reaches its credits: frozen while past due, no more tranches once ended.

What was heard is stored first, its consequences are written after; both may be repeated at will.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial

from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change
from client_credits.domain.ledger.freezing import past_due, refreeze
from client_credits.domain.ledger.settling import settle
from client_credits.domain.payments.clawing_back import Pair
from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.subscriptions import SubscriptionState, with_news
from client_credits.domain.practice.settings import Settings
from client_credits.operations.committing import once, room_for, settled_all, wallet_writes
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import money_back, parking
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.table import TRANSACTION, Write

TOGETHER = 10  # wallets loaded and settled at once


def apply_news(context: Context, news: SubscriptionNews) -> str:
    """Stores how a subscription stands, then freezes, unfreezes or stops what follows from it. Safe to repeat."""

    def attempt() -> None:
        before = context.load(Wanted(subscription=news.subscription)).subscription
        if before.account not in ("", news.account):
            return  # another account's subscription is not this one's to end
        after = with_news(before, news)
        if after != before:
            context.commit([writes.subscription(context.practice_id, after)])

    once(attempt)
    enforce(context, news.subscription)
    return str(news.status)


def enforce(context: Context, subscription: str) -> None:
    """Writes what a subscription's standing asks for and its payments and wallets do not show yet.

    In steps of one payment or a few wallets, each of which may be repeated.
    """
    state = context.load(Wanted(subscription=subscription)).subscription
    _end_payments(context, state)
    _freeze_or_free(context, subscription)
    for payment_id, paid_at in state.payments:
        if state.ended_before(paid_at) and money_back.revoke(context, payment_id, LineFate.SUBSCRIPTION_ENDED):
            parking.park_revoked(context, state, payment_id, LineFate.SUBSCRIPTION_ENDED)


def _payments(context: Context, state: SubscriptionState) -> list[PaymentRecord]:
    named = tuple(payment_id for payment_id, _ in state.payments)
    return list(context.load(Wanted(payments=named)).payments.values()) if named else []


def _end_payments(context: Context, state: SubscriptionState) -> None:
    """Every payment of which tranches end or time was given back learns it, and what follows is written."""
    if not state.ends:
        return
    for record in _payments(context, state):
        if record.with_ends(state.ends).cut_short or record.cut_short:
            money_back.end(context, record.payment_id, state.ends)


def _freeze_or_free(context: Context, subscription: str) -> None:
    """The wallets that have the subscription's lots learn that it is past due, or no more.

    Its record says `frozen` before the first wallet is written, and until the last is written back, so that
    whoever comes after a worker that died goes on.
    """
    state = context.load(Wanted(subscription=subscription)).subscription
    if not isinstance(state.status, SubscriptionStatus):
        return  # only a later release knows whether it freezes
    if state.status is not SubscriptionStatus.PAST_DUE and not state.frozen:
        return
    holders = {(h.client_id, h.appointment_type) for r in _payments(context, state) for h in r.holders}
    pairs = sorted(holders)
    frozen = state.is_past_due
    if frozen and not state.frozen:
        once(lambda: _say_frozen(context, subscription, frozen=True))
    if not frozen and not state.frozen:
        return
    for first in range(0, len(pairs), TOGETHER):
        some = tuple(pairs[first : first + TOGETHER])
        once(partial(_freeze_some, context, subscription, some))
    if not frozen:
        once(lambda: _say_frozen(context, subscription, frozen=False))


def _say_frozen(context: Context, subscription: str, *, frozen: bool) -> None:
    state = context.load(Wanted(subscription=subscription)).subscription
    if state.frozen != frozen:
        context.commit([writes.subscription(context.practice_id, replace(state, frozen=frozen))])


def _freeze_some(context: Context, subscription: str, pairs: tuple[Pair, ...]) -> None:
    """Some wallets as the subscription stands, in transactions of as many as fit."""
    clients = tuple(dict.fromkeys(client_id for client_id, _ in pairs))
    loaded = context.load(Wanted(also=pairs, others=clients, subscription=subscription))
    pairs = tuple(dict.fromkeys((loaded.goes_on_as(client_id), kind) for client_id, kind in pairs))
    act, room = _act(loaded.subscription, context.now), room_for(len(pairs))
    items: list[Write] = []
    for (client_id, _), change in settled_all(context.store, loaded, pairs, context.now, room).items():
        settings = loaded.dated_of(client_id)
        after = _marked(change, loaded.subscription, settings.now, act)
        if after is not change:
            settled = settle(after, context.now, settings, act, limit=room)
            own = wallet_writes(context.store, [settled], context.now, settings, wallets=len(pairs))
            if len(items) + len(own) > TRANSACTION:
                context.commit(items)
                items = []
            items += own
    if items:
        context.commit(items)


def _marked(change: Change, state: SubscriptionState, settings: Settings, act: Act) -> Change:
    """The wallet knows whether the subscription is past due; whether that freezes is for the settings to say."""
    causes = (past_due(state.subscription, state.status_at),) if state.is_past_due and state.status_at else ()
    return refreeze(change, {state.subscription: causes}, act, settings)


def _act(state: SubscriptionState, now: datetime) -> Act:
    cause = Cause(CauseKind.SUBSCRIPTION, {"subscription": state.subscription})
    at = state.ended_at or state.status_at or now
    return Act(f"subscription/{state.subscription}/{state.version}", cause, STRIPE, min(at, now), now)
