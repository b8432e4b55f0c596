"""Newer thin events say in their type how an object stands: whatever they say, Stripe is asked for the object."""

import re
from pathlib import Path
from typing import Any

import pytest
import stripe
from tests.support.stripe_server import an_invoice
from tests.unit.test_stripe_completing import T0, Stripe, thin

from client_credits.domain.payments.facts import (
    Facts,
    Ignored,
    Payment,
    SubscriptionNews,
    SubscriptionStatus,
    Unsupported,
)
from client_credits.stripe.completing import completed_event
from client_credits.stripe.events.translate import WITHOUT_OBJECT, translate

Object = dict[str, Any]


def _types_of_stripe() -> list[str]:
    """Every type of thin event that Stripe's own library knows, about objects of its older API."""
    found = set()
    for file in (Path(stripe.__file__).parent / "events").glob("_v1_*.py"):
        found |= set(re.findall(r'LOOKUP_TYPE = "v1\.([a-z_.]+)"', file.read_text()))
    return sorted(found)


OF_SUBSCRIPTIONS = [each for each in _types_of_stripe() if each.startswith("customer.subscription.")]
OF_INVOICES = [each for each in _types_of_stripe() if each.startswith("invoice.") and each not in WITHOUT_OBJECT]
STANDS = {
    "active": SubscriptionStatus.RUNNING,
    "past_due": SubscriptionStatus.PAST_DUE,
    "canceled": SubscriptionStatus.ENDED,
}


def a_subscription(status: str, **fields: Any) -> Object:
    stated = {"id": "sub_1", "object": "subscription", "created": T0, "customer": "cus_1", "metadata": {}}
    return stated | {"status": status, "trial_start": T0, "trial_end": T0 + 60} | fields


def asked(kind: str, about: Object) -> tuple[Facts, list[str]]:
    api = Stripe(about)
    return completed_event(thin(kind, about["object"], about["id"]), "test", api)[1], api.asked


def test_stripes_library_knows_some_forty_of_them() -> None:
    assert (len(OF_SUBSCRIPTIONS), len(OF_INVOICES)) >= (21, 17)
    assert "customer.subscription.past_due" in OF_SUBSCRIPTIONS


@pytest.mark.parametrize("status", STANDS)
@pytest.mark.parametrize("kind", [k for k in OF_SUBSCRIPTIONS if k != "customer.subscription.deleted"])
def test_a_subscriptions_thin_event_tells_how_it_stands_now(kind: str, status: str) -> None:
    facts, calls = asked(kind, a_subscription(status, ended_at=T0 if status == "canceled" else None))
    assert isinstance(facts, SubscriptionNews)
    assert (facts.subscription, facts.status) == ("sub_1", STANDS[status])
    assert (facts.ended_at is not None) == (status == "canceled")
    assert facts.trial is not None
    assert calls == ["subscription sub_1"]


@pytest.mark.parametrize("kind", OF_INVOICES)
def test_an_invoices_thin_event_grants_where_it_is_paid_by_now(kind: str) -> None:
    facts, calls = asked(kind, an_invoice("in_1", T0))
    assert isinstance(facts, Payment)
    assert calls == ["invoice in_1"]
    if kind != "invoice.paid":
        facts, _ = asked(kind, an_invoice("in_1", T0, status="open"))
        assert isinstance(facts, Ignored), "not paid: nothing to grant, and nothing for staff to look at"


@pytest.mark.parametrize("kind", [*OF_SUBSCRIPTIONS, *OF_INVOICES])
def test_without_a_key_it_is_parked(kind: str) -> None:
    facts = translate(thin(kind, "thing", "obj_1"), "test")
    assert isinstance(facts, Unsupported)
    assert (facts.reason, facts.related, facts.event_type) == ("thin_event", "obj_1", kind)


@pytest.mark.parametrize("kind", sorted(WITHOUT_OBJECT))
def test_one_of_an_invoice_that_nobody_can_be_asked_for_changes_nothing(kind: str) -> None:
    assert isinstance(translate(thin(kind, "invoice", "in_1"), "test"), Ignored)


@pytest.mark.parametrize("kind", ["customer.subscription.nobody_knows", "invoice.nobody_knows"])
def test_a_type_that_came_later_is_asked_for_too(kind: str) -> None:
    about = a_subscription("active") if kind.startswith("customer") else an_invoice("in_1", T0)
    assert isinstance(asked(kind, about)[0], SubscriptionNews | Payment)
