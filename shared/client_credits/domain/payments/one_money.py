"""A payment intent of the practice's own and the session or invoices that it paid: one sale, granted once.

Either may be heard first. Of each package the larger of their counts is granted: what the one that is heard
later lacks. All of it stands in one record, the home, so that money given back finds all of it; the other
payment's record says where that is (`within`). Which lines a credit note names says nothing of what an intent
granted: there it counts for the sale as a whole.

An invoice of newer versions does not name its intent. Where both were granted before that was heard, the
intent's grants are taken back (`absorbed`), and what it sold beyond the invoice is granted at the invoice. Of
several invoices each keeps what it granted by itself; the intent owns what all of them lack (`with_less_by_intent`).
"""

from dataclasses import replace
from datetime import datetime

from client_credits.domain.payments.facts import Payment
from client_credits.domain.payments.folding import all_heard
from client_credits.domain.payments.money import Money, Share
from client_credits.domain.payments.payment_record import PaymentRecord

BEYOND = ":beyond"  # behind the line of what an intent sold beyond the invoice that it paid
PAID_BY_INVOICE = "paid_by_invoice"  # why an intent's grants should not have counted


def home_of(payment: Payment, own: PaymentRecord, money: Money | None) -> str:
    """The payment whose record holds what this one grants; its own id but for the second of one sale."""
    if own.within or own.grants:
        return own.within or own.payment_id
    paid = money.payment_ids if money else ()
    if payment.is_own_intent and paid:
        return paid[0]
    return payment.payment_intent if payment.payment_intent in paid else payment.payment_id


Records = tuple[PaymentRecord, ...]


def beside(home: PaymentRecord, own: PaymentRecord | None, money: Money | None) -> tuple[str, ...]:
    """The other payments of the same money, whose records have grants of their own."""
    known = [*home.paid_by, *(own.paid_by if own else ())]
    shares = [*(money.shares if money else ()), *(share for each in known for share in each.shares)]
    not_beside = {home.payment_id, own.payment_id if own else ""}
    return tuple(sorted({share.payment_id for share in shares if not share.detached} - not_beside))


def sold_units(records: Records, package_id: str) -> int:
    """How often the package was granted by all payments of one money."""
    by_others = sum(record.sold.get(package_id, 0) for record in records)
    by_intent = sum(record.sold_by_intent.get(package_id, 0) for record in records)
    return max(by_others, by_intent)


def with_sold(
    record: PaymentRecord, package_id: str, units: int, others: Records = (), *, by_intent: bool
) -> tuple[PaymentRecord, int]:
    """The record once a payment stated `units` of a package, and how many of them it lacked, 0..units. `others` are
    the records of the other payments of the same money."""
    counts = _with(record.sold_by_intent if by_intent else record.sold, package_id, units)
    after = replace(record, sold_by_intent=counts) if by_intent else replace(record, sold=counts)
    lacked = min(units, max(0, sold_units((after, *others), package_id) - _granted((record, *others), package_id)))
    if by_intent:
        return replace(after, beyond=_with(record.beyond, package_id, lacked)), lacked
    covered = units - lacked
    return replace(after, covered=_with(record.covered, package_id, covered)) if covered else after, lacked


def with_less_by_intent(home: PaymentRecord, others: Records, intent: str, at: datetime, by: str) -> PaymentRecord:
    """The intent's home once another payment of its money is known: what that one sold too, the intent owns no more.

    `by` is that payment, known at an instant.
    """
    owned = {p: min(units, _owned_by_intent((home, *others), p)) for p, units in home.beyond.items()}
    if owned == home.beyond:
        return home
    names = {f"{intent}:{p}{behind}": p for p in home.beyond for behind in ("", BEYOND)}
    before = {name: max(1, home.beyond[p]) for name, p in names.items()}
    grants = tuple(
        replace(grant, owned=(grant.owned or 0) * owned[names[grant.line_id]] // before[grant.line_id])
        if grant.line_id in names
        else grant
        for grant in home.grants
    )
    reckoned = tuple(dict.fromkeys((*home.reckoned, (at, by))))
    return replace(home, grants=grants, beyond=owned, reckoned=reckoned)


def _owned_by_intent(records: Records, package_id: str) -> int:
    """How many the intent owns of what all payments of its money sold: those that no other granted."""
    by_intent = sum(each.beyond.get(package_id, 0) for each in records)
    return max(0, sold_units(records, package_id) - (_granted(records, package_id) - by_intent))


def _granted(records: Records, package_id: str) -> int:
    """How many were granted by payments of one money."""
    by_others = sum(each.sold.get(package_id, 0) - each.covered.get(package_id, 0) for each in records)
    return by_others + sum(each.beyond.get(package_id, 0) for each in records)


def _with(counts: dict[str, int], package_id: str, units: int) -> dict[str, int]:
    return {**counts, package_id: counts.get(package_id, 0) + units}


def joined(home: PaymentRecord, own: PaymentRecord) -> tuple[PaymentRecord, PaymentRecord]:
    """The home with all that was heard of a payment that granted nothing itself, and that payment's record."""
    assert not own.grants and own.payment_id != home.payment_id
    return all_heard(home, own), replace(own, within=home.payment_id)


def absorbed(invoice: PaymentRecord, intent: PaymentRecord, amount: int | None) -> tuple[PaymentRecord, PaymentRecord]:
    """Both records once it is known that the intent, granted already, paid the invoice, granted as well: `amount` of
    it, in minor units, where that is stated.

    The intent's grants are taken back. What was sold by it, or with it, beyond the invoice stays counted with it, to
    be granted at the invoice.
    """
    home = all_heard(invoice, intent)
    home = replace(home, paid_by=tuple(replace(p, shares=_of(p.shares, home.payment_id, amount)) for p in home.paid_by))
    beyond: dict[str, int] = {}
    for package_id in sorted({*intent.sold, *intent.sold_by_intent}):
        sold, own = intent.sold.get(package_id, 0), invoice.sold.get(package_id, 0)
        by_intent = intent.sold_by_intent.get(package_id, 0)
        more = max(by_intent, sold + own) - own
        home = replace(
            home,
            sold=_with(home.sold, package_id, sold) if sold else home.sold,
            covered=_with(home.covered, package_id, sold) if sold else home.covered,
            # What is granted beyond the invoice counts once it is granted.
            sold_by_intent=_with(home.sold_by_intent, package_id, by_intent - more),
        )
        if more:
            beyond[package_id] = more
    return home, replace(intent, within=invoice.payment_id, revoked=PAID_BY_INVOICE, sold_by_intent=beyond)


def with_more_paid(home: PaymentRecord, paid: int) -> PaymentRecord:
    """The home once a further invoice of its money is part of it, for which so much was paid beside."""

    def more(share: Share) -> Share:
        own = share.payment_id == home.payment_id and share.amount is not None
        return replace(share, amount=(share.amount or 0) + paid) if own else share

    paid_by = tuple(replace(each, shares=tuple(map(more, each.shares))) for each in home.paid_by)
    return replace(home, paid=home.paid + paid, paid_by=paid_by)


def paying(money: Money, payment_id: str, instead_of: str, amount: int | None) -> Money:
    """The money once another payment holds what it paid of one: `amount` of it, where that is stated."""
    moved = money.paying(payment_id, instead_of)
    return replace(moved, shares=_of(moved.shares, payment_id, amount))


def _of(shares: tuple[Share, ...], payment_id: str, amount: int | None) -> tuple[Share, ...]:
    return tuple(
        replace(share, amount=amount) if share.payment_id == payment_id and amount is not None else share
        for share in shares
    )
