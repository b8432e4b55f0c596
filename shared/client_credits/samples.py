"""Sample events from the repository's `events/` folder, made fresh: new ids, instants around now.

For tests and `credits trigger`; functions on AWS never load it. It knows where the sample files
keep what an override may replace, and nothing of what an event means. The files are plain events
as they arrive. Overrides come as strings, in this order of effect: ids, instants, the named places
below, then dotted paths such as `data.object.metadata.client_id=c1`. An empty value removes:
`client_id=` makes a payment nobody can be found for, `price=` an amount without a price.
"""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

NEWEST_API_VERSION = "2026-10-28.endive"

# Ids in the files that name one delivery or one payment; a customer or subscription stays the same.
_OWN_ID = re.compile(r"\b(?P<prefix>evt|in|cs_test|il|ii|pi|ch)_Sample(?P<name>[A-Za-z]*)")
_FIRST_INSTANT = 1_500_000_000  # whole numbers from here on in a file are unix seconds

Event = dict[str, Any]


class SampleError(ValueError):
    """An unknown case or override; the message lists what is known."""


def events_folder() -> Path:
    return Path(__file__).resolve().parents[2] / "events"


def stripe_cases() -> list[str]:
    return _cases("stripe", NEWEST_API_VERSION)


def stripe_versions() -> list[str]:
    """Stripe's API versions that there are samples of, the newest last."""
    return sorted(folder.name for folder in events_folder().joinpath("stripe").iterdir())


def booking_cases() -> list[str]:
    return _cases("bookings")


def stripe_event(case: str, overrides: Mapping[str, str] | None = None, *, now: datetime | None = None) -> Event:
    """A Stripe event, unsigned. `paid_at` moves the whole event in time; without it, `now` does.

    Line ids follow from the invoice's id, so the same `invoice=` is the same payment again.
    Raises SampleError.
    """
    given = dict(overrides or {})
    _refuse_unknown(given, _STRIPE_KEYS)
    version = given.pop("api_version", NEWEST_API_VERSION)
    event: Event = json.loads(_with_ids(_read(case, "stripe", version), case, given))
    at = _seconds("paid_at", given.pop("paid_at", None), now or datetime.now(UTC))
    event = _moved(event, at - event["created"])
    for key, place in _STRIPE_PLACES.items():
        if key in given and not place(event, given[key]):
            raise SampleError(f"{key} has no place in {case}.")
    return _with_paths(event, given)


def booking_event(case: str, overrides: Mapping[str, str] | None = None, *, now: datetime | None = None) -> Event:
    """An entry for the bus: source, detail-type, detail. The booking's id is new unless given.

    Instants given are taken as they stand, so that malformed ones can be sent. Raises SampleError.
    """
    given = dict(overrides or {})
    entry: Event = json.loads(_read(case, "bookings"))
    detail = entry["detail"]
    _refuse_unknown(given, tuple(detail))
    at = now or datetime.now(UTC)
    delay = at.replace(microsecond=0) - datetime.fromisoformat(detail["occurred_at"])
    for key in ("starts_at", "occurred_at"):
        moved = datetime.fromisoformat(detail[key]) + delay
        detail[key] = moved.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    detail["booking_id"] = f"b-{uuid4().hex[:12]}"
    for key in detail.keys() & given.keys():
        value = given[key]
        detail[key] = _whole(key, value) if key == "seats" else value or None
    return _with_paths(entry, given)


def changed(event: Event, overrides: Mapping[str, str]) -> Event:
    """An event of one's own with values of dotted paths replaced, in place. Raises SampleError."""
    _refuse_unknown(overrides, ())
    return _with_paths(event, overrides)


# Files


def _cases(*folder: str) -> list[str]:
    return sorted(file.stem for file in events_folder().joinpath(*folder).glob("*.json"))


def _read(case: str, *folder: str) -> str:
    if case not in _cases(*folder):
        known = ", ".join(_cases(*folder)) or f"none in events/{'/'.join(folder)}"
        raise SampleError(f"There is no case {case}. Known cases: {known}.")
    return events_folder().joinpath(*folder, f"{case}.json").read_text()


def _refuse_unknown(given: Mapping[str, str], known: tuple[str, ...]) -> None:
    unknown = sorted(key for key in given if key not in known and "." not in key)
    if unknown:
        raise SampleError(
            f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(known))}, or a dotted path into the event."
        )


# Ids and instants


