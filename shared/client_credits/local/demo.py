"""The demo practice: a catalogue, clients, and a history that came through the real paths.

Payments arrive as signed webhooks, bookings as events on the bus, just as they would from Stripe
and a booking system; only what a practice types in (catalogue, clients) goes through the API.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from client_credits.local import loopback
from client_credits.local.errors import LocalStackError
from client_credits.local.stack import Stack
from client_credits.samples import events as samples
from client_credits.stripe import signature as stripe_signature

VISIBLE_WITHIN_SECONDS = 30

TYPES: dict[str, dict[str, Any]] = {
    "follow-up": {"name": "Follow-up session"},
    "initial": {"name": "Initial consultation"},
    "group-class": {"name": "Group class", "bookable_without_credits": True},
}
PACKAGES: dict[str, dict[str, Any]] = {
    "follow-up-3": {
        "name": "Follow-ups, monthly",
        "credits": {"follow-up": 3},
        "renews_each_cycle": True,
        "stripe_prices": ["price_FollowUpMonthly"],
        "url": "https://example.com/packages/follow-up-3",
    },
    "follow-up-10": {
        "name": "Ten follow-ups",
        "credits": {"follow-up": 10},
        "expiry": {"kind": "months", "n": 6},
        "stripe_prices": ["price_FollowUpPack"],
        "url": "https://example.com/packages/follow-up-10",
    },
    "starter": {
        "name": "Starter: one consultation, two follow-ups",
        "credits": {"initial": 1, "follow-up": 2},
        "renews_each_cycle": False,
        "expiry": {"kind": "days", "n": 90},
        "stripe_prices": ["price_Starter"],
        "url": "https://example.com/packages/starter",
    },
}
CLIENTS: dict[str, dict[str, Any]] = {
    "c-17": {"name": "Robin Example", "stripe_customers": ["cus_SampleRiverside"]},
    "c-18": {"name": "Kim Example", "stripe_customers": ["cus_SampleKim"]},
    "c-19": {"name": "Sam Example"},
    "c-20": {"name": "Alex Example"},
}


def load(stack: Stack) -> None:
    """Fill a fresh stack. Raises LocalStackError when the history does not show up in time."""
    for type_id, body in TYPES.items():
        _put(stack, f"/v1/appointment-types/{type_id}", body)
    for package_id, body in PACKAGES.items():
        _put(stack, f"/v1/packages/{package_id}", body)
    for client_id, body in CLIENTS.items():
        _put(stack, f"/v1/clients/{client_id}", body)
    for send, steps in ((_pay, _payments()), (_book, _bookings())):
        for case, overrides, client_id, balance in steps:
            send(stack, case, overrides)
            _until(stack, client_id, balance)


# What is sent, and what some client's follow-ups come to once it has arrived: each step waits for
# the one before, so that the history reads in order.
Step = tuple[str, dict[str, str], str, int]


def _payments() -> list[Step]:
    def ago(days: int) -> str:
        return (datetime.now(UTC) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")

    monthly = {"price": "price_FollowUpMonthly", "client_id": "c-17"}
    kims = {"client_id": "c-18", "customer": "cus_SampleKim"}
    nobodys = {"client_id": "", "customer": "cus_SampleUnknown", "invoice": "in_demo_unknown"}
    return [
        ("invoice-paid-first", {**monthly, "paid_at": ago(40), "invoice": "in_demo_first"}, "c-17", 3),
        ("invoice-paid-cycle", {**monthly, "paid_at": ago(10), "invoice": "in_demo_cycle"}, "c-17", 6),
        ("checkout-completed", {**kims, "package_id": "follow-up-10", "paid_at": ago(3)}, "c-18", 10),
        ("checkout-completed", {**kims, "package_id": "starter", "paid_at": ago(2)}, "c-18", 12),
        ("invoice-paid-manual", {**nobodys, "paid_at": ago(1)}, "c-19", 0),
    ]


def _bookings() -> list[Step]:
    return [
        ("created", {"booking_id": "b-1", "client_id": "c-17"}, "c-17", 5),
        ("created", {"booking_id": "b-2", "client_id": "c-17"}, "c-17", 4),
        ("created", {"booking_id": "b-3", "client_id": "c-17"}, "c-17", 3),
        ("cancelled-by-client", {"booking_id": "b-3", "client_id": "c-17"}, "c-17", 4),
        ("created", {"booking_id": "b-4", "client_id": "c-19"}, "c-19", -1),
    ]


def _put(stack: Stack, path: str, body: dict[str, Any]) -> None:
    _call(stack, "PUT", path, body)


def _call(stack: Stack, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    status, answer = loopback.request(
        f"{stack.api_url}{path}",
        method=method,
        body=json.dumps(body).encode() if body is not None else None,
        headers={"authorization": f"Bearer {stack.tokens['admin']}", "content-type": "application/json"},
    )
    if status >= 400:
        raise LocalStackError(f"The demo practice cannot be loaded: {method} {path} answered {status}.")
    return json.loads(answer)


def _pay(stack: Stack, case: str, overrides: dict[str, str]) -> None:
    body = json.dumps(samples.stripe_event(case, overrides)).encode()
    header = stripe_signature.sign(body, stack.stripe_webhook_secret, int(time.time()))
    status, _ = loopback.request(
        stack.stripe_webhook_url,
        method="POST",
        body=body,
        headers={"stripe-signature": header, "content-type": "application/json"},
    )
    if status != 200:
        raise LocalStackError(f"The demo practice cannot be loaded: the webhook answered {status}.")


def _book(stack: Stack, case: str, overrides: dict[str, str]) -> None:
    event = samples.booking_event(case, {"practice_id": stack.practice_id, **overrides})
    entry = {
        "EventBusName": stack.event_bus_name,
        "Source": event["source"],
        "DetailType": event["detail-type"],
        "Detail": json.dumps(event["detail"]),
    }
    if stack.client("events").put_events(Entries=[entry])["FailedEntryCount"]:
        raise LocalStackError("The demo practice cannot be loaded: the bus refused a booking.")


def _until(stack: Stack, client_id: str, balance: int) -> None:
    """Wait until a client's follow-ups have come to `balance`."""
    deadline = time.monotonic() + VISIBLE_WITHIN_SECONDS
    while time.monotonic() < deadline:
        credits = _call(stack, "GET", f"/v1/clients/{client_id}/credits")["credits"]
        if any(c["appointment_type"] == "follow-up" and c["balance"] == balance for c in credits):
            return
        time.sleep(0.2)
    raise LocalStackError(f"The demo practice did not come up: client {client_id} has no {balance} follow-ups yet.")
