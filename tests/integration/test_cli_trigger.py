"""`credits trigger`: what arrives at the webhook is signed like Stripe's, what is put on the bus is a booking event."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.support.builders import a_package
from tests.support.cli import Ran, Stack, credits, moto_stack

from client_credits.booking_systems import work as booking_work
from client_credits.booking_systems.events import booking_event_of, read_booking_event
from client_credits.cli import awaiting, trigger
from client_credits.domain.practice.catalogue import AppointmentType
from client_credits.operations.context import STRIPE, Context
from client_credits.operations.payments import parking
from client_credits.operations.staff import practices
from client_credits.samples import events as samples
from client_credits.stripe import signature as stripe_signature
from client_credits.stripe import work as stripe_work

SECRET = "whsec_ofPractice1"


class Webhook:
    """What was posted: paths, headers, bodies. Answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""
        self.worker: Callable[[bytes], object] = lambda _: None


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    stated = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            stated.posts.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            stated.worker(body)
            self.send_response(stated.status)
            self.end_headers()
            self.wfile.write(b'{"received": true, "detail": "The Stripe-Signature header does not match the body."}')

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        stated.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield stated
        server.shutdown()
        thread.join()


@pytest.fixture
def stack(tmp_path: Path, webhook: Webhook, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setattr(awaiting, "SECONDS", 0.0)  # no worker runs here
    with moto_stack(tmp_path) as made:
        made.target = replace(made.target, api_url=webhook.url)
        made("practice", "create", "p1", "--secret", SECRET)
        yield made


class Bus:
    """An EventBridge that remembers its entries, or refuses them."""

    def __init__(self, refusing: bool = False) -> None:
        self.refusing = refusing
        self.entries: list[dict[str, str]] = []

    def put_events(self, Entries: list[dict[str, str]]) -> dict[str, Any]:
        self.entries += Entries
        if self.refusing:
            failed = {"ErrorCode": "ThrottlingException", "ErrorMessage": "Later."}
            return {"FailedEntryCount": 1, "Entries": [failed]}
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "event-1"}]}


@pytest.fixture
def bus(stack: Stack) -> Bus:
    made = Bus()
    stack.fakes["events"] = made
    return made


