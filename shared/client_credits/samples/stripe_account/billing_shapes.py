"""How each API version words prices, subscriptions and invoices: one function per object.

Only fields that anybody reads, or would look for, are rendered; the others of Stripe's are left out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from client_credits.samples.stripe_account.books import (
    CURRENCY,
    Invoice,
    InvoicePayment,
    Item,
    Line,
    Price,
    Subscription,
)

Fields = dict[str, Any]

# Versions from which on something is worded otherwise, by the day they begin with.
RENDERING = "2024-06-20"
BASIL = "2025-03-31"
CLOVER = "2025-09-30"
ENDIVE = "2026-09-30"

LINES_IN_EVENT = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """The API version that everything is worded in, and whether it is about real money."""

    version: str
    livemode: bool = False

    def since(self, day: str) -> bool:
        return self.version[:10] >= day


def seconds(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def rows(url: str, found: list[Fields]) -> Fields:
    return {"object": "list", "data": found, "has_more": False, "total_count": len(found), "url": url}


# Prices


def price(of: Price, shape: Shape) -> Fields:
    recurring: Fields = {"interval": of.interval, "interval_count": of.interval_count, "usage_type": "licensed"}
    recurring |= {"trial_period_days": None} | ({"meter": None} if shape.since(RENDERING) else {})
    recurring |= {} if shape.since(BASIL) else {"aggregate_usage": None}
    return {
        "id": of.price_id,
        "object": "price",
        "active": True,
        "billing_scheme": _scheme(of),
        "currency": CURRENCY,
        "livemode": shape.livemode,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": of.product,
        "recurring": recurring if of.interval else None,
        "tax_behavior": "unspecified",
        "tiers_mode": _tiers_mode(of),
        "type": "recurring" if of.interval else "one_time",
        "unit_amount": None if of.tiers else of.unit_amount,
        "unit_amount_decimal": None if of.tiers else str(of.unit_amount),
    }


def _scheme(of: Price) -> str:
    return "tiered" if of.tiers else "per_unit"


def _tiers_mode(of: Price) -> str | None:
    """The tiers themselves are stated only where they are asked for."""
    return "graduated" if of.tiers else None


def plan(of: Price, shape: Shape) -> Fields | None:
    """A recurring price as it was called before there were prices."""
    if not of.interval:
        return None
    return {
        "id": of.price_id,
        "object": "plan",
        "active": True,
        "amount": None if of.tiers else of.unit_amount,
        "amount_decimal": None if of.tiers else str(of.unit_amount),
        "billing_scheme": _scheme(of),
        "currency": CURRENCY,
        "interval": of.interval,
        "interval_count": of.interval_count,
        "livemode": shape.livemode,
        "metadata": {},
        "nickname": None,
        "product": of.product,
        "tiers_mode": _tiers_mode(of),
        "usage_type": "licensed",
    }


# Subscriptions


def subscription(of: Subscription, shape: Shape) -> Fields:
    items = [_item(each, of, shape) for each in of.items]
    fields: Fields = {
        "id": of.subscription_id,
        "object": "subscription",
        "billing_cycle_anchor": seconds(of.anchor),
        "cancel_at": seconds(of.ends) if of.cancel_at_period_end else None,
        "cancel_at_period_end": of.cancel_at_period_end,
        "canceled_at": seconds(of.canceled_at),
        "cancellation_details": {"comment": None, "feedback": None, "reason": of.reason},
        "collection_method": "charge_automatically",
        "created": seconds(of.created),
        "currency": CURRENCY,
        "customer": of.customer,
        "description": None,
        "ended_at": seconds(of.ended_at),
        "items": rows(f"/v1/subscription_items?subscription={of.subscription_id}", items),
        "latest_invoice": of.latest_invoice,
        "livemode": shape.livemode,
        "metadata": dict(of.metadata),
        "pause_collection": {"behavior": of.pause, "resumes_at": None} if of.pause else None,
        "schedule": None,
        "start_date": seconds(of.created),
        "status": of.status,
        "test_clock": None,
        "trial_end": seconds(of.trial_end),
        "trial_start": seconds(of.trial_start),
    }
    fields["discounts" if shape.since(RENDERING) else "discount"] = [] if shape.since(RENDERING) else None
    if shape.since(CLOVER):
        fields |= {"billing_mode": {"type": "flexible"}, "customer_account": None}
    first = of.items[0]
    return fields if shape.since(BASIL) else fields | _period(first) | {"plan": plan(first.price, shape)}


def _item(of: Item, within: Subscription, shape: Shape) -> Fields:
    fields: Fields = {
        "id": of.item_id,
        "object": "subscription_item",
        "created": seconds(of.created),
        "metadata": {},
        "plan": plan(of.price, shape),
        "price": price(of.price, shape),
        "quantity": of.quantity,
        "subscription": within.subscription_id,
        "tax_rates": [],
    }
    if of.tried_until and shape.since(ENDIVE):
        tried = {"end_date": seconds(of.tried_until), "start_date": seconds(of.created), "trial_offer": "toff_Sandbox"}
        fields["current_trial"] = tried
    return fields | _period(of) if shape.since(BASIL) else fields


def _period(of: Item) -> Fields:
    return {"current_period_end": seconds(of.ends), "current_period_start": seconds(of.starts)}


# Invoices


def invoice(of: Invoice, shape: Shape) -> Fields:
    paid = of.status == "paid"
    amount_paid = of.due - of.unpaid + of.overpaid if paid or of.unpaid else 0
    lines = [_line(each, of, shape) for each in of.lines]
    fields: Fields = {
        "id": of.invoice_id,
        "object": "invoice",
        "amount_due": of.due,
        "amount_paid": amount_paid,
        "amount_remaining": max(0, of.due - amount_paid),
        "attempt_count": of.attempts,
        "attempted": of.attempts > 0 or paid,
        "auto_advance": of.status == "open",
        "billing_reason": of.reason,
        "collection_method": "charge_automatically",
        "created": seconds(of.created),
        "currency": CURRENCY,
        "customer": of.customer,
        "customer_email": "client@example.com",
        "customer_name": None,
        "description": None,
        "discounts": ["di_Sandbox"] if of.discount else [],
        "ending_balance": of.ending_balance,
        "from_invoice": None,
        "latest_revision": None,
        "lines": rows(f"/v1/invoices/{of.invoice_id}/lines", lines),
        "livemode": shape.livemode,
        "metadata": dict(of.metadata),
        "next_payment_attempt": seconds(of.created) if of.status == "open" and of.attempts else None,
        "period_end": seconds(of.created),
        "period_start": seconds(of.created),
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": of.credited_before,
        "starting_balance": of.starting_balance,
        "status": of.status,
        "status_transitions": {
            "finalized_at": seconds(of.created),
            "marked_uncollectible_at": seconds(of.closed_at) if of.status == "uncollectible" else None,
            "paid_at": seconds(of.closed_at) if paid else None,
            "voided_at": seconds(of.closed_at) if of.status == "void" else None,
        },
        "subtotal": of.subtotal,
        "test_clock": None,
        "total": of.total,
        "total_discount_amounts": [{"amount": of.discount, "discount": "di_Sandbox"}] if of.discount else [],
    }
    return fields | (_newer_invoice(of, shape) if shape.since(BASIL) else _older_invoice(of, shape))


def _older_invoice(of: Invoice, shape: Shape) -> Fields:
    fields: Fields = {
        "charge": of.charge.charge_id if of.charge else None,
        "discount": None,
        "paid": of.status == "paid",
        "paid_out_of_band": of.out_of_band,
        "payment_intent": of.charge.payment_intent if of.charge else None,
        "quote": None,
        "subscription": of.subscription,
        "tax": None,
    }
    if not shape.since(RENDERING):
        return fields | {"rendering_options": None}
    details = {"metadata": dict(of.subscription_metadata) if of.subscription else None}
    return fields | {"effective_at": seconds(of.created), "rendering": None, "subscription_details": details}


def _newer_invoice(of: Invoice, shape: Shape) -> Fields:
    """Which payment paid it is stated by the payment, not here."""
    about = {"metadata": dict(of.subscription_metadata), "subscription": of.subscription}
    parent = {"quote_details": None, "subscription_details": about, "type": "subscription_details"}
    fields: Fields = {
        "amount_overpaid": of.overpaid,
        "effective_at": seconds(of.created),
        "parent": parent if of.subscription else None,
        "rendering": None,
        "total_taxes": [],
    }
    return fields | ({"customer_account": None} if shape.since(CLOVER) else {})


def _line(of: Line, within: Invoice, shape: Shape) -> Fields:
    fields: Fields = {
        "id": of.line_id,
        "object": "line_item",
        "amount": of.amount,
        "currency": CURRENCY,
        "description": of.description,
        "discount_amounts": [{"amount": of.discount, "discount": "di_Sandbox"}] if of.discount else [],
        "discountable": not of.proration,
        "discounts": ["di_Sandbox"] if of.discount else [],
        "livemode": shape.livemode,
        "metadata": dict(of.metadata),
        "period": {"end": seconds(of.ends), "start": seconds(of.starts)},
        "quantity": of.quantity,
    }
    if shape.since(RENDERING):
        fields["invoice"] = within.invoice_id
    return fields | (_newer_line(of, shape) if shape.since(BASIL) else _older_line(of, shape))


def _older_line(of: Line, shape: Shape) -> Fields:
    fields: Fields = {
        "plan": plan(of.price, shape),
        "price": price(of.price, shape),
        "proration": of.proration,
        "proration_details": {"credited_items": _credited(of)},
        "subscription": of.subscription,
        "tax_amounts": [],
        "type": "invoiceitem" if of.invoice_item else "subscription",
    }
    fields |= {"invoice_item": of.invoice_item} if of.invoice_item else {}
    return fields | ({"subscription_item": of.item} if of.item else {})


def _credited(of: Line) -> Fields | None:
    if of.credits is None:
        return None
    invoice, lines = of.credits
    return {"invoice": invoice, "invoice_line_items": list(lines)}


def _newer_line(of: Line, shape: Shape) -> Fields:
    details = {
        "invoice_item": of.invoice_item,
        "proration": of.proration,
        "proration_details": {"credited_items": _credited(of)} if of.proration else None,
        "subscription": of.subscription,
    }
    kind = "subscription_item_details" if of.item else "invoice_item_details"
    parent: Fields = {"invoice_item_details": None, "subscription_item_details": None, "type": kind}
    parent[kind] = details | ({"subscription_item": of.item} if of.item else {})
    named = {"price": of.price.price_id, "product": of.price.product}
    each = None if of.each is None else str(of.each)
    pricing = {"price_details": named, "type": "price_details", "unit_amount_decimal": each}
    fields = {"parent": parent, "pretax_credit_amounts": [], "pricing": pricing, "taxes": []}
    newest = {"quantity_decimal": str(of.quantity), "subtotal": of.amount}
    return fields | (newest if shape.since(ENDIVE) else {})


def invoice_payment(of: InvoicePayment, shape: Shape) -> Fields:
    """From basil on. Money that came outside of Stripe has a record in place of a payment intent."""
    if of.charge:
        payment = {"payment_intent": of.charge.payment_intent, "type": "payment_intent"}
    else:
        payment = {"payment_record": f"prec_{of.payment_id.removeprefix('inpay_')}", "type": "payment_record"}
    return {
        "id": of.payment_id,
        "object": "invoice_payment",
        "amount_paid": of.amount,
        "amount_requested": of.amount,
        "created": seconds(of.created),
        "currency": CURRENCY,
        "invoice": of.invoice,
        "is_default": True,
        "livemode": shape.livemode,
        "payment": payment,
        "status": "paid",
        "status_transitions": {"canceled_at": None, "paid_at": seconds(of.created)},
    }
