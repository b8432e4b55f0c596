"""Stripe's events in the domain's words.

With `stripe_shapes` the only code that knows Stripe's field names. It reads one event as it came,
asks nobody for more, and never raises: what cannot be turned into a fact is `Unsupported`, to be
parked, and what changes nothing is `Ignored` with its reason.

What grants: `invoice.paid` for subscriptions and invoices, `checkout.session.completed` for one-off
purchases without an invoice. Each payment has exactly one event that grants it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal

from client_credits import stripe_shapes as shapes
from client_credits import stripe_values as values
from client_credits.domain.ids import is_id
from client_credits.domain.payments import (
    CustomerLink,
    Facts,
    Ignored,
    Payment,
    PaymentKind,
    PaymentLine,
    Unsupported,
)
from client_credits.stripe_shapes import QuantityNotWhole
from client_credits.stripe_values import Fields, Unreadable

Mode = Literal["test", "live"]

CHECKOUT_COMPLETED = "checkout.session.completed"
CHECKOUT_PAID_LATER = "checkout.session.async_payment_succeeded"  # the same session, paid at last
INVOICE_PAID = "invoice.paid"
INVOICE_PAID_TWIN = "invoice.payment_succeeded"  # the same payment again, but not out-of-band ones

NO_CURRENCY = "xxx"  # ISO 4217's code for "no currency"
OWN_ACCOUNT = "own"  # the account of events that name none: the practice's own

INVOICE_KINDS = {
    "subscription_create": PaymentKind.FIRST,
    "subscription_cycle": PaymentKind.CYCLE,
    "manual": PaymentKind.MANUAL,
}


@dataclass(frozen=True, slots=True)
class _Event:
    """What every event says about itself, and the object it is about."""

    event_id: str
    account: str
    mode: Mode
    created: datetime | None
    about: Fields


def translate(event: object, mode: Mode) -> Facts:
    """What a decoded event body says, on a stack that serves `mode`. Never raises."""
    event_id = _event_id(event)
    try:
        return _translate(values.fields(event), event_id, mode)
    except Unreadable:
        return _unsupported(event_id, "not_understood", event)


def _translate(event: Fields, event_id: str, mode: Mode) -> Facts:
    kind = values.required(values.text(event, "type"))
    if not isinstance(event.get("livemode"), bool):
        raise Unreadable
    if event["livemode"] is not (mode == "live"):
        return Ignored(event_id, "other_mode")
    thin = event.get("object") == "v2.core.event"
    if kind.removeprefix("v1.") == INVOICE_PAID_TWIN:
        return Ignored(event_id, "twin_of_invoice_paid")
    if kind.removeprefix("v1.") not in _OBJECTS:
        return Ignored(event_id, "type_not_handled")
    if thin or kind.startswith("v1."):
        return _unsupported(event_id, "thin_event", event)
    return _money_in(kind, _read(event, event_id, mode))


def _read(event: Fields, event_id: str, mode: Mode) -> _Event:
    if event.get("object") != "event":
        raise Unreadable
    return _Event(
        event_id=event_id,
        account=values.reference(event, "account") or OWN_ACCOUNT,
        mode=mode,
        created=values.instant(event, "created"),
        about=values.child(event, "data", "object"),
    )


def _money_in(kind: str, event: _Event) -> Facts:
    if event.about.get("object") not in (None, _OBJECTS[kind]):
        raise Unreadable
    return _invoice(event) if kind == INVOICE_PAID else _session(event)


_OBJECTS = {
    CHECKOUT_COMPLETED: "checkout.session",
    CHECKOUT_PAID_LATER: "checkout.session",
    INVOICE_PAID: "invoice",
}


# Checkout sessions


def _session(event: _Event) -> Facts:
    session = event.about
    mode = values.text(session, "mode")
    if mode == "setup":
        return Ignored(event.event_id, "nothing_paid")
    if mode == "subscription":
        return _customer_link(event)
    if mode != "payment":
        raise Unreadable
    status = values.text(session, "payment_status")
    if status == "unpaid":
        return Ignored(event.event_id, "not_yet_paid")
    if status not in ("paid", "no_payment_required"):
        raise Unreadable
    invoiced = values.flag(values.child(session, "invoice_creation"), "enabled")
    if invoiced or values.reference(session, "invoice"):
        return _customer_link(event)
    return _one_off(event)


def _customer_link(event: _Event) -> Facts:
    """A session whose invoice grants: it can still tell whose the customer and subscription are."""
    customer, client_id = _customer(event.about), _session_client(event.about)
    subscription = values.reference(event.about, "subscription")
    if client_id and (customer or subscription):
        return CustomerLink(event.event_id, customer, client_id, subscription)
    return Ignored(event.event_id, "its_invoice_grants")


def _one_off(event: _Event) -> Facts:
    session = event.about
    session_id = values.required(values.reference(session, "id"))
    customer = _customer(session)
    try:
        lines = _session_lines(session)
    except QuantityNotWhole:
        return Unsupported(event.event_id, "quantity_not_whole", session_id, customer)
    if not lines:
        return Unsupported(event.event_id, "line_items_not_in_event", session_id, customer)
    return Payment(
        payment_id=session_id,
        kind=PaymentKind.CHECKOUT,
        account=event.account,
        mode=event.mode,
        event_id=event.event_id,
        # A session has no instant of its payment; its event is made when it completes.
        paid_at=values.required(event.created),
        customer=customer,
        client_id=_session_client(session),
        subscription=None,
        payment_intent=values.reference(session, "payment_intent"),
        lines=lines,
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


def _session_item(item: Fields, session: Fields, package_id: str | None) -> PaymentLine:
    return PaymentLine(
        line_id=values.required(values.reference(item, "id")),
        price=shapes.price_of(item),
        quantity=shapes.quantity_of(item),
        amount=shapes.amount_of(item),
        currency=values.currency_of(item, session),
        package_id=package_id,
    )


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


def _invoice(event: _Event) -> Facts:
    invoice = event.about
    invoice_id = values.required(values.reference(invoice, "id"))
    customer = _customer(invoice)
    lines, lines_missing = values.page(invoice, "lines")
    regular = [line for line in lines if not shapes.is_proration(line)]
    prices = tuple(dict.fromkeys(filter(None, map(shapes.price_of, regular))))

    def unsupported(reason: str) -> Unsupported:
        return Unsupported(event.event_id, reason, invoice_id, customer, prices)

    if values.text(invoice, "status") not in (None, "paid"):
        return unsupported("not_paid")
    if not regular and not lines_missing:
        return Ignored(event.event_id, "prorations_only" if lines else "no_lines")
    kind = INVOICE_KINDS.get(values.text(invoice, "billing_reason") or "")
    if kind is None:
        return unsupported("billing_reason_not_handled")
    try:
        return _paid_invoice(event, kind, lines, lines_missing)
    except QuantityNotWhole:
        return unsupported("quantity_not_whole")


def _paid_invoice(event: _Event, kind: PaymentKind, lines: list[Fields], lines_missing: bool) -> Payment:
    invoice = event.about
    subscription = shapes.subscription_of(invoice, lines)
    if kind is not PaymentKind.MANUAL:
        values.required(subscription)
    sources = list(_invoice_metadata(invoice, lines))
    named, package_id = _line_of_package(lines), _first_named("package_id", sources)
    first = kind is PaymentKind.FIRST
    paid_at = values.instant(values.child(invoice, "status_transitions"), "paid_at")
    return Payment(
        payment_id=values.required(values.reference(invoice, "id")),
        kind=kind,
        account=event.account,
        mode=event.mode,
        event_id=event.event_id,
        paid_at=values.required(paid_at or event.created),
        customer=_customer(invoice),
        client_id=_first_named("client_id", sources),
        subscription=subscription,
        payment_intent=shapes.payment_intent_of(invoice),
        lines=_distinct(
            shapes.invoice_line(line, invoice, first, package_id if line is named else None) for line in lines
        ),
        lines_missing=lines_missing,
    )


def _invoice_metadata(invoice: Fields, lines: list[Fields]) -> Iterator[Fields]:
    """Where a client or package may be named, in the order that counts."""
    yield values.metadata(invoice)
    yield from shapes.subscription_metadata(invoice)
    # A subscription line's metadata is its subscription's; an invoice item's is its own.
    yield from (values.metadata(line) for line in lines if shapes.is_subscription_line(line))
    yield values.metadata(values.expanded(invoice, "customer"))


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


def _customer(of: Fields) -> str | None:
    return values.reference(of, "customer") or values.reference(of, "customer_account")


def _distinct(lines: Iterable[PaymentLine]) -> tuple[PaymentLine, ...]:
    """The lines, each with an id of its own: a grant is named by it."""
    found = tuple(lines)
    if len({line.line_id for line in found}) != len(found):
        raise Unreadable
    return found


def _event_id(event: object) -> str:
    """The event's id, else one made of its content, so that a redelivery is known again."""
    given = event.get("id") if isinstance(event, dict) else None
    if isinstance(given, str) and is_id(given):
        return given
    try:
        content = json.dumps(event, sort_keys=True)
    except (RecursionError, TypeError, ValueError):
        return "unnamed"
    return "unnamed-" + sha256(content.encode()).hexdigest()[:32]


def _unsupported(event_id: str, reason: str, event: object) -> Unsupported:
    """An event parked whole, with what it shows of payment and customer for whoever looks."""
    try:
        body = values.fields(event)
        about = values.child(body, "related_object") or values.child(body, "data", "object")
        return Unsupported(event_id, reason, values.reference(about, "id"), _customer(about))
    except Unreadable:
        return Unsupported(event_id, reason)
