"""Sample events from the repository's `events/` folder, made fresh: new ids, instants around now.

For tests and `credits trigger`; functions on AWS never load it. The files are plain events as they
arrive. Overrides come as strings, in this order of effect: ids, instants, the named places (those
of `sample_places`), then dotted paths such as `data.object.metadata.client_id=c1`. An empty value removes:
`client_id=` makes a payment nobody can be found for, `price=` an amount without a price.

All ids of a sample are made of its payment's, so the same `invoice=` or `session=` gives the events
of one payment: its refund, its dispute. A second refund of it is another by `refund=`.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from client_credits.samples.places import (
    STRIPE_PLACES,
    Event,
    SampleError,
    about_of,
    seconds,
    whole_number,
    with_paths,
)

NEWEST_API_VERSION = "2026-10-28.endive"

# Ids in the files that name one delivery or one payment; a customer or subscription stays the same.
_OWN_ID = re.compile(
    r"\b(?P<prefix>evt|in|cs_test|il|ii|li|pi|ch|re|dp|cn|cnli|inpay)_Sample(?P<name>[A-Za-z]*)",
)
_SEVERAL = ("il", "ii", "li", "cnli")  # of these one payment may have several: they keep their names
# The overrides that name such ids. What a refund or dispute is about need not stand in it.
_IDS = {
    "event": "evt",
    "invoice": "in",
    "session": "cs_test",
    "payment_intent": "pi",
    "charge": "ch",
    "refund": "re",
    "dispute": "dp",
    "credit_note": "cn",
}
_PAYMENTS = ("in", "cs_test", "pi", "ch")
_REMOVABLE = ("pi", "ch")
_FOLLOWING = ("charge", "refund", "dispute")
_STRIPE_KEYS = (*STRIPE_PLACES, *_IDS, "subscription", "customer", "api_version", "paid_at")
_FIRST_INSTANT = 1_500_000_000  # whole numbers from here on in a file are unix seconds
_WRITTEN_OUT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3}Z")


def events_folder() -> Path:
    return Path(__file__).resolve().parents[3] / "events"


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
    at = seconds("paid_at", given.pop("paid_at", None), now or datetime.now(UTC))
    event = _moved(event, at - _instant_of(event))
    for key, place in STRIPE_PLACES.items():
        if key in given and not place(event, given[key]):
            raise SampleError(f"{key} has no place in {case}.")
    return with_paths(event, given)


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
        detail[key] = whole_number(key, value) if key == "seats" else value or None
    return with_paths(entry, given)


def changed(event: Event, overrides: Mapping[str, str]) -> Event:
    """An event of one's own with values of dotted paths replaced, in place. Raises SampleError."""
    _refuse_unknown(overrides, ())
    return with_paths(event, overrides)


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
    own = {prefix: given.pop(key) for key, prefix in _IDS.items() if key in given}
    _refuse_misplaced(text, case, own)
    if own.get("cs_test"):
        text = re.sub(r'"in_Sample[A-Za-z]*"', "null", text)  # paid in a session, and by no invoice
    for prefix in _REMOVABLE:
        if own.get(prefix) == "":
            text = re.sub(rf'"{prefix}_Sample[A-Za-z]*"', "null", text)
    named = next((own[prefix] for prefix in _PAYMENTS if own.get(prefix)), fresh)
    payment = re.sub(r"^(in|cs_test|cs|pi|ch)_", "", named)

    def renamed(match: re.Match[str]) -> str:
        prefix = match["prefix"]
        if own.get(prefix):
            return _escaped(own[prefix])
        if prefix == "evt":
            return f"evt_{fresh}"
        name = f"_{match['name']}" if prefix in _SEVERAL else ""
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


def _refuse_misplaced(text: str, case: str, own: Mapping[str, str]) -> None:
    about = about_of(json.loads(text)).get("object")
    for key, prefix in _IDS.items():
        named_only = prefix in ("in", "cs_test") and about in _FOLLOWING
        if prefix in own and not named_only and f'"{prefix}_Sample' not in text:
            raise SampleError(f"{key} has no place in {case}.")


def _escaped(value: str) -> str:
    return json.dumps(value)[1:-1]


def _instant_of(event: Event) -> int:
    """Unix seconds of an event; thin events write it out."""
    created = event["created"]
    return seconds("created", created) if isinstance(created, str) else int(created)


def _moved(value: Any, seconds: int) -> Any:
    """The same event with every instant later by `seconds`."""
    if isinstance(value, dict):
        return {name: _moved(inner, seconds) for name, inner in value.items()}
    if isinstance(value, list):
        return [_moved(inner, seconds) for inner in value]
    if isinstance(value, str) and _WRITTEN_OUT.fullmatch(value):
        moved = datetime.fromisoformat(value) + timedelta(seconds=seconds)
        return f"{moved.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000Z"
    is_instant = isinstance(value, int) and value >= _FIRST_INSTANT
    return value + seconds if is_instant else value
