"""How a subscription's standing reaches its credits: frozen while past due, no more tranches once ended.

What was told is stored first, its consequences are written after; both may be repeated at will.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial

from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change
from client_credits.domain.ledger.freezing import past_due
from client_credits.domain.ledger.settling import settle
from client_credits.domain.payments.clawing_back import Pair, refreeze
from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus
from client_credits.domain.payments.granting import LineFate
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.subscriptions import SubscriptionState, told
from client_credits.domain.practice.settings import Settings
from client_credits.operations.committing import once, room_for, settled_all, wallet_writes
from client_credits.operations.payments import money_back as following
from client_credits.operations.payments import parking
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import TRANSACTION, Write

TOGETHER = 10  # wallets loaded and settled at once


def apply_news(store: Store, practice_id: str, news: SubscriptionNews, now: datetime) -> str:
    """Stores how a subscription stands, then freezes, unfreezes or stops what follows from it. Safe to repeat."""

    def attempt() -> None:
        before = store.load(practice_id, Wanted(subscription=news.subscription)).subscription
        if before.account not in ("", news.account):
            return  # another account's subscription is not this one's to end
        after = told(before, news)
        if after != before:
            store.commit([writes.subscription(practice_id, after)])

    once(attempt)
    enforce(store, practice_id, news.subscription, now)
    return str(news.status)


def enforce(store: Store, practice_id: str, subscription: str, now: datetime) -> None:
    """Writes what a subscription's standing asks for and its payments and wallets do not show yet.

    In steps of one payment or a few wallets, each of which may be repeated.
    """
    state = store.load(practice_id, Wanted(subscription=subscription)).subscription
    _end_payments(store, practice_id, state, now)
    _freeze_or_free(store, practice_id, subscription, now)
    for payment_id, paid_at in state.payments:
        if state.ended_before(paid_at) and following.revoke(
            store, practice_id, payment_id, LineFate.SUBSCRIPTION_ENDED, now
        ):
            parking.park_revoked(store, practice_id, state, payment_id, LineFate.SUBSCRIPTION_ENDED, now)


def _payments(store: Store, practice_id: str, state: SubscriptionState) -> list[PaymentRecord]:
    named = tuple(payment_id for payment_id, _ in state.payments)
    return list(store.load(practice_id, Wanted(payments=named)).payments.values()) if named else []


def _end_payments(store: Store, practice_id: str, state: SubscriptionState, now: datetime) -> None:
    """Every payment that brings tranches learns the ends, and what follows for its credits is written."""
    if not state.ends:
        return
    for record in _payments(store, practice_id, state):
        if any(grant.plan for grant in record.grants):
            following.end(store, practice_id, record.payment_id, state.ends, now)


def _freeze_or_free(store: Store, practice_id: str, subscription: str, now: datetime) -> None:
    """The wallets that have the subscription's lots learn that it is past due, or no more.

    Its record says `frozen` before the first wallet is told, and until the last is told otherwise, so that
    whoever comes after a worker that died goes on.
    """
    state = store.load(practice_id, Wanted(subscription=subscription)).subscription
    if state.status is not SubscriptionStatus.PAST_DUE and not state.frozen:
        return
    holders = {(h.client_id, h.appointment_type) for r in _payments(store, practice_id, state) for h in r.holders}
    pairs = sorted(holders)
    frozen = state.is_past_due
    if frozen and not state.frozen:
        once(lambda: _say_frozen(store, practice_id, subscription, frozen=True))
    if not frozen and not state.frozen:
        return
    for first in range(0, len(pairs), TOGETHER):
        some = tuple(pairs[first : first + TOGETHER])
        once(partial(_freeze_some, store, practice_id, subscription, some, now))
    if not frozen:
        once(lambda: _say_frozen(store, practice_id, subscription, frozen=False))


def _say_frozen(store: Store, practice_id: str, subscription: str, *, frozen: bool) -> None:
    state = store.load(practice_id, Wanted(subscription=subscription)).subscription
    if state.frozen != frozen:
        store.commit([writes.subscription(practice_id, replace(state, frozen=frozen))])


def _freeze_some(store: Store, practice_id: str, subscription: str, pairs: tuple[Pair, ...], now: datetime) -> None:
    """Some wallets as the subscription stands, in transactions of as many as fit."""
    clients = tuple(dict.fromkeys(client_id for client_id, _ in pairs))
    loaded = store.load(practice_id, Wanted(also=pairs, others=clients, subscription=subscription))
    act, room = _act(loaded.subscription, now), room_for(len(pairs))
    items: list[Write] = []
    for (client_id, _), change in settled_all(store, loaded, pairs, now, room).items():
        settings = loaded.dated_of(client_id)
        after = _marked(change, loaded.subscription, settings.now, act)
        if after is not change:
            settled = settle(after, now, settings, act, limit=room)
            own = wallet_writes(store, [settled], now, settings, wallets=len(pairs))
            if len(items) + len(own) > TRANSACTION:
                store.commit(items)
                items = []
            items += own
    if items:
        store.commit(items)


def _marked(change: Change, state: SubscriptionState, settings: Settings, act: Act) -> Change:
    """The wallet knows whether the subscription is past due; whether that freezes is for the settings to say."""
    causes = (past_due(state.subscription, state.status_at),) if state.is_past_due and state.status_at else ()
    return refreeze(change, {state.subscription: causes}, act, settings)


def _act(state: SubscriptionState, now: datetime) -> Act:
    cause = Cause(CauseKind.SUBSCRIPTION, {"subscription": state.subscription})
    at = state.ended_at or state.status_at or now
    return Act(f"subscription/{state.subscription}/{state.version}", cause, following.STRIPE, min(at, now), now)
