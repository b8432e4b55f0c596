"""What `make bench` prints: nothing of it is cut off where a terminal is 80 columns wide."""

import io

import pytest
from bench.report import CostReport
from rich.console import Console

COSTS = "round trips · read units · write units, with 1,000 and 100,000 clients stored"
NEVER = "without aiohttp, boto3, pydantic, stripe, typing_extensions"
ROWS = [
    (
        COSTS,
        "a booking that is cancelled and restores",
        "12 · 34 · 56 to 78",
        "2 · 4 · 8 at 1,000; 2 · 5 · 10 at 100,000",
    ),
    ("sweep", "100,000 clients stored", "16 requests + 2 per due wallet", "0 due: 16, 10 due: 36, 100 due: 216"),
    ("heavy modules that a cold start loads", "stripe_webhook", NEVER, "nothing heavy"),
]


def printed(width: int) -> list[str]:
    report = CostReport("dynoxide")
    for row, good in zip(ROWS, (True, None, False), strict=True):
        report.add(*row, good)
    stated = io.StringIO()
    report.show(Console(file=stated, width=width))
    return stated.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_every_word_of_every_cell_is_printed(width: int) -> None:
    lines = printed(width)
    assert max(map(len, lines)) <= width
    words = "".join(lines).replace(" ", "")
    assert "…" not in words
    stated = set(" ".join(lines).split())
    assert {word for row in ROWS for cell in row for word in cell.split()} - stated == set()


def test_a_cost_and_a_group_stand_on_one_line_at_80_columns() -> None:
    lines = printed(80)
    assert any("12 · 34 · 56 to 78" in line for line in lines)
    assert COSTS in lines


def test_each_row_has_its_verdict_and_the_breaches_are_counted() -> None:
    lines = [line.split() for line in printed(80)]
    assert [line[-1] for line in lines if line and line[-1] in ("ok", "shown", "over")] == ["ok", "shown", "over"]
    assert ["1", "over", "budget,", "1", "of", "them", "counts."] in lines
