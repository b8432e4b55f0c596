"""What goes over a whole practice takes, at any size: requests and read units a thousand rows, seconds, and memory.

Each run has a process of its own (`bench/own_process.py`); the table is the engine's.
"""

import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from tests.support.engines import Engine

from bench import handlers
from bench.children import run_child
from bench.engines import ROOT
from bench.filling import fill, with_more
from bench.layer import SHARED, layer
from bench.own_process import COUNTS, COUNTS_AGAIN, RunCost
from bench.practice import NOW, TYPE, P, found
from client_credits.store.store import Store

REPORTS = ("credits", "movements", "negative", "expiring", "outstanding", "revenue", "refusals", "parked")
EXPORT = "export of credits"
IMPORT, DRY_RUN, FILES = "credits import", "credits import --dry-run", "credits export"
TIMEOUT_SECONDS = 3_600  # revenue reads every client's history


@dataclass(frozen=True)
class LargeRun:
    """One thing done over a whole practice. `rows` are what its costs are counted by."""

    name: str
    spent: RunCost

    @property
    def per_thousand(self) -> int:
        """Requests for a thousand rows."""
        return round(1000 * self.spent.requests / self.spent.rows)

    @property
    def units_per_thousand(self) -> int:
        """Read and write units for a thousand rows."""
        return round(1000 * (self.spent.reads + self.spent.writes) / self.spent.rows)


def reports(engine: Engine, sizes: list[int], console: Console) -> Iterator[tuple[int, list[LargeRun]]]:
    """Each size with its reports; clients are added from one size to the next."""
    for size, table in _growing(engine, sizes, console):
        every = [(name, f"report({table!r}, {P!r}, {name!r}, {NOW.isoformat()!r})") for name in REPORTS]
        every.append((EXPORT, f"export_job({table!r}, {P!r}, {NOW.isoformat()!r})"))
        yield size, [LargeRun(name, RunCost(**_function(engine, table, code, console, name))) for name, code in every]


def switches(engine: Engine, sizes: list[int], console: Console) -> Iterator[tuple[int, list[LargeRun]]]:
    """Each size with what it takes to switch credits off and on again. Raises RuntimeError where a client is lost."""
    for size, table in _growing(engine, sizes, console):
        code = f"off_and_on({table!r}, {P!r}, {NOW.isoformat()!r})"
        every = {
            name: RunCost(**spent) for name, spent in _function(engine, table, code, console, "off and on").items()
        }
        if not 0 < every[COUNTS].rows == every[COUNTS_AGAIN].rows <= size:
            raise RuntimeError(f"{every[COUNTS].rows} clients held credits, then {every[COUNTS_AGAIN].rows}")
        yield size, [LargeRun(name, spent) for name, spent in every.items()]


def files(engine: Engine, sizes: list[int], console: Console) -> Iterator[tuple[int, list[LargeRun]]]:
    """Each size with an import of so many balances into an empty practice, its rehearsal, and an export of all."""
    for size in sizes:
        table = engine.fresh_table()
        found(Store(table))
        place = f"{table.name!r}, {P!r}, {str(engine.endpoint_url)!r}"
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "balances.csv"
            _write_balances(file, size)
            every = {
                DRY_RUN: f"import_file({place}, {str(file)!r}, dry_run=True)",
                IMPORT: f"import_file({place}, {str(file)!r}, dry_run=False)",
                f"{IMPORT}, repeated": f"import_file({place}, {str(file)!r}, dry_run=False)",
                FILES: f"export_files({place})",
            }
            spent = {name: _command(code, console, name) | {"rows": size} for name, code in every.items()}
        yield size, [LargeRun(name, RunCost(**each)) for name, each in spent.items()]


def _growing(engine: Engine, sizes: list[int], console: Console) -> Iterator[tuple[int, str]]:
    table, before = engine.fresh_table(), 0
    found(Store(table))
    for size in sizes:
        fill(str(engine.endpoint_url), table.name, before, size, console, with_more)
        before = size
        yield size, table.name


def _write_balances(file: Path, rows: int) -> None:
    """One in five balances ends some day."""
    ends = (NOW + timedelta(days=200)).date().isoformat()
    with file.open("w") as out:
        out.write("client,type,balance,expires_at,note\n")
        for number in range(rows):
            out.write(f"client-{number:07d},{TYPE},{1 + number % 9},{ends if number % 5 == 0 else ''},from before\n")


def _function(engine: Engine, table: str, code: str, console: Console, name: str) -> Any:
    """What a function does, with the layer and nothing else."""
    return _run(code, [layer(), ROOT], handlers.environment(table, str(engine.endpoint_url)), console, name)


def _command(code: str, console: Console, name: str) -> Any:
    """What the command does, on what is installed here."""
    return _run(code, [SHARED, ROOT, Path(sysconfig.get_path("purelib"))], {}, console, name)


def _run(code: str, path: list[Path], variables: dict[str, str], console: Console, name: str) -> Any:
    with console.status(f"measuring {name}"):
        program = f"from bench import own_process\nresult = own_process.{code}"
        return run_child(program, path, variables, timeout_seconds=TIMEOUT_SECONDS)
