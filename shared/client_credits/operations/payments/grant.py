"""One payment line's grant as one transaction: its record, the payment's, the subscription's, the wallets.

Owns what those records say after a grant, and what any line tells of its subscription. Which lines
grant at all, and what becomes of the others, is `payments`'.
"""

from dataclasses import replace
from datetime import datetime

from client_credits.domain.ledger.entries import Act, Cause, CauseKind, Change, Entry
from client_credits.domain.ledger.operation import EntryRef, Operation
from client_credits.domain.payments.facts import Payment
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.folding import linked_alone
from client_credits.domain.payments.given_back import undone_at
from client_credits.domain.payments.granting import (
    LineDecision,
    grant,
    lot_for,
    months_for,
    months_left,
    plan_for,
)
from client_credits.domain.payments.limits import with_bought
from client_credits.domain.payments.money import own_shares
from client_credits.domain.payments.one_money import Records, joined, with_more_paid, with_sold
from client_credits.domain.payments.parked import Parked
from client_credits.domain.payments.payment_record import PaidGrant, PaymentRecord
from client_credits.domain.payments.plan_changes import MONTHLY, by_type, owned
from client_credits.domain.payments.prorations import prorated
from client_credits.domain.payments.replaced import Span
from client_credits.domain.payments.subscriptions import SubscriptionState
from client_credits.domain.payments.telling import changed_at, leads, stub_grants, with_line
from client_credits.domain.practice.records import Client
from client_credits.operations.committing import knowing_cycles, room_for, settled, wallet_writes
from client_credits.operations.context import Context
from client_credits.operations.payments import parking
from client_credits.operations.payments.outcomes import (
    COVERED,
    DecidedLine,
    LineOutcome,
    cause_ids,
    content,
    outcome_of,
)
from client_credits.operations.payments.plan_changes import rule_of
from client_credits.store import writes
from client_credits.store.records import Loaded
from client_credits.store.table import Write


