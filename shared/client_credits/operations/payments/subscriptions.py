"""How a subscription's standing reaches its credits: frozen while past due, no more tranches once ended.

What was told is stored first, its consequences are written after; both may be repeated at will.
"""

from dataclasses import replace
from datetime import datetime

from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, EntryKind, Posting
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.taking import taken_from
from client_credits.domain.ledger.tranches import Ended, come_since, without_tranches_from
from client_credits.domain.ledger.wallet import Freeze
from client_credits.domain.payments.clawing_back import refreeze
from client_credits.domain.payments.facts import SubscriptionNews, SubscriptionStatus
from client_credits.domain.payments.granting import LineFate
from client_credits.domain.payments.subscriptions import SubscriptionState, told
from client_credits.domain.practice.settings import Settings
from client_credits.operations.committing import once, room_for, settled_all, wallet_writes
from client_credits.operations.payments import money_back as following
from client_credits.operations.payments import parking
from client_credits.store import writes
from client_credits.store.records import Wanted
from client_credits.store.store import Store
from client_credits.store.table import Write


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
    """Writes what a subscription's standing asks for and its wallets do not show yet."""
    state = once(lambda: _enforce(store, practice_id, subscription, now))
    for payment_id, paid_at in state.payments:
        if state.ended_before(paid_at) and following.revoke(
            store, practice_id, payment_id, LineFate.SUBSCRIPTION_ENDED, now
        ):
            parking.park_revoked(store, practice_id, state, payment_id, LineFate.SUBSCRIPTION_ENDED, now)


def _enforce(store: Store, practice_id: str, subscription: str, now: datetime) -> SubscriptionState:
    state = store.load(practice_id, Wanted(subscription=subscription)).subscription
    if not state.wallets:
        return state
    clients = tuple(dict.fromkeys(client_id for client_id, _ in state.wallets))
    loaded = store.load(practice_id, Wanted(also=state.wallets, others=clients, subscription=subscription))
    if loaded.subscription.wallets != state.wallets:
        return _enforce(store, practice_id, subscription, now)
    state, act, room = loaded.subscription, _act(loaded.subscription, now), room_for(len(state.wallets))
    items: list[Write] = []
    for (client_id, _), change in settled_all(store, loaded, state.wallets, now, room).items():
        settings = loaded.dated_of(client_id)
        after = _enforced(change, state, settings.now, act)
        if after is not change:
            settled = settle(after, now, settings, act, limit=room)
            items += wallet_writes(store, [settled], now, settings, wallets=len(state.wallets))
    told_so = replace(state, frozen=any(state.freezes(loaded.settings_of(client_id)) for client_id in clients))
    if told_so != state:
        items.append(writes.subscription(practice_id, told_so))
    if items:
        store.commit(items)
    return told_so


def _enforced(change: Change, state: SubscriptionState, settings: Settings, act: Act) -> Change:
    ends = [Ended(state.subscription, at, item) for item, at in state.replaced]
    if state.ended_at:
        ends.append(Ended(state.subscription, state.ended_at))
    if ends:
        change = _without_tranches(change, ends, act)
    freezes = state.freezes(settings) and state.status_at
    past_due = f"{SubscriptionStatus.PAST_DUE}/{state.subscription}"
    causes = (Freeze(past_due, state.status_at),) if freezes and state.status_at else ()
    return refreeze(change, {state.subscription: causes}, act)


def _without_tranches(change: Change, ends: list[Ended], act: Act) -> Change:
    """No tranche comes from an end on; one that came before the end was known is taken back, if unspent."""
    lots = {lot.lot_id: lot for ended in ends for lot in come_since(change.wallet, ended)}
    if lots:
        every = sum(lot.remaining for lot in lots.values())
        wallet, parts = taken_from(change.wallet, every, act.now, lots.values())
        postings = tuple(Posting(-part, lot_id=lot.lot_id) for lot, part in parts)
        change = change.record(wallet, EntryKind.CLAWED_BACK, act, postings)
    wallet = change.wallet
    for ended in ends:
        wallet = without_tranches_from(wallet, ended)
    return change if wallet is change.wallet else replace(change, wallet=wallet)


def _act(state: SubscriptionState, now: datetime) -> Act:
    cause = Cause(CauseKind.SUBSCRIPTION, {"subscription": state.subscription})
    at = state.ended_at or state.status_at or now
    return Act(f"subscription/{state.subscription}/{state.version}", cause, following.STRIPE, min(at, now), now)
