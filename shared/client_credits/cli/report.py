"""`credits report`: follows a report's pages into one table, file or page."""

import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from client_credits.cli import report_page
from client_credits.cli.api import PracticeApi
from client_credits.cli.errors import CommandError
from client_credits.cli.output import lines, printable, table
from client_credits.cli.report_shown import SHOWN, Row, Shown, Totals, cells, heading
from client_credits.cli.session import CliSession, PracticeId
from client_credits.domain.currencies import money

if TYPE_CHECKING:
    from rich.console import RenderableType

PAGE = 100  # the most that the API gives at once
ON_SCREEN = 200  # rows of a table

Since = Annotated[str | None, typer.Option("--from", metavar="DAY", help="The period's first day, or an instant.")]
Until = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Its last day, or the instant it ends at.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="As CSV, for spreadsheets.")]
AsHtml = Annotated[bool, typer.Option("--html", help="As one page with charts.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Into this file instead of the screen.")]


def report(
    session: CliSession,
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of: {', '.join(sorted(SHOWN))}.")],
    as_csv: AsCsv = False,
    as_html: AsHtml = False,
    since: Since = None,
    until: Until = None,
    out: Out = None,
    practice: PracticeId = None,
) -> None:
    """Show a report of the practice; all of it as CSV, as HTML or in JSON. Days are those of its time zone."""
    if as_csv + as_html + session.output.as_json > 1:
        raise typer.BadParameter("one of --csv, --html and --json")
    shown = SHOWN.get(name) or _unknown(name)
    rows = _rows(session, name, practice, {"from": since, "to": until})
    if as_csv or as_html or session.output.as_json:
        with _opened(out) as file:
            if as_csv:
                _write_csv(file, name, rows)
            elif as_html:
                _write_html(file, shown, rows, _zone(session, practice), _about(name, since, until))
            else:
                _write_json(file, rows)
        return
    if out:
        raise typer.BadParameter("with --csv, --html or --json", param_hint="--out")
    first, totals, more = _gathered(shown, rows)
    zone = _zone(session, practice)
    session.output.answer(None, lambda: _tables(shown, first, totals, more, zone))


def _unknown(name: str) -> Shown:
    near = get_close_matches(name, SHOWN, 1)
    meant = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(sorted(SHOWN))}."
    raise CommandError(f"There is no report {name}.{meant}")


def _rows(session: CliSession, name: str, practice: str | None, period: dict[str, str | None]) -> Iterator[Row]:
    """Every row, page after page."""
    api, cursor = PracticeApi(session, practice), None
    with session.output.counter(f"Rows of {name}") as advance:
        while True:
            page = api.get(f"/v1/reports/{name}", **period, limit=PAGE, cursor=cursor)
            yield from page["items"]
            advance(len(page["items"]))
            cursor = page["next_cursor"]
            if cursor is None:
                return


def _zone(session: CliSession, practice: str | None) -> ZoneInfo:
    return ZoneInfo(PracticeApi(session, practice).get("/v1/me")["practice"]["timezone"])


def _about(name: str, since: str | None, until: str | None) -> str:
    """The period in words, as it was asked for."""
    from client_credits.operations.queries.reports.every import REPORTS  # noqa: PLC0415 `--help` needs none of it

    usual = {"none": "As of now.", "past": "The last 30 days.", "ahead": "The next 30 days."}
    if not (since or until):
        return usual[REPORTS[name].period]
    return " ".join([*([f"From {since}"] if since else []), *([f"to {until}"] if until else [])]).capitalize() + "."


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[str]]:
    """The screen, or a file that is there complete or not at all."""
    if out is None:
        yield sys.stdout
        return
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=out.parent, prefix=f".{out.name}.", delete=False
    ) as file:
        part = Path(file.name)
        try:
            yield file
        except KeyboardInterrupt:
            part.unlink()
            raise CommandError(f"Stopped: {out} was not written. The same command begins anew.") from None
        except BaseException:
            part.unlink()
            raise
    os.replace(part, out)  # noqa: PTH105


# -- what is written ---------------------------------------------------------------------------


