"""What a client asks of DynamoDB: requests, and the units they cost, read from its own answers.

Units are what the engine reports; only dynoxide's and AWS's can be trusted, requests always.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Usage:
    """Calls by API, HTTP attempts, and units: reads, writes, and writes by index ("table" for the table)."""

    calls: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    read_units: float = 0
    write_units: float = 0
    written: Counter[str] = field(default_factory=Counter)

    @property
    def requests(self) -> int:
        return self.calls.total()


class Meter:
    """Counts everything one client does. Asks every call for its consumed capacity."""

    def __init__(self, client: Any) -> None:
        self.usage = Usage()
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

    def _called(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
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
