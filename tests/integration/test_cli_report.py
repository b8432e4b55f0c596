"""`credits report` against the API over HTTP on loopback: tables, CSV, JSON and the page with charts."""

import csv
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from tests.support.api import Api, token
from tests.support.builders import DAY, NOW
from tests.support.cli import Ran, credits
from tests.support.http_shim import Shim
from tests.support.stock import booked, client, furnished, later, listed, no_debt, package, paid, patch

from client_credits.cli import report
from client_credits.cli.report_shown import SHOWN
from client_credits.cli.target import Target
from client_credits.domain.currencies import money
from client_credits.http.front import log
from client_credits.operations.queries.reports.csv_rows import columns
from client_credits.operations.queries.reports.every import REPORTS

EVIL = "<script>alert('x')</script>=&\""
each_report = pytest.mark.parametrize("name", SHOWN)


class Quiet(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        return super().get_environ() | {"REQUEST_URI": self.path}

    def log_message(self, *_: Any) -> None:
        pass


class Screen(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with make_server("127.0.0.1", 0, Shim(api), handler_class=Quiet) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        target = Target(
            name="the stack of the test",
            api_url=f"http://127.0.0.1:{server.server_port}",
            table_name="credits",
            event_bus_name="bus",
            secrets_prefix="/x",
            outputs={},
            client=lambda service: None,
        )

        def run(*words: str) -> Ran:
            bearer = token("staff", now=api.now[0])
            return credits(*words, target=target, env={"CREDITS_TOKEN": bearer, "COLUMNS": "100"})

        monkeypatch.setattr(log, "_least", 99)  # in one process, its lines would come among the command's
        yield run
        server.shutdown()


def stocked(api: Api) -> Api:
    """A practice in which every report has a row, of a client with a name that would be HTML and a formula."""
    furnished(api)
    patch(api, "/v1/settings", {"timezone": "Europe/Berlin"})
    package(
        api, "week", credits={"follow-up": 2, "initial": 1}, stripe_prices=["price_w"], expiry={"kind": "days", "n": 30}
    )
    client(api, "c1", name=EVIL)
    client(api, "c2", name="=Bo")
    for number, client_id in enumerate(("c1", "c2")):
        paid(api, price="price_w", client_id=client_id, amount=10_000)
        paid(api, price="price_none", client_id=client_id)
        for each in range(2):
            booked(api, f"b{number}{each}", client_id=client_id, appointment_type="initial", starts_at=NOW + 2 * DAY)
    no_debt(api)
    for client_id in ("c1", "c2"):
        booked(api, f"no-{client_id}", client_id=client_id, appointment_type="initial", starts_at=NOW + 9 * DAY)
    later(api, days=3)
    return api


def test_a_report_is_shown_as_a_table_with_names_local_times_and_totals(api: Api, run: Any) -> None:
    stocked(api)
    ran = run("report", "negative")
    assert ran.code == 0, ran.err
    assert "=Bo" in ran.out and "Totals" in ran.out
    assert "2026-11-22 13:00" in ran.out, "noon in London is one in Berlin"
    ran = run("report", "revenue")
    assert re.search(r"week\s+0\.00 EUR\s+200\.00 EUR\s+66\.66 EUR\s+0\.00 EUR\s+0\.00 EUR\s+133\.34 EUR", ran.out)


@each_report
def test_every_report_has_a_table_of_at_most_100_columns(api: Api, run: Any, name: str) -> None:
    stocked(api)
    ran = run("report", name)
    assert ran.code == 0, ran.err
    assert len(ran.out.splitlines()) > 4
    assert max(map(len, ran.out.splitlines())) <= 100


def test_a_report_commands_no_terminal_and_keeps_what_programs_read_as_it_is(
    api: Api, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(api)
    evil = "\x1b]0;owned\x07Anna"
    client(api, "c1", name=evil)
    ran = run("report", "credits")
    assert (ran.code, "\x1b" in ran.out, "\x07" in ran.out) == (0, False, False)
    assert "\\x1b]" in ran.out
    path = tmp_path / "report.csv"
    assert run("report", "credits", "--csv", "--out", str(path)).code == 0
    assert evil in path.read_text(encoding="utf-8")
    screen = Screen()
    monkeypatch.setattr(report, "sys", SimpleNamespace(stdout=screen))
    assert run("report", "credits", "--csv").code == 0
    assert ("\x1b" in screen.getvalue(), "\\x1b]0;owned" in screen.getvalue()) == (False, True)


@each_report
def test_csv_has_every_row_and_the_columns_of_the_api(
    api: Api, run: Any, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked(api)
    monkeypatch.setattr("client_credits.cli.report.PAGE", 1)
    path = tmp_path / "report.csv"
    assert run("report", name, "--csv", "--out", str(path)).code == 0
    with path.open(newline="", encoding="utf-8") as file:
        text = file.read()
    found = list(csv.DictReader(StringIO(text, newline="")))
    every = listed(api, f"/v1/reports/{name}")
    assert list(found[0]) == columns(REPORTS[name].row)
    assert len(found) == len(every) > 1
    whole = api("GET", f"/v1/reports/{name}", headers={"accept": "text/csv"}).text
    assert text == whole
    assert list(tmp_path.iterdir()) == [path]


@each_report
def test_json_has_every_row_as_the_api_gives_it(api: Api, run: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stocked(api)
    monkeypatch.setattr("client_credits.cli.report.PAGE", 1)
    assert run("report", name, "--json").json == {"items": listed(api, f"/v1/reports/{name}")}


class Page(HTMLParser):
    """The tags of a page, and the cells of its tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1] == "td":
            self.cells[-1] += data


@each_report
def test_the_page_has_every_row_and_a_chart_and_runs_and_loads_nothing(
    api: Api, run: Any, name: str, tmp_path: Path
) -> None:
    stocked(api)
    path = tmp_path / "report.html"
    assert run("report", name, "--html", "--out", str(path)).code == 0
    text = path.read_text()
    page = Page(text)
    assert "svg" in page.tags and "rect" in page.tags
    assert not {"script", "link", "img", "iframe", "a", "form"} & set(page.tags)
    assert not [each for each in page.attributes if each[0].startswith("on") or each[0] in ("src", "href")]
    assert "default-src 'none'" in text and "<script" not in text and "url(" not in text
    if name not in ("parked",):
        assert EVIL in page.cells and "=Bo" in page.cells
    assert len(page.cells) >= len(listed(api, f"/v1/reports/{name}")) * len(SHOWN[name].columns)


def test_what_is_cut_short_leaves_no_half_a_file(api: Api, run: Any, tmp_path: Path) -> None:
    stocked(api)
    path = tmp_path / "report.csv"
    path.write_text("the one before")
    ran = run("report", "refusals", "--csv", "--out", str(path), "--from", "yesterday")
    assert ran.code == 1 and "/query/from" in ran.err
    assert path.read_text() == "the one before" and list(tmp_path.iterdir()) == [path]


def test_a_period_is_passed_on(api: Api, run: Any) -> None:
    stocked(api)
    later(api, days=60)
    assert run("report", "refusals").out == "Nothing to report.\n"
    assert len(run("report", "refusals", "--from", "2026-11-01", "--to", "2026-11-30", "--json").json["items"]) == 2


def test_an_unknown_report_is_answered_with_the_one_that_was_meant(api: Api, run: Any) -> None:
    assert "Did you mean revenue?" in run("report", "revenu").err
    assert "There are: credits" in run("report", "xyz").err


def test_every_report_has_a_table(api: Api) -> None:
    assert set(SHOWN) == set(REPORTS)
    for name, shown in SHOWN.items():
        known = {*columns(REPORTS[name].row), "client", "movements"}
        assert {column.partition(" ")[0] for column in shown.columns} <= known
        assert {*shown.sums.by, *shown.sums.of} <= known


def test_amounts_are_written_in_their_currency() -> None:
    assert [money(n, "eur") for n in (0, 5, -1250, 123_456)] == ["0.00 EUR", "0.05 EUR", "-12.50 EUR", "1234.56 EUR"]
    assert money(1200, "jpy") == "1200 JPY"
