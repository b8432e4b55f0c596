"""One payment line's grant as one transaction: its record, the payment's, the subscription's, the wallets.

Owns what those records say after a grant, and what any line tells of its subscription. Which lines
grant at all, and what becomes of the others, is `payments`'.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, Entry
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.payments.facts import Payment, PaymentLine, Trial
from client_credits.domain.payments.granting import LineDecision, LineFate, grant, levels, lot_for, plan_for
from client_credits.domain.payments.limits import with_bought
from client_credits.domain.payments.one_money import joined, with_sold
from client_credits.domain.payments.parked import Parked, ParkedState
from client_credits.domain.payments.payment_record import PaidGrant, PaymentRecord
from client_credits.domain.payments.subscriptions import Level, Period, SubscriptionState, upgrade, with_levels
from client_credits.domain.payments.told import linked_alone
from client_credits.domain.practice.catalogue import Catalogue
from client_credits.domain.practice.records import Client
from client_credits.operations.committing import room_for, settled, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.payments import parking
from client_credits.store import writes
from client_credits.store.records import Loaded
from client_credits.store.table import Write

COVERED = "covered"  # all of it was granted by another payment of the same money


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of one line. `operation` is the first outcome's record, also for a repeat.

    The rest is what remains to be done beside the line: to link what else paid the payment, to follow
    money given back, to freeze or unfreeze a subscription, to try parked changes of plan again. `parked`
    is the payment's parked record as the line left it.
    """

    line_id: str
    fate: str
    operation: Operation | None = None
    repeated: bool = False
    entries: tuple[Entry, ...] = ()  # written by this call; a repeat's are found by its record
    unlinked: bool = False
    follow: bool = False
    enforce: bool = False
    wakes: tuple[str, ...] = ()
    parked: Parked | None = None
    client_id: str | None = None  # whose it is, where that client does not exist yet
    home: str = ""  # the payment whose record holds what the line grants


@dataclass(frozen=True, slots=True)
class StaffDecision:
    """What staff add to a payment that no rule explained. With `insists` it counts after its subscription's end."""

    client_id: str | None = None
    package_id: str | None = None
    insists: bool = False


