"""How many messages wait in queues."""

from collections.abc import Callable, Mapping
from typing import Any


class QueueLengths:
    """The lengths of queues, by name and address. `sqs` makes the client, with the first question."""

    def __init__(self, sqs: Callable[[], Any], urls: Mapping[str, str]) -> None:
        self._sqs = sqs
        self._urls = urls

    def lengths(self) -> dict[str, int]:
        """How many messages each holds, about; those that a reader holds just now are not counted.

        One request a queue. Raises what the client raises.
        """
        return {name: self._length(url) for name, url in self._urls.items()}

    def _length(self, url: str) -> int:
        asked = "ApproximateNumberOfMessages"
        answer = self._sqs().get_queue_attributes(QueueUrl=url, AttributeNames=[asked])
        return int(answer["Attributes"][asked])
