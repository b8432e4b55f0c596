"""What an override may replace in a sample event, and where: by name, or by a dotted path.

Knows where Stripe's samples keep their values, in every shape there are samples of, and nothing of
what they mean.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Event = dict[str, Any]


class SampleError(ValueError):
    """An unknown case or override; the message lists what is known."""


def seconds(key: str, value: str | None, otherwise: datetime | None = None) -> int:
    """Unix seconds of an RFC 3339 instant or of unix seconds written out."""
    if value is None and otherwise is not None:
        return int(otherwise.timestamp())
    value = value or ""
    if re.fullmatch(r"[0-9]{1,12}", value):
        return int(value)
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise SampleError(f"{key} is an RFC 3339 instant like 2026-12-01T09:00:00Z.")
    return int(instant.timestamp())


def whole_number(key: str, value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise SampleError(f"{key} is a whole number.")
    return int(value)


_NAME_PACKAGES = ("checkout.session", "payment_intent")  # what was bought, in their metadata

# Named places of a Stripe event: each sets its value and tells whether the event has such a place


def about_of(event: Event) -> Event:
    """The object that an event carries; {} of a thin one."""
    about: Event = event.get("data", {}).get("object", {})
    return about


def _main_line(event: Event) -> Event | None:
    """The line that overrides are about: an invoice's first that is no proration, else its first."""
    about = about_of(event)
    lines = about["lines"]["data"] if about.get("object") == "invoice" else []
    return next((line for line in lines if not _is_proration(line)), lines[0] if lines else None)


def _is_proration(line: Event) -> bool:
    parent = line.get("parent") or {}
    details = parent.get(parent.get("type")) or line
    return bool(details["proration"])


def _set_client(event: Event, value: str) -> bool:
    about = about_of(event)
    if about.get("object") not in ("invoice", "subscription", "customer", *_NAME_PACKAGES):
        return False
    places = [found for found in _metadata(about) if "client_id" in found]
    for place in places or [about["metadata"]]:
        _set_or_remove(place, "client_id", value)
    return True


def _metadata(value: Any) -> list[Event]:
    if isinstance(value, list):
        return [found for inner in value for found in _metadata(inner)]
    if not isinstance(value, dict):
        return []
    own = [value["metadata"]] if isinstance(value.get("metadata"), dict) else []
    return own + [found for inner in value.values() for found in _metadata(inner)]


def _set_package(event: Event, value: str) -> bool:
    about = about_of(event)
    if about.get("object") not in ("invoice", *_NAME_PACKAGES):
        return False
    _set_or_remove(about["metadata"], "package_id", value)
    return True


def _set_or_remove(place: Event, name: str, value: str) -> None:
    place.pop(name, None)
    if value:
        place[name] = value


def _set_price(event: Event, value: str) -> bool:
    main = _main_line(event)
    for line in _beside(event, main) if main else ():
        _set_price_of(line, value)
    return main is not None


def _beside(event: Event, main: Event) -> list[Event]:
    """The line and those that are written for the same item and price, as for the tiers of one."""
    return [line for line in about_of(event)["lines"]["data"] if line is main or _same(line, main)]


def _same(line: Event, main: Event) -> bool:
    names = ("parent", "subscription_item", "proration", "period")
    return _is_item(main) and all(line.get(name) == main.get(name) for name in names)


def _is_item(line: Event) -> bool:
    parent = line.get("parent") or {}
    return bool(line.get("subscription_item") or parent.get("subscription_item_details"))


def _set_price_of(line: Event, value: str) -> None:
    if "pricing" in line:
        line["pricing"]["price_details"]["price"] = value
        line["pricing"] = line["pricing"] if value else None
    for name in ("price", "plan"):
        if line.get(name):
            line[name] = {**line[name], "id": value} if value else None