class Granting:
    """One line's grant as one transaction: the line's record, the payment's, the subscription's, the wallets."""

    def __init__(
        self,
        context: Context,
        payment: Payment,
        decision: LineDecision,
        loaded: Loaded,
        client_id: str,
        by_staff: StaffDecision,
        settled: frozenset[str],
        own: PaymentRecord | None = None,
    ) -> None:
        """`own` is the payment's record where another one's, that `loaded` has in its place, holds the grants."""
        self._context = context
        self._told = payment  # as it was heard; what is granted is booked at the home
        self._line_id = decision.line.line_id
        self._own = own
        self._home = loaded.payments[payment.payment_id]
        self._units: int | None = None  # how many were lacked, where that was counted
        payment, decision = _at_home(payment, decision, self._home)
        self._payment = payment
        self._decision = decision
        self._loaded = loaded
        self._client_id = client_id
        self._insists = by_staff.insists
        self._package_id = by_staff.package_id
        self._settled = settled  # the payment's lines that need nothing more
        self._act = Act(
            source_id=self._grant_id,
            cause=Cause(CauseKind.PACKAGE, _cause_ids(payment, decision)),
            actor=context.actor,
            occurred_at=payment.paid_at,
            now=context.now,
        )

    def commit(self) -> tuple[LineOutcome, Loaded]:
        """Grants, once. Returns the outcome and the records as they stand after it. Raises LimitReached, Conflicted."""
        decision, loaded = self._decision, self._loaded
        state, credits = self._subscription()
        granted_before = self._granted_before
        credits = self._lacked(credits)
        changes = self._granted(credits)
        own = [e for change in changes for e in change.entries if e.source_id == self._act.source_id]
        outcome = COVERED if self._units == 0 else _outcome(decision, credits, granted_before=granted_before)
        done = self._record(outcome, own)
        items = [writes.operation(self._context.practice_id, done)]
        if decision.once_id and (credits or self._units == 0) and decision.once_id not in loaded.operations:
            first = replace(done, source_id=decision.once_id, content=self._payment.payment_id)
            items.append(writes.operation(self._context.practice_id, first))
        record, payment_items = self._payment_record(changes)
        items += payment_items
        if state != loaded.subscription:
            items.append(writes.subscription(self._context.practice_id, state))
        items += wallet_writes(self._context.store, changes, self._context.now, loaded.dated, wallets=len(changes))
        if client := self._client(credits):
            items.append(writes.client(self._context.practice_id, client))
        if parked := self._parked():
            items.append(writes.parked(self._context.practice_id, parked, self._context.now))
        self._context.commit(items)
        after = replace(loaded, payments={self._told.payment_id: record}, subscription=state, parked=parked)
        return LineOutcome(self._line_id, done.outcome, done, entries=tuple(own)), after

    def _lacked(self, credits: dict[str, int]) -> dict[str, int]:
        """What of these credits no other payment of the same money granted; how often the package was lacked is noted.

        The other one was charged for all of it: what comes beside it has no value of its own.
        """
        line, package = self._decision.line, self._decision.package
        if not credits or package is None or self._decision.fate is not LineFate.GRANT:
            return credits
        self._home, units = with_sold(
            self._loaded.payments[self._told.payment_id],
            package.package_id,
            line.quantity,
            by_intent=self._told.is_own_intent,
        )
        self._units = units
        if units == line.quantity:
            return credits
        self._decision = replace(self._decision, line=replace(line, quantity=max(1, units), amount=0, charged=0))
        return {t: n // line.quantity * units for t, n in credits.items()} if units else {}

    def _client(self, credits: dict[str, int]) -> Client | None:
        """The client's profile where it is new, or counts what was bought."""
        known = self._loaded.client or Client(self._client_id, created_at=self._context.now)
        package, line = self._decision.package, self._decision.line
        assert package is not None
        if credits and package.limit_per_client is not None and self._decision.fate is LineFate.GRANT:
            known = with_bought(known, package.package_id, self._payment, line, self._loaded.payments.values())
        return known if known != self._loaded.client else None

    @property
    def _first(self) -> Operation | None:
        """The record of the one grant of the line's subscription item, where it grants no other."""
        decision = self._decision
        once = decision.fate is LineFate.GRANT and decision.grants_once
        return self._loaded.operations.get(decision.grant_id) if once else None

    @property
    def _granted_before(self) -> bool:
        """Whether another payment was the one that its subscription item grants for."""
        return self._first is not None and self._first.content != self._payment.payment_id

    @property
    def _grant_id(self) -> str:
        """The source id of the grant; a further line of an item's first payment has its own."""
        return self._decision.source_id if self._first else self._decision.grant_id

    def _parked(self) -> Parked | None:
        """The parked payment as it is with this line granted; None where it is not open."""
        record = self._loaded.parked
        if record is None or not record.is_payable:
            return None
        left = parking.without_line(record, self._told, self._line_id, self._settled, self._act.actor)
        if self._units == 0 and left.state is not ParkedState.OPEN:
            return replace(left, closed_reason=f"{COVERED} {self._payment.payment_id}")
        return left

    def _subscription(self) -> tuple[SubscriptionState, dict[str, int]]:
        """The subscription with what this line tells of it, and the credits the line grants."""
        payment, decision, loaded = self._payment, self._decision, self._loaded
        # Remembered, so that it stays without a grant when delivered again after the package was made to renew.
        credits = {} if self._granted_before else decision.credits
        state = levelled(loaded.subscription, payment, decision, credits, loaded.catalogue, self._package_id)
        if not (payment.subscription and decision.line.subscription_item):
            return state, credits
        if decision.fate is LineFate.UPGRADE:
            state, credits = self._upgraded(state)
        state = replace(state, client_id=self._client_id)
        return state.with_payment(payment.payment_id, payment.paid_at), credits

    def _upgraded(self, state: SubscriptionState) -> tuple[SubscriptionState, dict[str, int]]:
        """What the change of plan brings above all that the period's plans came to, for the line's own types.

        A package that grants once grants nothing by a change.
        """
        line, package = self._decision.line, self._decision.package
        period = state.period_of(changed_at(self._payment, line), line.period_end)
        assert period is not None and package is not None
        if not package.renews_each_cycle:
            return state, {}
        due = upgrade(period, self._loaded.dated.at(self._payment.paid_at).upgrade_grant)
        more = {t: due.get(t, 0) - period.upgraded.get(t, 0) for t in self._decision.credits}
        credits = {t: n for t, n in more.items() if n > 0}
        upgraded = {**period.upgraded, **{t: period.upgraded.get(t, 0) + n for t, n in credits.items()}}
        return state.with_period(replace(period, upgraded=upgraded)), credits

    def _granted(self, credits: dict[str, int]) -> list[Change]:
        loaded, room = self._loaded, room_for(len(credits))
        before = settled(
            self._context.store, [loaded.wallets[t] for t in credits], self._context.now, loaded.dated, room
        )
        args = (self._decision, self._payment, self._act, loaded.dated)
        return [grant(before[t], amount, *args, room) for t, amount in credits.items()]

    def _payment_record(self, changes: list[Change]) -> tuple[PaymentRecord, list[Write]]:
        """The payment with what this line granted, and the link from the money that paid it."""
        payment, loaded = self._payment, self._loaded
        before = self._home
        if not changes and self._units is None:
            return before, []
        own = self._own
        items: list[Write] = []
        if own and own.within is None:
            before, own = joined(before, own)
            items.append(writes.payment(self._context.practice_id, own))
        record = replace(
            before,
            account=payment.account,
            mode=payment.mode,
            paid=max(before.paid, payment.paid),
            by_balance=max(before.by_balance, payment.by_balance),
            overpaid=max(before.overpaid, payment.overpaid),
            credited_before=max(before.credited_before, payment.credited_before),
            credited_after=max(before.credited_after, payment.credited_after),
            paid_at=before.paid_at if own and before.paid_at else payment.paid_at,
            subscription=payment.subscription or before.subscription,
            upheld=before.upheld or self._insists,
            ends=loaded.subscription.ends if payment.subscription else (),
            grants=(*before.grants, *map(self._paid_grant, changes)),
        )
        record = record.with_holders(
            (e.client_id, e.appointment_type, e.sequence - 1) for e in map(self._granting_entry, changes)
        )
        record, moneys = linked_alone(record, payment, loaded.money)
        items += [writes.money(self._context.practice_id, money) for money in moneys]
        return record, [*items, writes.payment(self._context.practice_id, record)]

    def _granting_entry(self, change: Change) -> Entry:
        return next(entry for entry in change.entries if entry.source_id == self._act.source_id)

    def _paid_grant(self, change: Change) -> PaidGrant:
        wallet, line = change.before, self._decision.line
        amount = self._granting_entry(change).amount
        lot = lot_for(wallet, amount, self._decision, self._payment, self._act, self._loaded.dated)
        plan = plan_for(wallet, lot, self._decision)
        wallet_of = wallet.client_id, wallet.appointment_type
        return PaidGrant(line.line_id, *wallet_of, line.amount, lot.lot_id, plan=plan, also=line.also)

    def _record(self, outcome: str, own: list[Entry]) -> Operation:
        refs = tuple(EntryRef(e.appointment_type, e.sequence, e.amount) for e in own)
        paid_for = content(self._payment, self._decision.line)
        granted_by = self._payment.payment_id if outcome == COVERED else None
        return Operation(
            self._decision.source_id, paid_for, outcome, self._client_id, refs, self._context.now, granted_by
        )


def _at_home(payment: Payment, decision: LineDecision, home: PaymentRecord) -> tuple[Payment, LineDecision]:
    """The line as it is booked: in the record of the first payment of its money it has a name of its own."""
    if home.payment_id == payment.payment_id:
        return payment, decision
    line = replace(decision.line, line_id=f"{payment.payment_id}:{decision.line.line_id}")
    return replace(payment, payment_id=home.payment_id), replace(decision, line=line)


def _outcome(decision: LineDecision, credits: dict[str, int], *, granted_before: bool) -> str:
    if granted_before:
        return LineFate.TRIAL if decision.line.trial is Trial.YES else LineFate.NOT_RENEWING
    if credits:
        return "granted"
    return "nothing_more" if decision.fate is LineFate.UPGRADE else "no_credits"


def _cause_ids(payment: Payment, decision: LineDecision) -> dict[str, str]:
    assert decision.package is not None
    ids = {
        "package_id": decision.package.package_id,
        "payment": payment.payment_id,
        "line": decision.line.line_id,
        "event_id": payment.event_id,
        "subscription": payment.subscription,
        "customer": payment.customer,
        "quantity_from": decision.line.quantity_from,
    }
    return {name: value for name, value in ids.items() if value}


def content(payment: Payment, line: PaymentLine) -> str:
    """A hash of what was paid: the first one stands, also when a later event says otherwise."""
    text = f"{payment.payment_id}|{line.line_id}|{line.price}|{line.quantity}|{line.amount}"
    return sha256(text.encode()).hexdigest()[:16]


def levelled(
    state: SubscriptionState,
    payment: Payment,
    decision: LineDecision,
    credits: dict[str, int],
    catalogue: Catalogue,
    package_id: str | None,
) -> SubscriptionState:
    """The subscription with the plan levels that a line tells: its period's first ones (`credits`), or a change's."""
    line = decision.line
    if not (payment.subscription and line.subscription_item):
        return state
    state = replace(state, account=payment.account, mode=payment.mode)
    if line.price:
        state = state.with_prices([(line.subscription_item, line.price)])
    at = changed_at(payment, line)
    known = state.period_of(at, line.period_end)
    if line.proration:
        if known is None:
            return state
        return state.with_period(with_levels(known, levels(payment, catalogue, line.period_end, package_id)))
    if not (line.period_start and line.period_end):
        return state
    period = Period(line.period_start, line.period_end)
    same = known and (known.starts, known.ends) == (period.starts, period.ends)
    state = state.with_item_period(line.subscription_item, line.period_start, line.period_end)
    base = Level(line.subscription_item, line.period_start, credits, base=True)
    return state.with_period(with_levels(known if known and same else period, [base]))


def changed_at(payment: Payment, line: PaymentLine) -> datetime:
    """When a change of plan took effect."""
    return line.period_start or payment.paid_at
