"""Settles what fell due: started by the schedule, carried out shard by shard from the queue.

The schedule's event puts one message per shard on the queue; each message settles a page of its
shard and, if that was not all, puts the shard back. Late, doubled and overlapping runs are safe.
"""

import json
from functools import cache
from typing import Any

from client_credits.aws.batches import Message, work_off
from client_credits.aws.clients import client
from client_credits.aws.config import SweepConfig
from client_credits.aws.job_queue import JobQueue
from client_credits.aws.logs import count, logger
from client_credits.aws.worker import store_on, utc_now
from client_credits.operations.sweeping import shards, sweep_shard

log = logger("sweep")
SEND_BATCH = 10


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Either the schedule's event or a batch of shards."""
    log.clear_state()
    _config()
    if "Records" in event:
        return work_off(event, work, log)
    log.append_keys(request_id=context.aws_request_id)
    fan_out()
    return {"shards": len(shards())}


@cache
def _config() -> SweepConfig:
    return SweepConfig.from_environment()


def fan_out() -> None:
    """One message per shard. Raises when the queue did not take them all; the schedule comes again."""
    names = shards()
    for start in range(0, len(names), SEND_BATCH):
        batch = names[start : start + SEND_BATCH]
        entries = [{"Id": shard, "MessageBody": json.dumps({"shard": shard})} for shard in batch]
        answer = client("sqs").send_message_batch(QueueUrl=_config().sweep_queue_url, Entries=entries)
        if answer.get("Failed"):
            raise RuntimeError(f"{len(answer['Failed'])} shards were not queued")
    log.info("sweep started", shards=len(names))


def work(message: Message) -> None:
    """One page of one shard."""
    shard = str(json.loads(message["body"])["shard"])
    swept = sweep_shard(store_on(_config().table_name), shard, utc_now())
    if swept.more:
        body = json.dumps({"shard": shard})
        client("sqs").send_message(QueueUrl=_config().sweep_queue_url, MessageBody=body)
    for job in swept.jobs:
        JobQueue(_config().jobs_queue_url).send(job)
    ids = {"message_id": message["messageId"], "shard": shard}
    if swept.jobs:
        count("JobsWoken")
        log.info("jobs woken", jobs=[job.job_id for job in swept.jobs], **ids)
    if swept.wallets or swept.replays:
        count("WalletsSwept")
        log.info("shard swept", wallets=swept.wallets, entries=swept.entries, replays=swept.replays, **ids)
    for each in swept.set_aside:
        count("SetAside", reason=each.reason)
        log.warning("set aside", item=each.place, reason=each.reason, times=each.times, **ids)