def _with_ids(text: str, case: str, given: dict[str, str]) -> str:
    """The file with ids of its own, or with those given; takes the given ones out of `given`."""
    fresh = uuid4().hex[:16]
    own = {
        "evt": given.pop("event", f"evt_{fresh}"),
        "in": given.pop("invoice", None),
        "cs_test": given.pop("session", None),
    }
    for key, prefix in (("invoice", "in"), ("session", "cs_test")):
        if own[prefix] and f'"{prefix}_Sample' not in text:
            raise SampleError(f"{key} has no place in {case}.")
    payment = (own["in"] or own["cs_test"] or fresh).removeprefix("in_").removeprefix("cs_test_")
    own = {prefix: value or f"{prefix}_{payment}" for prefix, value in own.items()}

    def renamed(match: re.Match[str]) -> str:
        prefix = match["prefix"]
        if prefix in own:
            return _escaped(own[prefix] or "")
        name = f"_{match['name']}" if prefix in ("il", "ii") else ""
        return _escaped(f"{prefix}_{payment}{name}")

    text = _OWN_ID.sub(renamed, text)
    for key, sample in (
        ("subscription", "sub_SampleFollowUps"),
        ("customer", "cus_SampleRiverside"),
    ):
        if key in given:
            if sample not in text:
                raise SampleError(f"{key} has no place in {case}.")
            value = given.pop(key)
            text = text.replace(f'"{sample}"', json.dumps(value or None))
            text = text.replace(sample, _escaped(value))
    return text


def _escaped(value: str) -> str:
    return json.dumps(value)[1:-1]


def _moved(value: Any, seconds: int) -> Any:
    """The same event with every instant later by `seconds`."""
    if isinstance(value, dict):
        return {name: _moved(inner, seconds) for name, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, seconds) for inner in value]
    is_instant = isinstance(value, int) and value >= _FIRST_INSTANT
    return value + seconds if is_instant else value


def _seconds(key: str, value: str | None, otherwise: datetime | None = None) -> int:
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


def _whole(key: str, value: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", value):
        raise SampleError(f"{key} is a whole number.")
    return int(value)


# Named places of a Stripe event: each sets its value and tells whether the event has such a place


def _main_line(event: Event) -> Event | None:
    """The line that overrides are about: the first that is no proration."""
    lines = event["data"]["object"].get("lines", {"data": []})["data"]
    return next((line for line in lines if not _is_proration(line)), None)


def _is_proration(line: Event) -> bool:
    parent = line.get("parent") or {}
    details = parent.get(parent.get("type")) or line
    return bool(details["proration"])


def _set_client(event: Event, value: str) -> bool:
    about = event["data"]["object"]
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
    _set_or_remove(event["data"]["object"]["metadata"], "package_id", value)
    return True


def _set_or_remove(place: Event, name: str, value: str) -> None:
    place.pop(name, None)
    if value:
        place[name] = value


def _set_price(event: Event, value: str) -> bool:
    line = _main_line(event)
    if line is None:
        return False
    if "pricing" in line:
        line["pricing"]["price_details"]["price"] = value
        line["pricing"] = line["pricing"] if value else None
    for name in ("price", "plan"):
        if line.get(name):
            line[name] = {**line[name], "id": value} if value else None
    return True


def _set_quantity(event: Event, value: str) -> bool:
    line, quantity = _main_line(event), _whole("quantity", value)
    if line is None:
        return False
    line["amount"] = line["amount"] * quantity // line["quantity"]
    line["quantity"] = quantity
    if "quantity_decimal" in line:
        line["quantity_decimal"] = str(quantity)
    return _add_up(event)


def _set_amount(event: Event, value: str) -> bool:
    line, amount = _main_line(event), _whole("amount", value)
    about = event["data"]["object"]
    if line is not None:
        line["amount"] = amount
        return _add_up(event)
    for name in ("amount_subtotal", "amount_total"):
        about[name] = amount
    return bool(about["object"] == "checkout.session")


def _add_up(event: Event) -> bool:
    invoice = event["data"]["object"]
    total = sum(line["amount"] for line in invoice["lines"]["data"])
    for name in ("amount_due", "amount_paid", "subtotal", "total"):
        invoice[name] = total
    return True


def _set_period(end: str) -> Callable[[Event, str], bool]:
    def place(event: Event, value: str) -> bool:
        line = _main_line(event)
        if line is not None:
            line["period"][end] = _seconds(f"period_{end}", value)
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


_STRIPE_PLACES: dict[str, Callable[[Event, str], bool]] = {
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
_STRIPE_IDS = ("event", "invoice", "session", "subscription", "customer")
_STRIPE_KEYS = (*_STRIPE_PLACES, *_STRIPE_IDS, "api_version", "paid_at")


# Dotted paths


def _with_paths(event: Event, given: Mapping[str, str]) -> Event:
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
