"""Money that came in through Checkout: paid sessions, whose they are and what they bought.

A session of a subscription, or one that makes an invoice, grants nothing: its invoice does. Stripe's own
webhooks never carry the items; an event that was completed has them all.
"""

import re
from collections.abc import Iterator

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.payments.facts import (
    CustomerLink,
    Facts,
    Ignored,
    Payment,
    PaymentLine,
    QuantityFrom,
)
from client_credits.domain.payments.references import client_of_reference
from client_credits.stripe.events import shapes, values
from client_credits.stripe.events.frame import Event, customer_of
from client_credits.stripe.events.shapes import QuantityNotWhole
from client_credits.stripe.events.values import Fields, Unreadable

NO_CURRENCY = "xxx"  # ISO 4217's code for "no currency"
_QUANTITY = re.compile(r"[0-9]{1,7}")


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
    customer, client_id = customer_of(event.about), _client(event.about)
    subscription = values.reference(event.about, "subscription")
    if client_id and (customer or subscription):
        return CustomerLink(event.event_id, customer, client_id, subscription)
    return Ignored(event.event_id, "its_invoice_grants")


def _one_off(event: Event) -> Facts:
    about = event.about
    session_id = values.required(values.reference(about, "id"))
    customer = customer_of(about)
    try:
        items, package = _items(about), _package(about)
    except QuantityNotWhole:
        return event.parked("quantity_not_whole", session_id, customer)
    if package is None and not items:
        return event.incomplete("line_items_not_in_event", session_id, customer)
    return Payment(
        payment_id=session_id,
        account=event.account,
        mode=event.mode,
        event_id=event.event_id,
        # A session has no instant of its payment; its event is made when it completes.
        paid_at=event.occurred_at,
        customer=customer,
        client_id=_client(about),
        subscription=None,
        payment_intent=values.reference(about, "payment_intent"),
        lines=(package,) if package else items,
        # What was offered beside the package may have been bought, too.
        lines_missing=bool(package and not items and values.rows(about, "optional_items")),
        paid=_paid(about),
        items=items if package else (),
    )


def _items(session: Fields) -> tuple[PaymentLine, ...]:
    """All items, each with an id of its own; none where the event does not have them all."""
    if session.get("line_items") is None:
        return ()
    rows, more = values.page(session, "line_items")
    items = () if more else tuple(_item(row, session) for row in rows)
    if len({item.line_id for item in items}) != len(items):
        raise Unreadable
    return items


def _item(item: Fields, session: Fields) -> PaymentLine:
    return PaymentLine(
        line_id=values.required(values.reference(item, "id")),
        price=shapes.price_of(item),
        quantity=_one_or(shapes.quantity_of(item)),
        amount=shapes.amount_of(item),
        currency=values.currency_of(item, session),
    )


def _one_or(quantity: int | None) -> int:
    return 1 if quantity is None else quantity


def _package(session: Fields) -> PaymentLine | None:
    """The package that the session names, as often as its metadata say, else once."""
    package_id = values.first_named("package_id", _metadata(session))
    if package_id is None:
        return None
    # Stripe may leave both amounts null. Then the value is unknown, but the credits are not.
    total = "amount_total" if session.get("amount_subtotal") is None else "amount_subtotal"
    quantity = quantity_named(_metadata(session))
    return PaymentLine(
        line_id=package_id,
        price=None,
        quantity=quantity or 1,
        amount=0 if session.get(total) is None else values.amount(session, total),
        currency=values.currency_of(session, {"currency": NO_CURRENCY}),
        package_id=package_id,
        quantity_from=QuantityFrom.METADATA if quantity else QuantityFrom.ASSUMED,
    )


def quantity_named(sources: Iterator[Fields]) -> int | None:
    """The first `quantity` that metadata name, 1..1,000,000; None where none does.

    Raises QuantityNotWhole for one that is no such number: what was meant by it is not known.
    """
    given = (source.get("quantity") for source in sources)
    found = next((value for value in given if value not in (None, "")), None)
    if found is None:
        return None
    number = int(found) if isinstance(found, str) and _QUANTITY.fullmatch(found) else 0
    if not 0 < number <= MAX_CREDITS:
        raise QuantityNotWhole
    return number


def _paid(session: Fields) -> int:
    """Minor units of the whole session; 0 where Stripe leaves both amounts null."""
    total = values.unsigned_amount(session, "amount_total")
    return (values.unsigned_amount(session, "amount_subtotal") if total is None else total) or 0


def _metadata(session: Fields) -> Iterator[Fields]:
    yield values.metadata(values.expanded(session, "invoice"))
    yield values.metadata(values.expanded(session, "subscription"))
    yield values.metadata(session)
    yield values.metadata(values.expanded(session, "customer"))


def _client(session: Fields) -> str | None:
    of_intent = values.metadata(values.expanded(session, "payment_intent"))
    *places, of_customer = _metadata(session)
    named = values.first_named("client_id", [*places, of_intent, of_customer])
    return named or client_of_reference(values.text(session, "client_reference_id"))
