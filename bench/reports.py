"""What reports and exports over a practice of any size take: requests a thousand rows, and memory at its peak."""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from tests.support.engines import Engine

from bench import handlers
from bench.children import run_child
from bench.filling import fill
from bench.layer import layer
from bench.practice import NOW, P, found
from client_credits.store.store import Store

REPORTS = ("credits", "movements", "revenue")
EXPORT = "export of credits"
TIMEOUT_SECONDS = 3_600  # revenue reads every client's history


@dataclass(frozen=True)
class Reported:
    """One report, read page by page to its end in a process of its own."""

    name: str
    rows: int
    requests: int
    megabytes: float

    @property
    def per_thousand(self) -> int:
        """Requests for a thousand rows."""
        return round(1000 * self.requests / self.rows)


def reports(engine: Engine, sizes: list[int], console: Console) -> Iterator[tuple[int, list[Reported]]]:
    """Each size with its reports; clients are added from one size to the next."""
    table = engine.fresh_table()
    found(Store(table))
    variables = handlers.environment(table.name, str(engine.endpoint_url))
    before = 0
    for size in sizes:
        fill(str(engine.endpoint_url), table.name, before, size, console)
        before = size
        yield size, [*(_reported(name, table.name, variables) for name in REPORTS), _exported(table.name, variables)]


def _reported(name: str, table: str, variables: dict[str, str]) -> Reported:
    code = _READ.format(name=name, table=table, practice=P, now=NOW.isoformat())
    return Reported(name, *run_child(code, [layer()], variables, timeout_seconds=TIMEOUT_SECONDS))


def _exported(table: str, variables: dict[str, str]) -> Reported:
    """The report of credits as a job that writes a file: its steps, without queue and bucket."""
    code = _EXPORT.format(table=table, practice=P, now=NOW.isoformat())
    return Reported(EXPORT, *run_child(code, [layer()], variables, timeout_seconds=TIMEOUT_SECONDS))


_READ = """
from datetime import datetime, timedelta
from client_credits.aws.worker import store_on
from client_credits.operations.context import OPERATOR, Context
from client_credits.operations.queries.reports.every import REPORTS
from client_credits.operations.queries.reports.pages import Period, ReportAsk
now = datetime.fromisoformat({now!r})
store = store_on({table!r})
requests = [0]
def count(**_):
    requests[0] += 1
store.table._client.meta.events.register("before-call.dynamodb", count)
asked = ReportAsk(Period(now - timedelta(days=30), now))
context, after, rows = Context(store, {practice!r}, OPERATOR, now), None, 0
while True:
    page = REPORTS[{name!r}].page(context, asked, after, 100)
    rows += len(page.rows)
    after = page.next
    if after is None:
        break
with open("/proc/self/status") as status:
    (line,) = (line for line in status if line.startswith("VmHWM:"))
result = rows, requests[0], int(line.split()[1]) / 1024
"""

_EXPORT = """
import tempfile
from datetime import datetime
from client_credits.aws.worker import store_on
from client_credits.domain.practice.jobs import JobKind
from client_credits.operations.context import OPERATOR, Context
from client_credits.operations.jobs import kinds, starting
from client_credits.operations.jobs.running import run
from client_credits.operations.staff.idempotent import Keyed
class Disk:
    def __init__(self):
        self.held = tempfile.TemporaryFile()
    def put(self, name, content):
        pass
    def begin(self, name):
        return "upload"
    def part(self, name, upload, number, content):
        return '"' + 32 * "0" + '"'
    def complete(self, name, upload, etags):
        pass
    def keep(self, name, content):
        self.held.seek(0)
        self.held.truncate()
        self.held.write(content)
    def kept(self, name):
        self.held.seek(0)
        return self.held.read()
now = datetime.fromisoformat({now!r})
store = store_on({table!r})
requests = [0]
def count(**_):
    requests[0] += 1
store.table._client.meta.events.register("before-call.dynamodb", count)
sent, steps = [], kinds.steps(Disk())
context = Context(store, {practice!r}, OPERATOR, now)
key = "export-" + str(datetime.now().timestamp())
job_id = starting.start(context, JobKind.EXPORT, {{"report": "credits"}}, Keyed(key, ""), sent.append).job_id
while sent:
    outcome = run(store, sent.pop(), now, steps)
    sent += [outcome.next] if outcome.next else []
job = store.job({practice!r}, job_id)
if job.state != "done":
    raise SystemExit(f"the job is {{job.state}}: {{job.problems}}")
with open("/proc/self/status") as status:
    (line,) = (line for line in status if line.startswith("VmHWM:"))
result = job.done, requests[0], int(line.split()[1]) / 1024
"""
