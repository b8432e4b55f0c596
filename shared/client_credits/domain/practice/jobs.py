"""A job: work too long for one answer, carried out step by step. Its record alone says how far it has come.

A step may be carried out twice: what it does beside the record must come out the same, or be a file of
the step's own.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from client_credits.domain.words import Unknown

MAX_PROBLEMS = 100  # kept with a job: the first ones
KEPT = timedelta(days=7)  # a finished job, and its file


class JobKind(StrEnum):
    """What a job does; `operations/jobs/kinds.py` has the step of each."""

    EXPORT = "export"
    EXTENSION = "extension"
    EXPIRATION = "expiration"


class JobState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class JobProblem:
    """One thing that did not work out: a stable code, a sentence for people, and whose credits it concerns."""

    code: str
    detail: str
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobMessage:
    """That a job may go on from this version of its record. One that has moved on since needs it no more."""

    practice_id: str
    job_id: str
    version: int


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step came to: `done` and `problems` are this step's own, `total` is None where it is not known.

    `position` is JSON, the kind's own: the next step goes on from it. `file` is the name of a finished file.
    """

    position: dict[str, Any]
    done: int = 0
    total: int | None = None
    problems: tuple[JobProblem, ...] = ()
    finished: bool = False
    file: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """`asked` is the request's body, `key` its idempotency key, the actor who sent it.

    `moved_at` is when a step last succeeded. A finished job has `finished_at`.
    """

    job_id: str
    kind: JobKind | Unknown
    asked: dict[str, Any]
    key: str
    actor_kind: str
    actor_id: str
    created_at: datetime
    moved_at: datetime
    state: JobState | Unknown = JobState.RUNNING
    position: dict[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int | None = None
    problems: tuple[JobProblem, ...] = ()
    finished_at: datetime | None = None
    file: str | None = None
    version: int = 0

    def after(self, step: Progress, now: datetime) -> "Job":
        """The job once a step has succeeded at `now`."""
        assert step.done >= 0, "a step undoes nothing"
        return replace(
            self,
            moved_at=now,
            state=JobState.DONE if step.finished else JobState.RUNNING,
            position={} if step.finished else step.position,
            done=self.done + step.done,
            total=self.total if step.total is None else step.total,
            problems=(*self.problems, *step.problems)[:MAX_PROBLEMS],
            finished_at=now if step.finished else None,
            file=step.file,
        )

    def failed(self, problem: JobProblem, now: datetime) -> "Job":
        """The job ended by a problem, which is kept whatever else there was; what its steps did stays done."""
        problems = (*self.problems[: MAX_PROBLEMS - 1], problem)
        return replace(self, state=JobState.FAILED, position={}, problems=problems, finished_at=now)

    def has_file(self, now: datetime) -> bool:
        """Whether its file is still kept at `now`."""
        return self.file is not None and self.finished_at is not None and now < self.finished_at + KEPT
