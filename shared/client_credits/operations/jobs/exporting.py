"""Writes a report into a CSV file of any size: page by page, part by part, with the memory of one part.

A step reads some pages. What they come to is sent as a part once it is large enough for one, and kept for
the next step until then. The job's position names where the report goes on, the parts sent, and what is
kept; so a step that is carried out twice reads the same pages and sends the same part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from client_credits.aws.files import Files
from client_credits.domain.errors import LimitReached
from client_credits.domain.instants import read_instant
from client_credits.domain.practice.jobs import Job, Progress
from client_credits.operations.context import Context
from client_credits.operations.queries.reports import csv_rows
from client_credits.operations.queries.reports.every import Report
from client_credits.operations.queries.reports.pages import Period, ReportAsk, ReportPage


@dataclass(frozen=True, slots=True)
class ExportBounds:
    """What a part has at least (S3 asks for 5 MiB), how many parts a job's record can name, what a step reads."""

    part_bytes: int = 8 * 2**20
    parts: int = 5_000
    pages: int = 5
    page_rows: int = 500


BOUNDS = ExportBounds()
MOST_READS = 1_000  # requests for histories, for one page: 200,000 entries, few enough for a step and its memory


@dataclass(frozen=True, slots=True)
class ExportPlace:
    """How far an export has come. `kept` names what was read and is not sent yet; `read` says that all was read."""

    after: str | None = None
    upload: str | None = None
    etags: tuple[str, ...] = ()
    kept: str | None = None
    read: bool = False

    @staticmethod
    def of(position: dict[str, Any]) -> "ExportPlace":
        return ExportPlace(**(position | {"etags": tuple(position.get("etags", ()))}))

    def position(self) -> dict[str, Any]:
        """As JSON, without what is not there."""
        stated = {"after": self.after, "upload": self.upload, "etags": list(self.etags), "kept": self.kept}
        return {name: value for name, value in (stated | {"read": self.read}).items() if value}


def step(
    files: Files, reports: Mapping[str, Report], context: Context, job: Job, bounds: ExportBounds = BOUNDS
) -> Progress:
    """Reads on, and sends or keeps what was read; the last step makes a file of the parts.

    Raises LimitReached for a file of too many parts, and what the store and the bucket raise.
    """
    place, file = ExportPlace.of(job.position), f"{context.practice_id}/{job.job_id}.csv"
    if place.read:
        assert place.upload, "what has parts was begun"
        files.complete(file, place.upload, place.etags)
        return Progress({}, finished=True, file=file)
    content, rows, after = _read_on(files, reports[job.asked["report"]], context, job, place, bounds)
    if after is None and place.upload is None:
        files.put(file, content)
        return Progress({}, rows, finished=True, file=file)
    if after is None or len(content) >= bounds.part_bytes:
        sent = _sent(files, file, place, content, bounds)
        return Progress(replace(sent, after=after, read=after is None).position(), rows)
    name = f"{context.practice_id}/{job.job_id}/{job.version}"  # a version is one worker's: nobody writes it again
    files.keep(name, content)
    return Progress(replace(place, after=after, kept=name).position(), rows)


def _read_on(
    files: Files, report: Report, context: Context, job: Job, place: ExportPlace, bounds: ExportBounds
) -> tuple[bytes, int, str | None]:
    """What is to be sent next, how many rows were read for it, and where the report goes on."""
    begun = place.kept or place.upload
    content = bytearray(
        files.kept(place.kept) if place.kept else b"" if begun else csv_rows.header(report.row).encode()
    )
    rows, after = 0, place.after
    for _ in range(bounds.pages):
        page = _page(context, report, job.asked, after, bounds.page_rows)
        content += csv_rows.lines(report.row, page.rows).encode()
        rows, after = rows + len(page.rows), page.next
        if after is None or len(content) >= bounds.part_bytes:
            break
    return bytes(content), rows, after


def _page(context: Context, report: Report, asked: Mapping[str, Any], after: str | None, limit: int) -> ReportPage[Any]:
    return report.page(context, ReportAsk(_period(asked, context.now), MOST_READS), after, limit)


def _period(asked: Mapping[str, Any], now: datetime) -> Period:
    """As it was when the export was asked for; a report without a period has none."""
    if "since" not in asked:
        return Period(now, now)
    return Period(read_instant(asked["since"]), read_instant(asked["until"]))


def _sent(files: Files, file: str, place: ExportPlace, content: bytes, bounds: ExportBounds) -> ExportPlace:
    if len(place.etags) == bounds.parts:
        raise LimitReached("The file would be too large. Ask for a shorter period, or for less at a time.")
    upload = place.upload or files.begin(file)
    etag = files.part(file, upload, len(place.etags) + 1, content)
    return replace(place, upload=upload, etags=(*place.etags, etag), kept=None)
