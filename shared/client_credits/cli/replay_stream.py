"""Publish failures: what was given up on or set aside is read again and handed to the function again.

A message of Lambda's names a span of one shard and holds no records; the stream keeps those for a day. A
message of the function's own names one item, which is read from the table, whenever that is; an item that is
still of no use comes back as a new message. Publishing twice is safe: receivers tell repeats by `event_id`.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError, ParamValidationError

from client_credits.store.codec import to_attributes
from client_credits.store.keys import Key, attributes, key_of
from client_credits.store.table import Table

RECORDS_A_CALL = 5  # each may hold two images of 400 KB, and a call takes 6 MB
MAX_EMPTY_PAGES = 100  # a shard may have gaps
ALIAS = "live"
NO_SPAN = "the message names no records of a stream"
_GONE = {"TrimmedDataAccessException", "ResourceNotFoundException"}


class NotPublished(Exception):
    """The message must stay; the text says why."""


@dataclass(frozen=True, slots=True)
class StreamSpan:
    """Records `start` to `end`, both included, of one shard of a stream. Sequence numbers are decimal text."""

    stream_arn: str
    shard_id: str
    start: str
    end: str


def span_of(body: str) -> StreamSpan:
    """What a failure message is about. Raises NotPublished when it is not one of Lambda's."""
    try:
        batch = json.loads(body)["DDBStreamBatchInfo"]
        span = StreamSpan(
            batch["streamArn"], batch["shardId"], batch["startSequenceNumber"], batch["endSequenceNumber"]
        )
        if int(span.start) <= int(span.end):
            return span
    except (ValueError, LookupError, TypeError):
        pass
    raise NotPublished(NO_SPAN)


def republish(streams: Any, functions: Any, function_name: str, table: Table, body: str) -> int:
    """Publishes the records that a failure message is about; returns how many. Raises NotPublished."""
    key = _set_aside(body)
    if key is not None:
        return _publish_item(functions, function_name, table, key)
    span = span_of(body)
    records = list(_records(streams, span))
    if not records or records[0]["dynamodb"]["SequenceNumber"] != span.start:
        raise NotPublished("the stream no longer has the records; the entries themselves are in the table")
    for start in range(0, len(records), RECORDS_A_CALL):
        _invoke(functions, function_name, records[start : start + RECORDS_A_CALL])
    return len(records)


def _set_aside(body: str) -> Key | None:
    """The key of the item that was set aside; None where the message is none of the function's own."""
    try:
        return key_of(json.loads(body)["set_aside"])
    except (ValueError, LookupError, TypeError):
        return None


def _publish_item(functions: Any, function_name: str, table: Table, key: Key) -> int:
    """The item as the stream would tell of it if it were new; one that is gone has nothing left to tell."""
    item = table.get([key]).get(key)
    if item is None:
        return 0
    image = to_attributes(item)
    change = {"SequenceNumber": "0", "Keys": to_attributes(attributes(key)), "NewImage": image}
    _invoke(functions, function_name, [{"eventName": "INSERT", "dynamodb": change}])
    return 1


def _records(streams: Any, span: StreamSpan) -> Iterator[dict[str, Any]]:
    """The records of the span that the stream still has, as Lambda would send them."""
    try:
        iterator = streams.get_shard_iterator(
            StreamArn=span.stream_arn,
            ShardId=span.shard_id,
            ShardIteratorType="AT_SEQUENCE_NUMBER",
            SequenceNumber=span.start,
        )["ShardIterator"]
        empty_pages = 0
        while iterator and empty_pages < MAX_EMPTY_PAGES:
            page = streams.get_records(ShardIterator=iterator)
            for record in page["Records"]:
                if int(record["dynamodb"]["SequenceNumber"]) > int(span.end):
                    return
                yield _as_sent(record, span.stream_arn)
                if record["dynamodb"]["SequenceNumber"] == span.end:
                    return
            empty_pages = 0 if page["Records"] else empty_pages + 1
            iterator = page.get("NextShardIterator")
    except ClientError as error:
        if error.response["Error"]["Code"] not in _GONE:
            raise
    except ParamValidationError as error:
        raise NotPublished(NO_SPAN) from error


def _as_sent(record: dict[str, Any], stream_arn: str) -> dict[str, Any]:
    change = dict(record["dynamodb"])
    created = change.get("ApproximateCreationDateTime")
    if isinstance(created, datetime):
        change["ApproximateCreationDateTime"] = created.timestamp()
    return {**record, "dynamodb": change, "eventSourceARN": stream_arn}


def _invoke(functions: Any, function_name: str, records: list[dict[str, Any]]) -> None:
    """One call of the function with a batch. Raises NotPublished unless it published all of it."""
    answer = functions.invoke(
        FunctionName=function_name, Qualifier=ALIAS, Payload=json.dumps({"Records": records}).encode()
    )
    result = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError"):
        raise NotPublished(f"the function failed: {(result or {}).get('errorMessage', answer['FunctionError'])}")
    failed = (result or {}).get("batchItemFailures") or []
    if failed:
        raise NotPublished(f"the function stopped at record {failed[0].get('itemIdentifier')}")
