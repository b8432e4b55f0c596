"""What an event lacks, asked of Stripe: more lines, a session's items, the object of a thin event, the
payment behind a refund. Makes events of objects too, so that they take the way of every other event.

Decides nothing: a completed event is translated again, by the translator that read it first, and only
what the translation misses is asked for: more than that could name a line otherwise than its first
event did. Every function may raise StripeUnavailable and StripeRefused.
"""

from collections.abc import Mapping
from datetime import datetime

from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import (
    OWN_ACCOUNT,
    Facts,
    MoneyBack,
    Payment,
    PaymentMade,
    QuantityFrom,
    Unsupported,
)
from client_credits.stripe.api.queries import StripeApi, StripeKind, StripeObject
from client_credits.stripe.events.frame import Mode
from client_credits.stripe.events.translate import read_as, translate

# What kind of object an event of a type is about; the longest beginning that fits counts.
_ABOUT: Mapping[str, StripeKind] = {
    "invoice.": StripeKind.INVOICE,
    "invoice_payment.": StripeKind.INVOICE_PAYMENT,
    "checkout.session.": StripeKind.SESSION,
    "charge.": StripeKind.CHARGE,
    "charge.dispute.": StripeKind.DISPUTE,
    "charge.refund.": StripeKind.REFUND,
    "refund.": StripeKind.REFUND,
    "credit_note.": StripeKind.CREDIT_NOTE,
    "customer.subscription.": StripeKind.SUBSCRIPTION,
    "payment_intent.": StripeKind.PAYMENT_INTENT,
}


def lacks_items(facts: Facts) -> bool:
    """Whether a payment's session has items that would tell more of it."""
    if not isinstance(facts, Payment) or not facts.names_package or facts.items:
        return False
    return facts.lines_missing or any(line.quantity_from is QuantityFrom.ASSUMED for line in facts.lines)


STEPS = 3  # a thin event becomes a snapshot, and that may lack lines


def completed_event(event: StripeObject, mode: Mode, api: StripeApi) -> tuple[StripeObject, Facts]:
    """The event with all that its translation misses, and the translation."""
    facts = translate(event, mode)
    for _ in range(STEPS):
        more = complete(event, facts, api)
        if more is None:
            break
        before, event, facts = facts, more, translate(more, mode)
        if facts == before:
            break  # Stripe has no more than that
    return event, facts


def complete(event: StripeObject, facts: Facts, api: StripeApi) -> StripeObject | None:
    """The event with what `facts`, its translation, says is missing; None where nothing can be added.

    `event` itself stays as it is. Translate the answer again; completing it twice adds nothing more.
    """
    match facts:
        case Payment(payment_id=session_id) if lacks_items(facts):
            return _with_object(event, line_items=_as_list(api.line_items(session_id)))
        case Payment(lines_missing=True, payment_id=invoice_id):
            return _with_object(event, lines=_as_list(api.invoice_lines(invoice_id)))
        case Unsupported(reason="line_items_not_in_event", payment_id=str(session_id)):
            return _with_object(event, line_items=_as_list(api.line_items(session_id)))
        case Unsupported(reason="note_lines_not_in_event", related=str(note_id)):
            return _with_object(event, lines=_as_list(api.note_lines(note_id)))
        case Unsupported(reason="thin_event"):
            return _snapshot(event, api)
    return None


def event_of(
    type_: str, about: StripeObject, api: StripeApi, event_id: str, created: int, livemode: bool
) -> StripeObject:
    """An event as the webhook would have brought it, about an object that Stripe's API answered with."""
    event = {
        "object": "event",
        "id": event_id,
        "type": type_,
        "livemode": livemode,
        "created": created,
        "data": {"object": about},
    }
    return event if api.account == OWN_ACCOUNT else {**event, "account": api.account}


def payments_behind(api: StripeApi, facts: MoneyBack) -> list[PaymentMade]:
    """The invoices or the checkout session that the money was paid for; none where there is neither.

    By the payment intent among the payments of invoices, by the older shape of the charge, by the
    payment intent among checkout sessions.
    """
    intent, charge = facts.payment_intent, facts.charge
    about = (facts.event_id, facts.account, facts.mode)
    if facts.payment_id:
        return [PaymentMade(*about, facts.payment_id, intent, charge)]
    paid = api.invoices_paid_by(intent) if intent else []
    if paid:
        return [PaymentMade(*about, invoice, intent, charge, amount) for invoice, amount in paid]
    found = (api.invoice_of_charge(charge) if charge else None) or (_paid_in_session(api, intent) if intent else None)
    return [PaymentMade(*about, found, intent, charge)] if found else []


def _paid_in_session(api: StripeApi, payment_intent: str) -> str | None:
    session = api.session_paid_by(payment_intent)
    return str(session["id"]) if session else None


def _snapshot(event: StripeObject, api: StripeApi) -> StripeObject | None:
    """The snapshot event that a thin one stands for, of the object as it is now."""
    type_, related, livemode = event.get("type"), event.get("related_object"), event.get("livemode")
    if not isinstance(type_, str) or not isinstance(related, dict) or not isinstance(livemode, bool):
        return None
    type_ = type_.removeprefix("v1.")
    kind, object_id, event_id = _kind(type_), related.get("id"), event.get("id")
    if kind is None or not isinstance(object_id, str) or not is_id(object_id) or not isinstance(event_id, str):
        return None
    made = _seconds(event.get("created"))
    if made is None:
        return None
    about = api.retrieve(kind, object_id)
    return event_of(read_as(type_, about), about, api, event_id, made, livemode)


def _kind(type_: str) -> StripeKind | None:
    fitting = [beginning for beginning in _ABOUT if type_.startswith(beginning)]
    return _ABOUT[max(fitting, key=len)] if fitting else None


def _seconds(created: object) -> int | None:
    """Thin events tell the instant as RFC 3339, snapshot events in Unix seconds."""
    if isinstance(created, int) and not isinstance(created, bool):
        return created
    try:
        return int(datetime.fromisoformat(str(created)).timestamp())
    except (ValueError, OverflowError):
        return None


def _with_object(event: StripeObject, **fields: StripeObject) -> StripeObject:
    about = event["data"]["object"]
    return {**event, "data": {**event["data"], "object": {**about, **fields}}}


def _as_list(rows: list[StripeObject]) -> StripeObject:
    return {"object": "list", "data": rows, "has_more": False}
