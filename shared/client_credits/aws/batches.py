"""A batch of queue messages, each on its own: one that fails comes back, the others are done.

Lambda's partial batch response, without the machinery of a library that loads asyncio and every
event source's classes at cold start for what is one loop.
"""

from collections.abc import Callable
from typing import Any

from client_credits.aws.logs import Log

Message = dict[str, Any]


def work_off(event: dict[str, Any], work: Callable[[Message], None], log: Log) -> dict[str, Any]:
    """Runs `work` on each message of an SQS event; answers which ones must be delivered again.

    Whatever `work` raises is logged and costs that message a delivery: after the last one SQS moves
    it to the dead letter queue.
    """
    failures = []
    for message in event["Records"]:
        try:
            work(message)
        except Exception:
            log.exception("message failed", message_id=message["messageId"])
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}
