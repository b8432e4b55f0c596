"""Starts jobs, once per idempotency key, and shows them to those who may see them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from client_credits.domain.errors import KeyReused, NotFound
from client_credits.domain.ids import derived_id
from client_credits.domain.ledger.operation import Operation
from client_credits.domain.practice.jobs import Job, JobKind, JobMessage
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.operations.jobs.running import UNHEARD
from client_credits.operations.staff.idempotent import Keyed
from client_credits.store import job_writes, writes
from client_credits.store.records import Wanted

Wake = Callable[[JobMessage], None]


@dataclass(frozen=True, slots=True)
class Started:
    """The job, and whether an earlier request had started it."""

    job_id: str
    repeated: bool = False


def start(context: Context, kind: JobKind, asked: dict[str, Any], keyed: Keyed, wake: Wake) -> Started:
    """Records a job and queues its first step. `asked` is JSON, what the kind's step reads.

    The same key and content gets the same job; other content raises KeyReused. Raises NotFound where there is
    no such practice. A worker that dies before the message is sent is followed by the sweep.
    """
    started, job = once(lambda: _recorded(context, kind, asked, keyed))
    if job and not context.store.rehearsing:
        wake(JobMessage(context.practice_id, job.job_id, job.version))
    return started


def _recorded(context: Context, kind: JobKind, asked: dict[str, Any], keyed: Keyed) -> tuple[Started, Job | None]:
    """What is answered, and the job to wake where it is a new one."""
    job_id = derived_id("job", context.practice_id, keyed.key)
    done = context.load(Wanted(source_ids=(keyed.source_id,))).operations.get(keyed.source_id)
    if done:
        if done.content != keyed.digest:
            raise KeyReused("This Idempotency-Key stands for another request. Use a new one.")
        return Started(job_id, repeated=True), None
    actor, now = context.actor, context.now
    job = Job(job_id, kind, asked, keyed.key, actor.kind, actor.actor_id, created_at=now, moved_at=now)
    record = Operation(keyed.source_id, keyed.digest, "job", "", recorded_at=now, answer=job_id)
    context.commit(
        [writes.operation(context.practice_id, record), job_writes.job(context.practice_id, job, now + UNHEARD)]
    )
    return Started(job_id), replace(job, version=1)


def shown(context: Context, job_id: str, *, sees_all: bool) -> Job:
    """A job, to the actor who started it or to one who sees all. Raises NotFound for everyone else."""
    context.store.catalogue(context.practice_id)  # raises NotFound where there is no such practice; seldom costs a read
    job, actor = context.store.job(context.practice_id, job_id), context.actor
    if job is None or not (sees_all or (job.actor_kind, job.actor_id) == (actor.kind, actor.actor_id)):
        raise NotFound("There is no such job.")
    return job
