"""Rows as CSV that spreadsheets open without running anything in it."""

import csv
from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime
from io import StringIO

from client_credits.domain.instants import instant_text

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def columns(row_type: type) -> list[str]:
    """The names of a row's columns, in order."""
    return [each.name for each in fields(row_type)]


def header(row_type: type) -> str:
    """The first line of a file."""
    return text([columns(row_type)])


def lines(row_type: type, rows: Iterable[object]) -> str:
    """One line for each row, each with its end."""
    names = columns(row_type)
    return text([getattr(row, name) for name in names] for row in rows)


def text(rows: Iterable[Iterable[object]]) -> str:
    """One line for each row of values, each with its end."""
    buffer = StringIO()
    csv.writer(buffer).writerows(map(_cell, row) for row in rows)
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
            stated = str(value)
            return f"'{stated}" if stated.startswith(_FORMULA) else stated
