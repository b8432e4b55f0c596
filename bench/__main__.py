"""python -m bench [--clients N]... [--json] [--only PART]...

Measures on this machine and prints each figure next to its budget. Exit status 1 when a budget of
counts (round trips, units, modules) is broken; times are ratios, shown with a verdict but no gate.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from itertools import pairwise

from rich.console import Console
from tests.support.engines import Engine

from bench.cold_starts import cold_starts
from bench.costs import Cost, Found, costs
from bench.engines import running_engine
from bench.filling import fill
from bench.handler_cpu import BUDGET, ratios
from bench.handlers import environment, living_in
from bench.lists import lists
from bench.memory import BUDGET_MB, memories
from bench.practice import found
from bench.report import CostReport
from bench.reports import EXPORT, Reported, reports
from bench.sweeps import proportional, sweeps
from client_credits.store.store import Store

SIZES = (1_000, 100_000)
FLAT_MB = 16  # what a report's memory may grow by from the smallest size to the largest
PARTS_MB = 40  # the part of a file that is being made, of 8 MiB, and copies of it
SWEEP = "sweep of all shards"
COLD = 'cold start CPU against boto3.client("dynamodb")'
LOADED = "heavy modules that a cold start loads"


def main() -> int:
    asked = _arguments()
    console = Console(stderr=asked.json)
    with living_in(environment("none", "http://127.0.0.1:9")):
        del os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
        with running_engine(console) as engine:
            report = CostReport(engine.name)
            for name, part in PARTS.items():
                if not asked.only or name in asked.only:
                    with console.status(f"measuring {name.replace('-', ' ')}"):
                        part(report, engine, console, sorted(asked.clients or SIZES))
    if asked.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        report.show(console)
    return 1 if report.failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Costs next to their budgets.")
    sizes = ", ".join(f"{size:,}" for size in SIZES)
    parser.add_argument("--clients", type=int, action="append", help=f"clients stored; again for more ({sizes})")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on standard output")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part alone")
    return parser.parse_args()


# -- parts -------------------------------------------------------------------------------------


def _operations(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    """Round trips and units of each operation and of the sweep, in one table that grows."""
    units = engine.name == "dynoxide"
    table, counted = engine.fresh_table(), engine.client()
    found(Store(table))
    seen: dict[str, dict[int, Found]] = {}
    budgets: dict[str, Cost] = {}
    swept = {}
    for before, size in pairwise([0, *sizes]):
        fill(str(engine.endpoint_url), table.name, before, size, console)
        for measure, cost in costs(table, counted):
            seen.setdefault(measure.name, {})[size] = cost
            budgets[measure.name] = measure.budget
        swept[size] = list(sweeps(table, counted))
    measured = "round trips · read units · write units" if units else "round trips"
    group = f"{measured}, with {' and '.join(f'{size:,}' for size in sizes)} clients stored"
    for name, by_size in seen.items():
        budget, cost = budgets[name], by_size[sizes[-1]]
        good = len(set(by_size.values())) == 1 and all(c.within(budget, units) for c in by_size.values())
        report.add(group, name, _allowed(budget, units), _spent(by_size, units), good)
    for size, by_due in swept.items():
        spent = ", ".join(f"{sweep.due} due: {sweep.requests}" for sweep in by_due)
        good = proportional(by_due, units)
        report.add(SWEEP, f"{size:,} clients stored", "16 requests + 2 per due wallet", spent, good)
    if len(sizes) > 1:
        alike = len({tuple(by_due) for by_due in swept.values()}) == 1
        report.add(SWEEP, "whatever is stored", "equal", "equal" if alike else "differs", alike)


def _allowed(budget: Cost, units: bool) -> str:
    low, high = budget.writes
    written = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return f"{budget.trips} · {budget.reads:g} · {written}" if units else f"{budget.trips}"


def _spent(by_size: dict[int, Found], units: bool) -> str:
    def text_of(cost: Found) -> str:
        return f"{cost.trips} · {cost.reads:g} · {cost.writes:g}" if units else f"{cost.trips}"

    texts = {size: text_of(cost) for size, cost in by_size.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{text} at {size:,}" for size, text in texts.items())


def _lists(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    """Bounds that hold at each size: how much of it a list reads depends on what is stored."""
    units = engine.name == "dynoxide"
    for size, listing, cost in lists(engine, sizes, console):
        group = f"lists and links, at most, with {size:,} clients stored"
        good = cost.within(listing.budget, units)
        report.add(group, listing.name, _allowed(listing.budget, units), _spent({size: cost}, units), good)


def _handlers(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    group = "handler CPU beyond the bare boto3 calls it makes"
    for ratio in ratios(engine):
        spent = f"{ratio.beyond:.2f} x ({ratio.handler_ms:.1f} ms, calls {ratio.bare_ms:.1f} ms)"
        report.add(group, ratio.name, f"{BUDGET} x", spent, ratio.beyond <= BUDGET, gate=False)


def _cold_starts(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    starts = list(cold_starts())
    for cold in starts:
        budget = cold.start.budget
        spent = f"{cold.ratio:.2f} x ({cold.milliseconds:.0f} ms)"
        good = cold.in_time if budget else None
        report.add(COLD, cold.start.function, f"{budget} x" if budget else "", spent, good, gate=False)
    for cold in starts:
        never = f"without {', '.join(sorted(cold.start.never))}"
        report.add(LOADED, cold.start.function, never, ", ".join(cold.heavy) or "nothing heavy", cold.light)


def _memory(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    for memory in memories(engine):
        spent = f"{memory.megabytes:.0f} MB"
        report.add("memory of a warm function", memory.function, f"< {BUDGET_MB} MB", spent, memory.within)


def _reports(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    """Each size beside the smallest: as many requests for a row, and as much memory."""
    first: dict[str, Reported] = {}
    for size, every in reports(engine, sizes, console):
        group = f"reports over {size:,} wallets, page by page"
        for each in every:
            least = first.setdefault(each.name, each)
            budget = f"requests within 5 % of those at {sizes[0]:,}"
            spent = f"{each.rows:,} rows, {each.per_thousand} requests for 1,000"
            report.add(group, each.name, budget, spent, each.per_thousand <= 1.05 * least.per_thousand)
            peak, allowed = each.megabytes, least.megabytes + (PARTS_MB if each.name == EXPORT else FLAT_MB)
            report.add(group, f"{each.name}: peak RSS", f"<= {allowed:.0f} MB", f"{peak:.0f} MB", peak <= allowed)


Part = Callable[[CostReport, Engine, Console, list[int]], None]
PARTS: dict[str, Part] = {
    "operations": _operations,
    "lists": _lists,
    "handlers": _handlers,
    "cold-starts": _cold_starts,
    "memory": _memory,
    "reports": _reports,
}

if __name__ == "__main__":
    sys.exit(main())
