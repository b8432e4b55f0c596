"""Waits until nothing is under way in a local stack, before it is stopped.

The emulator keeps queues over a restart but not the records of a stream, so what the stream has not delivered by
then would never be published.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

_QUEUES = ("StripeQueueUrl", "BookingsQueueUrl", "SweepQueueUrl", "JobsQueueUrl")
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
# The emulator looks at a stream at least once a second.
QUIET_SECONDS = 2.5


def drain(client: Callable[[str], Any], outputs: Mapping[str, str], *, within_seconds: float = 15.0) -> bool:
    """Whether the stack came to rest in time: its queues empty, and quiet for a moment after that."""
    sqs = client("sqs")
    deadline = time.monotonic() + within_seconds
    quiet_since: float | None = None
    while (now := time.monotonic()) < deadline:
        if _waiting(sqs, outputs):
            quiet_since = None
        elif quiet_since is None:
            quiet_since = now
        elif now - quiet_since >= QUIET_SECONDS:
            return True
        time.sleep(0.2)
    return False


def _waiting(sqs: Any, outputs: Mapping[str, str]) -> bool:
    for name in _QUEUES:
        attributes = sqs.get_queue_attributes(QueueUrl=outputs[name], AttributeNames=list(_COUNTS))["Attributes"]
        if any(int(attributes[count]) for count in _COUNTS):
            return True
    return False
