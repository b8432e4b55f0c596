"""Money that came in by invoices: Stripe's paid invoices, and what paid them.

Owns which of them grants, whose it is and what it bought; the paths inside invoices are in `shapes`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from client_credits.domain.payments.facts import (
    Facts,
    Ignored,
    Payment,
    PaymentLine,
    PaymentMade,
)
from client_credits.stripe.events import invoice_money, shapes, values
from client_credits.stripe.events.counting import counted
from client_credits.stripe.events.frame import Event, customer_of
from client_credits.stripe.events.shapes import QuantityNotWhole
from client_credits.stripe.events.values import Fields, Unreadable

DETACHED = "invoice_payment.detached"
THRESHOLD = "subscription_threshold"  # an invoice within a cycle, because enough was used


# Invoices


def invoice(event: Event) -> Facts:
    """A paid invoice. What each of its lines is follows from the line, never from why the invoice was made."""
    about = event.about
    invoice_id = values.required(values.reference(about, "id"))
    lines, lines_missing = values.page(about, "lines")
    prices = tuple(dict.fromkeys(filter(None, map(shapes.price_of, lines))))
    known = (invoice_id, customer_of(about), prices)
    if values.text(about, "status") not in (None, "paid"):
        return event.parked("not_paid", *known)
    if not lines and not lines_missing:
        return Ignored(event.event_id, "no_lines")
    try:
        paid = _paid_invoice(event, lines, lines_missing)
    except QuantityNotWhole:
        return event.parked("quantity_not_whole", *known)
    if paid.lines or lines_missing:
        return paid
    return Ignored(event.event_id, "nothing_bought")


def _within_cycle(event: Event, line: Fields) -> bool:
    """Whether a line bills use so far: a threshold's does, unless it starts a new period."""
    of_cycle = shapes.is_subscription_line(line) and not shapes.is_proration(line)
    if values.text(event.about, "billing_reason") != THRESHOLD or not of_cycle:
        return False
    return not shapes.begins_period(line, values.instant(event.about, "created") or event.occurred_at)


def _paid_invoice(event: Event, lines: list[Fields], lines_missing: bool) -> Payment:
    about = event.about
    sources = list(_invoice_metadata(about, lines))
    named, package_id = _line_of_package(lines), values.first_named("package_id", sources)
    paid_at = values.instant(values.child(about, "status_transitions"), "paid_at")
    amounts = invoice_money.amounts(about)
    subscription = shapes.subscription_of(about, lines)
    read = [shapes.invoice_line(line, about, subscription, package_id if line is named else None) for line in lines]
    _check_distinct(each.line for each in read)
    used = {each.line.line_id for each, line in zip(read, lines, strict=True) if _within_cycle(event, line)}
    bought = counted(read, complete=not lines_missing)
    return Payment(
        payment_id=values.required(values.reference(about, "id")),
        account=event.account,
        mode=event.mode,
        event_id=event.event_id,
        paid_at=paid_at or event.occurred_at,
        customer=customer_of(about),
        client_id=values.first_named("client_id", sources),
        subscription=subscription,
        payment_intent=shapes.paid_by(about, "payment_intent"),
        lines=tuple(replace(line, within_cycle=line.line_id in used) for line in bought),
        lines_missing=lines_missing,
        paid=amounts.paid,
        charge=shapes.paid_by(about, "charge"),
        by_balance=amounts.by_balance,
        overpaid=amounts.overpaid,
        credited_before=amounts.credited_before,
        credited_after=amounts.credited_after,
        paid_with=invoice_money.paid_with(about),
    )


def _invoice_metadata(invoice: Fields, lines: list[Fields]) -> Iterator[Fields]:
    """Where a client or package may be named, in the order that counts."""
    yield values.metadata(invoice)
    yield from shapes.subscription_metadata(invoice)
    # A subscription line's metadata is its subscription's; an invoice item's is its own.
    yield from (values.metadata(line) for line in lines if shapes.is_subscription_line(line))
    yield values.metadata(values.expanded(invoice, "customer"))


def invoice_payment(event: Event) -> Facts:
    """What paid an invoice, or was detached from it. An invoice may have several payments, and each has its event."""
    about = event.about
    paid_with = invoice_money.money(about)
    if not (paid_with.payment_intent or paid_with.charge):
        return Ignored(event.event_id, "payment_not_named")
    return PaymentMade(
        event_id=event.event_id,
        account=event.account,
        mode=event.mode,
        payment_id=values.required(values.reference(about, "invoice")),
        payment_intent=paid_with.payment_intent,
        charge=paid_with.charge,
        amount=paid_with.amount,
        at=event.created or values.instant(about, "created"),
        detached=event.kind == DETACHED,
    )


def _line_of_package(lines: list[Fields]) -> Fields | None:
    """The line that stands for the package a payment names beside its lines.

    Only a payment without any price needs it, and it bought that package once: the dearest line
    carries it (the first of equals), and others stay unexplained rather than grant it again.
    """
    regular = [line for line in lines if not shapes.is_proration(line)]
    if not regular or any(map(shapes.price_of, regular)):
        return None
    return max(regular, key=shapes.amount_of)


def _check_distinct(lines: Iterable[PaymentLine]) -> None:
    named = [line.line_id for line in lines]
    if len(set(named)) != len(named):
        raise Unreadable
