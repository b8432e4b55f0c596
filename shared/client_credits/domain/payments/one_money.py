"""A payment intent of the practice's own and the session or invoice that it paid: one sale, granted once.

Either may be heard first. Of each package the larger of their counts is granted: what the one that is heard
later lacks. All of it stands in one record, the home, so that money given back finds all of it; the other
payment's record says where that is (`within`). Which lines a credit note names says nothing of what an intent
granted: there it counts for the sale as a whole.

An invoice of newer versions does not name its intent. Where both were granted before that was heard, the
intent's grants are taken back (`absorbed`), and what it sold beyond the invoice is granted at the invoice.
"""

from dataclasses import replace

from client_credits.domain.payments.facts import Payment
from client_credits.domain.payments.folding import all_heard
from client_credits.domain.payments.money import Money
from client_credits.domain.payments.payment_record import PaymentRecord

PAID_BY_INVOICE = "paid_by_invoice"  # why an intent's grants should not have counted


def home_of(payment: Payment, own: PaymentRecord, money: Money | None) -> str:
    """The payment whose record holds what this one grants; its own id but for the second of one sale."""
    if own.within or own.grants:
        return own.within or own.payment_id
    paid = money.payment_ids if money else ()
    if payment.is_own_intent and paid:
        return paid[0]
    return payment.payment_intent if payment.payment_intent in paid else payment.payment_id


def sold_units(record: PaymentRecord, package_id: str) -> int:
    """How often the package was granted by all payments of the record."""
    return max(record.sold.get(package_id, 0), record.sold_by_intent.get(package_id, 0))


def with_sold(record: PaymentRecord, package_id: str, units: int, *, by_intent: bool) -> tuple[PaymentRecord, int]:
    """The record once a payment stated `units` of a package, and how many of them it lacked, 0..units."""
    counts = record.sold_by_intent if by_intent else record.sold
    counts = {**counts, package_id: counts.get(package_id, 0) + units}
    after = replace(record, sold_by_intent=counts) if by_intent else replace(record, sold=counts)
    return after, sold_units(after, package_id) - sold_units(record, package_id)


def joined(home: PaymentRecord, own: PaymentRecord) -> tuple[PaymentRecord, PaymentRecord]:
    """The home with all that was heard of a payment that granted nothing itself, and that payment's record."""
    assert not own.grants and own.payment_id != home.payment_id
    return all_heard(home, own), replace(own, within=home.payment_id)


def absorbed(invoice: PaymentRecord, intent: PaymentRecord) -> tuple[PaymentRecord, PaymentRecord]:
    """Both records once it is known that the intent, granted already, paid the invoice, granted as well.

    The intent's grants are taken back. What it sold beyond the invoice stays counted with it, to be granted at
    the invoice.
    """
    shared = {p: min(n, invoice.sold.get(p, 0)) for p, n in intent.sold_by_intent.items()}
    counts = {p: invoice.sold_by_intent.get(p, 0) + n for p, n in shared.items()}
    beyond = {p: n - shared[p] for p, n in intent.sold_by_intent.items() if n > shared[p]}
    home = replace(all_heard(invoice, intent), sold_by_intent={**invoice.sold_by_intent, **counts})
    return home, replace(intent, within=invoice.payment_id, revoked=PAID_BY_INVOICE, sold_by_intent=beyond)
