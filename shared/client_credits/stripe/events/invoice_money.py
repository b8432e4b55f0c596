"""What paid an invoice, in every shape: money, the customer's balance, and credit notes in place of either.

Owns how the amounts of an invoice become what the domain calls paid; its lines are in `shapes`.
"""

from dataclasses import dataclass

from client_credits.domain.payments.facts import PaidWith
from client_credits.stripe.events import values
from client_credits.stripe.events.values import Fields


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of one invoice, in minor units, 0 or more. `paid` includes `by_balance`, nothing else."""

    paid: int
    by_balance: int
    overpaid: int
    credited_before: int
    credited_after: int


def amounts(invoice: Fields) -> Amounts:
    """What money and the customer's balance paid of the invoice's total, tax included, and what was beside that.

    Beyond it goes what was overpaid, and what paid an older debt of the customer's balance.
    """
    total = None if invoice.get("total") is None else max(0, values.amount(invoice, "total"))
    before = values.unsigned_amount(invoice, "pre_payment_credit_notes_amount") or 0
    by_balance = _by_balance(invoice, total)
    stated = values.unsigned_amount(invoice, "amount_paid")
    owed = (stated or 0) if total is None else max(0, total - by_balance - before)
    if stated is None or values.flag(invoice, "paid_out_of_band"):  # older shapes tell no amount for that
        stated = max(stated or 0, owed)
    by_money = min(stated, owed)
    return Amounts(
        paid=by_money + by_balance,
        by_balance=by_balance,
        overpaid=max(values.unsigned_amount(invoice, "amount_overpaid") or 0, stated - by_money),
        credited_before=before,
        credited_after=values.unsigned_amount(invoice, "post_payment_credit_notes_amount") or 0,
    )


def _by_balance(invoice: Fields, total: int | None) -> int:
    """What was taken from the customer's balance. It is below zero where the customer has credit."""
    if invoice.get("starting_balance") is None:
        return 0
    ends = None if invoice.get("ending_balance") is None else values.amount(invoice, "ending_balance")
    taken = max(0, (ends or 0) - values.amount(invoice, "starting_balance"))
    return taken if total is None else min(taken, total)


def paid_with(invoice: Fields) -> tuple[PaidWith, ...]:
    """Every money that paid it, where its payments are listed: from basil on, and only when expanded."""
    if invoice.get("payments") is None:
        return ()
    payments, _ = values.page(invoice, "payments")
    paid = [money(row) for row in payments if values.text(row, "status") == "paid"]
    return tuple(each for each in paid if each.payment_intent or each.charge)


def money(invoice_payment: Fields) -> PaidWith:
    """The money of one payment of an invoice, by all names that are stated, and what it paid.

    A payment record, for money outside of Stripe, goes by its id like a charge.
    """
    payment = values.child(invoice_payment, "payment")
    intent = values.expanded(payment, "payment_intent")
    charge = values.reference(payment, "charge") or values.reference(intent, "latest_charge")
    return PaidWith(
        payment_intent=values.reference(payment, "payment_intent"),
        charge=charge or values.reference(payment, "payment_record"),
        amount=values.unsigned_amount(invoice_payment, "amount_paid"),
    )
