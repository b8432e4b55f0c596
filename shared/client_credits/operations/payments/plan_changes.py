"""Each change of plan's payment has granted just what it owns, whatever was heard later.

What is owned follows from the subscription's record alone. Where it is not what a payment's record says, the payment
learns it: what is beyond is taken back with its refunds, what is missing comes as a further grant. In steps that
can each be repeated; the subscription's record says last that it is done.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.ledger.settling import settle
from client_credits.domain.ledger.tranches import last_of, with_more
from client_credits.domain.ledger.wallet import Coming, Lot
from client_credits.domain.payments.given_back import undone_at
from client_credits.domain.payments.granting import add_lot
from client_credits.domain.payments.news import news_of
from client_credits.domain.payments.payment_record import PaidGrant, PaymentRecord
from client_credits.domain.payments.plan_changes import MONTHLY, Credits, PlanChange, owned
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.practice.dated_settings import SettingsOverTime
from client_credits.operations.committing import once, room_for, settled_all, wallet_writes
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import following
from client_credits.store import writes
from client_credits.store.records import Wanted


@dataclass(frozen=True, slots=True)
class News:
    """What led to it: a payment, and when it changed a plan or was refunded."""

    payment_id: str
    at: datetime


def rule_of(settings: SettingsOverTime) -> Callable[[datetime], str]:
    """The setting `upgrade_grant` as it held at each instant."""
    return lambda at: settings.at(at).upgrade_grant


def differing(state: SubscriptionState, rule: Callable[[datetime], str]) -> list[tuple[PlanChange, datetime, Credits]]:
    """The changes whose payments record otherwise than what they own: with their period's end and what that is."""
    found = []
    for period in state.periods:
        own = owned(period, rule)
        for change in period.changes:
            if change.stated is not None and change.stated != own[change.invoice]:
                found.append((change, period.ends, own[change.invoice]))
    return found


def reckon(context: Context, subscription: str, news: News) -> None:
    """Tells the payments of a subscription's changes what they own now. Safe to repeat. Raises Busy."""
    state = context.load(Wanted(subscription=subscription)).subscription
    clients = (state.client_id,) if state.client_id else ()
    loaded = context.load(Wanted(others=clients))
    settings = loaded.dated_of(state.client_id or "")
    for change, ends, own in differing(state, rule_of(settings)):
        if tell(context, change.invoice, ends, own, news):
            once(lambda: _note_stated(context, subscription, change.invoice, ends, own))  # noqa: B023


def _note_stated(context: Context, subscription: str, invoice: str, ends: datetime, own: Credits) -> None:
    state = context.load(Wanted(subscription=subscription)).subscription
    after = state.with_stated(invoice, ends, own)
    if after != state:
        context.commit([writes.subscription(context.practice_id, after)])


def refunded(context: Context, payment_id: str) -> bool:
    """The subscription of a payment that changed its plan learns whether that was refunded in full. Safe to repeat.

    False where the payment's record has words that only a later release knows: then nothing is done.
    """
    is_understood = True

    def attempt() -> tuple[str, datetime] | None:
        nonlocal is_understood
        record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
        if not (is_understood := record.is_understood):
            return None
        if not (record.changes and record.subscription):
            return None
        state = context.load(Wanted(subscription=record.subscription)).subscription
        after = state.with_undone(payment_id, undone_at(record))
        if after != state:
            context.commit([writes.subscription(context.practice_id, after)])
        return record.subscription, max((at for at, _ in news_of(record)), default=context.now)

    if changed := once(attempt):
        reckon(context, changed[0], News(payment_id, changed[1]))
    return is_understood


def tell(context: Context, payment_id: str, ends: datetime, own: Credits, news: News) -> bool:
    """A payment learns what its change within a period owns: it grants what is missing, and what is beyond is taken.

    False where its record has words that only a later release knows: it learns it from that one.
    """

    def learn() -> None:
        record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
        grants = tuple(
            replace(grant, owned=own.get(_kind(grant), 0)) if _is_of(grant, ends) else grant for grant in record.grants
        )
        if grants != record.grants:
            reckoned = tuple(dict.fromkeys((*record.reckoned, (news.at, news.payment_id))))
            context.commit([writes.payment(context.practice_id, replace(record, grants=grants, reckoned=reckoned))])

    once(learn)
    record = context.load(Wanted(payments=(payment_id,))).payments[payment_id]
    if not record.is_understood:
        return False
    for number, grant in enumerate(record.grants):
        if _is_of(grant, ends) and (grant.owned or 0) > grant.granted:
            once(lambda: _grant_more(context, payment_id, number, news))  # noqa: B023
    following.follow(context, payment_id)
    return True


