"""The publisher: each change on the stream becomes its events on the bus, at least once."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from client_credits.aws import clients
from client_credits.aws.config import ConfigError

APP = Path(__file__).parents[2] / "functions/publish_entries/app.py"
CONTEXT = SimpleNamespace(aws_request_id="lambda-1")
BUS = "credits-bus"

Image = dict[str, Any]


@pytest.fixture(scope="module")
def app() -> Iterator[ModuleType]:
    clients.client.cache_clear()
    clients._session.cache_clear()
    spec = importlib.util.spec_from_file_location("publish_entries_app", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    clients.client.cache_clear()
    clients._session.cache_clear()


def record(number: int, kind: str = "INSERT", **item: Any) -> Image:
    """A stream record of an item that has `events` events, each with `size` bytes of detail."""
    image = {"pk": {"S": f"p1#c-{number}"}, "events": {"N": "1"}, **item}
    change = {"SequenceNumber": f"{number:06d}", "NewImage": image, "Keys": {"pk": image["pk"]}}
    if kind != "INSERT":
        change["OldImage"] = {"pk": image["pk"]}
    if kind == "REMOVE":
        del change["NewImage"]
    return {"eventID": f"stream-{number}", "eventName": kind, "dynamodb": change}


def events_of(new: Image, old: Image | None) -> list[Image]:
    return [
        {
            "detail_type": "credits.granted",
            "practice_id": "p1",
            "detail": {
                "event_id": f"{new['pk']}/{number}",
                "first": old is None,
                "padding": "x" * new.get("size", 0),
            },
        }
        for number in range(new["events"])
    ]


class Bus:
    """Takes entries unless told to refuse; answers as PutEvents does."""

    def __init__(self, *refused: str, error: Exception | None = None) -> None:
        self.refused = refused
        self.error = error
        self.calls: list[list[dict[str, str]]] = []
        self.taken: list[str] = []

    def put(self, entries: list[dict[str, str]]) -> dict[str, Any]:
        self.calls.append(entries)
        if self.error is not None:
            raise self.error
        results = []
        for entry in entries:
            event_id = json.loads(entry["Detail"])["event_id"]
            if event_id in self.refused:
                results.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "..."})
            else:
                self.taken.append(event_id)
                results.append({"EventId": "e"})
        failures = sum("ErrorCode" in result for result in results)
        return {"FailedEntryCount": failures, "Entries": results}


def publish(app: ModuleType, records: list[Image], bus: Bus) -> list[str]:
    """The sequence numbers that the answer names as failed."""
    answer = app.publish(records, BUS, events_of, bus.put)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_each_event_is_published_with_source_kind_practice_and_its_own_id(app: ModuleType) -> None:
    bus = Bus()

    assert publish(app, [record(1)], bus) == []
    ((entry,),) = bus.calls
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == (
        "credits",
        "credits.granted",
        BUS,
    )
    assert json.loads(entry["Detail"]) == {
        "practice_id": "p1",
        "event_id": "p1#c-1/0",
        "first": True,
        "padding": "",
    }


def test_a_changed_item_is_seen_with_what_it_was(app: ModuleType) -> None:
    bus = Bus()

    publish(app, [record(1, "MODIFY")], bus)

    assert json.loads(bus.calls[0][0]["Detail"])["first"] is False


def test_what_is_removed_is_no_news(app: ModuleType) -> None:
    bus = Bus()

    assert publish(app, [record(1, "REMOVE"), record(2, events={"N": "0"})], bus) == []
    assert bus.calls == []


def test_ten_entries_make_a_call_and_the_order_is_kept(app: ModuleType) -> None:
    bus = Bus()

    assert publish(app, [record(n, events={"N": "3"}) for n in range(7)], bus) == []
    assert [len(call) for call in bus.calls] == [10, 10, 1]
    assert bus.taken == [f"p1#c-{n}/{k}" for n in range(7) for k in range(3)]


def test_a_call_holds_at_most_256_kilobytes(app: ModuleType) -> None:
    bus = Bus()

    assert publish(app, [record(n, size={"N": "100000"}) for n in range(5)], bus) == []
    assert [len(call) for call in bus.calls] == [2, 2, 1]
    for call in bus.calls:
        parts = [entry[part] for entry in call for part in ("Source", "DetailType", "Detail")]
        assert sum(len(part.encode()) for part in parts) <= 256 * 1024


def test_an_event_too_large_for_the_bus_fails_alone_after_those_before_it(app: ModuleType) -> None:
    bus = Bus()

    failed = publish(app, [record(1), record(2, size={"N": "300000"}), record(3)], bus)

    assert failed == ["000002"]
    assert bus.taken == ["p1#c-1/0"]


def test_the_first_record_that_the_bus_refused_is_named(app: ModuleType) -> None:
    bus = Bus("p1#c-4/0", "p1#c-6/0")

    assert publish(app, [record(n) for n in range(10)], bus) == ["000004"]


def test_after_a_refusal_no_further_call_is_made(app: ModuleType) -> None:
    bus = Bus("p1#c-4/0")

    publish(app, [record(n) for n in range(30)], bus)

    assert len(bus.calls) == 1


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "InternalException", "Message": ""}}, "PutEvents"),
        ReadTimeoutError(endpoint_url="https://events.example"),
    ],
)
def test_a_call_that_fails_names_its_first_record(app: ModuleType, error: Exception) -> None:
    assert publish(app, [record(n) for n in range(3)], Bus(error=error)) == ["000000"]


def test_a_count_of_failures_without_a_name_is_not_taken_for_success(app: ModuleType) -> None:
    answer = app.publish([record(1)], BUS, events_of, lambda entries: {"FailedEntryCount": 1, "Entries": [{}]})

    assert answer["batchItemFailures"] == [{"itemIdentifier": "000001"}]


@pytest.mark.parametrize(
    "item",
    [{"events": {"S": "many"}}, {"events": {"N": "x"}}, {"events": {}}, {"events": {"N": "1.5"}}],
)
def test_an_item_that_cannot_be_read_fails_alone_after_those_before_it(app: ModuleType, item: Image) -> None:
    bus = Bus()

    assert publish(app, [record(1), record(2, **item), record(3)], bus) == ["000002"]
    assert bus.taken == ["p1#c-1/0"]


def test_a_failure_and_a_success_are_both_logged_without_contents(
    app: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    publish(app, [record(1), record(2)], Bus("p1#c-2/0"))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    error = next(line for line in lines if line.get("level") == "ERROR")
    assert error["sequence_number"] == "000002"
    assert any("_aws" in line and "PublishFailed" in line for line in lines)


@given(
    sizes=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60_000)), max_size=12),
    refusals=st.sets(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=3),
)
def test_whatever_is_refused_redelivery_publishes_each_event_at_least_once(
    app: ModuleType, sizes: list[tuple[int, int]], refusals: set[tuple[int, int]]
) -> None:
    records = [
        record(number, events={"N": str(events)}, size={"N": str(size)}) for number, (events, size) in enumerate(sizes)
    ]
    expected = {f"p1#c-{n}/{k}" for n, (events, _) in enumerate(sizes) for k in range(events)}
    bus = Bus(*(f"p1#c-{n}/{k}" for n, k in refusals))
    remaining = records
    for _ in range(len(records) + 1):
        failed = publish(app, remaining, bus)
        if not failed:
            break
        # Lambda sends the named record and all after it again; the bus is well by then.
        names = [each["dynamodb"]["SequenceNumber"] for each in remaining]
        remaining = remaining[names.index(failed[0]) :]
        bus.refused = ()

    assert failed == []
    assert set(bus.taken) == expected
    for call in bus.calls:
        assert 1 <= len(call) <= 10


def test_events_reach_a_rule_of_the_bus(app: ModuleType) -> None:
    with mock_aws():
        events, sqs = clients.client("events"), clients.client("sqs")
        queue_url = sqs.create_queue(QueueName="listener")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        events.create_event_bus(Name=BUS)
        pattern = json.dumps({"source": ["credits"]})
        events.put_rule(Name="all", EventBusName=BUS, EventPattern=pattern)
        target = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
        events.put_targets(Rule="all", EventBusName=BUS, Targets=[target])

        answer = app.publish(
            [record(n) for n in range(3)],
            BUS,
            events_of,
            lambda entries: events.put_events(Entries=entries),
        )

        received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    assert answer == {"batchItemFailures": []}
    ids = {json.loads(message["Body"])["detail"]["event_id"] for message in received}
    assert ids == {"p1#c-0/0", "p1#c-1/0", "p1#c-2/0"}


def test_the_handler_says_which_setting_is_missing(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENT_BUS_NAME", raising=False)

    with pytest.raises(ConfigError, match="EVENT_BUS_NAME"):
        app.handler({"Records": []}, CONTEXT)


def test_the_handler_answers_an_uninteresting_batch_with_no_failures(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENT_BUS_NAME", BUS)

    answer = app.handler({"Records": [record(1, "REMOVE")]}, CONTEXT)

    assert answer == {"batchItemFailures": []}
