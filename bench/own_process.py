"""What is measured in a process of its own, so that the most memory it ever held is no other's.

Each function does one thing over a whole practice and gives what it took, as `RunCost` in plain numbers. Nothing that
grows with the practice is kept here. `bench/large.py` starts these processes.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

from client_credits.operations.context import OPERATOR, Context
from client_credits.store.store import Store

_READING = frozenset({"BatchGetItem", "GetItem", "Query", "Scan"})
COUNTS, COUNTS_AGAIN = "counts shown first", "counts, once on again"
PAGE_ROWS = 100  # the most that the API gives at once


@dataclass
class RunCost:
    """Rows, and what they took. `most` is how many requests the dearest page made; `megabytes` the peak of memory."""

    rows: int = 0
    requests: int = 0
    reads: float = 0
    writes: float = 0
    most: int = 0
    seconds: float = 0
    megabytes: float = 0


@dataclass
class Counting:
    """Counts what one client asks of DynamoDB, and the units that its answers name."""

    client: Any
    spent: RunCost = field(default_factory=RunCost)
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.client.meta.events.register("provide-client-params.dynamodb", self._ask)
        self.client.meta.events.register("after-call.dynamodb", self._called)

    @contextmanager
    def page(self) -> Iterator[None]:
        before = self.spent.requests
        yield
        self.spent.most = max(self.spent.most, self.spent.requests - before)

    def ended(self, rows: int) -> dict[str, Any]:
        self.spent.rows, self.spent.seconds = rows, time.monotonic() - self._began
        self.spent.megabytes = peak_megabytes()
        found, self.spent, self._began = asdict(self.spent), RunCost(), time.monotonic()
        return found

    def _ask(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if "ReturnConsumedCapacity" in model.input_shape.members:
            params.setdefault("ReturnConsumedCapacity", "TOTAL")

    def _called(self, model: Any, parsed: dict[str, Any], **_: Any) -> None:
        self.spent.requests += 1
        consumed = parsed.get("ConsumedCapacity", [])
        units = sum(part["CapacityUnits"] for part in ([consumed] if isinstance(consumed, dict) else consumed))
        if model.name in _READING:
            self.spent.reads += units
        else:
            self.spent.writes += units


def peak_megabytes() -> float:
    """The most memory this process ever held."""
    with Path("/proc/self/status").open() as status:
        (line,) = (line for line in status if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


# -- as the functions do it --------------------------------------------------------------------


def _counted(table: str) -> tuple[Store, Counting]:
    from client_credits.aws.worker import store_on  # noqa: PLC0415 the commands have another client

    store = store_on(table)
    return store, Counting(store.table._client)


def report(table: str, practice: str, name: str, now: str) -> dict[str, Any]:
    """A report, page by page as the API gives it, to its end. Its period reaches 30 days both ways."""
    from client_credits.operations.queries.reports.every import REPORTS  # noqa: PLC0415
    from client_credits.operations.queries.reports.pages import Period, ReportAsk  # noqa: PLC0415

    store, counting = _counted(table)
    instant, month = datetime.fromisoformat(now), timedelta(days=30)
    asked = ReportAsk(Period(instant - month, instant + month))
    context, after, rows = Context(store, practice, OPERATOR, instant), None, 0
    while True:
        with counting.page():
            page = REPORTS[name].page(context, asked, after, PAGE_ROWS)
        rows, after = rows + len(page.rows), page.next
        if after is None:
            return counting.ended(rows)


def export_job(table: str, practice: str, now: str) -> dict[str, Any]:
    """The report of credits as a job that writes a file: its steps, without queue and bucket."""
    from client_credits.domain.practice.jobs import JobKind, JobMessage  # noqa: PLC0415
    from client_credits.operations.jobs import kinds, starting  # noqa: PLC0415
    from client_credits.operations.jobs.running import run  # noqa: PLC0415
    from client_credits.operations.staff.idempotent import Keyed  # noqa: PLC0415

    store, counting = _counted(table)
    instant = datetime.fromisoformat(now)
    context, sent = Context(store, practice, OPERATOR, instant), list[JobMessage]()
    keyed = Keyed(f"export-{time.time_ns()}", "")
    job_id = starting.start(context, JobKind.EXPORT, {"report": "credits"}, keyed, sent.append).job_id
    with tempfile.TemporaryFile() as held:
        steps = kinds.steps(_Disk(held))
        while sent:
            with counting.page():
                outcome = run(store, sent.pop(), instant, steps)
            sent += [outcome.next] if outcome.next else []
    found = counting.ended(0)
    job = store.job(practice, job_id)
    if job is None or job.state != "done":
        raise SystemExit(f"the job is {job and job.state}: {job and job.problems}")
    return found | {"rows": job.done}


class _Disk:
    """A bucket that keeps the rest of one part, on disk."""

    def __init__(self, held: IO[bytes]) -> None:
        self._held = held

    def put(self, name: str, content: bytes) -> None: ...

    def begin(self, name: str) -> str:
        return "upload"

    def part(self, name: str, upload: str, number: int, content: bytes) -> str:
        return '"' + 32 * "0" + '"'

    def complete(self, name: str, upload: str, etags: Any) -> None: ...

    def keep(self, name: str, content: bytes) -> None:
        self._held.seek(0)
        self._held.truncate()
        self._held.write(content)

    def kept(self, name: str) -> bytes:
        self._held.seek(0)
        return self._held.read()


def off_and_on(table: str, practice: str, now: str) -> dict[str, Any]:
    """Credits switched off, with the counts first, and on again; and a page of clients after each."""
    store, counting = _counted(table)
    instant, found = datetime.fromisoformat(now), dict[str, Any]()
    _listed(Context(store, practice, OPERATOR, instant))  # a warm worker has read the catalogue
    counting.ended(0)
    for name, act in _SWITCHED.items():
        rows = act(Context(store, practice, OPERATOR, instant))
        found[name] = counting.ended(rows)
        instant += timedelta(minutes=1)
    return found


def _holding(context: Context) -> int:
    from client_credits.domain.errors import ConfirmationRequired  # noqa: PLC0415
    from client_credits.operations.staff.practices import change_account_settings  # noqa: PLC0415

    try:
        change_account_settings(context, {"enabled": False})
    except ConfirmationRequired as asked:
        return int(str(asked.facts["clients_with_credits"]))
    raise SystemExit("credits were switched off without a question")


def _switched(context: Context, *, enabled: bool) -> int:
    from client_credits.operations.staff.practices import change_account_settings  # noqa: PLC0415

    change_account_settings(context, {"enabled": enabled}, confirmed=True)
    return 0


def _listed(context: Context) -> int:
    from client_credits.operations.queries.clients import Filter, clients_page  # noqa: PLC0415

    return len(clients_page(context, None, PAGE_ROWS, Filter())[0])


_SWITCHED: dict[str, Callable[[Context], int]] = {
    COUNTS: _holding,
    "switched off": partial(_switched, enabled=False),
    "a page of clients while off": _listed,
    "switched on": partial(_switched, enabled=True),
    "a page of clients": _listed,
    COUNTS_AGAIN: _holding,
}


# -- as the command line does it ---------------------------------------------------------------


def import_file(table: str, practice: str, endpoint_url: str, file: str, dry_run: bool) -> dict[str, Any]:
    """`credits import`, which prints to standard output what it did."""
    from client_credits.cli.import_ import import_  # noqa: PLC0415

    session, counting = _command(table, endpoint_url)
    import_(session, Path(file), dry_run=dry_run, practice=practice)
    return counting.ended(0)


def export_files(table: str, practice: str, endpoint_url: str) -> dict[str, Any]:
    """`credits export` into a directory that is removed again."""
    from client_credits.cli.export import export  # noqa: PLC0415

    session, counting = _command(table, endpoint_url)
    with tempfile.TemporaryDirectory() as directory:
        export(session, Path(directory) / "export", practice=practice)
    return counting.ended(0)


def _command(table: str, endpoint_url: str) -> tuple[Any, Counting]:
    from client_credits.cli.session import CliSession, Given  # noqa: PLC0415 the layer has no commands
    from client_credits.cli.target import Target  # noqa: PLC0415
    from client_credits.local import aws  # noqa: PLC0415

    client = aws.client("dynamodb", endpoint_url)
    target = Target("the bench", "", table, "", "", {}, lambda service: client)
    return CliSession(Given(as_json=True, target=target)), Counting(client)