def _write_csv(file: IO[str], name: str, rows: Iterable[Row]) -> None:
    from client_credits.operations.queries.reports import csv_rows  # noqa: PLC0415 `--help` needs none of it
    from client_credits.operations.queries.reports.every import REPORTS  # noqa: PLC0415

    columns, cell = csv_rows.columns(REPORTS[name].row), _on_screen if file.isatty() else _as_it_is
    file.write(csv_rows.text([columns]))
    for row in rows:
        file.write(csv_rows.text([[cell(row[column]) for column in columns]]))


def _on_screen(value: object) -> object:
    return printable(value, keep="") if isinstance(value, str) else value


def _as_it_is(value: object) -> object:
    return value


def _write_json(file: IO[str], rows: Iterable[Row]) -> None:
    separator = ""
    file.write('{"items": [')
    for row in rows:
        file.write(f"{separator}\n  {json.dumps(row)}")
        separator = ","
    file.write("\n]}\n")


def _write_html(file: IO[str], shown: Shown, rows: Iterable[Row], zone: ZoneInfo, about: str) -> None:
    """The charts come first and need every row, so rows wait in a file of their own."""
    totals = Totals(shown.sums)
    columns = [(heading(name), " " in name and not name.endswith("@")) for name in shown.columns]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as waiting:
        for row in rows:
            totals.add(row)
            waiting.write(report_page.table_row(columns, cells(shown.columns, row, zone)))
        file.write(report_page.head(shown.title, f"{about} Times are of {zone.key}."))
        for title, bars in charts(totals):
            file.write(report_page.bars(title, bars))
        _write_totals(file, totals, zone)
        file.write(report_page.table_begins("Every row", columns))
        waiting.seek(0)
        while piece := waiting.read(2**16):
            file.write(piece)
    file.write(report_page.table_ends() + report_page.end())


def _write_totals(file: IO[str], totals: Totals, zone: ZoneInfo) -> None:
    columns = [(heading(name), " " in name) for name in totals.columns]
    file.write(report_page.table_begins("Totals", columns))
    for row in totals.rows():
        file.write(report_page.table_row(columns, cells(totals.columns, row, zone)))
    file.write(report_page.table_ends())


def charts(totals: Totals) -> Iterator[tuple[str, list[tuple[str, int, str]]]]:
    """A chart for each currency where there are amounts, else one: what each bar is called, its value and text."""
    rows = totals.rows()
    for currency in sorted({str(row.get("currency", "")) for row in rows}):
        own = [row for row in rows if str(row.get("currency", "")) == currency]
        title = f"Totals in {currency.upper()}" if currency else "Totals"
        yield title, [bar for row in own for bar in _bars(totals, row, currency)]


def _bars(totals: Totals, row: Row, currency: str) -> Iterator[tuple[str, int, str]]:
    name = str(row[totals.sums.by[0]])
    for column in totals.sums.of or ("rows",):
        value = row[column]
        if value or column in ("opening", "closing"):
            label = f"{name}, {heading(column)}" if totals.sums.of else name
            yield label, value, money(value, currency) if currency else str(value)


# -- what is shown -----------------------------------------------------------------------------


def _gathered(shown: Shown, rows: Iterable[Row]) -> tuple[list[Row], Totals, int]:
    """The first rows, the totals of all, and how many more there are."""
    first: list[Row] = []
    totals, more = Totals(shown.sums), 0
    for row in rows:
        totals.add(row)
        if len(first) < ON_SCREEN:
            first.append(row)
        else:
            more += 1
    return first, totals, more


def _tables(shown: Shown, first: list[Row], totals: Totals, more: int, zone: ZoneInfo) -> "RenderableType":
    every = table(_headings(shown.columns), [cells(shown.columns, row, zone) for row in first], shown.title)
    sums = [cells(totals.columns, row, zone) for row in totals.rows()]
    summed = table(_headings(totals.columns), sums, "Totals")
    rest = [f"{more:,} more rows: --csv or --html --out FILE gives all."] if more else []
    return lines(every, summed, *rest) if first else "Nothing to report."


def _headings(columns: Iterable[str]) -> list[str]:
    return [f"{heading(name)} #" if name.endswith((" #", " $")) else heading(name) for name in columns]
