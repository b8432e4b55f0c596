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
from client_credits.domain.payments.fates import PARKED, LineFate
from client_credits.domain.payments.folding import unlinked
from client_credits.domain.payments.given_back import undone_at
from client_credits.domain.payments.granting import (
    LineDecision,
    decide_line,
    judged,
    once_id_of,
    with_fate,
)
from client_credits.domain.payments.limits import is_over_limit, payments_of
from client_credits.domain.payments.money import Money, names_in
from client_credits.domain.payments.one_money import Records, beside, home_of, with_sold
from client_credits.domain.payments.parked import ParkedState
from client_credits.domain.payments.payment_record import PaymentRecord, is_of
from client_credits.domain.payments.selling import by_price
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.payments.telling import LineRole, changed_at, role, with_line
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments import following, money_back, parking
from client_credits.operations.payments import subscriptions as subscribing
from client_credits.operations.payments.grant import Granting
from client_credits.operations.payments.outcomes import DecidedLine, LineOutcome, StaffDecision, content
from client_credits.operations.payments.plan_changes import News, differing, reckon, refunded, rule_of
from client_credits.store import writes
from client_credits.store.records import Loaded, Wanted


def apply_lines(context: Context, payment: Payment, by_staff: StaffDecision) -> list[LineOutcome]:
    """Grants every line that a known package explains, and what follows from that. Safe to repeat: a line
    already granted answers with its first outcome. Raises Busy under contention."""
    named = payment.client_id or by_staff.client_id
    clients = {} if named else _linked_clients(context, payment)
    outcomes: list[LineOutcome] = []
    for line in payment.lines:
        settled = frozenset(outcome.line_id for outcome in outcomes if outcome.fate not in PARKED_FATES)
        client_id = named or clients[line.subscription or payment.subscription]
        outcomes.append(_apply_line(context, payment, line, client_id, by_staff, settled))
    if by_staff.insists and any(outcome.repeated for outcome in outcomes):
        money_back.uphold(context, payment.payment_id)
    if any(outcome.unlinked for outcome in outcomes):
        money_back.link_paid(context, payment)
    if payment.overpaid:
        money_back.apply_overpaid(context, payment)
    for home in sorted({outcome.home for outcome in outcomes if outcome.follow}):
        following.follow(context, home)
        refunded(context, home)
    prorated = (line for line in payment.lines if line.proration)
    news = News(payment.payment_id, max(changed_at(payment, *prorated), payment.paid_at))
    of = [line.subscription or payment.subscription or "" for line in payment.lines]
    for subscription in sorted({each for each, outcome in zip(of, outcomes, strict=True) if outcome.reckon}):
        reckon(context, subscription, news)
    for subscription in sorted({each for each, outcome in zip(of, outcomes, strict=True) if outcome.enforce}):
        subscribing.enforce(context, subscription)
    return outcomes


GRANTING = (LineFate.GRANT, LineFate.UPGRADE, LineFate.STUB)
_GRANTING_NOTHING = (LineFate.PRORATION, LineFate.TRIAL, LineFate.NO_QUANTITY, LineFate.WITHIN_CYCLE)
PARKED_FATES = {*map(str, PARKED), "unknown_client", "limit_reached"}


def _linked_clients(context: Context, payment: Payment) -> dict[str | None, str | None]:
    """The client of each subscription that its lines name; where nobody said, that of the payment."""
    own = _linked_client(context, payment)
    clients = {payment.subscription: own}
    for subscription in sorted({line.subscription for line in payment.lines if line.subscription} - set(clients)):
        linked = _linked_client(context, replace(payment, subscription=subscription, customer=None))
        clients[subscription] = linked or own
    return clients


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
    """Whose an earlier payment of the same account, or the subscription's own events, said that it is."""
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
        catalogue = context.store.catalogue(context.practice_id)
        guess = decide_line(payment, by_price(payment, line, catalogue), catalogue, by_staff.package_id)
        wanted = _wanted(payment, guess, client_id)
        loaded = context.load(wanted)
        known = judged(guess.line, loaded.subscription)
        if known.subscription_item != guess.line.subscription_item:  # which item it is for was not known before
            wanted = _wanted(payment, replace(guess, line=known), client_id)
            loaded = context.load(wanted)
        loaded, own = _at_home(context, loaded, wanted, payment)
        loaded = _of_account(loaded, payment)
        owner = loaded.goes_on_as(client_id) if client_id else None
        paid = replace(payment, lines=tuple(judged(each, loaded.subscription) for each in payment.lines))
        bought = by_price(payment, judged(line, loaded.subscription), loaded.catalogue)
        decision = decide_line(paid, bought, loaded.catalogue, by_staff.package_id)
        if set(decision.credits) - set(loaded.wallets) and client_id:
            return attempt()  # the catalogue changed: this worker's copy is fresh now
        done = loaded.operations.get(decision.source_id)
        if done:
            return _and_then(LineOutcome(line.line_id, done.outcome, done, True), payment, loaded)
        decided = DecidedLine(paid, decision, loaded, by_staff, owner)
        fate = _fate(decided)
        decided = replace(decided, decision=with_fate(decision, paid, fate))
        if fate not in GRANTING:
            after = _learned(context, decided)
            return _and_then(LineOutcome(line.line_id, fate), payment, after)
        if owner is None or (loaded.client is None and loaded.settings.unknown_clients == "park"):
            return LineOutcome(line.line_id, "unknown_client", client_id=client_id)
        loaded = _with_bought(context, loaded, payment, decided.decision)
        is_allowed = by_staff.insists or (own is not None and own.within)  # or with the sale that it belongs to
        others = _beside(context, loaded, payment, own)
        if not is_allowed and _is_over_limit(decided.decision, loaded, payment, others):
            return LineOutcome(line.line_id, LineFate.OVER_LIMIT)
        granting = Granting(context, replace(decided, loaded=loaded), settled, own, others)
        outcome, after = granting.commit()
        return _and_then(outcome, payment, after)

    try:
        return once(attempt)
    except LimitReached as limit:
        return LineOutcome(line.line_id, limit.code)


