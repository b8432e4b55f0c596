"""The one table that is printed, and the same as JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

GOOD, BAD, NOT_JUDGED = "[green]ok[/]", "[red]over[/]", "[dim]shown[/]"


@dataclass(frozen=True)
class Row:
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
class Report:
    engine: str
    rows: list[Row] = field(default_factory=list)

    def add(self, *row: Any, **more: Any) -> None:
        self.rows.append(Row(*row, **more))

    @property
    def failed(self) -> list[Row]:
        """Budgets of counts that were not kept."""
        return [row for row in self.rows if row.gate and row.good is False]

    def as_json(self) -> dict[str, Any]:
        return {"engine": self.engine, "rows": [asdict(row) for row in self.rows], "failed": len(self.failed)}

    def show(self, console: Console) -> None:
        table = Table(title=f"Costs and budgets, measured on {self.engine}", title_justify="left")
        table.add_column("measure", min_width=38)
        for column in ("budget", "found", ""):
            table.add_column(column)
        group = None
        for row in self.rows:
            if row.group != group:
                table.add_section()
                table.add_row(f"[bold]{row.group}[/]")
                group = row.group
            verdict = NOT_JUDGED if row.good is None else GOOD if row.good else BAD
            table.add_row(f"  {row.name}", row.budget, row.found, verdict)
        console.print(table)
        over = [row for row in self.rows if row.good is False]
        if over:
            gates = f"{len(self.failed)} of them counts" if self.failed else "none of them counts"
            console.print(f"[red]{len(over)} over budget[/], {gates}.")
