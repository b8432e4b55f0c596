"""A payment intent of the practice's own that turns out to have paid an invoice: both are one sale.

Owns what follows from being heard so late. What either grants when it comes second is `grant`'s.
"""

from datetime import datetime

from client_credits.domain.payments.facts import Payment, PaymentLine, PaymentMade
from client_credits.domain.payments.money import money_of
from client_credits.domain.payments.one_money import BEYOND, absorbed, beside, joined, paying, with_less_by_intent
from client_credits.domain.payments.payment_record import PaymentRecord, is_of
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.payments import following, money_back
from client_credits.operations.payments.paying import pay
from client_credits.store import writes
from client_credits.store.records import Wanted

NO_CURRENCY = "xxx"  # ISO 4217's code for "no currency"


def apply_payment_made(context: Context, made: PaymentMade) -> str:
    """Learns which money paid a payment; what had waited for it takes effect.

    Where an intent of the practice's own paid it, what both granted is brought to what one sale grants. Safe to
    repeat: a worker that died in between is completed.
    """
    intent = made.payment_intent
    if intent is None or not once(lambda: _is_one_sale(context, made, intent)):
        outcome = money_back.apply_payment_made(context, made)
        _own_less(context, made)
        return outcome
    of_intent = context.load(Wanted(payments=(intent,))).payments[intent]
    following.follow(context, intent)
    if of_intent.within == made.payment_id:
        following.follow(context, made.payment_id)
        for package_id, units in sorted(of_intent.sold_by_intent.items()):
            pay(context, _beyond(of_intent, package_id, units))
    return "linked"


def _is_one_sale(context: Context, made: PaymentMade, intent: str) -> bool:
    """Whether the intent was granted as a sale of its own; then both records say where the grants stand."""
    money_id = money_of(made) or intent
    loaded = context.load(Wanted(payments=(made.payment_id, intent), money=(money_id,)))
    money, invoice, of_intent = loaded.money[money_id], loaded.payments[made.payment_id], loaded.payments[intent]
    if not of_intent.grants or not all(is_of(record, made.account) for record in (invoice, of_intent)):
        return False
    if invoice.within or of_intent.within == made.payment_id:
        return True
    if intent not in money.payment_ids:
        return False
    if invoice.grants:
        home, gone = absorbed(invoice, of_intent, made.amount)
        moved = writes.money(context.practice_id, paying(money, home.payment_id, intent, made.amount))
        context.commit([writes.payment(context.practice_id, home), writes.payment(context.practice_id, gone), moved])
    else:
        home, own = joined(of_intent, invoice)
        context.commit([writes.payment(context.practice_id, home), writes.payment(context.practice_id, own)])
    return True


def _own_less(context: Context, made: PaymentMade) -> None:
    """An intent that was sold with another payment of its money owns no more what this one sold too. Safe to repeat."""

    def attempt() -> str | None:
        intent = made.payment_intent or ""
        home_id = context.load(Wanted(payments=(intent,))).payments[intent].within if intent else None
        if home_id is None or home_id == made.payment_id:
            return None
        home = context.load(Wanted(payments=(home_id,))).payments[home_id]
        named = beside(home, None, None)
        others = tuple(context.load(Wanted(payments=named)).payments.values()) if named else ()
        less = with_less_by_intent(home, others, intent, made.at or context.now, made.payment_id)
        if less != home:
            context.commit([writes.payment(context.practice_id, less)])
        return home_id

    if home_id := once(attempt):
        following.follow(context, home_id)


def _beyond(of_intent: PaymentRecord, package_id: str, units: int) -> Payment:
    """What the intent sold beyond the invoice that it paid. The invoice was charged for all of it."""
    line = PaymentLine(f"{package_id}{BEYOND}", None, units, 0, NO_CURRENCY, package_id=package_id)
    return Payment(
        payment_id=of_intent.payment_id,
        account=of_intent.account,
        mode=of_intent.mode,
        event_id=of_intent.payment_id,
        paid_at=_paid_at(of_intent),
        customer=None,
        client_id=of_intent.grants[0].client_id,
        subscription=None,
        payment_intent=of_intent.payment_id,
        lines=(line,),
    )


def _paid_at(record: PaymentRecord) -> datetime:
    assert record.paid_at is not None, "a payment that granted says when it was paid"
    return record.paid_at