def _wanted(payment: Payment, guess: LineDecision, client_id: str | None) -> Wanted:
    return Wanted(
        client_id=client_id,
        types=tuple(guess.package.credits) if guess.package and client_id else (),
        source_ids=(guess.source_id, *_once_ids(payment, guess.line)),
        payments=(payment.payment_id,),
        money=tuple(name for paid_with in payment.moneys for name in names_in(paid_with, payment.account)),
        subscription=payment.subscription,
        parked_id=parking.id_of(payment),
    )


def _at_home(context: Context, loaded: Loaded, wanted: Wanted, payment: Payment) -> tuple[Loaded, PaymentRecord | None]:
    """The records with the one that holds the grants in place of the payment's own, which is returned beside them.

    None where that is its own, as but for the second payment of one money it is.
    """
    own = loaded.payments[payment.payment_id]
    home = home_of(payment, own, _money_of(payment, loaded))
    if home == payment.payment_id:
        return loaded, None
    found = context.load(replace(wanted, payments=(payment.payment_id, home)))
    while further := found.payments[home].within:  # it was found to be part of another sale meanwhile
        home = further
        found = context.load(replace(wanted, payments=(payment.payment_id, home)))
    return replace(found, payments={payment.payment_id: found.payments[home]}), found.payments[payment.payment_id]


def _with_bought(context: Context, loaded: Loaded, payment: Payment, decision: LineDecision) -> Loaded:
    """The records with those of the payments that count against the package's limit."""
    package = decision.package
    if package is None or package.limit_per_client is None:
        return loaded
    named = set(payments_of(loaded.client, package.package_id)) - {r.payment_id for r in loaded.payments.values()}
    if not named:
        return loaded
    found = context.load(Wanted(payments=tuple(sorted(named)))).payments
    return replace(loaded, payments={**found, **loaded.payments})


def _beside(context: Context, loaded: Loaded, payment: Payment, own: PaymentRecord | None) -> Records:
    """The records of the other payments that the same money is known to have paid: read only where there are any."""
    named = beside(loaded.payments[payment.payment_id], own, _money_of(payment, loaded))
    return tuple(context.load(Wanted(payments=named)).payments.values()) if named else ()


def _is_over_limit(decision: LineDecision, loaded: Loaded, payment: Payment, others: Records) -> bool:
    """Whether what the line would grant, beyond what was granted by the same money, passes the package's limit."""
    package, line, home = decision.package, decision.line, loaded.payments[payment.payment_id]
    if package is None or decision.fate is not LineFate.GRANT or not decision.credits:
        return False
    _, lacked = with_sold(home, package.package_id, line.quantity, others, by_intent=payment.is_own_intent)
    line = replace(line, quantity=lacked)
    return bool(lacked) and is_over_limit(package, loaded.client, payment, line, loaded.payments.values())


def _once_ids(payment: Payment, line: PaymentLine) -> list[str]:
    """The names under which its subscription item may have had its first grant, or its trial's."""
    may_be = (Trial.NO,) if line.trial is Trial.NO else (Trial.NO, Trial.YES)
    named = (once_id_of(payment, replace(line, trial=each)) for each in may_be)
    return [name for name in named if name]


def _of_account(loaded: Loaded, payment: Payment) -> Loaded:
    """The records as they concern the payment's own account: what another one's events stated is as if unknown."""
    record, state = loaded.payments[payment.payment_id], loaded.subscription
    if not is_of(record, payment.account) and not record.grants:
        record = PaymentRecord(record.payment_id, version=record.version)
    if state.account not in ("", payment.account):
        state = SubscriptionState(state.subscription, waiting=state.waiting, version=state.version)
    return replace(loaded, payments={payment.payment_id: record}, subscription=state)


