"""What becomes of each line of a payment: granted once, or the reason why not.

Only `paying` applies lines: it parks what is not explained and wakes what had waited.

One payment line is one operation with its own source id, so a payment that was half applied when
a worker died is completed by its redelivery, and a second event about the same payment adds nothing.
The payment's record, written with the grant, says where money given back has to look.
"""

from dataclasses import replace

from client_credits.domain.errors import LimitReached
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.payments.facts import Payment, PaymentLine, Trial
from client_credits.domain.payments.granting import PARKED, LineDecision, LineFate, decide_line, judged, once_id_of
from client_credits.domain.payments.parked import ParkedState
from client_credits.domain.payments.payment_record import PaymentRecord, is_of, money_of
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments import following, money_back, parking
from client_credits.operations.payments import subscriptions as subscribing
from client_credits.operations.payments.grant import Granting, LineOutcome, StaffDecision, changed_at, content, levelled
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted


def apply_lines(context: Context, payment: Payment, by_staff: StaffDecision) -> list[LineOutcome]:
    """Grants every line that a known package explains, and what follows from that. Safe to repeat: a line
    already granted answers with its first outcome. Raises Busy under contention."""
    client_id = payment.client_id or by_staff.client_id or _linked_client(context, payment)
    outcomes: list[LineOutcome] = []
    for line in payment.lines:
        settled = frozenset(outcome.line_id for outcome in outcomes if outcome.fate not in PARKED_FATES)
        outcomes.append(_apply_line(context, payment, line, client_id, by_staff, settled))
    if by_staff.insists and any(outcome.repeated for outcome in outcomes):
        money_back.uphold(context, payment.payment_id)
    if any(outcome.follow for outcome in outcomes):
        following.follow(context, payment.payment_id)
    if payment.subscription and any(outcome.enforce for outcome in outcomes):
        subscribing.enforce(context, payment.subscription)
    return outcomes


_GRANTING_NOTHING = (LineFate.PRORATION, LineFate.TRIAL, LineFate.NO_QUANTITY, LineFate.WITHIN_CYCLE)
PARKED_FATES = {*map(str, PARKED), "unknown_client", "limit_reached"}


def _linked_client(context: Context, payment: Payment) -> str | None:
    """The client of the subscription, by its checkout or an earlier payment, else the customer's."""
    pairs = [("subscription", payment.subscription), ("customer", payment.customer)]
    links = tuple((kind, external) for kind, external in pairs if external)
    if not links:
        return None
    loaded = context.load(Wanted(links=links, subscription=payment.subscription))
    by_link = [loaded.links.get(pair) for pair in links]
    if payment.subscription:
        by_link.insert(1, _paid_before(loaded.subscription, payment))
    return next((client_id for client_id in by_link if client_id), None)


def _paid_before(state: SubscriptionState, payment: Payment) -> str | None:
    """Whose an earlier payment of the same account said the subscription is."""
    return state.client_id if state.account == payment.account else None


def _apply_line(
    context: Context,
    payment: Payment,
    line: PaymentLine,
    client_id: str | None,
    by_staff: StaffDecision,
    settled: frozenset[str],
) -> LineOutcome:
    payment = replace(payment, subscription=line.subscription or payment.subscription)

    def attempt() -> LineOutcome:
        guess = decide_line(payment, line, context.store.catalogue(context.practice_id), by_staff.package_id)
        loaded = _of_account(context.load(_wanted(payment, guess, client_id)), payment)
        paid = replace(payment, lines=tuple(judged(each, loaded.subscription) for each in payment.lines))
        told = judged(line, loaded.subscription)
        decision = decide_line(paid, told, loaded.catalogue, by_staff.package_id)
        if set(decision.credits) - set(loaded.wallets) and client_id:
            return attempt()  # the catalogue changed: this worker's copy is fresh now
        done = loaded.operations.get(decision.source_id)
        if done:
            return _and_then(LineOutcome(line.line_id, done.outcome, done, True), payment, loaded)
        fate = _fate(paid, decision, loaded, by_staff)
        if fate not in (LineFate.GRANT, LineFate.UPGRADE):
            after = _learned(context, paid, decision, fate, loaded, by_staff, client_id)
            return _and_then(LineOutcome(line.line_id, fate), payment, after)
        if client_id is None or (loaded.client is None and loaded.settings.unknown_clients == "park"):
            return LineOutcome(line.line_id, "unknown_client", client_id=client_id)
        granting = Granting(context, paid, decision, loaded, client_id, by_staff, settled)
        outcome, after = granting.commit()
        return _and_then(outcome, payment, after)

    try:
        return once(attempt)
    except LimitReached as limit:
        return LineOutcome(line.line_id, limit.code)


