"""Rows as CSV that spreadsheets open without running anything in it."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from io import StringIO
from typing import Any

from client_credits.domain.instants import instant_text

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns(row_type: type) -> list[str]:
    """The names of a row's columns, in order."""
    return [each.name for each in fields(row_type)]


def header(row_type: type) -> str:
    """The first line of a file."""
    return _text([columns(row_type)])


def lines(row_type: type, rows: Iterable[object]) -> str:
    """One line for each row, each with its end."""
    names = columns(row_type)
    return _text([[_cell(getattr(row, name)) for name in names] for row in rows])


def _text(rows: Iterable[Sequence[Any]]) -> str:
    buffer = StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()


def _cell(value: object) -> str | int:
    """A number as it is. Text that a spreadsheet would take for a formula gets an apostrophe."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return value
        case datetime():
            return instant_text(value)
        case _:
            text = str(value)
            return f"'{text}" if text.startswith(_FORMULA) else text
