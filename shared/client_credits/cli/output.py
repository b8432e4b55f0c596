"""How answers are shown: JSON for programs, tables for people, a progress bar where something takes long.

Answers go to standard output and nothing else does; bars and errors go to standard error.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPED_WIDTH = 160  # columns where no terminal says how many it has

Advance = Callable[[int], None]


class Output:
    """One command's output. `show` of an answer makes what people see, and runs for people only."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def answer(self, facts: Any, show: Callable[[], "RenderableType"]) -> None:
        if self.as_json:
            print(json.dumps(facts, indent=2))
        else:
            _console(sys.stdout).print(show())

    def long_answer(self, facts: dict[str, Any], name: str, items: Iterable[Any]) -> None:
        """JSON of `facts` with a list of any length under `name`, written as its items come."""
        print("{")
        for fact, value in facts.items():
            print(f"  {json.dumps(fact)}: {json.dumps(value)},")
        print(f"  {json.dumps(name)}: [", end="")
        for number, item in enumerate(items):
            print(f"{',' if number else ''}\n    {json.dumps(item)}", end="")
        print("\n  ]\n}")

    def plain(self, facts: Any, text: str) -> None:
        """An answer that is made to be copied: no wrapping, no colour."""
        print(json.dumps(facts, indent=2) if self.as_json else text)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """A bar on a terminal, elsewhere nothing; call what it yields with each step done."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        console = _console(sys.stderr)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = self.as_json or not console.is_terminal
        with Progress(*columns, console=console, disable=hidden, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda steps: bar.advance(task, steps)

    @contextmanager
    def counter(self, what: str) -> Iterator[Advance]:
        """As `progress`, where nobody knows how many steps there are."""
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        console = _console(sys.stderr)
        columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"), TimeElapsedColumn())
        hidden = self.as_json or not console.is_terminal
        with Progress(*columns, console=console, disable=hidden, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda steps: bar.advance(task, steps)


def _console(stream: Any) -> "Console":
    from rich.console import Console  # noqa: PLC0415 not needed for JSON

    # Ids may look like markup or emoji to Rich and are neither.
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> "RenderableType":
    """Columns whose name ends with ` #` hold numbers; a number below zero is red, None a dash."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    made = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in columns:
        made.add_column(name.removesuffix(" #"), justify="right" if name.endswith(" #") else "left", overflow="fold")
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def _cell(value: Any) -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415

    if value is None:
        return Text("-", style="dim")
    below_zero = isinstance(value, int) and value < 0
    return Text(str(value), style="bold red" if below_zero else "")


def lines(*parts: "RenderableType") -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415

    return Group(*parts)
