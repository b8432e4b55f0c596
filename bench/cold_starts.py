"""What a cold start costs: importing a function and making its clients, next to a bare boto3 client.

Each start is a process of its own with the layer on its path and nothing else. Both kinds take turns
and are compared pair by pair, so that a machine busy with something else slows both.
"""

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.children import run_child
from bench.handlers import environment
from bench.layer import functions, layer

STARTS, STARTS_SHOWN = 5, 2  # pairs, of those with a budget and of the others
HEAVY = ("boto3", "stripe", "pydantic", "aws_lambda_powertools", "jwt", "cryptography", "asyncio")
BARE = 'import boto3; boto3.client("dynamodb")'


@dataclass(frozen=True)
class Start:
    """One function's first moments: what it does before its first event, and what it must not load."""

    function: str
    first: str
    budget: float | None
    never: frozenset[str]


BATCH = "app._config(); import client_credits.aws.worker as r; r.store_on('credits')"
API = "app._front(); import client_credits.http.front as f; f.include('eligibility')"  # with its first request's routes
NO_LIBRARIES = frozenset({"boto3", "stripe", "pydantic", "aws_lambda_powertools"})
STARTS_OF = [
    Start(
        "stripe_webhook",
        "app._settings(); app.Queues(); import client_credits.aws.direct_calls as a; a._transport()",
        0.7,
        NO_LIBRARIES | {"jwt", "cryptography"},
    ),
    Start("bookings", BATCH, 0.9, frozenset({"boto3", "stripe", "jwt", "cryptography"})),
    Start("stripe_events", BATCH, None, frozenset({"boto3", "stripe", "jwt", "cryptography"})),
    Start("sweep", BATCH, None, frozenset({"boto3", "stripe", "jwt", "cryptography"})),
    Start("jobs", BATCH, None, frozenset({"boto3", "stripe", "jwt", "cryptography"})),
    Start("publish_entries", "", None, NO_LIBRARIES),
    Start("api", API, 1.1, frozenset({"boto3", "stripe"})),
]


@dataclass(frozen=True)
class ColdStart:
    """CPU of a start as a multiple of the bare client's; the heavy modules it loads."""

    start: Start
    ratio: float
    milliseconds: float
    heavy: tuple[str, ...]

    @property
    def in_time(self) -> bool:
        return self.start.budget is None or self.ratio <= self.start.budget

    @property
    def light(self) -> bool:
        return not self.start.never & set(self.heavy)


def cold_starts() -> Iterator[ColdStart]:
    site, folder = layer(), functions()
    installed = Path(sysconfig.get_paths()["purelib"])
    for start in STARTS_OF:
        ratios: list[float] = []
        spent: list[float] = []
        heavy: tuple[str, ...] = ()
        for _ in range(STARTS if start.budget else STARTS_SHOWN):
            bare, _nothing = _cpu_seconds(BARE, [installed])
            own, heavy = _cpu_seconds(f"import app; {start.first}", [folder / start.function, site])
            ratios.append(own / bare)
            spent.append(own)
        yield ColdStart(start, median(ratios), median(spent) * 1000, heavy)


_MEASURED = """
import time
began = time.process_time()
{code}
took = time.process_time() - began
result = [took, [name for name in {heavy!r} if name in sys.modules]]
"""


def _cpu_seconds(code: str, path: list[Path]) -> tuple[float, tuple[str, ...]]:
    """CPU seconds of `code` in a fresh interpreter, and which heavy modules it loaded."""
    variables = environment("credits", "http://127.0.0.1:9")
    took, heavy = run_child(_MEASURED.format(code=code, heavy=HEAVY), path, variables)
    return took, tuple(heavy)
