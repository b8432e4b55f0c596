"""What is printed of the measures, and the same as JSON."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

GOOD, BAD, NOT_JUDGED = "[green]ok[/]", "[red]over[/]", "[dim]shown[/]"
WIDEST = 120
LONGEST_COST = len("12 · 34 · 56 to 78")  # which is read at a glance only where it stands on one line


@dataclass(frozen=True)
class Figure:
    """One measure: what it may cost, what it did, and whether that is a gate.

    `good` None: shown only. `gate`: a budget of counts, which the exit status tells of.
    """

    group: str
    name: str
    budget: str
    found: str
    good: bool | None
    gate: bool = True


@dataclass
class CostReport:
    engine: str
    rows: list[Figure] = field(default_factory=list)

    def add(self, *row: Any, **more: Any) -> None:
        self.rows.append(Figure(*row, **more))

    @property
    def failed(self) -> list[Figure]:
        """Budgets of counts that were not kept."""
        return [row for row in self.rows if row.gate and row.good is False]

    def as_json(self) -> dict[str, Any]:
        return {"engine": self.engine, "rows": [asdict(row) for row in self.rows], "failed": len(self.failed)}

    def show(self, console: Console) -> None:
        """A heading and a table for each group. Whole from 80 columns on: what is too long is folded, never cut."""
        console.print(f"Costs and budgets, measured on {self.engine}: measure, budget, found", style="italic")
        for group, rows in groupby(self.rows, key=lambda row: row.group):
            console.print(f"\n{group}", style="bold")
            console.print(_table(rows, min(console.width, WIDEST)))
        over = [row for row in self.rows if row.good is False]
        if over:
            gates = f"{len(self.failed)} of them counts" if self.failed else "none of them counts"
            console.print(f"\n[red]{len(over)} over budget[/], {gates}.")


def _table(rows: Iterable[Figure], width: int) -> Table:
    """Columns of the same widths for every group, so that one stands below the other."""
    table = Table(box=None, show_header=False, width=width, padding=(0, 1, 0, 2))
    for ratio in (5, 4, 5):
        table.add_column(ratio=ratio, overflow="fold", min_width=LONGEST_COST)
    table.add_column(no_wrap=True, min_width=len("shown"))
    for row in rows:
        verdict = NOT_JUDGED if row.good is None else GOOD if row.good else BAD
        table.add_row(escape(row.name), escape(row.budget), escape(row.found), verdict)
    return table
