"""Exports: a report of any size becomes one CSV file, whatever dies on the way, with the memory of one part."""

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from tests.support.builders import DAY, NOW
from tests.support.faults import Crash
from tests.support.job_world import JobWorld, Killer, MemoryFiles

from client_credits.domain.practice.jobs import JobKind, JobState
from client_credits.operations.context import Context
from client_credits.operations.jobs import exporting
from client_credits.operations.jobs.exporting import ExportBounds
from client_credits.operations.queries.reports.every import Report
from client_credits.operations.queries.reports.pages import Period, ReportAsk, ReportPage

SMALL = ExportBounds(part_bytes=200, parts=9, pages=2, page_rows=3)
ROWS = 60


@dataclass(frozen=True, slots=True)
class NumberRow:
    number: int
    text: str


class Numbers:
    """A report of `rows` numbers that notes the periods it was asked for."""

    def __init__(self, rows: int = ROWS) -> None:
        self.rows = rows
        self.asked: list[Period] = []

    def page(self, context: Context, ask: ReportAsk, after: str | None, limit: int) -> ReportPage[NumberRow]:
        self.asked.append(ask.period)
        first = int(after or 0)
        last = min(first + limit, self.rows)
        return ReportPage(
            [NumberRow(n, f"row {n}") for n in range(first, last)], str(last) if last < self.rows else None
        )


def exports(numbers: Numbers, bounds: ExportBounds = SMALL, files: MemoryFiles | None = None) -> JobWorld:
    files = files or MemoryFiles(least=bounds.part_bytes)
    report = Report("numbers", NumberRow, numbers.page)
    return JobWorld({JobKind.EXPORT: partial(exporting.step, files, {"numbers": report}, bounds=bounds)}, files)


def written(world: JobWorld) -> list[list[str]]:
    job = world.only_job()
    assert (job.state, job.problems) == (JobState.DONE, ())
    assert job.file
    return list(csv.reader(io.StringIO(world.files.files[job.file].decode(), newline="")))


def expected(rows: int) -> list[list[str]]:
    return [["number", "text"], *([str(n), f"row {n}"] for n in range(rows))]


@pytest.mark.parametrize("rows", [0, 1, 5, 6, 7, 17, 18, 19, 30, ROWS])
def test_a_file_holds_every_row_once_in_order_under_its_columns(rows: int) -> None:
    world = exports(Numbers(rows))
    world.start(report="numbers")
    world.deliver_all()
    assert written(world) == expected(rows)
    assert world.only_job().done == rows
    assert world.only_job().file == f"p1/{world.only_job().job_id}.csv"


def test_a_small_report_is_one_step_and_a_file_in_one_piece() -> None:
    world = exports(Numbers(100), ExportBounds())
    world.start(report="numbers")
    assert len(world.deliver_all()) == 1
    assert world.files.uploads == world.files.unfinished == {}
    assert written(world) == expected(100)


def test_every_page_is_of_the_period_that_the_export_was_asked_for() -> None:
    numbers = Numbers()
    world = exports(numbers)
    world.start(report="numbers", since="2026-11-01T00:00:00Z", until="2026-11-22T12:00:00.000001Z")
    world.deliver()
    world.now += DAY
    world.deliver_all()
    assert set(numbers.asked) == {Period(datetime(2026, 11, 1, tzinfo=UTC), NOW + timedelta(microseconds=1))}


@pytest.mark.parametrize("rows", [4, ROWS])
def test_a_worker_killed_at_any_call_leaves_the_same_file_behind(rows: int) -> None:
    """Before and after each call of table, queue and bucket, from the start of the job to its end."""
    smooth = Killer()
    story(rows, smooth)
    assert smooth.moments > (20 if rows == 4 else 150)
    for moment in range(smooth.moments):
        killer = Killer(at=moment)
        world = story(rows, killer)
        assert killer.moments > moment, "nobody was killed"
        assert written(world) == expected(rows), moment
        assert world.only_job().done == rows, moment


def story(rows: int, killer: Killer) -> JobWorld:
    """An export from its start, which the caller repeats, until there is nothing left to do."""
    world = exports(Numbers(rows))
    world.watched(killer)
    for _ in range(2):
        try:
            world.start(report="numbers")
            break
        except Crash:
            world.queue.clear()
    world.survive()
    return world


def test_a_file_of_too_many_parts_fails_with_a_reason() -> None:
    world = exports(Numbers(1_000))
    world.start(report="numbers")
    world.deliver_all()
    job = world.only_job()
    assert (job.state, job.file, job.problems[-1].code) == (JobState.FAILED, None, "limit_reached")
    assert world.files.files == {}


def test_no_step_holds_more_than_a_part_and_a_page() -> None:
    sizes: list[int] = []

    class Weighing(MemoryFiles):
        def part(self, name: str, upload: str, number: int, content: bytes) -> str:
            sizes.append(len(content))
            return super().part(name, upload, number, content)

        def keep(self, name: str, content: bytes) -> None:
            sizes.append(len(content))
            super().keep(name, content)

    world = exports(Numbers(ROWS), files=Weighing(least=SMALL.part_bytes))
    world.start(report="numbers")
    world.deliver_all()
    assert len(sizes) > 5
    assert max(sizes) < SMALL.part_bytes + 3 * 20
