"""How answers are shown: JSON for programs, tables for people, a progress bar where something takes long.

Answers go to standard output and nothing else does; bars and errors go to standard error. What people read passes
`printable` here, for names and reasons are whatever somebody typed or sent; what programs read stays as it is.
"""

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PIPED_WIDTH = 100  # columns where no terminal says how many it has
WIDE_WIDTH = 160  # the same with --wide
_HIDDEN = frozenset(("Cc", "Cs", "Zl", "Zp"))  # Unicode's categories of what commands a terminal, or breaks lines
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # of reading direction

Advance = Callable[[int], None]


def printable(text: str, keep: str = "\n\t") -> str:
    """The text with what would command a terminal spelled out, like `\\x1b`: it moves, colours and renames nothing."""
    if text.isprintable():
        return text
    return "".join(each if each in keep else _spelled(each) for each in text)


def _spelled(each: str) -> str:
    hidden = unicodedata.category(each) in _HIDDEN or each in _TURNING
    return each.encode("unicode_escape").decode() if hidden else each


class Output:
    """One command's output. `show` of an answer makes what people see, and runs for people only."""

    def __init__(self, as_json: bool, wide: bool = False) -> None:
        self.as_json = as_json
        self._piped_width = WIDE_WIDTH if wide else PIPED_WIDTH

    def answer(self, facts: Any, show: Callable[[], "RenderableType"]) -> None:
        if self.as_json:
            print(json.dumps(facts, indent=2))
        else:
            _console(sys.stdout, self._piped_width).print(_shown(show()))

    def plain(self, facts: Any, text: str) -> None:
        """An answer that is made to be copied: no wrapping, no colour."""
        print(json.dumps(facts, indent=2) if self.as_json else printable(text))

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Advance]:
        """A bar on a terminal, elsewhere nothing; call what it yields with each step done."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

        console = _console(sys.stderr, self._piped_width)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        hidden = self.as_json or not console.is_terminal
        with Progress(*columns, console=console, disable=hidden, transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda steps: bar.advance(task, steps)

    @contextmanager
    def counter(self, what: str) -> Iterator[Advance]:
        """As `progress`, where nobody knows how many steps there are."""
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        console = _console(sys.stderr, self._piped_width)
        columns = (SpinnerColumn(), TextColumn("{task.description} {task.completed:,.0f}"), TimeElapsedColumn())
        hidden = self.as_json or not console.is_terminal
        with Progress(*columns, console=console, disable=hidden, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda steps: bar.advance(task, steps)


def _console(stream: Any, piped_width: int) -> "Console":
    from rich.console import Console  # noqa: PLC0415 not needed for JSON

    # Ids may look like markup or emoji to Rich and are neither.
    width = None if stream.isatty() else piped_width
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width)


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str | None = None) -> "RenderableType":
    """Columns whose name ends with ` #` hold numbers; a number below zero is red, None a dash."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    made = Table(title=title and printable(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in columns:
        heading = printable(name.removesuffix(" #"))
        made.add_column(heading, justify="right" if name.endswith(" #") else "left", overflow="fold")
    for row in rows:
        made.add_row(*map(_cell, row))
    return made


def _cell(value: Any) -> "RenderableType":
    from rich.text import Text  # noqa: PLC0415

    if value is None:
        return Text("-", style="dim")
    below_zero = isinstance(value, int) and value < 0
    return Text(printable(str(value)), style="bold red" if below_zero else "")


def lines(*parts: "RenderableType") -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415

    return Group(*map(_shown, parts))


def _shown(part: "RenderableType") -> "RenderableType":
    return printable(part) if isinstance(part, str) else part
