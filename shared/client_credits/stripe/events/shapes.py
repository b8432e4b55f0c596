"""Where Stripe keeps each value, in every shape from 2022-11-15 to 2026-10-28.endive.

Owns the paths inside invoices, their lines and sessions; `stripe_money_in` owns what they mean.
A path is chosen by its non-null value, never by the presence of a key or by a version string: one
event may be rendered in any version, and newer shapes still carry old keys with null.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from client_credits.domain.credits import MAX_CREDITS
from client_credits.domain.ids import is_id
from client_credits.domain.payments.facts import PaymentLine, Trial
from client_credits.domain.payments.plan_changes import Interval
from client_credits.stripe.events.counting import Read
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
    integer,
    metadata,
    page,
    reference,
    required,
    text,
)

MAX_QUANTITY = MAX_CREDITS

MAX_INTERVALS = 1_100  # of days: Stripe's own bound is three years

SUBSCRIPTION_LINE = "subscription_item_details"
INVOICE_ITEM_LINE = "invoice_item_details"

# How Stripe words the zero line of a trial. The newer shapes say nothing else about it.
TRIAL_WORDING = ("Free trial for", "Trial period for")


# And a proration of what no longer comes, where it does not name the lines that it credits.
UNUSED_WORDING = "Unused time "


class QuantityNotWhole(Exception):
    """A line's quantity is not a whole number within 0..1,000,000."""


# An invoice


def subscription_of(invoice: Fields, lines: list[Fields]) -> str | None:
    """The invoice's subscription: by its parent, by the older field, else by its lines."""
    details = child(invoice, "parent", "subscription_details")
    found = reference(details, "subscription") or reference(invoice, "subscription")
    return found or next(filter(None, map(_line_subscription, lines)), None)


def _line_subscription(line: Fields) -> str | None:
    """The subscription that made a line, or whose plan a proration is about."""
    if not (is_subscription_line(line) or is_proration(line)):
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


def invoice_line(line: Fields, invoice: Fields, subscription: str | None, package_id: str | None) -> Read:
    """One line of an invoice, which is about this subscription if any. Raises QuantityNotWhole."""
    prorated, of_subscription = is_proration(line), is_subscription_line(line)
    credited = prorated and amount_of(line) == 0 and _is_credited(line)
    gives_back = credited or (prorated and amount_of(line) < 0)
    quantity = _quantity_given_back(line) if gives_back else quantity_of(line)
    starts, ends = _period(line)
    read = PaymentLine(
        line_id=required(reference(line, "id")),
        price=price_of(line),
        quantity=quantity or 0,
        amount=amount_of(line),
        currency=currency_of(line, invoice),
        package_id=package_id,
        # Older shapes call a proration an invoice item.
        subscription_item=_subscription_item(line) if of_subscription or prorated else None,
        period_start=starts,
        period_end=ends,
        proration=prorated,
        trial=_trial(line, quantity, credited) if of_subscription or prorated else Trial.NO,
        subscription=own if (own := _line_subscription(line)) != subscription else None,
        charged=_charged(line),
        interval=interval_of(line) if of_subscription or prorated else None,
        credited=credited,
    )
    return Read(read, quantity)


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


def _is_credited(line: Fields) -> bool:
    """Whether a proration of nothing is for what no longer comes: of a free plan or tier or, with flexible billing,
    of a period that a coupon paid."""
    _, details = _line_parent(line)
    named = child(details, "proration_details") or child(line, "proration_details")
    unused = (text(line, "description") or "").startswith(UNUSED_WORDING)
    return named.get("credited_items") is not None or unused


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


_INTERVALS = {"day": (0, 1), "week": (0, 7), "month": (1, 0), "year": (12, 0)}


def interval_of(about: Fields) -> Interval | None:
    """How long the price of a line or an item lasts, where the whole price, or the older plan, stands there."""
    for recurring in (child(about, "price", "recurring"), child(about, "plan")):
        each = _INTERVALS.get(text(recurring, "interval") or "")
        count = integer(recurring, "interval_count") or 1
        if each and 0 < count <= MAX_INTERVALS:
            return Interval(months=each[0] * count, days=each[1] * count)
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


def begins_period(line: Fields, made: datetime) -> bool:
    """Whether a line charges for a period that began with its invoice, made then, and not for use before."""
    starts, _ = _period(line)
    return starts is not None and made - starts <= timedelta(minutes=1)


def _quantity_given_back(line: Fields) -> int | None:
    """Nothing depends on the quantity of what a proration gives back."""
    with suppress(QuantityNotWhole):
        return quantity_of(line)
    return None


def quantity_of(line: Fields) -> int | None:
    """How many; None when the line does not say. `quantity_decimal` tells what `quantity` cut off.

    Raises QuantityNotWhole.
    """
    exact = text(line, "quantity_decimal")
    if exact is None:
        given = line.get("quantity")
        if isinstance(given, float):
            raise QuantityNotWhole
        quantity = integer(line, "quantity")
        if quantity is None:
            return None
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


def _charged(line: Fields) -> int | None:
    """What a line charges after discounts and without tax, in minor units; None where that is its amount."""
    taxes = [each for each in _objects(line, "taxes") if text(each, "tax_behavior") == "inclusive"]
    taxes = taxes or [each for each in _objects(line, "tax_amounts") if flag(each, "inclusive")]
    taken_off = sum(integer(each, "amount") or 0 for each in (*_objects(line, "discount_amounts"), *taxes))
    return amount_of(line) - taken_off if taken_off else None


def _objects(line: Fields, name: str) -> list[Fields]:
    given = line.get(name)
    return [fields(each) for each in given] if isinstance(given, list) else []


def _trial(line: Fields, quantity: int | None, credited: bool) -> Trial:
    """What is credited at zero had cost nothing, for a trial or otherwise: the subscription knows."""
    trial = _trial_of(line, 1 if quantity is None else quantity)
    return Trial.UNKNOWN if credited and trial is Trial.YES and not _worded_as_trial(line) else trial


def _worded_as_trial(line: Fields) -> bool:
    return (text(line, "description") or "").startswith(TRIAL_WORDING)


def _trial_of(line: Fields, quantity: int) -> Trial:
    """Whether a zero line is a trial's, not a free package's or a discounted one's.

    A line's amount stands before discounts, so 100 % off is not zero here. A price that would have
    cost something for this quantity is therefore on trial; so is a line worded as Stripe words it. Where
    the price is not stated, as of one with tiers, only the subscription knows.
    """
    if line.get("amount") != 0 or _discounted(line):
        return Trial.NO
    if _worded_as_trial(line):
        return Trial.YES
    if line.get("discounts") or not quantity:
        return Trial.NO
    price = _unit_amount(line)
    if price is None:
        return Trial.UNKNOWN
    return Trial.YES if price * quantity >= Decimal("0.5") else Trial.NO  # below it rounds to nothing


def _discounted(line: Fields) -> bool:
    return any((integer(each, "amount") or 0) > 0 for each in _objects(line, "discount_amounts"))


def _unit_amount(line: Fields) -> Decimal | None:
    """The price's unit amount in minor units; None where the event does not tell it."""
    price, plan = expanded(line, "price"), expanded(line, "plan")
    candidates = (
        child(line, "pricing").get("unit_amount_decimal"),
        price.get("unit_amount"),
        price.get("unit_amount_decimal"),
        plan.get("amount"),
        plan.get("amount_decimal"),
    )
    known = [number for value in candidates if (number := decimal(value)) is not None]
    return max(known, default=None)
