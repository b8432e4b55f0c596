"""The table's stream and the Lambda that follows it, as AWS runs them; the emulator does not retry.

A shard hands out its records in order, one batch at a time, and nothing behind a failed batch before that
batch has gone through or is given up: one bad record stops all behind it. A batch whose function fails is
sent again, halved first where `bisects`; a batch of which one record is reported as failed begins again at
that record. What has used up its attempts goes to the list of failures, and the shard goes on.

No clock: a record does not age here.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any
from zlib import crc32

Item = dict[str, dict[str, Any]]
Record = dict[str, Any]
Handler = Callable[[dict[str, Any]], Any]

KEY = ("pk", "sk")


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a function follows the stream: the properties of an event source mapping.

    `max_retries` counts the attempts after the first; None is without end. Halving is no retry.
    """

    batch_size: int = 100
    max_retries: int | None = None
    bisects: bool = False
    reports_failures: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that are sent together, and how often they failed so far."""

    records: tuple[Record, ...]
    failed: int = 0


@dataclass(slots=True)
class Shard:
    """Records in order; `pending` is what a failed batch became, and comes before `waiting`."""

    waiting: deque[Record] = field(default_factory=deque)
    pending: deque[Batch] = field(default_factory=deque)

    @property
    def empty(self) -> bool:
        return not self.waiting and not self.pending


class Stream:
    """Item changes on their way to one function. Items of one partition share a shard and keep their order."""

    def __init__(self, handler: Handler, mapping: Mapping | None = None, shards: int = 1) -> None:
        self._handler = handler
        self._mapping = mapping or Mapping()
        self._shards = [Shard() for _ in range(shards)]
        self._numbers = count(1)
        self.failures: list[Record] = []  # given up, in the order in which that happened
        self.calls: list[list[str]] = []  # the sequence numbers of each call of the function

    def changed(self, before: Item | None, after: Item | None) -> None:
        """One item written. `MemoryDynamoDB.changed` may be this method."""
        self.feed(record(before, after, f"{next(self._numbers):021d}"))

    def feed(self, change: Record) -> None:
        """A record as the stream carries it, behind all that its shard has."""
        owner = str(change["dynamodb"]["Keys"]["pk"]).encode()
        self._shards[crc32(owner) % len(self._shards)].waiting.append(change)

    @property
    def waiting(self) -> list[Record]:
        """What no call has got through yet, shard by shard."""
        return [each for shard in self._shards for each in _left(shard)]

    def run(self, calls: int = 10_000) -> None:
        """Calls the function until nothing waits, or so often; the shards take turns."""
        turns = cycle(self._shards)
        for _ in range(calls):
            if not self.waiting:
                return
            self._call(next(shard for shard in turns if not shard.empty))

    def _call(self, shard: Shard) -> None:
        batch = shard.pending.popleft() if shard.pending else self._next(shard)
        self.calls.append([_number(each) for each in batch.records])
        shard.pending.extendleft(reversed(self._after(batch)))

    def _next(self, shard: Shard) -> Batch:
        size = min(self._mapping.batch_size, len(shard.waiting))
        return Batch(tuple(shard.waiting.popleft() for _ in range(size)))

    def _after(self, batch: Batch) -> list[Batch]:
        """Calls the function; what is to be sent next in the batch's place."""
        try:
            answer = self._handler({"Records": [*batch.records]})
        except Exception:
            return self._again(batch, halve=self._mapping.bisects)
        if not self._mapping.reports_failures:
            return []
        failed = _first_failed(answer, batch)
        if failed is None:
            return []
        if failed < 0:
            return self._again(batch, halve=self._mapping.bisects)
        if failed:  # what stands before it is done, and what is left begins with its attempts anew
            return self._again(Batch(batch.records[failed:]))
        return self._again(batch)

    def _again(self, batch: Batch, halve: bool = False) -> list[Batch]:
        if halve and len(batch.records) > 1:
            middle = len(batch.records) // 2
            return [Batch(batch.records[:middle]), Batch(batch.records[middle:])]
        if batch.failed == self._mapping.max_retries:
            self.failures += batch.records
            return []
        return [Batch(batch.records, batch.failed + 1)]


def record(before: Item | None, after: Item | None, number: str) -> Record:
    """A change as a record with both images."""
    kind = "REMOVE" if after is None else "INSERT" if before is None else "MODIFY"
    item = after or before
    assert item is not None, "nothing became nothing"
    images = {"OldImage": before, "NewImage": after}
    change = {"Keys": {name: item[name] for name in KEY}, "SequenceNumber": number}
    return {
        "eventID": number,
        "eventName": kind,
        "eventSource": "aws:dynamodb",
        "dynamodb": change
        | {name: image for name, image in images.items() if image is not None}
        | {"StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def _number(of: Record) -> str:
    return str(of["dynamodb"]["SequenceNumber"])


def _left(shard: Shard) -> Iterator[Record]:
    for batch in shard.pending:
        yield from batch.records
    yield from shard.waiting


def _first_failed(answer: Any, batch: Batch) -> int | None:
    """Where the first record stands that the function reported: None is none, -1 the whole batch.

    Lambda takes an answer it cannot read, or a record that is not of the batch, for a failure of the whole.
    """
    if not answer or answer.get("batchItemFailures") in (None, []):
        return None
    numbers = [_number(each) for each in batch.records]
    try:
        return min(numbers.index(failure["itemIdentifier"]) for failure in answer["batchItemFailures"])
    except (LookupError, TypeError, ValueError):
        return -1
