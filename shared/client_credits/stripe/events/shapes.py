"""Where Stripe keeps each value, in every shape from 2022-11-15 to 2026-10-28.endive.

Owns the paths inside invoices, their lines and sessions; `stripe_money_in` owns what they mean.
A path is chosen by its non-null value, never by the presence of a key or by a version string: one
event may be rendered in any version, and newer shapes still carry old keys with null.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import PaymentKind, PaymentLine
from client_credits.stripe.events.values import (
    Fields,
    amount,
    child,
    currency_of,
    decimal,
    expanded,
    fields,
    flag,
    instant,
    metadata,
    page,
    reference,
    required,
    text,
    whole,
)

MAX_QUANTITY = MAX_CREDITS

SUBSCRIPTION_LINE = "subscription_item_details"
INVOICE_ITEM_LINE = "invoice_item_details"

# How Stripe words the zero line of a trial. The newer shapes say nothing else about it.
TRIAL_WORDING = ("Free trial for", "Trial period for")


class QuantityNotWhole(Exception):
    """A line's quantity is not a whole number within 0..1,000,000."""


# An invoice


def subscription_of(invoice: Fields, lines: list[Fields]) -> str | None:
    """The invoice's subscription: by its parent, by the older field, else by its lines."""
    details = child(invoice, "parent", "subscription_details")
    found = reference(details, "subscription") or reference(invoice, "subscription")
    return found or next(filter(None, map(_line_subscription, lines)), None)


def _line_subscription(line: Fields) -> str | None:
    if not is_subscription_line(line):
        return None
    return reference(_line_parent(line)[1], "subscription") or reference(line, "subscription")


def subscription_metadata(invoice: Fields) -> Iterator[Fields]:
    """The subscription's metadata as the invoice and its expansions carry it."""
    details = child(invoice, "parent", "subscription_details")
    yield metadata(details)
    yield metadata(child(invoice, "subscription_details"))
    yield metadata(expanded(details, "subscription"))
    yield metadata(expanded(invoice, "subscription"))


def paid_by(invoice: Fields, means: str) -> str | None:
    """The `payment_intent` or `charge` that paid, where the event says: the newer shapes only when
    their payments are expanded."""
    if invoice.get("payments") is not None:
        payments, _ = page(invoice, "payments")
        paid = (child(p, "payment") for p in payments if text(p, "status") == "paid")
        found = next(filter(None, (reference(payment, means) for payment in paid)), None)
        if found:
            return found
    return reference(invoice, means)


# A line of an invoice


def invoice_line(line: Fields, invoice: Fields, kind: PaymentKind, package_id: str | None) -> PaymentLine:
    """One line of an invoice of this kind. Only a subscription's first invoice has trials.

    Prorations are counted in an UPDATE alone: elsewhere nobody uses their quantity or item.
    Raises QuantityNotWhole for a line whose quantity counts.
    """
    prorated = is_proration(line)
    counted = not prorated or kind is PaymentKind.UPDATE
    of_subscription = is_subscription_line(line)
    of_item = of_subscription or (prorated and counted)  # older shapes call a proration an invoice item
    quantity = quantity_of(line) if counted else 0
    starts, ends = _period(line)
    may_be_trial = kind is PaymentKind.FIRST and of_subscription and not prorated
    return PaymentLine(
        line_id=required(reference(line, "id")),
        price=price_of(line),
        quantity=quantity,
        amount=amount_of(line),
        currency=currency_of(line, invoice),
        package_id=package_id,
        subscription_item=_subscription_item(line) if of_item else None,
        period_start=starts,
        period_end=ends,
        proration=prorated,
        trial=may_be_trial and _is_trial(line, quantity),
    )


