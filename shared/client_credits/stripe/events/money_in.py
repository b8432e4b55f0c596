"""Money that came in: Stripe's paid checkout sessions and invoices, and what paid them.

Owns which of them grants, whose it is and what it bought; the paths inside invoices are in `stripe_shapes`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import (
    CustomerLink,
    Facts,
    Ignored,
    Payment,
    PaymentLine,
    PaymentMade,
)
from client_credits.stripe.events import shapes, values
from client_credits.stripe.events.counting import counted
from client_credits.stripe.events.frame import Event, customer_of
from client_credits.stripe.events.shapes import QuantityNotWhole
from client_credits.stripe.events.values import Fields, Unreadable

NO_CURRENCY = "xxx"  # ISO 4217's code for "no currency"

THRESHOLD = "subscription_threshold"  # an invoice within a cycle, because enough was used


# Checkout sessions


def session(event: Event) -> Facts:
    about = event.about
    mode = values.text(about, "mode")
    if mode == "setup":
        return Ignored(event.event_id, "nothing_paid")
    if mode == "subscription":
        return _customer_link(event)
    if mode != "payment":
        raise Unreadable
    status = values.text(about, "payment_status")
    if status == "unpaid":
        return Ignored(event.event_id, "not_yet_paid")
    if status not in ("paid", "no_payment_required"):
        raise Unreadable
    invoiced = values.flag(values.child(about, "invoice_creation"), "enabled")
    if invoiced or values.reference(about, "invoice"):
        return _customer_link(event)
    return _one_off(event)


def _customer_link(event: Event) -> Facts:
    """A session whose invoice grants: it can still tell whose the customer and subscription are."""
    customer, client_id = customer_of(event.about), _session_client(event.about)
    subscription = values.reference(event.about, "subscription")
    if client_id and (customer or subscription):
        return CustomerLink(event.event_id, customer, client_id, subscription)
    return Ignored(event.event_id, "its_invoice_grants")


def _one_off(event: Event) -> Facts:
    about = event.about
    session_id = values.required(values.reference(about, "id"))
    customer = customer_of(about)
    try:
        lines = _session_lines(about)
    except QuantityNotWhole:
        return event.parked("quantity_not_whole", session_id, customer)
    if not lines:
        return event.incomplete("line_items_not_in_event", session_id, customer)
    return Payment(
        payment_id=session_id,
        account=event.account,
        mode=event.mode,
        event_id=event.event_id,
        # A session has no instant of its payment; its event is made when it completes.
        paid_at=event.occurred_at,
        customer=customer,
        client_id=_session_client(about),
        subscription=None,
        payment_intent=values.reference(about, "payment_intent"),
        lines=lines,
        paid=_session_paid(about),
    )


def _session_lines(session: Fields) -> tuple[PaymentLine, ...]:
    """What was bought: the items, where the event has them all, else the package it names, once.

    Stripe's own webhooks never carry the items. Empty when the event does not tell.
    """
    package_id = _first_named("package_id", _session_metadata(session))
    if session.get("line_items") is not None:
        items, more = values.page(session, "line_items")
        if items and not more:
            named = _line_of_package(items)
            return _distinct(_session_item(item, session, package_id if item is named else None) for item in items)
    if not package_id:
        return ()
    # Stripe may leave both amounts null. Then the value is unknown, but the credits are not.
    total = "amount_total" if session.get("amount_subtotal") is None else "amount_subtotal"
    return (
        PaymentLine(
            line_id=package_id,
            price=None,
            quantity=1,
            amount=0 if session.get(total) is None else values.amount(session, total),
            currency=values.currency_of(session, {"currency": NO_CURRENCY}),
            package_id=package_id,
        ),
    )


def _session_paid(session: Fields) -> int:
    """Minor units of the whole session; 0 where Stripe leaves both amounts null."""
    total = values.unsigned_amount(session, "amount_total")
    return (values.unsigned_amount(session, "amount_subtotal") if total is None else total) or 0


def _session_item(item: Fields, session: Fields, package_id: str | None) -> PaymentLine:
    return PaymentLine(
        line_id=values.required(values.reference(item, "id")),
        price=shapes.price_of(item),
        quantity=_one_or(shapes.quantity_of(item)),
        amount=shapes.amount_of(item),
        currency=values.currency_of(item, session),
        package_id=package_id,
    )


def _one_or(quantity: int | None) -> int:
    return 1 if quantity is None else quantity


def _session_metadata(session: Fields) -> Iterator[Fields]:
    yield values.metadata(values.expanded(session, "invoice"))
    yield values.metadata(values.expanded(session, "subscription"))
    yield values.metadata(session)
    yield values.metadata(values.expanded(session, "customer"))


def _session_client(session: Fields) -> str | None:
    by_reference = values.text(session, "client_reference_id")
    named = _first_named("client_id", _session_metadata(session))
    return named or (by_reference if is_id(by_reference) else None)


# Invoices


def invoice(event: Event) -> Facts:
    """A paid invoice. What each of its lines is follows from the line, never from why the invoice was made."""
    about = event.about
    invoice_id = values.required(values.reference(about, "id"))
    lines, lines_missing = values.page(about, "lines")
    prices = tuple(dict.fromkeys(filter(None, map(shapes.price_of, lines))))
    told = (invoice_id, customer_of(about), prices)
    if values.text(about, "status") not in (None, "paid"):
        return event.parked("not_paid", *told)
    if not lines and not lines_missing:
        return Ignored(event.event_id, "no_lines")
    try:
        paid = _paid_invoice(event, lines, lines_missing)
    except QuantityNotWhole:
        return event.parked("quantity_not_whole", *told)
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
    named, package_id = _line_of_package(lines), _first_named("package_id", sources)
    paid_at = values.instant(values.child(about, "status_transitions"), "paid_at")
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
        client_id=_first_named("client_id", sources),
        subscription=subscription,
        payment_intent=shapes.paid_by(about, "payment_intent"),
        lines=tuple(replace(line, within_cycle=line.line_id in used) for line in bought),
        lines_missing=lines_missing,
        paid=shapes.paid_amount(about),
        charge=shapes.paid_by(about, "charge"),
    )


def _invoice_metadata(invoice: Fields, lines: list[Fields]) -> Iterator[Fields]:
    """Where a client or package may be named, in the order that counts."""
    yield values.metadata(invoice)
    yield from shapes.subscription_metadata(invoice)
    # A subscription line's metadata is its subscription's; an invoice item's is its own.
    yield from (values.metadata(line) for line in lines if shapes.is_subscription_line(line))
    yield values.metadata(values.expanded(invoice, "customer"))


def invoice_payment(event: Event) -> Facts:
    """What paid an invoice. An invoice may have several payments, and each has its event."""
    about = event.about
    invoice_id = values.required(values.reference(about, "invoice"))
    payment = values.child(about, "payment")
    payment_intent, charge = values.reference(payment, "payment_intent"), values.reference(payment, "charge")
    if payment_intent or charge:
        return PaymentMade(event.event_id, event.account, event.mode, invoice_id, payment_intent, charge)
    out_of_band = values.text(payment, "type") == "payment_record"
    return Ignored(event.event_id, "paid_out_of_band" if out_of_band else "payment_not_named")


# Both


def _line_of_package(lines: list[Fields]) -> Fields | None:
    """The line that stands for the package a payment names beside its lines.

    Only a payment without any price needs it, and it bought that package once: the dearest line
    carries it (the first of equals), and others stay unexplained rather than grant it again.
    """
    regular = [line for line in lines if not shapes.is_proration(line)]
    if not regular or any(map(shapes.price_of, regular)):
        return None
    return max(regular, key=shapes.amount_of)


def _first_named(name: str, sources: Iterable[Fields]) -> str | None:
    """The first value of `name` that can be an id; anything else counts as absent."""
    given = (source.get(name) for source in sources)
    return next((v for v in given if isinstance(v, str) and is_id(v)), None)


def _distinct(lines: Iterable[PaymentLine]) -> tuple[PaymentLine, ...]:
    """The lines, each with an id of its own: a grant is named by it."""
    found = tuple(lines)
    _check_distinct(found)
    return found


def _check_distinct(lines: Iterable[PaymentLine]) -> None:
    named = [line.line_id for line in lines]
    if len(set(named)) != len(named):
        raise Unreadable
