"""Puts the events of what the table's stream shows as committed on the bus, at least once and in its order.

A bus that is throttled or away is waited for: the answer names the record to go on from. What fails for good
(a record that cannot be read, an event that the bus will never take) is set aside with its reason, and the
rest goes on: one bad record must not keep all those behind it from the world.

Knows no item's shape: what an item says to the world is the business of `events`.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from client_credits.publishing.events import Published, events_of
from client_credits.store.codec import from_attributes
from client_credits.store.keys import Key, key_of

SOURCE = "credits"
MAX_ENTRIES = 10  # of one PutEvents call
MAX_BYTES = 256 * 1024  # of one call, and so of one entry
LEFT_SECONDS = 8  # with less time than this no further call is begun
TOO_LARGE = "too_large"

# What the bus answers for an entry, or a call, that it will never take. All else is worth another try.
_NEVER = frozenset({"InvalidArgument", "MalformedDetail", "RedactionFailure"})
_CALL_NEVER = frozenset({"ValidationException", "SerializationException"})

Request = dict[str, str]


@dataclass(frozen=True, slots=True)
class EventSetAside:
    """A record that was not published and will not be by itself: its item's key, and why."""

    sequence_number: str
    key: Key
    reason: str


@dataclass(frozen=True, slots=True)
class Bus:
    """Where events go, where records go that have none to give, and how much time there is.

    `set_aside` keeps a record for later. It raises ClientError or BotoCoreError where it could not.
    """

    name: str
    put_events: Callable[[list[Request]], dict[str, Any]]
    set_aside: Callable[[EventSetAside], None]
    seconds_left: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Stopped:
    """Where a batch is to be gone on from, and why not now. `for_time` says that nothing has failed."""

    sequence_number: str
    reason: str
    for_time: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. Everything before `stopped` is published or set aside."""

    published: int
    set_aside: tuple[EventSetAside, ...]
    stopped: Stopped | None


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a PutEvents call, and the record it came from."""

    sequence_number: str
    key: Key
    request: Request
    size_bytes: int

    def aside(self, reason: str) -> EventSetAside:
        return EventSetAside(self.sequence_number, self.key, reason)


class _Stop(Exception):
    """Publishing stops before the record of this sequence number."""

    def __init__(self, sequence_number: str, reason: str, *, for_time: bool = False) -> None:
        super().__init__(reason)
        self.where = Stopped(sequence_number, reason, for_time)


def publish(records: Iterable[dict[str, Any]], bus: Bus) -> Outcome:
    """Publishes the events of `records` in order, until the bus or the time gives out. Safe to repeat."""
    run = _Publishing(bus)
    try:
        for record in records:
            run.take(record)
        run.flush()
    except _Stop as stop:
        return Outcome(run.published, tuple(run.kept), stop.where)
    return Outcome(run.published, tuple(run.kept), None)


@dataclass(slots=True)
class _Publishing:
    """One batch on its way: what waits for the next call, and what has come of the rest."""

    bus: Bus
    waiting: list[_Entry] = field(default_factory=list)
    published: int = 0
    kept: list[EventSetAside] = field(default_factory=list)
    calls: int = 0

    def take(self, record: dict[str, Any]) -> None:
        if record["eventName"] not in ("INSERT", "MODIFY"):
            return  # what is removed is no news
        read = _read(record, self.bus.name)
        if isinstance(read, EventSetAside):
            self.flush()  # what came before goes first: a record that is sent again must not be set aside twice
            self.set_aside(read)
            return
        for entry in read:
            if len(self.waiting) == MAX_ENTRIES or _size_bytes(self.waiting) + entry.size_bytes > MAX_BYTES:
                self.flush()
            self.waiting.append(entry)

    def flush(self) -> None:
        batch, self.waiting = self.waiting, []
        if batch:
            self.put(batch)

    def put(self, batch: list[_Entry]) -> None:
        """One call. Raises _Stop for the first entry that is to be tried again."""
        first = batch[0]
        if self.calls and self.bus.seconds_left() < LEFT_SECONDS:
            raise _Stop(first.sequence_number, "no time is left", for_time=True)
        self.calls += 1
        try:
            answer = self.bus.put_events([entry.request for entry in batch])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _CALL_NEVER:
                raise _Stop(first.sequence_number, code) from error
            self.refused(batch, code)
        except BotoCoreError as error:
            raise _Stop(first.sequence_number, type(error).__name__) from error
        else:
            self.judge(batch, answer)

    def refused(self, batch: list[_Entry], code: str) -> None:
        """A call refused as a whole does not say for which entry: each is put alone."""
        if len(batch) == 1:
            self.set_aside(batch[0].aside(code))
            return
        for entry in batch:
            self.put([entry])

    def judge(self, batch: list[_Entry], answer: dict[str, Any]) -> None:
        codes = [result.get("ErrorCode") for result in answer["Entries"]]
        if answer.get("FailedEntryCount") and not any(codes):
            raise _Stop(batch[0].sequence_number, "the bus counts a failure but names none")
        for entry, code in zip(batch, codes, strict=True):
            if code in _NEVER:
                self.set_aside(entry.aside(code))
            elif code:
                raise _Stop(entry.sequence_number, code)
            else:
                self.published += 1

    def set_aside(self, record: EventSetAside) -> None:
        try:
            self.bus.set_aside(record)
        except (ClientError, BotoCoreError) as error:
            raise _Stop(record.sequence_number, f"not set aside: {type(error).__name__}") from error
        self.kept.append(record)


def _read(record: dict[str, Any], bus_name: str) -> list[_Entry] | EventSetAside:
    """The entries of one record, or why there are none to be had from it."""
    change = record["dynamodb"]
    number, key = change["SequenceNumber"], key_of(from_attributes(change["Keys"]))
    try:
        new = from_attributes(change["NewImage"])
        old = from_attributes(change["OldImage"]) if "OldImage" in change else None
        found = [_entry(number, key, _request(event, bus_name)) for event in events_of(new, old)]
    except Exception as error:  # whatever is wrong with this record, the others' turn must come
        return EventSetAside(number, key, type(error).__name__)
    return EventSetAside(number, key, TOO_LARGE) if any(entry.size_bytes > MAX_BYTES for entry in found) else found


def _request(event: Published, bus_name: str) -> Request:
    assert event.detail.get("event_id"), "receivers could not tell a repeat"
    return {
        "Source": SOURCE,
        "DetailType": event.detail_type,
        "Detail": json.dumps(event.detail, separators=(",", ":")),
        "EventBusName": bus_name,
    }


def _entry(number: str, key: Key, request: Request) -> _Entry:
    parts = (request["Source"], request["DetailType"], request["Detail"])
    return _Entry(number, key, request, sum(len(part.encode()) for part in parts))


def _size_bytes(entries: Iterable[_Entry]) -> int:
    return sum(entry.size_bytes for entry in entries)