def _line_parent(line: Fields) -> tuple[str, Fields]:
    """Which kind of line the newer shapes say this is, with its details; ("", {}) in older ones."""
    parent = child(line, "parent")
    kinds = (SUBSCRIPTION_LINE, INVOICE_ITEM_LINE)
    kind = text(parent, "type")
    if kind in kinds:
        return kind, child(parent, kind)
    for kind in kinds:
        if parent.get(kind) is not None:
            return kind, child(parent, kind)
    return "", {}


def is_subscription_line(line: Fields) -> bool:
    """Whether a subscription item made this line, rather than an invoice item beside it."""
    kind, _ = _line_parent(line)
    if kind:
        return kind == SUBSCRIPTION_LINE
    older = text(line, "type")
    return older == "subscription" if older else line.get("subscription_item") is not None


def is_proration(line: Fields) -> bool:
    _, details = _line_parent(line)
    return flag(details, "proration") or flag(line, "proration")


def price_of(line: Fields) -> str | None:
    """The price's id; the oldest shapes call it a plan. None for an amount without a price.

    A plan may carry a name its owner chose, which no package can be linked to if it is not an id:
    then the line stays without a price and the others keep theirs.
    """
    details = child(line, "pricing", "price_details")
    for place, name in ((details, "price"), (line, "price"), (line, "plan")):
        given = expanded(place, name).get("id") or place.get(name)
        if isinstance(given, str):
            return given if is_id(given) else None
    return None


def _subscription_item(line: Fields) -> str | None:
    _, details = _line_parent(line)
    return reference(details, "subscription_item") or reference(line, "subscription_item")


def _period(line: Fields) -> tuple[datetime | None, datetime | None]:
    """The line's half-open period. An invoice item without one carries an empty period: none."""
    period = child(line, "period")
    starts, ends = instant(period, "start"), instant(period, "end")
    if starts is None or ends is None or ends <= starts:
        return None, None
    return starts, ends


def quantity_of(line: Fields) -> int:
    """How many; 1 when the line does not say. `quantity_decimal` tells what `quantity` cut off."""
    exact = text(line, "quantity_decimal")
    if exact is None:
        given = line.get("quantity")
        if isinstance(given, float):
            raise QuantityNotWhole
        quantity = whole(line, "quantity")
        quantity = 1 if quantity is None else quantity
    else:
        number = required(decimal(exact))
        quantity = int(number)
        if quantity != number:
            raise QuantityNotWhole
    if not 0 <= quantity <= MAX_QUANTITY:
        raise QuantityNotWhole
    return quantity


def amount_of(line: Fields) -> int:
    """An invoice line's or a session item's amount before discounts, in minor units."""
    return amount(line, "amount" if line.get("amount_subtotal") is None else "amount_subtotal")


def _is_trial(line: Fields, quantity: int) -> bool:
    """Whether a zero line is a trial's, not a free package's or a discounted one's.

    A line's amount stands before discounts, so 100 % off is not zero here. A price that would have
    cost something for this quantity is therefore on trial; so is a line worded as Stripe words it.
    """
    if line.get("amount") != 0 or _discounted(line):
        return False
    if (text(line, "description") or "").startswith(TRIAL_WORDING):
        return True
    would_cost = _unit_amount(line) * quantity >= Decimal("0.5")  # below it rounds to nothing
    return would_cost and not line.get("discounts")


def _discounted(line: Fields) -> bool:
    given = line.get("discount_amounts")
    discounts = given if isinstance(given, list) else []
    return any((whole(fields(d), "amount") or 0) > 0 for d in discounts)


def _unit_amount(line: Fields) -> Decimal:
    """The price's unit amount in minor units; 0 where the event does not tell it."""
    price, plan = expanded(line, "price"), expanded(line, "plan")
    told = (
        child(line, "pricing").get("unit_amount_decimal"),
        price.get("unit_amount"),
        price.get("unit_amount_decimal"),
        plan.get("amount"),
        plan.get("amount_decimal"),
    )
    return max((decimal(value) or Decimal(0) for value in told), default=Decimal(0))
