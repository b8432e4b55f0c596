"""Stripe's events in the domain's words.

With the `stripe_*` modules beside it the only code that knows Stripe's field names. It reads one
event as it came, asks nobody for more, and never raises: what cannot be turned into a fact is
`Unsupported`, to be parked, and what changes nothing is `Ignored` with its reason.

What grants: `invoice.paid` for subscriptions and invoices, `checkout.session.completed` for one-off
purchases without an invoice, `payment_intent.succeeded` for what the practice sells by intents of its own.

An event that lacks something (a session's items, an invoice's later lines, a thin event's object) is
translated again once that was put where a full event has it.
"""

from collections.abc import Callable

from client_credits.domain.payments.facts import OWN_ACCOUNT, Facts, Ignored
from client_credits.stripe.events import (
    frame,
    money_back,
    money_in,
    payment_intents,
    sessions,
    subscriptions,
    values,
)
from client_credits.stripe.events.frame import THIN, THIN_PREFIX, Event, Mode
from client_credits.stripe.events.values import Fields, Unreadable

__all__ = ["HANDLED", "IGNORED", "OWN_ACCOUNT", "PAYMENTS", "Mode", "translate"]

CHECKOUT_COMPLETED = "checkout.session.completed"
CHECKOUT_PAID_LATER = "checkout.session.async_payment_succeeded"  # the same session, paid at last
INVOICE_PAID = "invoice.paid"
INTENT_PAID = "payment_intent.succeeded"
PAYMENTS = frozenset({CHECKOUT_COMPLETED, CHECKOUT_PAID_LATER, INVOICE_PAID, INTENT_PAID})
SUBSCRIPTION_CHANGED = "customer.subscription.updated"

# Each type that may change something: the object it is about, and who reads it.
HANDLED: dict[str, tuple[str, Callable[[Event], Facts]]] = {
    CHECKOUT_COMPLETED: ("checkout.session", sessions.session),
    CHECKOUT_PAID_LATER: ("checkout.session", sessions.session),
    INVOICE_PAID: ("invoice", money_in.invoice),
    INTENT_PAID: ("payment_intent", payment_intents.payment_intent),
    "invoice_payment.paid": ("invoice_payment", money_in.invoice_payment),
    money_in.DETACHED: ("invoice_payment", money_in.invoice_payment),
    "charge.refunded": ("charge", money_back.charge),
    "refund.created": ("refund", money_back.refund),
    "refund.updated": ("refund", money_back.refund),
    "refund.failed": ("refund", money_back.refund),
    "charge.refund.updated": ("refund", money_back.refund),
    "charge.dispute.created": ("dispute", money_back.dispute),
    "charge.dispute.updated": ("dispute", money_back.dispute),
    "charge.dispute.closed": ("dispute", money_back.dispute),
    "charge.dispute.funds_withdrawn": ("dispute", money_back.dispute),
    "charge.dispute.funds_reinstated": ("dispute", money_back.dispute),
    "credit_note.created": ("credit_note", money_back.credit_note),
    "credit_note.updated": ("credit_note", money_back.credit_note),
    "credit_note.voided": ("credit_note", money_back.credit_note),
    "customer.subscription.created": ("subscription", subscriptions.subscription),
    SUBSCRIPTION_CHANGED: ("subscription", subscriptions.subscription),
    "customer.subscription.deleted": ("subscription", subscriptions.subscription),
    "customer.subscription.paused": ("subscription", subscriptions.subscription),
    "customer.subscription.resumed": ("subscription", subscriptions.subscription),
}

# Each known type that changes nothing here, and why.
IGNORED = {
    "invoice.payment_succeeded": "twin_of_invoice_paid",  # but not of those paid out of band
    "invoice.created": "not_yet_paid",
    "invoice.finalized": "not_yet_paid",
    "invoice.upcoming": "not_yet_paid",
    "invoice.overdue": "not_yet_paid",
    "invoice.payment_action_required": "not_yet_paid",
    "invoice.payment_failed": "payment_failed",
    "invoice.voided": "invoice_voided",
    "invoice.marked_uncollectible": "invoice_uncollectible",
    "checkout.session.async_payment_failed": "payment_failed",
    "checkout.session.expired": "checkout_expired",
    "charge.succeeded": "its_invoice_or_session_grants",
    "payment_intent.payment_failed": "payment_failed",
    "charge.failed": "payment_failed",
    "customer.deleted": "customer_deleted",
    "customer.subscription.trial_will_end": "trial_will_end",
    "radar.early_fraud_warning.created": "fraud_warning",
    "radar.early_fraud_warning.updated": "fraud_warning",
}


# Beginnings of the types that tell how an object stands. A thin event of any such type leads to asking for it.
STANDING = ("customer.subscription.", "invoice.")
# But of these there is nothing to ask for: an invoice not made yet, and a draft that is gone.
WITHOUT_OBJECT = frozenset({"invoice.upcoming", "invoice.deleted"})


def asks(kind: str) -> bool:
    """Whether a thin event of this type leads to asking Stripe for its object."""
    return kind in HANDLED or (kind.startswith(STANDING) and kind not in WITHOUT_OBJECT)


def read_as(kind: str, about: Fields) -> str:
    """The type that an object is read as which a thin event of type `kind` led to, given as it is now."""
    if kind in HANDLED or not asks(kind):
        return kind
    if kind.startswith("customer.subscription."):
        return SUBSCRIPTION_CHANGED
    return INVOICE_PAID if about.get("status") == "paid" else kind


def translate(event: object, mode: Mode) -> Facts:
    """What a decoded event body says, on a stack that serves `mode`. Never raises."""
    event_id = frame.id_of(event)
    try:
        return _translate(values.fields(event), event_id, mode)
    except Unreadable:
        return frame.parked_event(event_id, "not_understood", event, PAYMENTS)


def _translate(event: Fields, event_id: str, mode: Mode) -> Facts:
    type_name = values.required(values.text(event, "type"))
    if not isinstance(event.get("livemode"), bool):
        raise Unreadable
    if event["livemode"] is not (mode == "live"):
        return Ignored(event_id, "other_mode")
    kind = type_name.removeprefix(THIN_PREFIX)
    is_thin = event.get("object") == THIN or kind != type_name
    if is_thin and asks(kind):
        return frame.thin(event_id, event, PAYMENTS)
    if kind not in HANDLED:
        return Ignored(event_id, IGNORED.get(kind, "type_not_handled"))
    return _facts(frame.read(event, event_id, kind, mode))


def _facts(event: Event) -> Facts:
    about, reader = HANDLED[event.kind]
    if event.about.get("object") not in (None, about):
        raise Unreadable
    return reader(event)
