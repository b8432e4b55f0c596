"""Lines of a CSV file that a spreadsheet takes for text and numbers, never for formulas."""

import csv
import io
from collections.abc import Iterable

Cell = str | int | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet may carry out


def lines(rows: Iterable[Iterable[Cell]]) -> str:
    """The rows as RFC 4180 has them. Text that begins like a formula gets an apostrophe; numbers stay as they are."""
    written = io.StringIO()
    csv.writer(written).writerows([_harmless(cell) for cell in row] for row in rows)
    return written.getvalue()


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
