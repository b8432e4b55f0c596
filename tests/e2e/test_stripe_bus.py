"""Stripe's events over EventBridge, on the template deployed to the local stack.

The emulator knows no partner event sources, so the stack's own bus stands in for the partner's, and a
source that nobody may claim on AWS for one that only Stripe can use there.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from client_credits.local.practice import PRACTICE_ID
from client_credits.local.stack import STACK_NAME, running_stack
from client_credits.samples import events as samples
from tests.e2e.story import VISIBLE_WITHIN_SECONDS, Practice, listening, until
from tests.infra.checkout import free_port

SOURCE = "partner.example/ed_test_1"

pytestmark = [pytest.mark.timeout(240), pytest.mark.prove]


def put_on_the_bus(practice: Practice, event: dict[str, Any], source: str) -> None:
    entry = {"EventBusName": practice.stack.event_bus_name, "Source": source, "DetailType": event["type"]}
    answer = practice.stack.client("events").put_events(Entries=[entry | {"Detail": json.dumps(event)}])
    assert answer["FailedEntryCount"] == 0


def balance(practice: Practice) -> int:
    status, answer = practice.call("GET", "/v1/clients/c-17/credits", role="staff")
    assert status in (200, 404), answer
    return sum(each["balance"] for each in answer.get("credits", []))


def test_the_named_source_grants_and_another_does_not(tmp_path: Path) -> None:
    named = {"StripeEventSource": SOURCE, "StripeEventBusName": STACK_NAME, "StripePartnerPractice": PRACTICE_ID}
    with running_stack(tmp_path / "stack", free_port(), parameters=named) as stack:
        practice = listening(stack)
        practice.put("/v1/appointment-types/follow-up", {"name": "Follow-up"})
        practice.put("/v1/packages/follow-up-3", {"name": "Three", "credits": {"follow-up": 3}})
        practice.put("/v1/clients/c-17", {"name": "Somebody"})
        forged, bought, last = (samples.stripe_event("checkout-completed") for _ in range(3))
        for source in (f"{SOURCE}x", "partner.example", "credits"):
            put_on_the_bus(practice, forged, source)
        for _ in range(2):
            put_on_the_bus(practice, bought, SOURCE)
        until(lambda: balance(practice), lambda seen: seen > 0, VISIBLE_WITHIN_SECONDS)
        practice.send_stripe(bought)  # the webhook goes on beside it: the same payment
        put_on_the_bus(practice, last, SOURCE)
        until(lambda: balance(practice), lambda seen: seen > 3, VISIBLE_WITHIN_SECONDS)
        assert balance(practice) == 6
