"""Publishes what the table's stream shows as committed: the events of each new item, on the bus.

At least once, in the stream's order as far as batches go. Knows no item shape: what an item means
to the outside is `events_of`'s business. Receivers tell repeats by `event_id`, which comes from the
item and never from the stream.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from client_credits.aws.clients import client
from client_credits.aws.config import PublishConfig
from client_credits.aws.logs import count, logger
from client_credits.publishing.events import events_of
from client_credits.store.codec import from_attributes

SOURCE = "credits"
MAX_ENTRIES = 10  # of one PutEvents call
MAX_BYTES = 256 * 1024  # of one call, and so of one entry

_log = cache(lambda: logger("publish_entries"))
_config = cache(PublishConfig.from_environment)

EventsOf = Callable[[dict[str, Any], dict[str, Any] | None], list[dict[str, Any]]]
PutEvents = Callable[[list[dict[str, str]]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a PutEvents call and the stream record it came from."""

    sequence_number: str
    request: dict[str, str]
    size_bytes: int


class _RecordFailed(Exception):
    """Publishing stopped at the record of this sequence number."""

    def __init__(self, sequence_number: str, reason: str) -> None:
        super().__init__(reason)
        self.sequence_number = sequence_number


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of a DynamoDB stream (NEW_AND_OLD_IMAGES), with partial batch responses."""
    log = _log()
    log.clear_state()
    log.append_keys(request_id=context.aws_request_id)
    bus = client("events")
    return publish(
        event["Records"],
        _config().event_bus_name,
        events_of,
        lambda entries: bus.put_events(Entries=entries),
    )


def publish(
    records: list[dict[str, Any]], event_bus_name: str, events_of: EventsOf, put_events: PutEvents
) -> dict[str, Any]:
    """Publish the events of `records` in order and stop at the first record that fails.

    The answer names that record: Lambda sends it and all after it again, so going on would only
    publish those twice.
    """
    published = 0
    failed: _RecordFailed | None = None
    try:
        for batch in _batches(_entries(records, event_bus_name, events_of)):
            _put(batch, put_events)
            published += len(batch)
    except _RecordFailed as stopped:
        failed = stopped
        _log().error(f"publishing stopped: {stopped}", sequence_number=stopped.sequence_number)
        count("PublishFailed")
    _log().info("published", records=len(records), events=published)
    return {"batchItemFailures": [{"itemIdentifier": failed.sequence_number}] if failed else []}


def _entries(records: Iterable[dict[str, Any]], event_bus_name: str, events_of: EventsOf) -> Iterator[_Entry]:
    """The PutEvents entries of every item inserted or modified; what is removed is no news."""
    for record in records:
        if record["eventName"] not in ("INSERT", "MODIFY"):
            continue
        change = record["dynamodb"]
        sequence_number = change["SequenceNumber"]
        old_image = change.get("OldImage")
        try:
            new = from_attributes(change["NewImage"])
            old = None if old_image is None else from_attributes(old_image)
            requests = [_request(event, event_bus_name) for event in events_of(new, old)]
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # An item we cannot read fails alone; the ones before it are published first.
            raise _RecordFailed(sequence_number, f"not read: {type(error).__name__}") from error
        for request in requests:
            yield _entry(sequence_number, request)


def _request(event: dict[str, Any], event_bus_name: str) -> dict[str, str]:
    detail = {"practice_id": event["practice_id"], **event["detail"]}
    assert "event_id" in detail, "receivers could not tell a repeat"
    return {
        "Source": SOURCE,
        "DetailType": event["detail_type"],
        "Detail": json.dumps(detail, separators=(",", ":")),
        "EventBusName": event_bus_name,
    }


def _entry(sequence_number: str, request: dict[str, str]) -> _Entry:
    parts = (request["Source"], request["DetailType"], request["Detail"])
    size_bytes = sum(len(part.encode()) for part in parts)
    if size_bytes > MAX_BYTES:
        raise _RecordFailed(sequence_number, "an event is too large for the bus")
    return _Entry(sequence_number, request, size_bytes)


def _batches(entries: Iterator[_Entry]) -> Iterator[list[_Entry]]:
    """Entries in order, as many at a time as one call takes.

    When `entries` fails, what came before is handed out first and the failure raised after it.
    """
    batch: list[_Entry] = []
    room_bytes = MAX_BYTES
    try:
        for entry in entries:
            if len(batch) == MAX_ENTRIES or entry.size_bytes > room_bytes:
                yield batch
                batch, room_bytes = [], MAX_BYTES
            batch.append(entry)
            room_bytes -= entry.size_bytes
    except _RecordFailed:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _put(batch: list[_Entry], put_events: PutEvents) -> None:
    """One PutEvents call. Raises _RecordFailed for the first entry that the bus did not take."""
    try:
        answer = put_events([entry.request for entry in batch])
    except (ClientError, BotoCoreError) as error:
        raise _RecordFailed(batch[0].sequence_number, type(error).__name__) from error
    if not answer.get("FailedEntryCount"):
        return
    for entry, result in zip(batch, answer["Entries"], strict=True):
        if "ErrorCode" in result:
            raise _RecordFailed(entry.sequence_number, result["ErrorCode"])
    raise _RecordFailed(batch[0].sequence_number, "the bus counts a failure but names none")
