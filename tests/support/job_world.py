"""Jobs in memory: a table, a queue that may lose and double messages, a bucket, a clock, and workers that may die.

Every call of a worker, to the table, the queue or the bucket, passes `watch`, where a test can end it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from client_credits.domain.ledger.entries import Actor
from client_credits.domain.practice.jobs import Job, JobKind, JobMessage
from client_credits.domain.practice.records import Account
from client_credits.operations.context import Context
from client_credits.operations.jobs import starting
from client_credits.operations.jobs.running import STEP_LEASE, RunOutcome, Steps, run
from client_credits.operations.jobs.starting import Started
from client_credits.operations.staff.idempotent import Keyed
from client_credits.operations.sweeping import shards, sweep_shard
from client_credits.store import writes
from client_credits.store.store import Store
from tests.support.builders import NOW
from tests.support.faults import Crash
from tests.support.memory_table import memory_store

Watch = Callable[[str, str], None]
PART_BYTES = 5 * 2**20  # S3's least, but for the last part
STAFF = Actor("staff", "s1")


def unwatched(moment: str, call: str) -> None:
    pass


@dataclass
class MemoryFiles:
    """A bucket as `aws.files.Files` sees it, with S3's rules for parts."""

    files: dict[str, bytes] = field(default_factory=dict)
    unfinished: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    least: int = PART_BYTES
    watch: Watch = unwatched

    def put(self, name: str, content: bytes) -> None:
        self._watched("put", lambda: self.files.update({name: content}))

    def begin(self, name: str) -> str:
        upload = f"upload-{len(self.uploads)}"
        self._watched("begin", lambda: self.uploads.update({upload: {}}))
        return upload

    def part(self, name: str, upload: str, number: int, content: bytes) -> str:
        self._watched("part", lambda: self.uploads[upload].update({number: content}))
        return f'"{hash(content)}"'

    def complete(self, name: str, upload: str, etags: Sequence[str]) -> None:
        self._watched("complete", lambda: self._complete(name, upload, etags))

    def keep(self, name: str, content: bytes) -> None:
        self._watched("keep", lambda: self.unfinished.update({name: content}))

    def kept(self, name: str) -> bytes:
        self._watched("kept", lambda: None)
        return self.unfinished[name]

    def _complete(self, name: str, upload: str, etags: Sequence[str]) -> None:
        if upload not in self.uploads:
            return
        parts = [self.uploads[upload][number] for number in range(1, len(etags) + 1)]
        assert [f'"{hash(part)}"' for part in parts] == list(etags), "InvalidPart"
        assert all(len(part) >= self.least for part in parts[:-1]), "EntityTooSmall"
        self.files[name] = b"".join(parts)
        del self.uploads[upload]

    def _watched(self, call: str, effect: Callable[[], Any]) -> None:
        self.watch("before", call)
        effect()
        self.watch("after", call)


def away(call: str = "UploadPart") -> ClientError:
    """What a service that does not answer raises."""
    return ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, call)


class JobWorld:
    """Practice p1 and its jobs. `lost` takes what is sent for lost."""

    def __init__(self, steps: Steps, files: MemoryFiles | None = None) -> None:
        self.store, self.table = memory_store()
        self.steps, self.files = steps, files or MemoryFiles()
        self.queue: list[JobMessage] = []
        self.now = NOW
        self.lost = False
        self.store.commit([writes.account(Account("p1", created_at=NOW))])

    def watched(self, watch: Watch) -> None:
        self.table.watch = self.files.watch = watch
        self._watch = watch

    _watch: Watch = staticmethod(unwatched)

    def context(self, actor: Actor = STAFF) -> Context:
        return Context(self.store, "p1", actor, self.now)

    def start(self, key: str = "key-1", actor: Actor = STAFF, **asked: Any) -> Started:
        return starting.start(self.context(actor), JobKind.EXPORT, asked, Keyed(key, f"export {asked}"), self.send)

    def send(self, message: JobMessage) -> None:
        self._watch("before", "send")
        if not self.lost:
            self.queue.append(message)
        self._watch("after", "send")

    def deliver(self) -> RunOutcome:
        """The first message to a worker that has just started, as functions/jobs does; it comes back if that dies."""
        outcome = run(Store(self.store.table), self.queue[0], self.now, self.steps)
        if outcome.next:
            self.send(outcome.next)
        self.queue.pop(0)
        return outcome

    def deliver_all(self) -> list[RunOutcome]:
        outcomes = []
        while self.queue:
            outcomes.append(self.deliver())
        return outcomes

    def pass_by(self, time: timedelta) -> None:
        """Time goes by, and then the sweep comes round."""
        self.now += time
        for shard in shards():
            for message in sweep_shard(Store(self.store.table), shard, self.now).jobs:
                self.send(message)

    def survive(self) -> None:
        """Works until no job is left to work on, whatever dies on the way."""
        for _ in range(100):
            try:
                self.deliver_all()
                self.pass_by(STEP_LEASE + timedelta(minutes=1))
            except Crash:
                self.queue[:] = []  # the message comes again much later, if at all: the sweep is first
            if not self.queue and not self.due():
                return
        raise AssertionError("the job does not end")

    def due(self) -> list[Any]:
        return [item for item in self.table.items.values() if "due_at" in item]

    def job(self, job_id: str) -> Job:
        found = self.store.job("p1", job_id)
        assert found
        return found

    def only_job(self) -> Job:
        (job_id,) = (pk.split("#")[2] for pk, sk in self.table.items if sk == "job")
        return self.job(job_id)


@dataclass
class Killer:
    """Ends the worker at one moment of its calls: before or after it, and only once."""

    at: int | None = None
    moments: int = 0

    def __call__(self, moment: str, call: str) -> None:
        self.moments += 1
        if self.moments - 1 == self.at:
            raise Crash(f"{moment} {call}")
