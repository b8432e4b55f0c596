"""python -m bench [--clients N]... [--json] [--only PART]...

Measures on this machine and prints each figure next to its budget. Exit status 1 when a budget of
counts (round trips, units, modules) is broken; times are ratios, shown with a verdict but no gate.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console
from tests.support.engines import Engine

from bench.cold_starts import cold_starts
from bench.costs import Cost, Found, costs
from bench.engines import running_engine
from bench.filling import fill
from bench.handler_cpu import BUDGET, ratios
from bench.handlers import environment, living_in
from bench.large import EXPORT, LargeRun, files, reports, switches
from bench.lists import lists
from bench.memory import BUDGET_MB, memories
from bench.own_process import COUNTS, COUNTS_AGAIN
from bench.practice import found
from bench.report import CostReport
from bench.sweeps import proportional, sweeps
from client_credits.store.store import Store

SIZES = (1_000, 100_000)
IMPORTED = (1_000, 10_000)  # `make bench-large` goes to 100,000: an import writes each balance by itself
FLAT_MB = 16  # what memory may grow by from the smallest size to the largest
MOST_FOR_A_PAGE = 500  # requests: 400 for histories, 48 for the roster, and those that read wallets
MOST_TO_COUNT = 240  # requests
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
                        part.measure(report, engine, console, sorted(asked.clients or part.sizes))
    if asked.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        report.show(console)
    return 1 if report.failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Costs next to their budgets.")
    sizes, fewer = (" and ".join(f"{size:,}" for size in each) for each in (SIZES, IMPORTED))
    told = f"clients stored; again for more ({sizes}; {fewer} where balances are imported)"
    parser.add_argument("--clients", type=int, action="append", help=told)
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
    _beside(report, "reports over {:,} wallets, page by page", reports(engine, sizes, console), engine)


def _files(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    _beside(report, "balances of {:,} wallets brought and written out", files(engine, sizes, console), engine)


def _switches(report: CostReport, engine: Engine, console: Console, sizes: list[int]) -> None:
    """The counts read every client, so they cost by the thousand; everything else costs the same at any size."""
    first: dict[str, LargeRun] = {}
    for size, every in switches(engine, sizes, console):
        group = f"credits switched off and on with {size:,} clients"
        for each in every:
            least, spent = first.setdefault(each.name, each), each.spent
            if each.name in (COUNTS, COUNTS_AGAIN):
                good = spent.requests <= MOST_TO_COUNT
                shown = f"{spent.rows:,} hold credits: {spent.requests} requests, {spent.seconds:.1f} s"
                report.add(group, each.name, f"{MOST_TO_COUNT} requests", shown, good)
            else:
                good = spent.requests <= least.spent.requests
                report.add(group, each.name, f"{least.spent.requests} requests", f"{spent.requests} requests", good)
        _add_peak(report, group, "all of it", every[-1].spent.megabytes, first[COUNTS_AGAIN].spent.megabytes + FLAT_MB)


def _beside(report: CostReport, group: str, by_size: Iterator[tuple[int, list[LargeRun]]], engine: Engine) -> None:
    """Each size beside the smallest: as many requests for a row, and as much memory. Units may be 30 % more: a page of
    few rows among many clients reads again what the page before had read ahead, and the only page of all does not."""
    first: dict[str, LargeRun] = {}
    units = engine.name == "dynoxide"
    for size, every in by_size:
        for each in every:
            least = first.setdefault(each.name, each)
            budget = f"{least.per_thousand} requests for 1,000 rows, 5 % more at most"
            spent = f"{each.per_thousand} requests"
            good = each.per_thousand <= 1.05 * least.per_thousand
            if units:
                budget += f"; {least.units_per_thousand} units, 30 % more"
                spent += f", {each.units_per_thousand} units"
                good = good and each.units_per_thousand <= 1.3 * least.units_per_thousand
            spent += f" ({each.spent.rows:,} rows in {each.spent.seconds:.0f} s)"
            report.add(group.format(size), each.name, budget, spent, good)
            if each.spent.most:
                allowed = max(MOST_FOR_A_PAGE, least.spent.most)
                shown = f"{each.spent.most} requests at most"
                good = each.spent.most <= allowed
                once = "a step" if each.name == EXPORT else "a page"
                report.add(group.format(size), f"{each.name}: {once}", f"<= {allowed} requests", shown, good)
            allowed_mb = least.spent.megabytes + (PARTS_MB if each.name == EXPORT else FLAT_MB)
            _add_peak(report, group.format(size), each.name, each.spent.megabytes, allowed_mb)


def _add_peak(report: CostReport, group: str, name: str, peak: float, allowed: float) -> None:
    report.add(group, f"{name}: peak RSS", f"<= {allowed:.0f} MB", f"{peak:.0f} MB", peak <= allowed)


@dataclass(frozen=True)
class Part:
    """`sizes` are the clients stored where none are named."""

    measure: Callable[[CostReport, Engine, Console, list[int]], None]
    sizes: tuple[int, ...] = SIZES


PARTS = {
    "operations": Part(_operations),
    "lists": Part(_lists),
    "handlers": Part(_handlers),
    "cold-starts": Part(_cold_starts),
    "memory": Part(_memory),
    "reports": Part(_reports),
    "import-and-export": Part(_files, IMPORTED),
    "off-and-on": Part(_switches),
}

if __name__ == "__main__":
    sys.exit(main())