def own_file(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "own.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


# -- Stripe ------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", samples.stripe_cases())
def test_every_case_arrives_signed_by_the_practices_secret(stack: Stack, webhook: Webhook, case: str) -> None:
    ran = stack("trigger", "stripe", case, "--json")
    assert ran.code == 0, ran.err
    ((path, headers, body),) = webhook.posts
    assert path == "/webhooks/stripe/p1"
    stripe_signature.verify(body, headers["stripe-signature"], [SECRET], int(time.time()))
    assert ran.json["event_id"] == json.loads(body)["id"]
    assert headers["user-agent"].startswith("Stripe/1.0")


def test_the_event_is_of_the_version_and_has_the_values_asked_for(stack: Stack, webhook: Webhook) -> None:
    words = ("invoice-paid-first", "--api-version", "2024-06-20", "client_id=c-5", "data.object.currency=usd")
    assert stack("trigger", "stripe", *words).code == 0
    event = json.loads(webhook.posts[0][2])
    assert event["api_version"] == "2024-06-20"
    assert event["data"]["object"]["currency"] == "usd"
    assert "c-5" in webhook.posts[0][2].decode()


def test_the_same_event_can_be_delivered_many_times(stack: Stack, webhook: Webhook) -> None:
    assert stack("trigger", "stripe", "checkout-completed", "--times", "3").code == 0
    assert len({body for _, _, body in webhook.posts}) == 1
    assert len(webhook.posts) == 3


def test_a_file_is_sent_byte_by_byte(stack: Stack, webhook: Webhook, tmp_path: Path) -> None:
    text = '{ "object":"event",  "id":"evt_own", "type":"a.b" }\n'
    ran = stack("trigger", "stripe", "--file", own_file(tmp_path, text), "--json")
    facts = {"event_id": "evt_own", "type": "a.b", "object_id": None, "practice_id": "p1", "times": 1}
    assert ran.json == facts | {"outcome": None}
    assert webhook.posts[0][2] == text.encode()


def test_values_of_a_file_can_be_changed_by_their_paths(stack: Stack, webhook: Webhook, tmp_path: Path) -> None:
    event = samples.stripe_event("checkout-completed")
    words = ("--file", own_file(tmp_path, event), "data.object.metadata.client_id=c-6")
    assert stack("trigger", "stripe", *words).code == 0
    assert json.loads(webhook.posts[0][2])["data"]["object"]["metadata"]["client_id"] == "c-6"
    assert stack("trigger", "stripe", "--file", own_file(tmp_path, event), "client_id=c-6").code == 1


def test_a_webhook_that_refuses_is_one_sentence(stack: Stack, webhook: Webhook) -> None:
    webhook.status = 400
    ran = stack("trigger", "stripe", "checkout-completed", "--json")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "400: The Stripe-Signature header does not match the body.\n"


def test_a_practice_without_a_secret_is_one_sentence(stack: Stack, webhook: Webhook) -> None:
    ran = stack("trigger", "stripe", "checkout-completed", "--practice", "p2")
    assert ran.code == 1
    assert "credits practice create p2" in ran.err
    assert not webhook.posts


@pytest.mark.parametrize("words", [("nope",), ("checkout-completed", "colour=red"), ("--file", "/nowhere")])
def test_what_cannot_be_sent_is_one_sentence(stack: Stack, webhook: Webhook, words: tuple[str, ...]) -> None:
    ran = stack("trigger", "stripe", *words)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") == 1
    assert not webhook.posts


def test_the_cases_are_listed_without_any_stack() -> None:
    assert credits("trigger", "stripe", "--list").out.split() == samples.stripe_cases()
    assert credits("trigger", "stripe", "--list", "--json").json["api_versions"][-1] == samples.NEWEST_API_VERSION
    assert credits("trigger", "booking", "--list").out.split() == samples.booking_cases()


# -- bookings ----------------------------------------------------------------------------------


def sent(bus: Bus) -> dict[str, Any]:
    (entry,) = bus.entries
    assert entry["EventBusName"] == "credits-bus"
    return entry | {"Detail": json.loads(entry["Detail"])}


@pytest.mark.parametrize("case", samples.booking_cases())
def test_every_booking_case_can_be_read_by_the_function(stack: Stack, bus: Bus, case: str) -> None:
    ran = stack("trigger", "booking", case, "--json")
    assert ran.code == 0, ran.err
    entry = sent(bus)
    envelope = {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": entry["Detail"]}
    event = read_booking_event(json.dumps(envelope))
    assert event.practice_id == "p1", "the stack's own practice"
    assert ran.json == {
        "event_id": "event-1",
        "detail_type": entry["DetailType"],
        "practice_id": "p1",
        "booking_id": event.booking_id,
        "outcome": None,
    }


def test_a_booking_takes_the_values_asked_for(stack: Stack, bus: Bus) -> None:
    stack("trigger", "booking", "created", "client_id=c-9", "booking_id=b-9", "seats=2", "--practice", "p2")
    detail = sent(bus)["Detail"]
    named = {name: detail[name] for name in ("client_id", "booking_id", "seats", "practice_id")}
    assert named == {"client_id": "c-9", "booking_id": "b-9", "seats": 2, "practice_id": "p2"}


def test_a_booking_file_is_put_as_it_stands_for_the_practice_it_names(stack: Stack, bus: Bus, tmp_path: Path) -> None:
    entry = {"source": "booking.own", "detail-type": "booking.created", "detail": {"practice_id": "p7", "odd": []}}
    assert stack("trigger", "booking", "--file", own_file(tmp_path, entry)).code == 0
    assert sent(bus)["Detail"] == entry["detail"]
    assert sent(bus)["Source"] == "booking.own"


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"source": "shop", "detail-type": "booking.created", "detail": {}}']
)
def test_a_file_that_nobody_would_get_is_refused(stack: Stack, bus: Bus, tmp_path: Path, content: str) -> None:
    ran = stack("trigger", "booking", "--file", own_file(tmp_path, content))
    assert (ran.code, ran.out) == (1, "")
    assert not bus.entries


