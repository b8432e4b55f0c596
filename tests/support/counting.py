"""What a client asks of DynamoDB: requests, and the units they cost, read from its own answers.

Units are what the engine reports; only dynoxide's and AWS's can be trusted, requests always.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import get_ident
from typing import Any


@dataclass(slots=True)
class Usage:
    """Calls by API, HTTP attempts, and units: reads, writes, and writes by index ("table" for the table).

    `spans` says when each attempt was under way, in seconds.
    """

    calls: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    read_units: float = 0
    write_units: float = 0
    written: Counter[str] = field(default_factory=Counter)
    spans: list[tuple[float, float]] = field(default_factory=list)

    @property
    def round_trips(self) -> int:
        """How many requests had to wait for one another: what is sent side by side counts once."""
        trips, free_at = 0, float("-inf")
        for began, ended in sorted(self.spans, key=lambda span: span[1]):
            if began >= free_at:
                trips, free_at = trips + 1, ended
        return trips

    @property
    def requests(self) -> int:
        return self.calls.total()


class Meter:
    """Counts everything one client does. Asks every call for its consumed capacity.

    `latency` seconds are added to each request, so that those side by side are seen to be.
    """

    def __init__(self, client: Any, latency: float = 0.0) -> None:
        self.usage = Usage()
        self.latency = latency
        self._began: dict[int, float] = {}  # by thread: a thread has one call under way at most
        client.meta.events.register("provide-client-params.dynamodb", self._ask)
        client.meta.events.register("before-send.dynamodb", self._attempted)
        client.meta.events.register("after-call.dynamodb", self._called)

    @contextmanager
    def measuring(self) -> Iterator[Usage]:
        """The usage of the block alone."""
        before, self.usage = self.usage, Usage()
        try:
            yield self.usage
        finally:
            self.usage = before

    def _ask(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params.setdefault("ReturnConsumedCapacity", "INDEXES")

    def _attempted(self, **_: Any) -> None:
        self.usage.attempts += 1
        self._began[get_ident()] = time.monotonic()
        if self.latency:
            time.sleep(self.latency)

    def _called(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.usage.spans.append((self._began[get_ident()], time.monotonic()))
        self.usage.calls[model.name] += 1
        consumed = parsed.get("ConsumedCapacity", [])
        for part in [consumed] if isinstance(consumed, dict) else consumed:
            self._add(model.name, part)

    def _add(self, api: str, consumed: dict[str, Any]) -> None:
        reading = api in {"BatchGetItem", "GetItem", "Query", "Scan", "TransactGetItems"}
        if reading or "ReadCapacityUnits" in consumed:
            self.usage.read_units += consumed["CapacityUnits"]
            return
        self.usage.write_units += consumed["CapacityUnits"]
        indexes = consumed.get("GlobalSecondaryIndexes", {})
        parts = {"table": consumed.get("Table", {}), **indexes}
        for name, part in parts.items():
            self.usage.written[name] += part.get("CapacityUnits", 0)
