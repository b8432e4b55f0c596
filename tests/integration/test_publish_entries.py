"""The publisher: each change on the stream becomes its events on the bus, at least once; no record stops another."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws
from tests.support.builders import NOW
from tests.support.functions import forget_clients, load
from tests.support.records import a_parked, an_entry
from tests.support.stream import Handler, Mapping, Record, Stream

from client_credits.aws import clients
from client_credits.aws.config import ConfigError
from client_credits.domain.ledger.entries import Cause, CauseKind
from client_credits.domain.practice.records import Client
from client_credits.publishing.bus import LEFT_SECONDS, MAX_BYTES, Bus, EventSetAside, Outcome, publish
from client_credits.store import codec, keys, writes

BUS = "credits-bus"
CONTEXT = SimpleNamespace(aws_request_id="lambda-1", get_remaining_time_in_millis=lambda: 30_000)

Image = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def _own_clients() -> Iterator[None]:
    forget_clients()
    yield
    forget_clients()


@pytest.fixture
def app() -> ModuleType:
    return load("publish_entries")


def an_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": ""}}, "PutEvents")


def change(number: int, new: Image, old: Image | None = None) -> Record:
    """A stream record of an item."""
    stated = {"SequenceNumber": f"{number:06d}", "NewImage": new, "Keys": {name: new[name] for name in ("pk", "sk")}}
    if old is not None:
        stated["OldImage"] = old
    return {"eventID": f"stream-{number}", "eventName": "MODIFY" if old else "INSERT", "dynamodb": stated}


def entry_item(number: int, size: int = 0) -> Image:
    """An entry as it is stored; `size` is how many bytes it has too many."""
    padded = Cause(CauseKind.PACKAGE, {"package_id": "x" * size})
    item: Image = writes.entry(an_entry(number, cause=padded))["Put"]["Item"]
    return item


def record(number: int, size: int = 0, **item: Any) -> Record:
    return change(number, entry_item(number, size) | item)


def removed(number: int) -> Record:
    gone = record(number)
    del gone["dynamodb"]["NewImage"]
    return gone | {"eventName": "REMOVE"}


def named(*numbers: int) -> list[str]:
    """The ids of the events of these records."""
    return [an_entry(number).entry_id for number in numbers]


class Receiver:
    """A bus that takes entries unless said to refuse, and answers as PutEvents does. Ids by error code."""

    def __init__(self, refused: dict[str, str] | None = None, error: Exception | None = None) -> None:
        self.refused = refused or {}
        self.error = error
        self.calls: list[list[dict[str, str]]] = []
        self.taken: list[str] = []
        self.kept: list[EventSetAside] = []
        self.seconds = 30.0

    def put(self, entries: list[dict[str, str]]) -> dict[str, Any]:
        self.calls.append(entries)
        if self.error is not None:
            raise self.error
        results = [self._judged(json.loads(entry["Detail"])["event_id"]) for entry in entries]
        failures = sum("ErrorCode" in result for result in results)
        return {"FailedEntryCount": failures, "Entries": results}

    def _judged(self, event_id: str) -> dict[str, str]:
        if code := self.refused.get(event_id):
            return {"ErrorCode": code, "ErrorMessage": "..."}
        self.taken.append(event_id)
        return {"EventId": "e"}

    def bus(self) -> Bus:
        return Bus(BUS, self.put, self.kept.append, lambda: self.seconds)

    def published(self, *records: Record) -> Outcome:
        return publish(records, self.bus())

    def handler(self, event: dict[str, Any]) -> dict[str, Any]:
        """As the function answers."""
        stopped = publish(event["Records"], self.bus()).stopped
        return {"batchItemFailures": [{"itemIdentifier": stopped.sequence_number}] if stopped else []}


def stopped_at(outcome: Outcome) -> str | None:
    return outcome.stopped.sequence_number if outcome.stopped else None


def reasons(outcome: Outcome) -> dict[str, str]:
    return {kept.sequence_number: kept.reason for kept in outcome.set_aside}


# -- what is put on the bus --------------------------------------------------------------------


def test_each_event_is_published_with_source_kind_practice_and_its_own_id() -> None:
    receiver = Receiver()
    assert receiver.published(record(1)) == Outcome(1, (), None)
    ((entry,),) = receiver.calls
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("credits", "credits.granted", BUS)
    detail = json.loads(entry["Detail"])
    assert (detail["practice_id"], detail["event_id"], detail["sequence"]) == ("p1", *named(1), 1)


def test_what_is_removed_is_no_news() -> None:
    receiver = Receiver()
    assert receiver.published(removed(1)) == Outcome(0, (), None)
    assert receiver.calls == []


def test_an_entry_that_was_modified_is_not_published_again() -> None:
    receiver = Receiver()
    assert receiver.published(change(1, entry_item(1), entry_item(1))).published == 0


def test_ten_entries_make_a_call_and_the_order_is_kept() -> None:
    receiver = Receiver()
    assert receiver.published(*(record(n) for n in range(1, 22))).published == 21
    assert [len(call) for call in receiver.calls] == [10, 10, 1]
    assert receiver.taken == named(*range(1, 22))


def test_a_call_holds_at_most_256_kilobytes() -> None:
    receiver = Receiver()
    assert receiver.published(*(record(n, size=100_000) for n in range(1, 6))).stopped is None
    assert [len(call) for call in receiver.calls] == [2, 2, 1]
    for call in receiver.calls:
        parts = [entry[part] for entry in call for part in ("Source", "DetailType", "Detail")]
        assert sum(len(part.encode()) for part in parts) <= MAX_BYTES


# -- items are judged by their kind ------------------------------------------------------------


@pytest.mark.parametrize("client_id", ["parked", "booking", "op", "raw", "link", "payment", "reconciliation"])
def test_a_client_may_have_any_name_and_is_no_news(client_id: str) -> None:
    receiver = Receiver()
    profile = writes.client("p1", Client(client_id, created_at=NOW))["Put"]["Item"]
    assert receiver.published(change(1, profile), record(2)) == Outcome(1, (), None)
    assert receiver.taken == named(2)


def test_a_parked_payment_is_published_under_an_id_of_ours_beside_that_of_the_provider() -> None:
    receiver = Receiver()
    pk, sk = keys.parked("p1", "prk_1")
    item = {"pk": pk, "sk": sk, "kind": "parked", "body": codec.to_json(a_parked())}
    receiver.published(change(1, codec.to_attributes(item)))
    detail = json.loads(receiver.calls[0][0]["Detail"])
    assert detail["stripe_event_id"] == "evt_1"
    assert detail["event_id"] != "evt_1"


def test_an_item_of_a_kind_that_only_a_later_release_knows_is_passed_over() -> None:
    receiver = Receiver()
    later = {"pk": {"S": "p1#pool#x"}, "sk": {"S": "entry#x"}, "kind": {"S": "pool"}, "body": {"S": "?"}}
    assert receiver.published(change(1, later), record(2)) == Outcome(1, (), None)


# -- what waits --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "AccessDeniedException", "SomethingNew"])
def test_the_first_record_that_the_bus_could_not_take_now_is_named(code: str) -> None:
    receiver = Receiver(dict.fromkeys(named(4, 6), code))
    outcome = receiver.published(*(record(n) for n in range(1, 31)))
    assert (stopped_at(outcome), outcome.set_aside) == ("000004", ())
    assert outcome.published == 3
    assert len(receiver.calls) == 1, "what comes behind would only be published twice"


@pytest.mark.parametrize("error", [an_error("InternalException"), ReadTimeoutError(endpoint_url="https://e.example")])
def test_a_call_that_fails_names_its_first_record(error: Exception) -> None:
    outcome = Receiver(error=error).published(*(record(n) for n in range(1, 4)))
    assert (stopped_at(outcome), outcome.published, outcome.set_aside) == ("000001", 0, ())


def test_a_count_of_failures_without_a_name_is_not_taken_for_success() -> None:
    bus = Bus(BUS, lambda entries: {"FailedEntryCount": 1, "Entries": [{}]}, print, lambda: 30)
    assert stopped_at(publish([record(1)], bus)) == "000001"


def test_when_time_runs_out_the_rest_is_left_for_the_next_call() -> None:
    receiver = Receiver()
    put = receiver.put

    def slow(entries: list[dict[str, str]]) -> dict[str, Any]:
        receiver.seconds -= 15
        return put(entries)

    receiver.put = slow  # type: ignore[method-assign]
    outcome = receiver.published(*(record(n) for n in range(1, 41)))
    assert outcome.stopped is not None
    assert (outcome.stopped.sequence_number, outcome.stopped.for_time) == ("000021", True)
    assert receiver.taken == named(*range(1, 21))


def test_the_first_call_is_made_however_little_time_is_left() -> None:
    receiver = Receiver()
    receiver.seconds = LEFT_SECONDS - 1
    assert receiver.published(record(1)).published == 1


# -- what is set aside -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"body": {"S": '{"kind": "?"'}}, "JSONDecodeError"),
        ({"body": {"S": "{}"}}, "ValueError"),
        ({"body": {"N": "7"}}, "TypeError"),
        ({"amount": {"N": "1.5"}}, "ValueError"),
        ({"amount": {}}, "ValueError"),
        ({"body": {"S": '{"kind":"granted","postings":[{"amount":{}}]}'}}, "ValueError"),
    ],
)
def test_a_record_that_cannot_be_read_is_set_aside_and_the_rest_goes_on(item: Image, reason: str) -> None:
    receiver = Receiver()
    outcome = receiver.published(record(1), record(2, **item), record(3))
    assert (outcome.stopped, reasons(outcome)) == (None, {"000002": reason})
    assert receiver.taken == named(1, 3)
    assert [kept.key for kept in receiver.kept] == [("p1#c1", "entry#follow-up#000000000002")]


def test_an_event_too_large_for_the_bus_is_set_aside() -> None:
    receiver = Receiver()
    outcome = receiver.published(record(1), record(2, size=300_000), record(3))
    assert (outcome.stopped, reasons(outcome)) == (None, {"000002": "too_large"})
    assert receiver.taken == named(1, 3)


@pytest.mark.parametrize("code", ["MalformedDetail", "InvalidArgument"])
def test_an_event_that_the_bus_will_never_take_is_set_aside(code: str) -> None:
    receiver = Receiver(dict.fromkeys(named(2), code))
    outcome = receiver.published(*(record(n) for n in range(1, 5)))
    assert (outcome.stopped, reasons(outcome)) == (None, {"000002": code})
    assert receiver.taken == named(1, 3, 4)


def test_of_a_call_that_is_not_valid_the_one_to_blame_is_found_and_set_aside() -> None:
    receiver = Receiver()
    put = receiver.put

    def strict(entries: list[dict[str, str]]) -> dict[str, Any]:
        if named(3)[0] in json.dumps(entries):
            raise an_error("ValidationException")
        return put(entries)

    receiver.put = strict  # type: ignore[method-assign]
    outcome = receiver.published(*(record(n) for n in range(1, 5)))
    assert (outcome.stopped, reasons(outcome)) == (None, {"000003": "ValidationException"})
    assert receiver.taken == named(1, 2, 4)


def test_a_record_that_could_not_be_set_aside_is_tried_again_and_never_lost() -> None:
    def full(record: EventSetAside) -> None:
        raise an_error("ServiceUnavailable")

    receiver = Receiver()
    bus = Bus(BUS, receiver.put, full, lambda: 30)
    outcome = publish([record(1), record(2, body={"S": "?"}), record(3)], bus)
    assert (stopped_at(outcome), outcome.set_aside) == ("000002", ())
    assert receiver.taken == named(1)


def test_an_entry_that_is_stored_packed_is_published_as_any_other() -> None:
    item = entry_item(1, size=1_000)
    (packed,) = item.pop("packed").values()
    receiver = Receiver()
    assert receiver.published(change(1, item | {"packed": {"B": b64encode(packed).decode()}})) == Outcome(1, (), None)
    detail = json.loads(receiver.calls[0][0]["Detail"])
    assert detail["entry_id"] == an_entry(1).entry_id
    assert detail["cause"] == {"kind": "package", "package_id": "x" * 1_000}


def test_an_entry_that_cannot_be_unpacked_is_set_aside_and_the_rest_goes_on() -> None:
    item = entry_item(1) | {"packed": {"B": "AAAA"}}
    del item["body"]
    receiver = Receiver()
    outcome = receiver.published(change(1, item), record(2))
    assert (outcome.published, [kept.reason.split(":")[0] for kept in outcome.set_aside]) == (1, ["ValueError"])


# -- records of the next release ---------------------------------------------------------------


def later_entry(number: int) -> Image:
    """An entry as the next release may write it: of a new kind and cause, with a field more."""
    item = entry_item(number)
    body = json.loads(item["body"]["S"])
    body |= {"kind": "sponsored", "cause": {"kind": "sponsor", "ids": {"sponsor_id": "a1"}}, "visit": 7}
    return item | {"entry_kind": {"S": "sponsored"}, "body": {"S": json.dumps(body)}, "visit": {"N": "7"}}


def test_an_entry_of_a_kind_that_only_the_next_release_knows_is_published_as_it_is() -> None:
    receiver = Receiver()
    assert receiver.published(change(1, later_entry(1)), record(2)) == Outcome(2, (), None)
    later = receiver.calls[0][0]
    assert later["DetailType"] == "credits.sponsored"
    detail = json.loads(later["Detail"])
    assert (detail["kind"], detail["cause"]) == ("sponsored", {"kind": "sponsor", "sponsor_id": "a1"})
    assert detail["event_id"] == named(1)[0]


# -- the shard, as AWS delivers it -------------------------------------------------------------


def delivered(handler: Handler, records: list[Record]) -> Stream:
    """The stream after it has handed these records to the publisher, as the template says."""
    stream = Stream(handler, Mapping(max_retries=99, bisects=True, reports_failures=True))
    for each in records:
        stream.feed(each)
    stream.run()
    return stream


def test_one_bad_record_never_blocks_the_shard() -> None:
    bad = {
        3: {"body": {"S": "?"}},
        11: {"body": {"S": "{}"}},
        12: {"amount": {"N": "x"}},
        25: {"kind": {"S": "entry"}, "body": {"S": "null"}},
    }
    receiver = Receiver(dict.fromkeys(named(7), "MalformedDetail"))
    shard = delivered(receiver.handler, [record(n, **bad.get(n, {})) for n in range(1, 41)])
    assert [kept.sequence_number for kept in receiver.kept] == ["000003", "000007", "000011", "000012", "000025"]
    assert receiver.taken == [each for n in range(1, 41) if n not in (3, 7, 11, 12, 25) for each in named(n)]
    assert (len(shard.calls), shard.failures) == (1, [])


def test_a_throttled_bus_is_waited_for_and_nothing_is_given_up() -> None:
    receiver = Receiver()
    put, calls = receiver.put, iter(range(1_000))

    def throttled(entries: list[dict[str, str]]) -> dict[str, Any]:
        if next(calls) % 9:  # eight calls of nine
            raise an_error("ThrottlingException")
        return put(entries)

    receiver.put = throttled  # type: ignore[method-assign]
    shard = delivered(receiver.handler, [record(n) for n in range(1, 31)])
    assert receiver.taken == named(*range(1, 31))
    assert (shard.failures, receiver.kept) == ([], [])


def test_when_time_runs_out_batch_after_batch_all_is_published_in_order() -> None:
    receiver = Receiver()
    receiver.seconds = 1  # enough for one call each time
    shard = delivered(receiver.handler, [record(n) for n in range(1, 35)])
    assert receiver.taken == named(*range(1, 35))
    assert len(shard.calls) == 4


@given(
    bad=st.sets(st.integers(1, 30), max_size=6),
    refused=st.dictionaries(st.integers(1, 30), st.sampled_from(["ThrottlingException", "MalformedDetail"])),
    sizes=st.dictionaries(st.integers(1, 30), st.integers(50_000, 300_000), max_size=4),
    crashes=st.sets(st.integers(0, 20), max_size=4),
)
def test_whatever_fails_each_record_is_published_or_set_aside(
    bad: set[int], refused: dict[int, str], sizes: dict[int, int], crashes: set[int]
) -> None:
    receiver = Receiver({named(n)[0]: code for n, code in refused.items()})
    calls = iter(range(10_000))

    def handler(event: dict[str, Any]) -> dict[str, Any]:
        number = next(calls)
        answer = receiver.handler(event)
        # A throttled event is taken at the next attempt.
        receiver.refused = {each: code for each, code in receiver.refused.items() if code == "MalformedDetail"}
        if number in crashes:
            raise TimeoutError
        return answer

    items = {n: {"body": {"S": "?"}} for n in bad}
    shard = delivered(handler, [record(n, sizes.get(n, 0), **items.get(n, {})) for n in range(1, 31)])
    never = bad | {n for n, code in refused.items() if code == "MalformedDetail"}
    large = {n for n in sizes if sizes[n] > MAX_BYTES - 1_000} - bad
    sure = set(range(1, 31)) - never - large
    assert shard.failures == []
    assert set(named(*sure)) <= set(receiver.taken)
    aside = {int(kept.sequence_number) for kept in receiver.kept}
    assert never <= aside <= never | large
    assert set(receiver.taken) | set(named(*aside)) == set(named(*range(1, 31)))


# -- the function ------------------------------------------------------------------------------


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Any]]]:
    """A bus and a queue for what is set aside; gives what that queue holds."""
    monkeypatch.setenv("EVENT_BUS_NAME", BUS)
    forget_clients()
    with mock_aws():
        sqs = clients.client("sqs")
        url = sqs.create_queue(QueueName="failures")["QueueUrl"]
        monkeypatch.setenv("PUBLISH_FAILURES_URL", url)
        clients.client("events").create_event_bus(Name=BUS)
        yield lambda: [
            json.loads(message["Body"])
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        ]
    forget_clients()


def test_what_is_set_aside_is_queued_by_its_key_counted_and_named_in_the_log(
    app: ModuleType, queue: Callable[[], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    answer = app.handler({"Records": [record(1), record(2, body={"S": "Anna ?"})]}, CONTEXT)
    assert answer == {"batchItemFailures": []}
    key = {"pk": "p1#c1", "sk": "entry#follow-up#000000000002"}
    assert queue() == [{"set_aside": key | {"reason": "JSONDecodeError", "sequence_number": "000002"}}]
    out = capsys.readouterr().out
    stated = [json.loads(line) for line in out.splitlines()]
    (line,) = [each for each in stated if each.get("message") == "set aside"]
    assert (line["level"], line["reason"]) == ("ERROR", "JSONDecodeError")
    assert line["item"] == "p1/c1/entry/follow-up/000000000002"
    assert [each["reason"] for each in stated if "SetAside" in each] == ["JSONDecodeError"]
    assert "Anna" not in out


def test_a_bus_that_is_away_fails_the_record_and_is_counted(
    app: ModuleType, queue: Callable[[], list[Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away:
        def put_events(self, Entries: list[Any]) -> dict[str, Any]:
            raise an_error("InternalException")

    monkeypatch.setattr(app, "client", lambda service: Away())
    answer = app.handler({"Records": [record(1)]}, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "000001"}]}
    out = capsys.readouterr().out
    assert "PublishFailed" in out
    assert "InternalException" in out


def test_events_reach_a_rule_of_the_bus(app: ModuleType, queue: Callable[[], list[Any]]) -> None:
    events, sqs = clients.client("events"), clients.client("sqs")
    queue_url = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventBusName=BUS, EventPattern=json.dumps({"source": ["credits"]}))
    events.put_targets(Rule="all", EventBusName=BUS, Targets=[{"Id": "queue", "Arn": arn}])
    assert app.handler({"Records": [record(n) for n in (1, 2, 3)]}, CONTEXT) == {"batchItemFailures": []}
    received = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)["Messages"]
    assert {json.loads(message["Body"])["detail"]["event_id"] for message in received} == set(named(1, 2, 3))


def test_the_handler_says_which_settings_are_missing(app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVENT_BUS_NAME", raising=False)
    monkeypatch.delenv("PUBLISH_FAILURES_URL", raising=False)
    with pytest.raises(ConfigError, match="EVENT_BUS_NAME, PUBLISH_FAILURES_URL"):
        app.handler({"Records": []}, CONTEXT)
