"""Whether what Stripe tells of an object is known here: what its event would have left behind is looked up.

Writes nothing. `reconciling` goes through the objects and mends.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from client_credits.domain.payments.facts import (
    CreditNote,
    CustomerLink,
    Facts,
    MoneyBack,
    Payment,
    SubscriptionNews,
    SubscriptionStatus,
    Unsupported,
)
from client_credits.domain.payments.fates import LineFate
from client_credits.domain.payments.granting import LineDecision, decide_line
from client_credits.domain.payments.money import money_of
from client_credits.domain.payments.parked import Parked
from client_credits.domain.payments.payment_record import PaymentRecord
from client_credits.domain.payments.reconciliation import Verdict
from client_credits.domain.payments.selling import with_items_sold
from client_credits.operations.context import Context
from client_credits.operations.payments import parking
from client_credits.store.records import Loaded, Wanted
from client_credits.stripe.api.queries import StripeApi
from client_credits.stripe.completing import payments_behind

# Lines that grant nothing and leave nothing behind.
_NOTHING_TO_GRANT = frozenset({LineFate.PRORATION, LineFate.TRIAL, LineFate.NO_QUANTITY, LineFate.WITHIN_CYCLE})


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: Verdict
    detail: str = ""


_FINE = Judged(Verdict.FINE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A practice's records, asked about one fact of Stripe's at a time."""

    context: Context
    api: StripeApi

    def judge(self, facts: Facts) -> Judged:
        match facts:
            case Payment():
                return self._payment(facts)
            case MoneyBack():
                return self._money_back(facts)
            case CustomerLink():
                return self._link(facts)
            case SubscriptionNews():
                return self._subscription(facts)
            case Unsupported():
                parked = self._parked_event(facts.payment_id or facts.event_id)
                return _as_parked(parked) if parked else Judged(Verdict.MISSING, facts.reason)
        return _FINE

    def _parked_event(self, name: str) -> Parked | None:
        """The event parked under the payment, or event, of this id."""
        return self.context.load(Wanted(parked_id=parking.id_of_event(name))).parked

    def _payment(self, payment: Payment) -> Judged:
        """Each line has left its record, or nothing to leave; else the payment is, or was, among the parked.

        A line paid for credits leaves a record, or is parked, whatever it is.
        """
        catalogue = self.context.store.catalogue(self.context.practice_id)
        payment = with_items_sold(payment, catalogue)
        sources = tuple(decide_line(payment, line, catalogue).source_id for line in payment.lines)
        loaded = self.context.load(Wanted(source_ids=sources, parked_id=parking.id_of(payment)))
        lines = [decide_line(payment, line, loaded.catalogue) for line in payment.lines]
        absent = [d for d in lines if d.source_id not in loaded.operations and _leaves_a_record(d)]
        if not absent:
            return _FINE
        if loaded.parked:
            return _as_parked(loaded.parked)
        # Its event may have been parked before Stripe could be asked for the rest; staff may have settled it by hand.
        as_event = self._parked_event(payment.payment_id)
        if as_event and as_event.is_closed:
            return _FINE
        return Judged(Verdict.MISSING, ", ".join(f"{each.line.line_id} {each.fate}" for each in absent))

    def _link(self, link: CustomerLink) -> Judged:
        pairs = (("customer", link.customer), ("subscription", link.subscription))
        wanted = tuple((kind, external) for kind, external in pairs if external)
        known = self.context.load(Wanted(links=wanted)).links
        unknown = [f"{kind} {external}" for kind, external in wanted if (kind, external) not in known]
        return Judged(Verdict.MISSING, ", ".join(unknown)) if unknown else _FINE

    def _money_back(self, news: MoneyBack) -> Judged:
        """The payment, or the money while its payment is not known, has heard of it with this status."""
        money_id = money_of(news)
        loaded = self._known(news.payment_id, money_id)
        money = loaded.money.get(money_id or "")
        if money and money.same_as:
            money_id, loaded = money.same_as, self._known(news.payment_id, money.same_as)
            money = loaded.money[money.same_as]
        home = loaded.payments[news.payment_id].within if news.payment_id else None
        payment_id = home or news.payment_id or next(iter(money.payment_ids if money else ()), None)
        if payment_id and payment_id != news.payment_id:
            loaded = self._known(payment_id, money_id)
        if news.notes and payment_id:
            return _notes(news.notes, loaded.payments[payment_id])
        places = (loaded.payments[payment_id] if payment_id else None, money)
        refunds = {r.refund_id: r.status for place in places if place for r in place.refunds}
        disputes = {d.dispute_id: d.status for place in places if place for d in place.disputes}
        foreign = loaded.payments[payment_id].foreign if payment_id else ()  # parked: they are another payment's
        pairs: list[tuple[object, object]] = [
            *((refunds.get(r.refund_id), r.status) for r in news.refunds if r.refund_id not in foreign),
            *((disputes.get(d.dispute_id), d.status) for d in news.disputes if d.dispute_id not in foreign),
        ]
        for known, now in pairs:
            if known is None:
                return Judged(Verdict.MISSING, str(now))
            if known != now:
                return Judged(Verdict.DIFFERENT, f"{known} here, {now} there")
        return _FINE if payment_id else self._waiting(news)

    def _subscription(self, news: SubscriptionNews) -> Judged:
        """It stands here as it does there. One that nothing was paid by, and nothing waits for, is none of the ledger's
        business."""
        state = self.context.load(Wanted(subscription=news.subscription)).subscription
        if state.account not in ("", news.account) or not (state.payments or state.waiting or state.periods):
            return _FINE
        here = SubscriptionStatus.ENDED if state.ended_at else state.status
        if here is not news.status:
            return Judged(Verdict.DIFFERENT, f"{here} here, {news.status} there")
        if state.waiting and state.status_at is None:
            return Judged(Verdict.MISSING, "a payment waits to hear of it")
        return _FINE

    def _known(self, payment_id: str | None, money_id: str | None) -> Loaded:
        payments, money = ((payment_id,) if payment_id else ()), ((money_id,) if money_id else ())
        return self.context.load(Wanted(payments=payments, money=money))

    def _waiting(self, news: MoneyBack) -> Judged:
        """News of money wait for their payment; they must not where Stripe can tell which it is and it is known."""
        for behind in payments_behind(self.api, news):
            if self._known(behind.payment_id, None).payments[behind.payment_id].version:
                return Judged(Verdict.DIFFERENT, f"waits for {behind.payment_id}")
        return _FINE


def _leaves_a_record(decision: LineDecision) -> bool:
    """Whether a line grants, or says why it grants nothing of the credits that were paid for."""
    return decision.fate not in _NOTHING_TO_GRANT or (decision.line.amount > 0 and bool(decision.credits))


def _notes(stated: Iterable[CreditNote], record: PaymentRecord) -> Judged:
    """The payment has heard of its credit notes as they are. How their refunds stand is theirs to say."""
    known = {note.note_id: note for note in record.notes}
    for note in stated:
        here = known.get(note.note_id)
        if here is None and not note.voided:
            return Judged(Verdict.MISSING, _said(note))
        if here and _said(here) != _said(note):
            return Judged(Verdict.DIFFERENT, f"{_said(here)} here, {_said(note)} there")
    return _FINE


def _said(note: CreditNote) -> str:
    """What matters of a credit note."""
    return "voided" if note.voided else f"{note.total} with {len(note.refunds)} refunds"


def _as_parked(parked: Parked) -> Judged:
    """What waits for staff is parked; what they resolved or dismissed is as it should be."""
    return _FINE if parked.is_closed else Judged(Verdict.PARKED, parked.reason)
