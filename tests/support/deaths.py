"""The worker dies at any call to the table, once, and what it was at is delivered again."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from tests.support.memory_table import MemoryDynamoDB


class Died(Exception):
    """The worker died in the middle of its work."""


class OnATable(Protocol):
    """Whatever lives on a table in memory."""

    @property
    def table(self) -> MemoryDynamoDB: ...


W = TypeVar("W", bound=OnATable)
CALLS_EACH = 3  # calls to the table that each step makes at least


class _Reaper:
    """Kills the worker at one call to the table, before it or after it was done, once."""

    def __init__(self, table: MemoryDynamoDB, strikes_at: int | None = None) -> None:
        self.calls = 0
        self.struck = False
        self._strikes_at = strikes_at
        table.watch = self._watch

    def _watch(self, moment: str, call: str) -> None:
        self.calls += 1
        if self.calls == self._strikes_at:
            self.struck = True
            raise Died(f"{moment} {call}")


def every_death(begin: Callable[[], W], hear: Callable[[W, Any], object], steps: Sequence[Any]) -> Iterator[W]:
    """The world after all steps, first without a death, then with the worker dying at each call in turn.

    The step during which it died is delivered again last. Fails where the calls were not counted, and where
    nothing died.
    """
    whole, reaper = _lived(begin, hear, steps, None)
    calls = reaper.calls
    assert calls >= CALLS_EACH * len(steps), "no crash points were counted"
    yield whole
    for call in range(1, calls + 1):
        world, reaper = _lived(begin, hear, steps, call)
        assert reaper.struck, call
        yield world


def _lived(
    begin: Callable[[], W], hear: Callable[[W, Any], object], steps: Sequence[Any], strikes_at: int | None
) -> tuple[W, _Reaper]:
    world = begin()
    reaper = _Reaper(world.table, strikes_at)
    late = []
    for each in steps:
        try:
            hear(world, each)
        except Died:
            late.append(each)
    for each in late:
        hear(world, each)
    return world, reaper