def _grant_more(context: Context, payment_id: str, number: int, news: News) -> None:
    """What is missing of what a grant owns, as a lot of its own or with each of its months; the grant's record
    says so with it."""
    grant = context.load(Wanted(payments=(payment_id,))).payments[payment_id].grants[number]
    pair = (grant.client_id, grant.appointment_type)
    loaded = context.load(Wanted(payments=(payment_id,), also=(pair,), others=(grant.client_id,)))
    pair = (loaded.goes_on_as(grant.client_id), grant.appointment_type)
    record = loaded.payments[payment_id]
    grant = record.grants[number]
    missing = (grant.owned or 0) - grant.granted
    if missing <= 0:
        return
    before = settled_all(context.store, loaded, (pair,), context.now, room_for(1))[pair]
    act = _act(record, grant, news, context.now)
    lot = _lot(record, grant, missing, act)
    settings = loaded.dated_of(grant.client_id)
    if grant.plan:
        change = _by_month(before, record, grant, lot, act, settings)
        plan = replace(grant.plan, each=grant.plan.each + missing)
        lot_id = lot.lot_id if plan.months else ""
    else:
        change, plan, lot_id = add_lot(before, lot, act, settings, room_for(1)), None, lot.lot_id
    granted = replace(grant, granted=grant.granted + missing, plan=plan, lot_id=grant.lot_id or lot_id)
    grants = (*record.grants[:number], granted, *record.grants[number + 1 :])
    known = replace(record, grants=grants).with_holders([(*pair, before.before.sequence)])
    own = [entry for entry in change.entries if entry.source_id.startswith(act.source_id)]
    refs = tuple(EntryRef(e.appointment_type, e.sequence, e.amount, e.client_id) for e in own)
    done = Operation(act.source_id, "", "granted", grant.client_id, refs, context.now)
    items = [writes.payment(context.practice_id, known), writes.operation(context.practice_id, done)]
    context.commit([*items, *wallet_writes(context.store, [change], context.now, settings)])


def _by_month(
    change: Change, record: PaymentRecord, grant: PaidGrant, lot: Lot, act: Act, settings: SettingsOverTime
) -> Change:
    """The wallet in which each month of a grant brings so many more as the lot has; those that have come at once."""
    plan = grant.plan
    assert plan is not None and plan.expiry is not None
    more = Coming(
        source_id=act.source_id,
        lot=lot,
        starts=plan.starts,
        number=plan.first,
        first=plan.first,
        count=last_of(plan, record.ends),
        expiry=plan.expiry,
        cycle_end=plan.cycle_end,
        cause=act.cause.ids,
        item=plan.item,
    )
    raised = with_more(change.wallet, _source(record, grant), more)
    return settle(replace(change, wallet=raised), act.now, settings, limit=room_for(1))


def _lot(record: PaymentRecord, grant: PaidGrant, amount: int, act: Act) -> Lot:
    """A lot like the grant's own; its value counts all that the payment's change owns."""
    assert grant.kind is not None
    every = sum((each.owned or 0) * _times(each) for each in record.grants if each.span == grant.span)
    value = replace(grant.kind.value, credits=every) if grant.kind.value else None
    lot_id = derived_id("lot", act.source_id, grant.client_id, grant.appointment_type)
    return replace(grant.kind, lot_id=lot_id, granted=amount, remaining=amount, value=value)


def _times(grant: PaidGrant) -> int:
    """How often what it owns comes."""
    return grant.plan.months if grant.plan else 1


def _source(record: PaymentRecord, grant: PaidGrant) -> str:
    return f"stripe/{record.account}/{record.mode}/{record.payment_id}/{grant.line_id}"


def _act(record: PaymentRecord, grant: PaidGrant, news: News, now: datetime) -> Act:
    """Named after the line and how much it has granted by then: what is granted only ever grows."""
    assert grant.kind is not None
    ids = {
        "package_id": grant.kind.package_id or "",
        "payment": record.payment_id,
        "line": grant.line_id,
        "subscription": record.subscription or "",
    }
    at = min(max(news.at, record.paid_at or news.at), now)
    name = f"{_source(record, grant)}/more/{grant.appointment_type}/{grant.owned}"
    return Act(name, Cause(CauseKind.PACKAGE, ids), STRIPE, at, now)


def _is_of(grant: PaidGrant, ends: datetime) -> bool:
    return grant.owned is not None and grant.span is not None and grant.span.ends == ends


def _kind(grant: PaidGrant) -> str:
    return f"{grant.appointment_type}{MONTHLY}" if grant.plan else grant.appointment_type
