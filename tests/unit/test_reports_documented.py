"""docs/reports.md names every report with its columns, in their order."""

import re
from pathlib import Path

import pytest

from client_credits.operations.queries.reports.csv_rows import columns
from client_credits.operations.queries.reports.every import REPORTS

PAGE = (Path(__file__).parents[2] / "docs/reports.md").read_text()
ROWS = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE))


def test_the_page_has_every_report_and_no_other() -> None:
    assert set(ROWS) == set(REPORTS)


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_names_every_column_in_its_order(name: str) -> None:
    assert re.findall(r"`(\w+)`", ROWS[name]) == columns(REPORTS[name].row)
