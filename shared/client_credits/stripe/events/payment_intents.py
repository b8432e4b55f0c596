"""Money that came in by a payment intent of the practice's own: a terminal, a custom checkout.

Stripe makes an intent for every payment. One is the practice's own sale where its metadata name the client and
the package; all others are left to their invoice or session.
"""

from client_credits.domain.payments.facts import Facts, Ignored, Payment, PaymentLine, QuantityFrom
from client_credits.stripe.events import values
from client_credits.stripe.events.frame import Event, customer_of
from client_credits.stripe.events.sessions import quantity_named
from client_credits.stripe.events.shapes import QuantityNotWhole


def payment_intent(event: Event) -> Facts:
    about = event.about
    metadata = values.metadata(about)
    package_id = values.first_named("package_id", [metadata])
    if package_id is None or "client_id" not in metadata:
        return Ignored(event.event_id, "its_invoice_or_session_grants")
    intent = values.required(values.reference(about, "id"))
    if values.text(about, "status") not in (None, "succeeded"):
        return event.parked("not_paid", intent, customer_of(about))
    try:
        quantity = quantity_named(iter([metadata]))
    except QuantityNotWhole:
        return event.parked("quantity_not_whole", intent, customer_of(about))
    paid = values.unsigned_amount(about, "amount_received")
    amount = values.required(values.unsigned_amount(about, "amount") if paid is None else paid)
    line = PaymentLine(
        line_id=package_id,
        price=None,
        quantity=quantity or 1,
        amount=amount,
        currency=values.currency_of(about),
        package_id=package_id,
        quantity_from=QuantityFrom.METADATA if quantity else QuantityFrom.ASSUMED,
    )
    return Payment(
        payment_id=intent,
        account=event.account,
        mode=event.mode,
        event_id=event.event_id,
        # An intent tells when it was made, not when it was paid; its event is made when it succeeds.
        paid_at=event.occurred_at,
        customer=customer_of(about),
        client_id=values.first_named("client_id", [metadata]),
        subscription=None,
        payment_intent=intent,
        lines=(line,),
        paid=amount,
        charge=values.reference(about, "latest_charge"),
    )
