"""How each API version words what a Stripe account holds; invoices and subscriptions stand in the module beside it."""

from client_credits.samples.stripe_account.billing_shapes import (
    BASIL,
    CLOVER,
    LINES_IN_EVENT,
    RENDERING,
    Fields,
    Shape,
    invoice,
    invoice_payment,
    price,
    rows,
    seconds,
    subscription,
)
from client_credits.samples.stripe_account.books import (
    CURRENCY,
    Charge,
    Customer,
    Held,
    Intent,
    Invoice,
    InvoicePayment,
    Line,
    SandboxCreditNote,
    SandboxDispute,
    SandboxRefund,
    SandboxSession,
    Subscription,
)

DAY_SECONDS = 86_400
EXPANDED = ("line_items", "payments")  # what the API gives where it is asked to, and no event carries


def rendered(held: Held, shape: Shape) -> Fields:
    """An object as Stripe's API answers with it."""
    match held:
        case Customer():
            return customer(held, shape)
        case Subscription():
            return subscription(held, shape)
        case Invoice():
            return invoice(held, shape)
        case InvoicePayment():
            return invoice_payment(held, shape)
        case SandboxSession():
            return session(held, shape)
        case Charge():
            return charge(held, shape)
        case Intent():
            return payment_intent(held, shape)
        case SandboxRefund():
            return refund(held)
        case SandboxDispute():
            return dispute(held, shape)
        case SandboxCreditNote():
            return credit_note(held, shape)


def in_event(about: Fields) -> Fields:
    """An object as an event carries it: of an invoice's lines the first ten, of a session's items none."""
    if about["object"] == "invoice":
        lines = about["lines"]
        found = lines["data"]
        cut = {"data": found[:LINES_IN_EVENT], "has_more": len(found) > LINES_IN_EVENT}
        about = {**about, "lines": {**lines, **cut}}
    return {name: value for name, value in about.items() if name not in EXPANDED}


def customer(of: Customer, shape: Shape) -> Fields:
    return {
        "id": of.customer_id,
        "object": "customer",
        "address": None,
        "balance": of.balance,
        "created": seconds(of.created),
        "currency": CURRENCY,
        "delinquent": False,
        "description": None,
        "email": "client@example.com",
        "livemode": shape.livemode,
        "metadata": dict(of.metadata),
        "name": None,
        "phone": None,
        "test_clock": None,
    }


def session(of: SandboxSession, shape: Shape) -> Fields:
    made = seconds(of.created) or 0
    fields: Fields = {
        "id": of.session_id,
        "object": "checkout.session",
        "after_expiration": None,
        "amount_subtotal": of.subtotal,
        "amount_total": of.subtotal - of.discount,
        "cancel_url": "https://example.com/cancelled",
        "client_reference_id": of.client_reference,
        "created": made,
        "currency": CURRENCY,
        "customer": of.customer,
        "customer_creation": "if_required" if of.mode == "payment" else None,
        "customer_details": {"email": "client@example.com", "name": None, "phone": None, "tax_exempt": "none"},
        "customer_email": None,
        "expires_at": made + DAY_SECONDS,
        "invoice": of.invoice,
        "invoice_creation": {"enabled": of.makes_invoice} if of.mode == "payment" else None,
        "line_items": rows(f"/v1/checkout/sessions/{of.session_id}/line_items", _items(of, shape)),
        "livemode": shape.livemode,
        "metadata": dict(of.metadata),
        "mode": of.mode,
        "payment_intent": of.payment_intent,
        "payment_link": of.payment_link,
        "payment_method_types": ["card"],
        "payment_status": of.payment_status,
        "setup_intent": None,
        "status": of.status,
        "subscription": of.subscription,
        "success_url": "https://example.com/thanks",
        "total_details": {"amount_discount": of.discount, "amount_shipping": 0, "amount_tax": 0},
        "url": None,
    }
    fields |= {"client_secret": None, "ui_mode": "hosted"} if shape.since(RENDERING) else {}
    offered = [{"price": price_id, "quantity": 1, "adjustable_quantity": None} for price_id in of.offered]
    fields |= {"optional_items": offered} if offered and shape.since(BASIL) else {}
    newer: Fields = {"collected_information": None, "discounts": []}
    fields |= newer if shape.since(BASIL) else {"shipping_details": None}
    return fields | ({"customer_account": None} if shape.since(CLOVER) else {})


def _items(of: SandboxSession, shape: Shape) -> list[Fields]:
    return [
        {
            "id": item_id,
            "object": "item",
            "amount_discount": of.discount,
            "amount_subtotal": each.amount(quantity),
            "amount_tax": 0,
            "amount_total": each.amount(quantity) - of.discount,
            "currency": CURRENCY,
            "description": each.price_id,
            "price": price(each, shape),
            "quantity": quantity,
        }
        for item_id, each, quantity in of.bought
    ]


# Money that goes back


