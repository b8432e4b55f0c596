"""Carries a job one step further: claims it, does the step, writes what came of it, says what is to be sent next.

A message names the version of the job's record that it may go on from. The claim raises that version, so
of two messages, and of two workers, one does the step. A worker that dies leaves a claim that ends with
its lease; then the sweep wakes the job. A step that fails ends its own job and no other.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from client_credits.domain.errors import Busy, CreditsError
from client_credits.domain.ledger.entries import Actor
from client_credits.domain.practice.jobs import Job, JobKind, JobMessage, JobProblem, JobState, Progress
from client_credits.operations.committing import once
from client_credits.operations.context import Context
from client_credits.store import job_writes, keys
from client_credits.store.store import Store
from client_credits.store.table import Conflicted, is_unavailable

Step = Callable[[Context, Job], Progress]
Steps = Mapping[JobKind, Step]

STEP_LEASE = timedelta(minutes=10)  # longer than functions/jobs may run
UNHEARD = timedelta(minutes=2)  # after which a job whose message nobody took is woken
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
STUCK_AFTER = timedelta(days=1)  # without a step that succeeded
LONGEST_JOB = timedelta(days=6)  # what a job keeps elsewhere, parts of files above all, is dropped after 7


class Ran(StrEnum):
    """What became of a message."""

    PASSED_OVER = "passed_over"  # the job has moved on, or there is none
    WENT_ON = "went_on"
    DONE = "done"
    FAILED = "failed"
    WAITS = "waits"  # for something that is away


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """`next` is the message to send; `error` is what stopped the step, for the log."""

    ran: Ran
    job: Job | None = None
    next: JobMessage | None = None
    error: Exception | None = None


def run(store: Store, message: JobMessage, now: datetime, steps: Steps) -> RunOutcome:
    """One step of one job. Safe to repeat: a second message of the same version changes nothing.

    Raises Busy, or what the table raises, when the record cannot be read or written: the message is to
    come again, and the sweep wakes the job in any case.
    """
    claimed = once(lambda: _claimed(store, message, now))
    if claimed is None:
        return RunOutcome(Ran.PASSED_OVER)
    if claimed.kind not in steps:  # a later release's: it is left to that one, and woken until it comes
        return RunOutcome(Ran.WAITS, claimed)
    assert isinstance(claimed.kind, JobKind)
    here = Context(store, message.practice_id, Actor(claimed.actor_kind, claimed.actor_id), now)
    try:
        after, error = _moved(claimed, steps[claimed.kind](here, claimed), now), None
    except Exception as raised:  # whatever it is, other jobs must not come to harm
        after, error = _stopped(claimed, raised, now), raised
    waits = after.state is JobState.RUNNING and error is not None
    due_at = now + (_pause(claimed, now) if waits else UNHEARD)
    written = once(lambda: _written(store, message.practice_id, after, due_at))
    return _outcome(message, written, waits, error)


def _claimed(store: Store, message: JobMessage, now: datetime) -> Job | None:
    """The job with this worker's claim written; None where the message's version is not the job's any more."""
    job = store.job(message.practice_id, message.job_id)
    if job is None or job.state is not JobState.RUNNING or job.version != message.version:
        return None
    store.commit([job_writes.job(message.practice_id, job, now + STEP_LEASE)])
    return replace(job, version=job.version + 1)


def _written(store: Store, practice_id: str, after: Job, due_at: datetime) -> Job | None:
    """The job as stored; None where it has moved on meanwhile. A lost answer is recognised by the record."""
    moved = replace(after, version=after.version + 1)
    try:
        store.commit([job_writes.job(practice_id, after, due_at)])
    except Conflicted:
        stored = store.job(practice_id, after.job_id)
        if stored != moved and stored is not None and stored.version == after.version:
            raise  # contention alone
        return moved if stored == moved else None
    return moved


def _moved(job: Job, progress: Progress, now: datetime) -> Job:
    after = job.after(progress, now)
    if after.state is JobState.RUNNING and now - job.created_at > LONGEST_JOB:
        return after.failed(JobProblem("too_long", "The job took more than six days. Ask for less at a time."), now)
    return after


def _stopped(job: Job, error: Exception, now: datetime) -> Job:
    """The job as it was where waiting helps; failed where it does not, or has not for a day."""
    if isinstance(error, CreditsError) and not isinstance(error, Busy):
        return job.failed(JobProblem(error.code, error.detail), now)
    if isinstance(error, Busy | Conflicted) or is_unavailable(error):
        if now - job.moved_at <= STUCK_AFTER:
            return job
        detail = "Something the job needs could not be reached for a day. Start the job again."
        return job.failed(JobProblem("unavailable", detail), now)
    detail = "The job stopped at an error of ours. Tell whoever runs this system the job's id."
    return job.failed(JobProblem("internal_error", detail), now)


def _pause(job: Job, now: datetime) -> timedelta:
    """As long as the job has been standing still already, within bounds."""
    return max(SHORTEST_WAIT, min(LONGEST_WAIT, now - job.moved_at))


def _outcome(message: JobMessage, written: Job | None, waits: bool, error: Exception | None) -> RunOutcome:
    if written is None:
        return RunOutcome(Ran.PASSED_OVER, error=error)
    match written.state:
        case JobState.DONE:
            return RunOutcome(Ran.DONE, written, error=error)
        case JobState.FAILED:
            return RunOutcome(Ran.FAILED, written, error=error)
        case JobState.RUNNING if waits:
            return RunOutcome(Ran.WAITS, written, error=error)
        case _:
            return RunOutcome(Ran.WENT_ON, written, JobMessage(message.practice_id, written.job_id, written.version))


def woken(store: Store, practice_id: str, job_id: str, now: datetime) -> JobMessage | None:
    """The message of a job that is due: one was lost, or a worker died. None where there is nothing to go on with.

    The job is due again a lease later, should this message be lost too. Woken twice, its step is done once.
    Raises ValueError for one in a state that only a later release knows.
    """
    job = store.job(practice_id, job_id)
    if job and not isinstance(job.state, JobState):
        raise ValueError(f"a job whose state only a later release knows: {job.state}")
    if job is None or job.state is not JobState.RUNNING:
        return None  # the index lagged
    with suppress(Conflicted):  # moved on meanwhile: then the message is passed over
        store.commit([job_writes.due_later(keys.job(practice_id, job_id), now + STEP_LEASE, now)])
    return JobMessage(practice_id, job_id, job.version)