def test_an_event_that_the_bus_did_not_take_is_an_error(stack: Stack) -> None:
    stack.fakes["events"] = Bus(refusing=True)
    ran: Ran = stack("trigger", "booking", "created")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "The bus refused the event: ThrottlingException: Later.\n"


def test_the_real_call_is_one_that_a_bus_takes(stack: Stack) -> None:
    assert stack("trigger", "booking", "created", "--json").json["event_id"]


def a_worker(stack: Stack) -> Callable[[bytes], object]:
    """What the queue's function does with what the webhook took."""

    def work(body: bytes) -> object:
        context = Context(stack.store, "p1", STRIPE, datetime.now(UTC))
        return stripe_work.handle(context, lambda _, __: None, "test", json.loads(body), body.decode())

    return work


def test_what_came_of_a_payment_is_said_once_it_is_worked_off(
    stack: Stack, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awaiting, "SECONDS", 20.0)
    context = Context(stack.store, "p1", STRIPE, datetime.now(UTC))
    practices.put_appointment_type(stack.store, "p1", AppointmentType("follow-up", "Follow-up"))
    practices.put_package(context, a_package("monthly", stripe_prices=("price_Monthly",)), False)
    webhook.worker = a_worker(stack)
    bought = ("trigger", "stripe", "invoice-paid-cycle", "client_id=c-1", "price=price_Monthly", "invoice=in_77")
    assert "It ended as granted." in stack(*bought).out
    assert stack("--json", *bought).json["outcome"] == "granted", "a repeat ends as the first did"
    unknown = stack("trigger", "stripe", "invoice-paid-cycle", "client_id=c-1", "price=price_Nobodys")
    (parked,) = parking.every_open(stack.store, "p1")
    assert f"Parked: unknown_package. `credits parked resolve {parked.parked_id}`" in unknown.out
    assert "It changes nothing" in stack("trigger", "stripe", "invoice-payment-failed").out
    assert "came of it" not in stack("trigger", "stripe", "checkout-completed", "--no-wait").out
    before = len(list(parking.every_open(stack.store, "p1")))
    webhook.worker = lambda _: None
    monkeypatch.setattr(awaiting, "SECONDS", 1.0)
    assert "Nothing came of it yet." in stack(*bought[:4], "price=price_Monthly", "invoice=in_78").out
    assert len(list(parking.every_open(stack.store, "p1"))) == before, "waiting writes nothing"


def test_what_came_of_a_booking_is_its_state_or_why_it_goes_to_the_dead_letters(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awaiting, "SECONDS", 20.0)
    put_on_bus = trigger.put_on_bus
    practices.put_appointment_type(stack.store, "p1", AppointmentType("follow-up", "Follow-up"))

    def worked_off(session: Any, entry: dict[str, Any]) -> str:
        booking_work.apply(stack.store, booking_event_of(entry), datetime.now(UTC))
        return put_on_bus(session, entry)

    monkeypatch.setattr(trigger, "put_on_bus", worked_off)
    assert "The booking is booked." in stack("trigger", "booking", "created", "client_id=c-1", "booking_id=b-1").out
    cancelled = ("trigger", "booking", "cancelled-by-client", "client_id=c-1", "booking_id=b-1")
    assert "The booking is cancelled." in stack(*cancelled).out
    monkeypatch.setattr(trigger, "put_on_bus", put_on_bus)
    nowhere = stack("trigger", "booking", "created", "--practice", "nobody")
    assert "It goes to the dead letters: there is no practice nobody." in nowhere.out
