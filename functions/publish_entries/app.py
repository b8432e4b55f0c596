"""The table's stream: what was committed is published on the bus, with partial batch responses."""

import json
from functools import cache
from typing import Any

from client_credits.aws.clients import client
from client_credits.aws.config import PublishConfig
from client_credits.aws.logs import count, logger
from client_credits.publishing.bus import Bus, EventSetAside, Outcome, publish
from client_credits.store import keys

log = logger("publish_entries")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of a DynamoDB stream (NEW_AND_OLD_IMAGES). Names the record to go on from, where one is left."""
    log.clear_state()
    log.append_keys(request_id=context.aws_request_id)
    outcome = publish(event["Records"], _bus(context))
    _tell(outcome, len(event["Records"]))
    stopped = outcome.stopped
    return {"batchItemFailures": [{"itemIdentifier": stopped.sequence_number}] if stopped else []}


@cache
def _config() -> PublishConfig:
    return PublishConfig.from_environment()


def _bus(context: Any) -> Bus:
    return Bus(
        name=_config().event_bus_name,
        put_events=lambda entries: client("events").put_events(Entries=entries),
        set_aside=_set_aside,
        seconds_left=lambda: float(context.get_remaining_time_in_millis()) / 1000,
    )


def _set_aside(record: EventSetAside) -> None:
    """Keeps the item's key and the reason, so that `credits replay` finds it again; never what it holds."""
    why = {"reason": record.reason, "sequence_number": record.sequence_number}
    body = json.dumps({"set_aside": keys.attributes(record.key) | why})
    client("sqs").send_message(QueueUrl=_config().publish_failures_url, MessageBody=body)


def _tell(outcome: Outcome, records: int) -> None:
    for kept in outcome.set_aside:
        count("SetAside", reason=kept.reason)
        log.error("set aside", item=keys.where(kept.key), reason=kept.reason, sequence_number=kept.sequence_number)
    stopped = outcome.stopped
    if stopped and not stopped.for_time:
        count("PublishFailed")
        log.error(f"publishing stopped: {stopped.reason}", sequence_number=stopped.sequence_number)
    log.info("published", records=records, events=outcome.published, left=stopped is not None)