def _set_quantity(event: Event, value: str) -> bool:
    about, line = about_of(event), _main_line(event)
    if about.get("object") in _NAME_PACKAGES:
        _set_or_remove(about["metadata"], "quantity", value)
        return True
    quantity = whole_number("quantity", value)
    if line is None:
        return False
    _set_line(line, line["amount"] * quantity // line["quantity"])
    line["quantity"] = quantity
    if "quantity_decimal" in line:
        line["quantity_decimal"] = str(quantity)
    return _add_up(event)


def _set_amount(event: Event, value: str) -> bool:
    line, amount = _main_line(event), whole_number("amount", value)
    if line is not None:
        _set_line(line, amount)
        return _add_up(event)
    about = about_of(event)
    for name in _AMOUNTS.get(about.get("object", ""), ()):
        if name in about:
            about[name] = amount
    for row in [*about.get("lines", {}).get("data", [])[:1], *(about.get("refunds") or [])]:
        row["amount_refunded" if "refund" in row else "amount"] = amount
    if "amount_refunded" in about:
        about["refunded"] = amount >= about["amount"]
    return about.get("object") in _AMOUNTS


# What `amount` sets of an object without lines of its own; of a charge, what was given back.
_AMOUNTS = {
    "checkout.session": ("amount_subtotal", "amount_total"),
    "payment_intent": ("amount", "amount_received"),
    "charge": ("amount_refunded",),
    "refund": ("amount",),
    "dispute": ("amount",),
    "credit_note": ("amount", "subtotal", "total", "post_payment_amount"),
    "invoice_payment": ("amount_paid", "amount_requested"),
}


def _set_line(line: Event, amount: int) -> None:
    """A line's amount; a discount stays the same part of it."""
    for each in line["discount_amounts"]:
        each["amount"] = each["amount"] * amount // line["amount"]
    line["amount"] = amount


def _add_up(event: Event) -> bool:
    invoice = about_of(event)
    lines = invoice["lines"]["data"]
    discount = sum(each["amount"] for line in lines for each in line["discount_amounts"])
    invoice["subtotal"] = sum(line["amount"] for line in lines)
    invoice["total"] = invoice["amount_due"] = invoice["subtotal"] - discount
    invoice["amount_paid"] = invoice["total"] if invoice["status"] == "paid" else 0
    for each in invoice["total_discount_amounts"]:
        each["amount"] = discount
    return True


def _set_period(end: str) -> Callable[[Event, str], bool]:
    def place(event: Event, value: str) -> bool:
        line = _main_line(event)
        if line is not None:
            line["period"][end] = seconds(f"period_{end}", value)
        return line is not None

    return place


def _set_livemode(event: Event, value: str) -> bool:
    if value not in ("true", "false"):
        raise SampleError("livemode is true or false.")
    event["livemode"] = value == "true"
    return True


def _set_account(event: Event, value: str) -> bool:
    event["account"] = value or None
    return True


STRIPE_PLACES: dict[str, Callable[[Event, str], bool]] = {
    "client_id": _set_client,
    "package_id": _set_package,
    "price": _set_price,
    "quantity": _set_quantity,
    "amount": _set_amount,
    "period_start": _set_period("start"),
    "period_end": _set_period("end"),
    "livemode": _set_livemode,
    "account": _set_account,
}


# Dotted paths


def with_paths(event: Event, given: Mapping[str, str]) -> Event:
    for path, value in given.items():
        if "." in path:
            _set_path(event, path, value)
    return event


def _set_path(event: Event, path: str, value: str) -> None:
    *way, last = path.split(".")
    place: Any = event
    try:
        for name in way:
            place = place[int(name)] if isinstance(place, list) else place[name]
        key: int | str = int(last) if isinstance(place, list) else last
        before = place.get(key) if isinstance(place, dict) else place[key]
        place[key] = _like(before, value, text="metadata" in way)
    except (KeyError, IndexError, ValueError, TypeError):
        raise SampleError(f"The event has no place {path}.") from None


def _like(before: object, value: str, text: bool) -> Any:
    """`value` as text where text stood or belongs, else as the JSON it spells, else as text."""
    if text or isinstance(before, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