def _wanted(payment: Payment, guess: LineDecision, client_id: str | None) -> Wanted:
    money = money_of(payment)
    return Wanted(
        client_id=client_id,
        types=tuple(guess.package.credits) if guess.package and client_id else (),
        source_ids=(guess.source_id, *_once_ids(payment, guess.line)),
        payments=(payment.payment_id,),
        money=(money,) if money else (),
        subscription=payment.subscription,
        parked_id=parking.id_of(payment),
    )


def _once_ids(payment: Payment, line: PaymentLine) -> list[str]:
    """The names under which its subscription item may have had its first grant, or its trial's."""
    may_be = (Trial.NO,) if line.trial is Trial.NO else (Trial.NO, Trial.YES)
    named = (once_id_of(payment, replace(line, trial=each)) for each in may_be)
    return [name for name in named if name]


def _of_account(loaded: Loaded, payment: Payment) -> Loaded:
    """The records as they concern the payment's own account: what another one's events told is as if unknown."""
    record, state = loaded.payments[payment.payment_id], loaded.subscription
    if not is_of(record, payment.account) and not record.grants:
        record = PaymentRecord(record.payment_id, version=record.version)
    if state.account not in ("", payment.account):
        state = SubscriptionState(state.subscription, waiting=state.waiting, version=state.version)
    return replace(loaded, payments={record.payment_id: record}, subscription=state)


def _fate(payment: Payment, decision: LineDecision, loaded: Loaded, by_staff: StaffDecision) -> LineFate:
    """The line's fate, given how its subscription stands."""
    line, state = decision.line, loaded.subscription
    if not is_of(loaded.payments[payment.payment_id], payment.account):
        return LineFate.OTHER_ACCOUNT
    if loaded.parked and loaded.parked.state is ParkedState.DISMISSED:
        return LineFate.DISMISSED
    grants = decision.fate in (LineFate.GRANT, LineFate.UPGRADE)
    if not payment.subscription:
        return decision.fate
    if line.subscription_item is None:  # a proration says less than its subscription's events do
        bought = line.proration and line.amount > 0 and loaded.catalogue.package_for_price(line.price or "")
        return LineFate.WAITS_FOR_CYCLE if bought else decision.fate
    if grants and not by_staff.insists and state.ended_before(payment.paid_at):
        return LineFate.SUBSCRIPTION_ENDED
    waits = line.proration and decision.fate is not LineFate.TRIAL
    if waits and state.period_of(changed_at(payment, line), line.period_end) is None:
        return LineFate.WAITS_FOR_CYCLE
    return decision.fate


def _learned(
    context: Context,
    payment: Payment,
    decision: LineDecision,
    fate: LineFate,
    loaded: Loaded,
    by_staff: StaffDecision,
    client_id: str | None,
) -> Loaded:
    """What a line that grants nothing tells of its subscription all the same: its period, the plan's level.

    Money paid for credits leaves a record that says why it grants none.
    """
    if fate not in _GRANTING_NOTHING:
        return loaded
    items, state = [], loaded.subscription
    if fate is not LineFate.WITHIN_CYCLE:
        state = levelled(state, payment, decision, {}, loaded.catalogue, by_staff.package_id)
    if state != loaded.subscription:
        items.append(writes.subscription(context.practice_id, state))
    if decision.line.amount > 0 and decision.credits:
        done = Operation(decision.source_id, content(payment, decision.line), fate, client_id or "", (), context.now)
        items.append(writes.operation(context.practice_id, done))
    if items:
        context.commit(items)
    return replace(loaded, subscription=state)


def _and_then(outcome: LineOutcome, payment: Payment, loaded: Loaded) -> LineOutcome:
    """The outcome with what remains to be done, by the records as they stand; also after a crash, by a repeat."""
    record, state = loaded.payments[payment.payment_id], loaded.subscription
    own = parking.id_of(payment)
    return replace(
        outcome,
        follow=record.eventful and bool(record.grants),
        enforce=state.is_past_due or state.frozen or bool(state.ended_at or state.replaced),
        wakes=tuple(parked for parked in state.waiting if parked != own),
        parked=loaded.parked,
    )
