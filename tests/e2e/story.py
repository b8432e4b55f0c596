"""A running stack as its users see it: over HTTP, with signed events, on the bus, through a queue of what it tells."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from client_credits.local.stack import Stack
from client_credits.samples import events as samples
from client_credits.stripe import signature as stripe_signature
from tests.support import published

VISIBLE_WITHIN_SECONDS = 10  # what is promised for anything an event causes
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


T = TypeVar("T")


def until(look: Callable[[], T], wanted: Callable[[T], bool], within_seconds: float) -> T:
    """What `look` sees once it is as wanted. Fails with what was seen last."""
    deadline = time.monotonic() + within_seconds
    while True:
        seen = look()
        if wanted(seen):
            return seen
        assert time.monotonic() < deadline, f"not within {within_seconds} s; last seen: {seen}"
        time.sleep(0.25)


@dataclass
class Practice:
    """One practice on a running stack."""

    stack: Stack
    heard_from: str  # the queue that hears all credit events
    heard: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None, role: str = "admin", **headers: str) -> tuple[int, Any]:
        stated = {"authorization": f"Bearer {self.stack.tokens[role]}", "content-type": "application/json"} | headers
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.stack.api_url + path, data, stated, method=method)
        try:
            with _OPENER.open(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def put(self, path: str, body: Any) -> None:
        status, answer = self.call("PUT", path, body)
        assert status in (200, 201), answer

    def pay(self, case: str, **overrides: str) -> dict[str, Any]:
        """A signed Stripe event to the webhook; the event as sent."""
        event = samples.stripe_event(case, overrides)
        self.send_stripe(event)
        return event

    def send_stripe(self, event: dict[str, Any]) -> None:
        body = json.dumps(event).encode()
        header = stripe_signature.sign(body, self.stack.stripe_webhook_secret, int(time.time()))
        request = urllib.request.Request(
            self.stack.stripe_webhook_url,
            body,
            {"stripe-signature": header, "content-type": "application/json"},
            method="POST",
        )
        with _OPENER.open(request, timeout=30) as answer:
            assert answer.status == 200

    def booking(self, case: str, **overrides: str) -> None:
        """A booking event on the bus."""
        event = samples.booking_event(case, {"practice_id": self.stack.practice_id, **overrides})
        self.send_booking(event["detail"], event["detail-type"])

    def send_booking(self, detail: Any, detail_type: str = "booking.created") -> None:
        entry = {
            "EventBusName": self.stack.event_bus_name,
            "Source": "booking.sample",
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        assert self.stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def credits(self, client_id: str, appointment_type: str) -> dict[str, Any]:
        status, answer = self.call("GET", f"/v1/clients/{client_id}/credits")
        if status != 200:
            return {"balance": None}
        found = (c for c in answer["credits"] if c["appointment_type"] == appointment_type)
        return dict(next(found))

    def balance_becomes(self, client_id: str, appointment_type: str, balance: int) -> None:
        until(
            lambda: self.credits(client_id, appointment_type)["balance"],
            lambda seen: seen == balance,
            VISIBLE_WITHIN_SECONDS,
        )

    def booking_becomes(self, booking_id: str, state: str) -> dict[str, Any]:
        return dict(
            until(
                lambda: self.call("GET", f"/v1/bookings/{booking_id}")[1],
                lambda seen: seen.get("state") == state,
                VISIBLE_WITHIN_SECONDS,
            )
        )

    def hears(self, detail_type: str, within_seconds: float = VISIBLE_WITHIN_SECONDS, **detail: Any) -> dict[str, Any]:
        """The first event out of this kind with these details."""

        def look() -> list[dict[str, Any]]:
            self._listen()
            return [
                e["detail"]
                for e in self.heard
                if e["detail-type"] == detail_type and all(e["detail"].get(k) == v for k, v in detail.items())
            ]

        return until(look, bool, within_seconds)[0]

    def _listen(self) -> None:
        sqs = self.stack.client("sqs")
        answer = sqs.receive_message(QueueUrl=self.heard_from, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            self.heard.append(json.loads(message["Body"]))
            published.check(self.heard[-1]["detail-type"], self.heard[-1]["detail"])
            sqs.delete_message(QueueUrl=self.heard_from, ReceiptHandle=message["ReceiptHandle"])


def listening(stack: Stack) -> Practice:
    """The stack's practice, with a queue of the test's own on the stack's bus."""
    sqs, events = stack.client("sqs"), stack.client("events")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = {"Name": "hear-all", "EventBusName": stack.event_bus_name}
    events.put_rule(**rule, EventPattern=json.dumps({"source": ["credits"]}))
    events.put_targets(Rule="hear-all", EventBusName=stack.event_bus_name, Targets=[{"Id": "heard", "Arn": arn}])
    return Practice(stack, queue)
