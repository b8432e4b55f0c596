"""How a subscription stands, by Stripe's events: situation by shape, written out by hand."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_credits.domain.payments.facts import Facts, SubscriptionNews, SubscriptionStatus, Unsupported
from client_credits.stripe.events.translate import translate

SHAPES = ["2022-11-15", "2024-06-20", "2025-03-31.basil", "2026-10-28.endive"]
OLD_SHAPES = ("2022-11-15", "2024-06-20")
CREATED, ENDED, CANCELED = 1_800_000_300, 1_800_000_200, 1_800_000_100
DELETED = "customer.subscription.deleted"
LASTING = [f"customer.subscription.{what}" for what in ("created", "updated", "paused", "resumed")]

Json = dict[str, Any]
shape_by_shape = pytest.mark.parametrize("shape", SHAPES)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def subscription(shape: str, **over: Any) -> Json:
    period = {"current_period_start": CANCELED - 100, "current_period_end": CREATED + 100}
    item = {"id": "si_1", "quantity": 1} | ({} if shape in OLD_SHAPES else period)
    common = {
        "id": "sub_1",
        "object": "subscription",
        "cancel_at_period_end": False,
        "canceled_at": None,
        "customer": "cus_1",
        "ended_at": None,
        "items": {"object": "list", "data": [item], "has_more": False},
        "pause_collection": None,
        "status": "active",
    }
    return common | (period if shape in OLD_SHAPES else {}) | over


def stated(kind: str, about: object, **over: Any) -> Facts:
    event = {
        "id": "evt_1",
        "object": "event",
        "created": CREATED,
        "data": {"object": about},
        "livemode": False,
        "type": kind,
    }
    return translate(event | over, "test")


def news(status: SubscriptionStatus, **over: Any) -> SubscriptionNews:
    values: Json = {
        "event_id": "evt_1",
        "account": "own",
        "mode": "test",
        "occurred_at": at(CREATED),
        "subscription": "sub_1",
        "status": status,
        "customer": "cus_1",
    }
    return SubscriptionNews(**(values | over))


@shape_by_shape
@pytest.mark.parametrize("kind", LASTING)
@pytest.mark.parametrize(
    ("status", "means"),
    [
        ("active", SubscriptionStatus.RUNNING),
        ("trialing", SubscriptionStatus.RUNNING),
        ("incomplete", SubscriptionStatus.RUNNING),
        ("past_due", SubscriptionStatus.PAST_DUE),
        ("unpaid", SubscriptionStatus.PAST_DUE),
        ("paused", SubscriptionStatus.PAUSED),
    ],
)
def test_a_subscription_stands_as_its_status_says(
    shape: str, kind: str, status: str, means: SubscriptionStatus
) -> None:
    assert stated(kind, subscription(shape, status=status)) == news(means)


@shape_by_shape
@pytest.mark.parametrize(
    "over",
    [
        {"pause_collection": {"behavior": "void", "resumes_at": None}},
        {"cancel_at_period_end": True, "cancel_at": CREATED + 100, "canceled_at": CANCELED},
        {"cancel_at": CREATED + 100, "canceled_at": CANCELED},
        {"ended_at": ENDED},
    ],
)
def test_a_paused_collection_or_a_cancellation_to_come_leaves_it_running(shape: str, over: Json) -> None:
    running = news(SubscriptionStatus.RUNNING)
    assert stated("customer.subscription.updated", subscription(shape, **over)) == running


@shape_by_shape
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("customer.subscription.updated", "canceled"),
        ("customer.subscription.updated", "incomplete_expired"),
        (DELETED, "canceled"),
        (DELETED, "incomplete_expired"),
        (DELETED, "active"),
        (DELETED, "nobody_knows"),
        (DELETED, None),
    ],
)
@pytest.mark.parametrize(
    ("instants", "ended"),
    [
        ({"ended_at": ENDED, "canceled_at": CANCELED}, ENDED),
        ({"ended_at": None, "canceled_at": CANCELED}, CANCELED),
        ({"ended_at": None, "canceled_at": None}, CREATED),
    ],
)
def test_an_ended_subscription_tells_when(
    shape: str, kind: str, status: str | None, instants: Json, ended: int
) -> None:
    about = subscription(shape, status=status, **instants)
    assert stated(kind, about) == news(SubscriptionStatus.ENDED, ended_at=at(ended))


def test_the_customer_may_be_expanded_an_account_or_unknown() -> None:
    for over, customer in (
        ({"customer": {"id": "cus_1"}}, "cus_1"),
        ({"customer": None, "customer_account": "acct_9"}, "acct_9"),
        ({"customer": None}, None),
    ):
        facts = stated("customer.subscription.updated", subscription("2026-10-28.endive", **over), account="acct_7")
        assert facts == news(SubscriptionStatus.RUNNING, customer=customer, account="acct_7")


@pytest.mark.parametrize(
    ("kind", "over", "customer"),
    [
        ("customer.subscription.updated", {"status": None}, "cus_1"),
        ("customer.subscription.updated", {"status": "nobody_knows"}, "cus_1"),
        ("customer.subscription.updated", {"status": ["active"]}, "cus_1"),
        ("customer.subscription.updated", {"id": None}, "cus_1"),
        ("customer.subscription.updated", {"id": "sub/1"}, "cus_1"),
        ("customer.subscription.updated", {"customer": 7}, None),
        ("customer.subscription.updated", {"object": "invoice"}, "cus_1"),
        (DELETED, {"ended_at": "today"}, "cus_1"),
        (DELETED, {"canceled_at": 10**20}, "cus_1"),
        (DELETED, {"status": 7, "id": None}, "cus_1"),
    ],
)
def test_a_wrong_value_is_parked(kind: str, over: Json, customer: str | None) -> None:
    facts = stated(kind, subscription("2026-10-28.endive", **over))
    assert facts == Unsupported("evt_1", "not_understood", customer=customer)


def test_news_needs_to_know_when() -> None:
    facts = stated(DELETED, subscription("2024-06-20", ended_at=ENDED), created=None)
    assert facts == Unsupported("evt_1", "not_understood", customer="cus_1")


NONSENSE = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.just([]), st.just({})
)


@given(st.sampled_from([*LASTING, DELETED]), st.data())
@settings(max_examples=200, deadline=None)
def test_nonsense_in_any_field_never_raises(kind: str, data: st.DataObject) -> None:
    about = subscription("2024-06-20")
    for name in data.draw(st.lists(st.sampled_from(sorted(about)), min_size=1, max_size=3)):
        about[name] = data.draw(NONSENSE)
    facts = stated(kind, about)
    assert isinstance(facts, SubscriptionNews | Unsupported)
    if isinstance(facts, SubscriptionNews):
        assert (facts.ended_at is not None) is (facts.status is SubscriptionStatus.ENDED)


@shape_by_shape
@pytest.mark.parametrize("kind", [*LASTING, DELETED])
@pytest.mark.parametrize(
    ("metadata", "client_id"),
    [({"client_id": "c-17", "plan": "four"}, "c-17"), ({}, None), (None, None), ({"client_id": "undefined"}, None)],
)
def test_its_metadata_say_whose_it_is(shape: str, kind: str, metadata: Json | None, client_id: str | None) -> None:
    found = stated(kind, subscription(shape, metadata=metadata))
    assert isinstance(found, SubscriptionNews)
    assert found.client_id == client_id
