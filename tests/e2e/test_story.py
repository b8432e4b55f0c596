"""The main job, end to end, on the template deployed to the local stack."""

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from client_credits.local.stack import running_stack
from tests.e2e.story import Practice, listening, until
from tests.infra.checkout import free_port

SWEEP_WITHIN_SECONDS = 150  # the schedule fires every minute, and a minute may have just begun

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def port() -> int:
    """One for all, so that the stack comes back where it was; of its own, so that two runs do not meet."""
    return free_port()


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


def set_up(practice: Practice, ends: datetime) -> None:
    practice.put("/v1/appointment-types/follow-up", {"name": "Follow-up"})
    practice.put("/v1/appointment-types/brief", {"name": "Brief"})
    practice.put(
        "/v1/packages/two",
        {"name": "Two follow-ups", "credits": {"follow-up": 2}, "stripe_prices": ["price_Two"]},
    )
    practice.put(
        "/v1/packages/brief",
        {
            "name": "Gone in a moment",
            "credits": {"brief": 5},
            "expiry": {"kind": "date", "date": ends.isoformat()},
            "stripe_prices": ["price_Brief"],
        },
    )
    practice.put("/v1/clients/c1", {"name": "Somebody", "stripe_customers": ["cus_one"]})
    status, _ = practice.call("PATCH", "/v1/settings", {"prevent_no_credit_booking": True})
    assert status == 200


def test_buy_book_refuse_cancel_expire_stop_and_start(directory: Path, port: int) -> None:
    with running_stack(directory, port) as stack:
        practice = listening(stack)
        ends = datetime.now(UTC) + timedelta(seconds=25)
        set_up(practice, ends)
        buys_and_sees_it(practice)
        books_until_refused(practice)
        cancels_and_has_it_back(practice)
        expires_by_the_schedule_alone(practice)
        history_tells_it_all(practice)
    with running_stack(directory, port) as stack:
        practice = Practice(stack, practice.heard_from)
        it_is_all_still_there_and_moving(practice)


def buys_and_sees_it(practice: Practice) -> None:
    paid = practice.pay("invoice-paid-first", customer="cus_one", client_id="", price="price_Two")
    practice.pay("invoice-paid-manual", customer="cus_one", client_id="", price="price_Brief")
    practice.balance_becomes("c1", "follow-up", 2)
    practice.balance_becomes("c1", "brief", 5)
    practice.send_stripe(paid)
    practice.send_stripe(paid | {"id": "evt_twin"})
    granted = practice.hears("credits.granted", appointment_type="follow-up")
    assert (granted["amount"], granted["balance_after"], granted["client_id"]) == (2, 2, "c1")
    assert "name" not in granted and "event_id" in granted
    status, stated = practice.call("GET", "/v1/eligibility?client_id=c1&appointment_type=follow-up")
    assert (status, stated["allowed"], stated["available"]) == (200, True, 2)


def books_until_refused(practice: Practice) -> None:
    for number in (1, 2):
        practice.booking("created", booking_id=f"b-{number}", client_id="c1")
        practice.booking_becomes(f"b-{number}", "booked")
    practice.booking("created", booking_id="b-3", client_id="c1")
    assert practice.booking_becomes("b-3", "refused")["refusal"]["reason"] == "insufficient_credits"
    assert practice.credits("c1", "follow-up")["balance"] == 0, "the twin payment granted nothing"
    refused = practice.hears("credits.booking_refused", booking_id="b-3")
    assert (refused["reason"], refused["shortfall"]) == ("insufficient_credits", 1)
    _, stated = practice.call("GET", "/v1/eligibility?client_id=c1&appointment_type=follow-up")
    assert (stated["allowed"], stated["reason"]) == (False, "insufficient_credits")
    assert [p["id"] for p in stated["packages"]] == ["two"]


def cancels_and_has_it_back(practice: Practice) -> None:
    practice.booking("cancelled-by-client", booking_id="b-1", client_id="c1")
    practice.balance_becomes("c1", "follow-up", 1)
    practice.booking("cancelled-by-client", booking_id="b-1", client_id="c1")
    practice.send_booking({"practice_id": "demo", "booking_id": "broken"})
    practice.hears("credits.restored", amount=1)


def expires_by_the_schedule_alone(practice: Practice) -> None:
    stored = practice.stack.client("dynamodb")
    name, key = practice.stack.table_name, {"pk": {"S": "demo#c1"}, "sk": {"S": "wallet#brief"}}

    def balance() -> int:
        return int(stored.get_item(TableName=name, Key=key)["Item"]["balance"]["N"])

    assert balance() == 5, "nothing has written the end yet"
    until(balance, lambda seen: seen == 0, SWEEP_WITHIN_SECONDS)
    gone = practice.hears("credits.expired", appointment_type="brief")
    assert (gone["amount"], gone["balance_after"], gone["actor"]["id"]) == (-5, 0, "schedule")


