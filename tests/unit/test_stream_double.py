"""The test stream treats a failing function as AWS treats it: retries, halves, checkpoints, gives up and goes on."""

from typing import Any

import pytest
from tests.support.memory_table import MemoryDynamoDB
from tests.support.requests import a_put, an_update, ask, writing
from tests.support.stream import Mapping, Record, Stream, record

REPORTING = Mapping(batch_size=4, max_retries=2, bisects=True, reports_failures=True)


class Listener:
    """A function that keeps what it got through, in order, and fails at the records it is known to fail at."""

    def __init__(self, *bad: str, times: int = 1_000, raises: bool = False) -> None:
        self.got: list[str] = []
        self._bad, self._left, self._raises = bad, times, raises

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        for each in event["Records"]:
            if name_of(each) in self._bad and self._left:
                self._left -= 1
                if self._raises:
                    raise ValueError(name_of(each))
                return {"batchItemFailures": [{"itemIdentifier": each["dynamodb"]["SequenceNumber"]}]}
            self.got.append(name_of(each))
        return {"batchItemFailures": []}


def name_of(change: Record) -> str:
    return str(change["dynamodb"]["Keys"]["sk"]["S"])


def following(handler: Any, mapping: Mapping, names: str = "abcdef", shards: int = 1) -> Stream:
    """A stream with one new item for each name, in one partition."""
    stream = Stream(handler, mapping, shards)
    for name in names:
        stream.changed(None, {"pk": {"S": "p"}, "sk": {"S": name}})
    return stream


def names_of(changes: list[Record]) -> str:
    return "".join(map(name_of, changes))


def test_records_come_in_order_in_batches() -> None:
    listener = Listener()
    stream = following(listener, Mapping(batch_size=4))
    stream.run()
    assert "".join(listener.got) == "abcdef"
    assert [len(call) for call in stream.calls] == [4, 2]
    assert stream.waiting == stream.failures == []


def test_a_failure_that_passes_delays_and_loses_nothing() -> None:
    listener = Listener("b", times=2)
    stream = following(listener, REPORTING)
    stream.run()
    assert "".join(listener.got) == "abcdef"
    assert stream.failures == []


def test_a_reported_failure_begins_again_at_the_record_that_failed() -> None:
    listener = Listener("c", times=1)
    stream = following(listener, REPORTING)
    stream.run()
    assert "".join(listener.got) == "abcdef"
    assert [len(call) for call in stream.calls] == [4, 2, 2]


def test_without_reports_the_whole_batch_is_sent_again() -> None:
    listener = Listener("c", times=1, raises=True)
    stream = following(listener, Mapping(batch_size=4, max_retries=2))
    stream.run()
    assert "".join(listener.got) == "ab" + "abcd" + "ef"


def test_an_answer_is_not_read_where_reports_are_off() -> None:
    listener = Listener("c")
    stream = following(listener, Mapping(batch_size=4, max_retries=2))
    stream.run()
    assert "".join(listener.got) == "abef", "what is reported and not heard is lost"


def test_one_bad_record_stops_all_that_stands_behind_it() -> None:
    listener = Listener("c")
    stream = following(listener, Mapping(batch_size=4, reports_failures=True, bisects=True))
    stream.run(calls=500)
    assert "".join(listener.got) == "ab"
    assert names_of(stream.waiting) == "cdef"
    assert stream.failures == []


def test_a_bad_record_that_is_reported_takes_its_batch_with_it_when_it_is_given_up() -> None:
    listener = Listener("c")
    stream = following(listener, REPORTING)
    stream.run()
    assert "".join(listener.got) == "abef"
    assert names_of(stream.failures) == "cd"
    assert [len(call) for call in stream.calls] == [4, 2, 2, 2]


def test_a_function_that_raises_is_halved_down_to_the_bad_record() -> None:
    listener = Listener("c", raises=True)
    stream = following(listener, Mapping(batch_size=4, max_retries=2, bisects=True))
    stream.run()
    assert names_of(stream.failures) == "c"
    assert set(listener.got) == set("abdef")
    kept = [name for index, name in enumerate(listener.got) if name not in listener.got[:index]]
    assert kept == sorted(kept)


def test_a_function_that_raises_and_is_not_halved_loses_the_whole_batch() -> None:
    stream = following(Listener("c", raises=True), Mapping(batch_size=4, max_retries=2))
    stream.run()
    assert names_of(stream.failures) == "abcd"
    assert len(stream.calls) == 4, "one call and two retries, then the next batch"


@pytest.mark.parametrize(
    "answer",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifer": "misspelt"}]},
        {"batchItemFailures": [{"itemIdentifier": "of another batch"}]},
    ],
)
def test_an_answer_that_names_no_record_of_the_batch_fails_the_whole(answer: dict[str, Any]) -> None:
    stream = following(lambda event: answer, Mapping(batch_size=6, max_retries=1, reports_failures=True))
    stream.run()
    assert names_of(stream.failures) == "abcdef"


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_an_answer_without_failures_is_a_success(answer: Any) -> None:
    stream = following(lambda event: answer, REPORTING)
    stream.run()
    assert stream.failures == stream.waiting == []


def test_the_first_of_several_reported_records_counts() -> None:
    reported: list[list[str]] = []

    def handler(event: dict[str, Any]) -> Any:
        numbers = [each["dynamodb"]["SequenceNumber"] for each in event["Records"]]
        reported.append(numbers)
        failed = [numbers[3], numbers[1]] if len(reported) == 1 else []
        return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}

    following(handler, REPORTING, names="abcd").run()
    assert reported[1] == reported[0][1:]


def test_a_bad_record_blocks_its_own_shard_alone() -> None:
    listener = Listener("bad")
    stream = Stream(listener, Mapping(batch_size=1, reports_failures=True), shards=2)
    for pk, name in (("p", "bad"), ("p", "behind it"), ("q", "elsewhere")):
        stream.changed(None, {"pk": {"S": pk}, "sk": {"S": name}})
    stream.run(calls=50)
    assert listener.got == ["elsewhere"]
    assert [name_of(each) for each in stream.waiting] == ["bad", "behind it"]


def test_the_table_in_memory_tells_each_change_with_both_images() -> None:
    heard: list[Record] = []
    table = MemoryDynamoDB()
    stream = Stream(lambda event: heard.extend(event["Records"]))
    table.changed = stream.changed
    ask(table, writing(a_put("a"), a_put("b")))
    ask(table, writing(an_update("SET n = :n", n={"N": "1"}), a_put("b")))
    ask(table, writing({"Delete": {"TableName": "the table", "Key": {"pk": {"S": "p"}, "sk": {"S": "b"}}}}))
    stream.run()
    stated = [(each["eventName"], name_of(each)) for each in heard]
    assert stated == [("INSERT", "a"), ("INSERT", "b"), ("MODIFY", "a"), ("REMOVE", "b")], (
        "what changes nothing is not known"
    )
    images = heard[2]["dynamodb"]
    assert ("n" in images["OldImage"], images["NewImage"]["n"]) == (False, {"N": "1"})
    numbers = [each["dynamodb"]["SequenceNumber"] for each in heard]
    assert numbers == sorted(set(numbers))


def test_a_record_says_what_became_of_its_item() -> None:
    item = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    made, left = record(None, item, "1"), record(item, None, "2")
    assert (made["eventName"], "OldImage" in made["dynamodb"]) == ("INSERT", False)
    assert (left["eventName"], "NewImage" in left["dynamodb"]) == ("REMOVE", False)