def _fate(line: DecidedLine) -> LineFate:
    """The line's fate, given how its subscription stands and what became of its payment.

    Nothing is granted while words that only a later release knows say what became of that.
    """
    record, parked = line.record, line.loaded.parked
    if not is_of(record, line.payment.account):
        return LineFate.OTHER_ACCOUNT
    if parked and parked.state is ParkedState.DISMISSED:
        return LineFate.DISMISSED
    fate = _by_subscription(line)
    is_understood = record.is_understood and (parked is None or parked.is_open or parked.is_closed)
    return fate if is_understood or fate not in GRANTING else LineFate.NEEDS_LATER_RELEASE


def _by_subscription(line: DecidedLine) -> LineFate:
    """The line's fate, given how its subscription stands."""
    paid, fate = line.decision.line, line.decision.fate
    if not line.payment.subscription:
        return fate
    if paid.subscription_item is None:  # a proration says less than its subscription's events do
        bought = paid.proration and paid.amount > 0 and line.loaded.catalogue.package_for_price(paid.price or "")
        return LineFate.WAITS_FOR_CYCLE if bought else fate
    if fate in (LineFate.UPGRADE, LineFate.PRORATION):
        fate = _of_proration(line)
    at = paid.period_start if fate is LineFate.UPGRADE and paid.period_start else line.payment.paid_at
    if fate in GRANTING and not line.by_staff.insists and line.loaded.subscription.ended_before(at):
        return LineFate.SUBSCRIPTION_ENDED
    return fate


def _of_proration(line: DecidedLine) -> LineFate:
    """What a proration line does, by its whole invoice and what is known of its subscription."""
    decision, paid, package = line.decision, line.decision.line, line.decision.package
    if not (paid.period_start and paid.period_end) or paid.trial is Trial.YES:
        return LineFate.PRORATION
    match role(line.loaded.subscription, line.payment, paid, line.package_of):
        case LineRole.WAITING:
            return LineFate.WAITS_FOR_CYCLE
        case LineRole.STUB if decision.fate is LineFate.UPGRADE:
            return LineFate.GRANT if package is not None and not package.renews_each_cycle else LineFate.STUB
        case LineRole.STUB_WITHOUT_INTERVAL if decision.fate is LineFate.UPGRADE and package is not None:
            return LineFate.WAITS_FOR_INTERVAL if package.renews_each_cycle else LineFate.GRANT
        case LineRole.CHANGE if decision.fate is LineFate.UPGRADE:
            return LineFate.UPGRADE
        case _:
            return LineFate.PRORATION


def _learned(context: Context, line: DecidedLine) -> Loaded:
    """What a line that grants nothing tells of its subscription all the same: its period, the plan's level.

    Money paid for credits leaves a record that says why it grants none.
    """
    payment, decision, loaded = line.payment, line.decision, line.loaded
    dismissed = decision.fate is LineFate.DISMISSED and not decision.line.proration  # its period was paid all the same
    if decision.fate not in _GRANTING_NOTHING and not dismissed:
        return loaded
    undone = undone_at(replace(line.record, paid=max(line.record.paid, payment.paid)))
    items, state = [], loaded.subscription
    if decision.fate is not LineFate.WITHIN_CYCLE:
        state = with_line(state, payment, decision, decision.credits if dismissed else {}, line.package_of, undone)
    if state != loaded.subscription:
        items.append(writes.subscription(context.practice_id, state))
    if decision.line.amount > 0 and decision.credits and not dismissed:
        about, whose = content(payment, decision.line), line.client_id or ""
        done = Operation(decision.source_id, about, decision.fate, whose, (), context.now)
        items.append(writes.operation(context.practice_id, done))
    if items:
        context.commit(items)
    return replace(loaded, subscription=state)


def _money_of(payment: Payment, loaded: Loaded) -> Money | None:
    """The money that paid it, where that is known to have paid something."""
    names = (name for paid_with in payment.moneys for name in names_in(paid_with, payment.account))
    return next((loaded.money[name] for name in names if loaded.money[name].shares), None)


def _and_then(outcome: LineOutcome, payment: Payment, loaded: Loaded) -> LineOutcome:
    """The outcome with what remains to be done, by the records as they stand; also after a crash, by a repeat."""
    record, state = loaded.payments[payment.payment_id], loaded.subscription
    own, is_home = parking.id_of(payment), record.payment_id == payment.payment_id
    return replace(
        outcome,
        unlinked=is_home and bool(record.grants or record.sold) and bool(unlinked(record, payment)),
        home=record.payment_id,
        follow=record.eventful and bool(record.grants),
        enforce=state.is_past_due or state.frozen or bool(state.ends),
        reckon=bool(differing(state, rule_of(loaded.dated))),
        wakes=tuple(parked for parked in state.waiting if parked != own),
        parked=loaded.parked,
    )