class Granting:
    """One line's grant as one transaction: the line's record, the payment's, the subscription's, the wallets."""

    def __init__(
        self,
        context: Context,
        line: DecidedLine,
        settled: frozenset[str],
        own: PaymentRecord | None = None,
        others: Records = (),
    ) -> None:
        """`own` is the payment's record where another one's, that the line's records have in its place, holds the
        grants; `others` are the records of what else the same money paid."""
        assert line.client_id is not None, "nothing is granted to nobody"
        self._others = others
        self._context = context
        self._heard = line.payment  # as it was heard; what is granted is booked at the home
        self._line_id = line.decision.line.line_id
        self._own = own
        self._home = line.record
        self._units: int | None = None  # how many were lacked, where that was counted
        payment, decision = _at_home(line.payment, line.decision, self._home)
        self._payment = payment
        self._decision = decision
        self._loaded = line.loaded
        self._client_id = line.client_id
        self._insists = line.by_staff.insists
        self._package_of = line.package_of
        self._state, self._credits = line.loaded.subscription, dict[str, int]()
        self._settled = settled  # the payment's lines that need nothing more
        self._act = Act(
            source_id=self._grant_id,
            cause=Cause(CauseKind.PACKAGE, cause_ids(payment, decision)),
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
        self._state, self._credits = state, credits
        changes = self._granted(credits)
        own = [e for change in changes for e in change.entries if e.source_id == self._act.source_id]
        outcome = COVERED if self._units == 0 else outcome_of(decision, credits, granted_before=granted_before)
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
        after = replace(loaded, payments={self._heard.payment_id: record}, subscription=state, parked=parked)
        return LineOutcome(self._line_id, done.outcome, done, entries=tuple(own)), after

    def _lacked(self, credits: dict[str, int]) -> dict[str, int]:
        """What of these credits no other payment of the same money granted; how often the package was lacked is noted.

        The other one was charged for all of it: what comes beside it has no value of its own.
        """
        line, package = self._decision.line, self._decision.package
        if not credits or package is None or self._decision.fate is not LineFate.GRANT:
            return credits
        self._home, units = with_sold(
            self._loaded.payments[self._heard.payment_id],
            package.package_id,
            line.quantity,
            self._others,
            by_intent=self._heard.is_own_intent,
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
        left = parking.without_line(record, self._heard, self._line_id, self._settled, self._act.actor)
        if self._units == 0 and left.is_closed:
            return replace(left, closed_reason=f"{COVERED} {self._payment.payment_id}")
        return left

    def _subscription(self) -> tuple[SubscriptionState, dict[str, int]]:
        """The subscription with what this line tells of it, and the credits the line grants."""
        payment, decision, loaded = self._payment, self._decision, self._loaded
        # Remembered, so that it stays without a grant when delivered again after the package was made to renew.
        credits = {} if self._granted_before else decision.credits
        state = with_line(loaded.subscription, payment, decision, credits, self._package_of, self._undone_at())
        if not (payment.subscription and decision.line.subscription_item):
            return state, credits
        if decision.fate is LineFate.UPGRADE:
            state, credits = self._upgraded(state)
        elif decision.fate is LineFate.STUB:
            credits, _ = stub_grants(state, payment, decision.line, self._package_of)
            credits = {by_type(kind): n for kind, n in credits.items()}
        state = replace(state, client_id=self._client_id)
        return state.with_payment(payment.payment_id, payment.paid_at), credits

    def _undone_at(self) -> datetime | None:
        """When the payment had been refunded in full, if it was, as far as it is known by now."""
        before = self._home
        return undone_at(replace(before, paid=max(before.paid, self._payment.paid)))

    def _upgraded(self, state: SubscriptionState) -> tuple[SubscriptionState, dict[str, int]]:
        """What the change of plan owns, by this line."""
        payment, line = self._payment, self._decision.line
        period = state.period_of(changed_at(payment, line), line.period_end)
        change = period.change_of(payment.payment_id) if period else None
        if period is None or change is None:
            return state, {}
        own = owned(period, rule_of(self._loaded.dated))[payment.payment_id]
        by_line = {kind: n for kind, n in own.items() if leads(state, payment, line, kind, self._package_of)}
        stated = {**(change.stated or {}), **by_line}
        within = replace(self._decision, within=period.starts)
        comes = {kind: n for kind, n in by_line.items() if not kind.endswith(MONTHLY) or months_left(payment, within)}
        credits = {by_type(kind): n for kind, n in comes.items()}
        return state.with_stated(payment.payment_id, period.ends, stated), credits

    def _granted(self, credits: dict[str, int]) -> list[Change]:
        loaded, room = self._loaded, room_for(len(credits))
        before = settled(
            self._context.store, [loaded.wallets[t] for t in credits], self._context.now, loaded.dated, room
        )
        args = (self._worth(), self._payment, self._act, loaded.dated)
        return [grant(self._knowing(before[t], amount), amount, *args, room) for t, amount in credits.items()]

    def _knowing(self, change: Change, amount: int) -> Change:
        """The wallet with what rolled over since, where the cycle is over already."""
        lot = lot_for(change.wallet, amount, self._worth(), self._payment, self._act, self._loaded.dated)
        return knowing_cycles(self._context.store, change, [lot], self._act.occurred_at, self._act.now)

    def _payment_record(self, changes: list[Change]) -> tuple[PaymentRecord, list[Write]]:
        """The payment with what this line granted, and the link from the money that paid it."""
        payment, loaded = self._payment, self._loaded
        before = self._home
        more = self._owning_nothing(changes) if self._decision.fate is LineFate.UPGRADE else []
        if not (changes or more) and self._units is None:
            return before, []
        own = self._own
        items: list[Write] = []
        if own and own.within not in (None, before.payment_id):  # it was part of a sale that is part of another
            before = with_more_paid(before, payment.paid)
        if own and own.within != before.payment_id:
            before, own = joined(before, own)
            items.append(writes.payment(self._context.practice_id, own))
        record = replace(
            before,
            account=payment.account,
            mode=payment.mode,
            paid=self._paid(before),
            by_balance=max(before.by_balance, payment.by_balance),
            overpaid=max(before.overpaid, payment.overpaid),
            credited_before=max(before.credited_before, payment.credited_before),
            credited_after=max(before.credited_after, payment.credited_after),
            paid_at=before.paid_at if own and before.paid_at else payment.paid_at,
            subscription=payment.subscription or before.subscription,
            upheld=before.upheld or self._insists,
            changes=before.changes or self._decision.fate is LineFate.UPGRADE,
            grants=(*before.grants, *map(self._paid_grant, changes), *more),
        )
        record = record.with_ends(self._state.ends if payment.subscription else ())
        record = record.with_holders(map(self._holder, changes))
        joins = own is not None and any(own_shares(record.paid_by, record.payment_id))
        record, moneys = (record, []) if joins else linked_alone(record, payment, loaded.money)
        items += [writes.money(self._context.practice_id, money) for money in moneys]
        return record, [*items, writes.payment(self._context.practice_id, record)]

    def _paid(self, before: PaymentRecord) -> int:
        """What was paid of the record's payment. An intent that joins one may have paid others beside."""
        if self._own is None or not self._heard.is_own_intent:
            return max(before.paid, self._payment.paid)
        shared = sum(share.amount or 0 for _, share in own_shares(before.paid_by, before.payment_id))
        return before.paid or shared or self._payment.paid

    def _holder(self, change: Change) -> tuple[str, str, int]:
        """The wallet, and its last entry before the grant."""
        own = next((entry for entry in change.entries if entry.source_id == self._act.source_id), None)
        of = change.before
        return of.client_id, of.appointment_type, own.sequence - 1 if own else of.sequence

    def _paid_grant(self, change: Change) -> PaidGrant:
        wallet, line = change.before, self._worth()
        amount = self._credits[wallet.appointment_type]
        lot = lot_for(wallet, amount, line, self._payment, self._act, self._loaded.dated)
        wallet_of = wallet.client_id, wallet.appointment_type
        paid = PaidGrant(line.line.line_id, *wallet_of, line.line.amount, lot.lot_id, span=self._span())
        paid = replace(paid, plan=plan_for(lot, line), also=line.line.also)
        if self._heard.is_own_intent:  # what it paid may turn out to have sold the same
            return replace(paid, owned=amount, granted=amount)
        if self._decision.fate is not LineFate.UPGRADE:
            return paid
        return replace(paid, plan=months_for(lot, line, amount), owned=amount, granted=amount, kind=lot)

    def _owning_nothing(self, changes: list[Change]) -> list[PaidGrant]:
        """The types that a change brings by this line and grants nothing of. What is heard later may change that."""
        granted = {change.before.appointment_type for change in changes}
        return [self._owning_nothing_of(kind) for kind in self._decision.credits if kind not in granted]

    def _owning_nothing_of(self, kind: str) -> PaidGrant:
        wallet, line = self._loaded.wallets[kind], self._worth()
        lot = lot_for(wallet, 1, line, self._payment, self._act, self._loaded.dated)
        paid = PaidGrant(line.line.line_id, wallet.client_id, kind, line.line.amount, "", span=self._span(), kind=lot)
        return replace(paid, plan=months_for(lot, line, 0), owned=0)

    def _span(self) -> Span | None:
        """The time of a subscription's item that the line pays for."""
        line, package = self._decision.line, self._decision.package
        if not (self._payment.subscription and line.subscription_item and line.period_start and line.period_end):
            return None
        once = package is not None and not package.renews_each_cycle
        return Span(line.subscription_item, line.period_start, line.period_end, once)

    def _worth(self) -> LineDecision:
        """The line with what was paid for all the prorations it stands for."""
        line = self._decision.line
        if self._decision.fate not in (LineFate.UPGRADE, LineFate.STUB):
            return self._decision
        every = prorated(self._payment, line)
        period = self._state.period_of(changed_at(self._payment, line), line.period_end)
        within = period.starts if period and self._decision.fate is LineFate.UPGRADE else None
        if self._decision.fate is LineFate.STUB:
            every = [each for each in every if each.subscription_item == line.subscription_item]
        amount, charged = (max(0, sum(each)) for each in zip(*((e.amount, e.worth) for e in every), strict=True))
        also = tuple(each.line_id for each in every if each.line_id != line.line_id)
        return replace(
            self._decision,
            line=replace(line, amount=amount, charged=charged, also=also),
            owns=sum(self._credits.values()),
            within=within,
        )

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
