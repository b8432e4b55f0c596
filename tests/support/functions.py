"""The functions as Lambda runs them: loaded from their files, and called with events of the real shape.

Behind them stand a table in memory, queues and a bus on moto; what is published on the bus lands in a queue.
"""

import importlib.util
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from client_credits.aws import clients, worker
from tests.support import published
from tests.support.api import Api, api_on
from tests.support.engines import Engine

ROOT = Path(__file__).resolve().parents[2]
CONTEXT = SimpleNamespace(aws_request_id="lambda-1", get_remaining_time_in_millis=lambda: 60_000)
_numbers = count(1)

Event = dict[str, Any]
Items = dict[tuple[str, str], dict[str, Any]]


def load(name: str) -> ModuleType:
    """functions/<name>/app.py as a worker that has just started: a module of its own, nothing remembered."""
    spec = importlib.util.spec_from_file_location(f"{name}_app_{next(_numbers)}", ROOT / "functions" / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass
class World:
    """What stands behind the functions; `api` is a front door to the same table, to look in by."""

    api: Api
    table: str
    queues: dict[str, str]
    bus: str

    def items(self) -> Items:
        """Every item as DynamoDB stores it."""
        found = clients.client("dynamodb").scan(TableName=self.table, ConsistentRead=True)["Items"]
        return {(item["pk"]["S"], item["sk"]["S"]): item for item in found}

    def received(self, queue: str) -> list[Event]:
        """What waits in a queue; it is gone from there afterwards."""
        sqs, found = clients.client("sqs"), []
        while batch := sqs.receive_message(
            QueueUrl=self.queues[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", []):
            found += batch
            for message in batch:
                sqs.delete_message(QueueUrl=self.queues[queue], ReceiptHandle=message["ReceiptHandle"])
        return found

    def published(self) -> list[Event]:
        """The events that arrived on the bus since, as receivers get them; ours are as documented."""
        events = [json.loads(message["Body"]) for message in self.received("published")]
        for event in events:
            if event["source"] == "credits":
                published.check(event["detail-type"], event["detail"])
        return events


QUEUES = ("stripe", "stripe-dead", "bookings", "bookings-dead", "sweep", "jobs", "publish-failures", "published")


@pytest.fixture
def world(memory: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A table, queues and a bus of its own, and the environment that the template would set."""
    number = next(_numbers)
    sqs, events = clients.client("sqs"), clients.client("events")
    urls = {name: sqs.create_queue(QueueName=f"{name}-{number}")["QueueUrl"] for name in QUEUES}
    bus = f"bus-{number}"
    events.create_event_bus(Name=bus)
    events.put_rule(Name="all", EventBusName=bus, EventPattern='{"source": [{"prefix": ""}]}')
    arn = sqs.get_queue_attributes(QueueUrl=urls["published"], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    clients.client("s3").create_bucket(Bucket=f"files-{number}")
    store = memory.fresh_store()
    environment = {
        "TABLE_NAME": store.table.name,
        "EVENT_BUS_NAME": bus,
        "PUBLISH_FAILURES_URL": urls["publish-failures"],
        "STRIPE_QUEUE_URL": urls["stripe"],
        "SWEEP_QUEUE_URL": urls["sweep"],
        "JOBS_QUEUE_URL": urls["jobs"],
        "FILES_BUCKET": f"files-{number}",
        "BOOKINGS_DLQ_URL": urls["bookings-dead"],
        "SECRETS_PREFIX": f"/client-credits/test-{number}",
        "STRIPE_MODE": "test",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield World(api_on(store), store.table.name, urls, bus)
    for url in urls.values():
        sqs.delete_queue(QueueUrl=url)


@pytest.fixture(scope="module")
def own_clients() -> Iterator[None]:
    """Clients of the code under test made within this module's mock, and none left for others."""
    forget_clients()
    yield
    forget_clients()


def forget_clients() -> None:
    clients.client.cache_clear()
    clients._session.cache_clear()
    worker.store_on.cache_clear()  # it remembers catalogues of tables whose names other modules use too


# --- Events as AWS hands them over


def sqs_message(body: str | Event, message_id: str | None = None, **attributes: str) -> Event:
    """One record of an SQS event; `attributes` are its message attributes."""
    number = next(_numbers)
    return {
        "messageId": message_id or f"m-{number}",
        "receiptHandle": f"handle-{number}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1795348800000",
            "SenderId": "AIDAEXAMPLE",
            "ApproximateFirstReceiveTimestamp": "1795348800001",
        },
        "messageAttributes": {
            name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
            for name, value in attributes.items()
        },
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue",
        "awsRegion": "us-east-1",
    }


def sqs_event(*messages: Event) -> Event:
    return {"Records": list(messages)}


def stripe_message(body: str | Event, practice_id: str = "p1", message_id: str | None = None) -> Event:
    """A Stripe event as the webhook queues it."""
    received_at = "2026-11-22T12:00:00.000Z"
    return sqs_message(body, message_id, practice_id=practice_id, received_at=received_at)


def envelope(entry: Event) -> Event:
    """What EventBridge makes of an entry put on the bus."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": entry["detail-type"],
        "source": entry["source"],
        "account": "123456789012",
        "time": "2026-11-22T12:00:00Z",
        "region": "us-east-1",
        "resources": [],
        "detail": entry["detail"],
    }


def stream_event(before: Items, after: Items, number: int = 1) -> Event:
    """What the table's stream tells of a change from `before` to `after`, in the order of the keys."""
    records = []
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        kind = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
        images = ({"OldImage": old} if old else {}) | ({"NewImage": new} if new else {})
        change = {
            "ApproximateCreationDateTime": 1795348800,
            "Keys": {"pk": {"S": key[0]}, "sk": {"S": key[1]}},
            **images,
            "SequenceNumber": f"{number:021}",
            "SizeBytes": 100,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        }
        records.append(
            {
                "eventID": f"{number:032x}",
                "eventName": kind,
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": "us-east-1",
                "dynamodb": change,
                "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/credits/stream/1",
            }
        )
        number += 1
    return {"Records": records}


def http_event(
    method: str,
    path: str,
    body: Any = None,
    stage: str = "$default",
    query: dict[str, str] | None = None,
    **headers: str,
) -> Event:
    """A request of an HTTP API, payload format 2.0."""
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    raw_path = path if stage == "$default" else f"/{stage}{path}"
    return {
        "version": "2.0",
        "routeKey": f"{method} /v1/{{proxy+}}",
        "rawPath": raw_path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()},
        "queryStringParameters": query,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "http": {"method": method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "req-1",
            "routeKey": f"{method} /v1/{{proxy+}}",
            "stage": stage,
            "time": "22/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795348800000,
        },
        "body": text,
        "isBase64Encoded": False,
    }


def failed(answer: Event) -> list[str]:
    """The ids of the messages that must come back."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def lines(text: str) -> list[Event]:
    """What was logged: each line of JSON, or a failure."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def stated(logged: Iterable[Event]) -> list[Event]:
    """The log's own lines, without the metrics between them."""
    return [line for line in logged if "_aws" not in line]