def history_tells_it_all(practice: Practice) -> None:
    _, stated = practice.call("GET", "/v1/clients/c1/credits/follow-up/history?limit=100")
    changes = [(e["kind"], e["amount"], e["balance_after"]) for e in stated["items"] if e["sequence"]]
    assert changes == [("restored", 1, 1), ("spent", -1, 0), ("spent", -1, 1), ("granted", 2, 2)]
    _, stated = practice.call("GET", "/v1/clients/c1/credits/brief/history")
    assert [(e["kind"], e["amount"]) for e in stated["items"] if e["sequence"]] == [("expired", -5), ("granted", 5)]
    sqs = practice.stack.client("sqs")
    url = practice.stack.outputs["BookingsDeadLettersUrl"]
    letters = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], VisibilityTimeout=0)["Messages"]
    assert "occurred_at: missing" in letters[0]["MessageAttributes"]["reason"]["StringValue"]


def it_is_all_still_there_and_moving(practice: Practice) -> None:
    history_tells_it_all(practice)
    practice.heard.clear()
    practice.booking("created", booking_id="b-4", client_id="c1")
    practice.booking_becomes("b-4", "booked")
    practice.hears("credits.spent", balance_after=0)
    practice.pay("invoice-paid-cycle", customer="cus_one", client_id="", price="price_Two")
    practice.balance_becomes("c1", "follow-up", 2)


@pytest.mark.prove
def test_pages_of_allowed_origins_and_tokens_of_rotated_keys_are_answered_and_no_others(
    directory: Path, port: int
) -> None:
    with running_stack(directory, port) as stack:
        keys_rotate_while_it_runs(Practice(stack, ""))
        a_clients_browser_comes_in(Practice(stack, ""))
        url = f"{stack.api_url}/v1/settings"
        asked = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "GET"}
        preflight = urllib.request.Request(url, headers=asked, method="OPTIONS")
        with urllib.request.urlopen(preflight) as answer:
            assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
            assert "authorization" in answer.headers["access-control-allow-headers"].lower()
        stated = {"Origin": "http://localhost:3000", "authorization": f"Bearer {stack.tokens['staff']}"}
        with urllib.request.urlopen(urllib.request.Request(url, headers=stated)) as answer:
            assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
            assert json.loads(answer.read())["enabled"]["value"] is True
        stranger = urllib.request.Request(url, headers=stated | {"Origin": "http://localhost:3001"})
        with urllib.request.urlopen(stranger) as answer:
            assert answer.headers.get("access-control-allow-origin") is None


def keys_rotate_while_it_runs(practice: Practice) -> None:
    stack = practice.stack
    old = stack.tokens["staff"]
    assert practice.call("GET", "/v1/settings", role="staff")[0] == 200
    stack.issuer.rotate()
    stack.publish_keys()
    new = stack.issuer.mint("staff", stack.practice_id)
    for bearer in (new, old):
        assert practice.call("GET", "/v1/settings", authorization=f"Bearer {bearer}")[0] == 200
    stranger = stack.issuer.mint("staff", stack.practice_id, aud="another-api")
    status, stated = practice.call("GET", "/v1/settings", authorization=f"Bearer {stranger}")
    assert (status, stated["status"]) == (401, 401)
    elsewhere = stack.issuer.mint("staff", "another-practice")
    assert practice.call("GET", "/v1/clients/c1", authorization=f"Bearer {elsewhere}")[0] == 404


def a_clients_browser_comes_in(practice: Practice) -> None:
    """By a session that the practice's page asked for, and by a link that staff sent."""
    client_id, api_url = practice.stack.client_id, practice.stack.api_url
    status, made = practice.call("POST", "/v1/client-sessions", {"client_id": client_id}, role="service")
    assert status == 200, made
    status, me = practice.call("GET", "/v1/me", authorization=f"Bearer {made['token']}")
    assert (status, me["client_id"], me["role"]) == (200, client_id, "client")
    key = {"idempotency-key": f"link-{datetime.now(UTC).timestamp():.0f}"}
    status, sent = practice.call("POST", "/v1/client-links", {"client_id": client_id}, **key)
    assert status == 200, sent
    page, _, link = sent["url"].partition("#link=")
    assert page == f"{api_url}/me"
    assert practice.call("POST", "/v1/client-links/exchange", {"link": link}, authorization="")[0] == 200
    assert practice.call("POST", "/v1/client-links/exchange", {"link": link}, authorization="")[0] == 404
    status, stated = practice.call("GET", "/v1/status", role="admin")
    assert (status, set(stated["dead_letters"])) == (200, {"stripe", "bookings", "sweep", "publishing", "jobs"})