def charge(of: Charge, shape: Shape) -> Fields:
    fields: Fields = {
        "id": of.charge_id,
        "object": "charge",
        "amount": of.amount,
        "amount_captured": of.amount,
        "amount_refunded": of.refunded,
        "captured": True,
        "created": seconds(of.created),
        "currency": CURRENCY,
        "customer": of.customer,
        "description": None,
        "disputed": of.disputed,
        "failure_code": None,
        "failure_message": None,
        "livemode": shape.livemode,
        "metadata": {},
        "paid": True,
        "payment_intent": of.payment_intent,
        "payment_method_details": {"card": {"brand": "visa", "last4": "4242"}, "type": "card"},
        "receipt_email": None,
        "refunded": of.refunded >= of.amount,
        "status": "succeeded",
    }
    return fields if shape.since(BASIL) else fields | {"invoice": of.invoice}


def payment_intent(of: Intent, shape: Shape) -> Fields:
    charged = of.charge
    fields: Fields = {
        "id": charged.payment_intent,
        "object": "payment_intent",
        "amount": charged.amount,
        "amount_capturable": 0,
        "amount_received": charged.amount,
        "canceled_at": None,
        "capture_method": "automatic_async",
        "created": seconds(charged.created),
        "currency": CURRENCY,
        "customer": charged.customer,
        "description": None,
        "latest_charge": charged.charge_id,
        "livemode": shape.livemode,
        "metadata": dict(of.metadata),
        "next_action": None,
        "payment_method_types": ["card_present"],
        "status": "succeeded",
    }
    fields |= {"customer_account": None} if shape.since(CLOVER) else {}
    return fields if shape.since(BASIL) else fields | {"invoice": charged.invoice}


def refund(of: SandboxRefund) -> Fields:
    return {
        "id": of.refund_id,
        "object": "refund",
        "amount": of.amount,
        "balance_transaction": None,
        "charge": of.charge.charge_id,
        "created": seconds(of.created),
        "currency": CURRENCY,
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        **({"failure_reason": "lost_or_stolen_card"} if of.status == "failed" else {}),
        "metadata": {},
        "payment_intent": of.charge.payment_intent,
        "reason": "requested_by_customer",
        "receipt_number": None,
        "status": of.status,
    }


def dispute(of: SandboxDispute, shape: Shape) -> Fields:
    inquiry = of.status.startswith("warning")
    fields: Fields = {
        "id": of.dispute_id,
        "object": "dispute",
        "amount": of.amount,
        "balance_transactions": [],
        "charge": of.charge.charge_id,
        "created": seconds(of.created),
        "currency": CURRENCY,
        "evidence_details": {
            "due_by": (seconds(of.created) or 0) + 14 * DAY_SECONDS,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": shape.livemode,
        "metadata": {},
        "payment_intent": of.charge.payment_intent,
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "inquiry" if inquiry else "chargeback"},
            "type": "card",
        },
        "reason": "general",
        "status": of.status,
    }
    return fields | ({"enhanced_eligibility_types": []} if shape.since(BASIL) else {})


def credit_note(of: SandboxCreditNote, shape: Shape) -> Fields:
    lines = [_credited(*each, shape) for each in of.credited]
    fields: Fields = {
        "id": of.note_id,
        "object": "credit_note",
        "amount": of.total,
        "created": seconds(of.created),
        "currency": CURRENCY,
        "customer": of.invoice.customer,
        "customer_balance_transaction": f"cbtxn_{of.note_id}" if of.to_balance else None,
        "discount_amount": 0,
        "effective_at": seconds(of.created),
        "invoice": of.invoice.invoice_id,
        "lines": rows(f"/v1/credit_notes/{of.note_id}/lines", lines),
        "livemode": shape.livemode,
        "memo": None,
        "metadata": {},
        "number": f"{of.note_id.removeprefix('cn_')}-01",
        "out_of_band_amount": of.outside or None,
        "reason": None,
        "status": "void" if of.voided_at else "issued",
        "subtotal": of.total,
        "total": of.total,
        "type": of.type,
        "voided_at": seconds(of.voided_at),
    }
    if not shape.since(BASIL):
        return fields | {"refund": of.refund}
    given: Fields = {"amount_refunded": of.after - of.to_balance - of.outside, "refund": of.refund}
    if shape.since(CLOVER):
        fields |= {"customer_account": None, "post_payment_amount": of.after, "pre_payment_amount": of.before}
        given |= {"payment_record_refund": None, "type": "refund"}
    return fields | {"refunds": [given] if of.refund else [], "total_taxes": []}


def _credited(credited_id: str, line: Line, amount: int, shape: Shape) -> Fields:
    return {
        "id": credited_id,
        "object": "credit_note_line_item",
        "amount": amount,
        "description": line.description,
        "discount_amount": 0,
        "invoice_line_item": line.line_id,
        "livemode": shape.livemode,
        "quantity": 1,
        "type": "invoice_line_item",
        "unit_amount": None,
        "unit_amount_decimal": None,
    }
