"""Carries out jobs from the queue, one step a message, and queues the next step.

A job that fails ends by itself and with its reason; the others go on. Late, doubled and lost messages
change nothing: the record of the job says what is to be done, and the sweep wakes it.
"""

import os
from functools import cache
from traceback import format_exception
from typing import Any

from client_credits.aws.batches import Message, work_off
from client_credits.aws.config import JobsConfig
from client_credits.aws.files import Bucket
from client_credits.aws.job_queue import JobQueue, read_message
from client_credits.aws.logs import count, logger
from client_credits.aws.worker import store_on, utc_now
from client_credits.operations.jobs.kinds import steps
from client_credits.operations.jobs.running import Ran, RunOutcome, run

log = logger("jobs")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One batch of the jobs queue; answers which messages must come back."""
    log.clear_state()
    _config()
    return work_off(event, work, log)


@cache
def _config() -> JobsConfig:
    return JobsConfig.from_environment()


def work(message: Message) -> None:
    """One step of one job; what comes next is queued once the record says how far the job is."""
    step = read_message(message["body"])
    files = Bucket(_config().files_bucket)
    outcome = run(store_on(_config().table_name), step, utc_now(), steps(files))
    if outcome.next:
        JobQueue(_config().jobs_queue_url).send(outcome.next)
    _report(outcome, {"message_id": message["messageId"], "practice_id": step.practice_id, "job_id": step.job_id})


def _report(outcome: RunOutcome, ids: dict[str, str]) -> None:
    kind = str(outcome.job.kind) if outcome.job else "unknown"
    count("JobSteps", kind=kind, outcome=outcome.ran)
    if outcome.ran is Ran.FAILED:
        count("JobsFailed", function=os.environ.get("AWS_LAMBDA_FUNCTION_NAME", ""))  # its alarm is this stack's
    done = outcome.job.done if outcome.job else None
    log.info("job step", kind=kind, outcome=outcome.ran, done=done, **ids)
    if error := outcome.error:
        log.error("job stopped", exception_name=type(error).__name__, exception="".join(format_exception(error)), **ids)
