"""A shard of a table's stream that is delivered as AWS does it: in order, again until it succeeds, and blocking.

What is documented of Lambda's event source mapping with ReportBatchItemFailures and BisectBatchOnFunctionError:
an answer that names a record is gone on from that record; a function that raises, or runs out of time, gets its
batch in two halves, the first first; a batch that has failed so often goes to the failure queue, and only then
is the shard free for those behind it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]
Handler = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass
class Shard:
    """One shard. `calls` are the batches handed to the function, `given_up` those that went to the failure queue."""

    handler: Handler
    batch_size: int = 100
    attempts: int = 100
    calls: list[list[str]] = field(default_factory=list)
    given_up: list[list[str]] = field(default_factory=list)

    def deliver(self, records: Sequence[Record]) -> None:
        """All records, in order; returns once each was worked off or given up."""
        for start in range(0, len(records), self.batch_size):
            self._batch(list(records[start : start + self.batch_size]), self.attempts)

    def _batch(self, records: list[Record], attempts: int) -> None:
        while records:
            if attempts == 0:
                self.given_up.append(numbers(records))
                return
            attempts -= 1
            try:
                left = self._called(records)
            except Exception:
                if len(records) == 1:
                    continue
                half = (len(records) + 1) // 2
                self._batch(records[:half], self.attempts)
                self._batch(records[half:], self.attempts)
                return
            if len(left) < len(records):
                attempts = self.attempts
            records = left

    def _called(self, records: list[Record]) -> list[Record]:
        """What the function leaves to be done. An answer that names no record of the batch fails all of it."""
        self.calls.append(numbers(records))
        failures = self.handler({"Records": records})["batchItemFailures"]
        if not failures:
            return []
        known = numbers(records)
        return records[min(known.index(failure["itemIdentifier"]) for failure in failures) :]


def numbers(records: Sequence[Record]) -> list[str]:
    """The sequence numbers of records."""
    return [record["dynamodb"]["SequenceNumber"] for record in records]
