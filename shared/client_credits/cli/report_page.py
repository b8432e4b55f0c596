"""One HTML page of a report that needs nothing beside it: charts drawn as SVG, then the full table. No script.

Everything that comes from the practice is escaped. Rows are written as they come, so that a page of any length
takes the memory of one row.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

BAR, GAP, LABEL, WIDTH = 18, 8, 220, 860
_MOST_BARS = 40
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:64rem;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem;margin:0}p{color:#4a5568;margin:.2rem 0 1.5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e2e8f0;vertical-align:top}
th{background:#f4f6f9}td.n,th.n{text-align:right;white-space:nowrap}
svg{max-width:100%;height:auto}svg text{font:13px system-ui,sans-serif;fill:#1c2430}
.up{fill:#2f6fb5}.down{fill:#b5452f}.axis{stroke:#8a94a6}
@media print{body{margin:0;max-width:none}}
"""


def head(title: str, about: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(title)}</h1><p>{escape(about)}</p>\n"
    )


def end() -> str:
    return "</body></html>\n"


def bars(title: str, values: Sequence[tuple[str, int, str]]) -> str:
    """A chart of one bar for each label, value and what is written at its end; at most 40, the largest ones."""
    shown = [values[n] for n in _largest(values)]
    if not any(value for _, value, _ in shown):
        return ""
    low, high = min(0, *(value for _, value, _ in shown)), max(0, *(value for _, value, _ in shown))
    room = WIDTH - LABEL - 140  # what stands at the end of a bar needs some
    drawn = [_bar(row, each, low, high, room) for row, each in enumerate(shown)]
    zero, height = LABEL + _scaled(-low, low, high, room), len(shown) * (BAR + GAP) + GAP
    left_out = f"<p>The {_MOST_BARS} largest of {len(values)}.</p>" if len(shown) < len(values) else ""
    return (
        f"<h2>{escape(title)}</h2>"
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        f'aria-label="{escape(_said(title, shown))}">{"".join(drawn)}'
        f'<line class="axis" x1="{zero}" x2="{zero}" y1="0" y2="{height}"/></svg>{left_out}\n'
    )


def _largest(values: Sequence[tuple[str, int, str]]) -> list[int]:
    """The places of the largest values, in the order in which they stand."""
    by_size = sorted(range(len(values)), key=lambda place: -abs(values[place][1]))
    return sorted(by_size[:_MOST_BARS])


def _said(title: str, shown: Iterable[tuple[str, int, str]]) -> str:
    return f"{title}: " + "; ".join(f"{label} {text}" for label, _, text in shown)


def _scaled(value: int, low: int, high: int, room: int) -> int:
    return value * room // (high - low)


def _bar(row: int, each: tuple[str, int, str], low: int, high: int, room: int) -> str:
    label, value, text = each
    top = GAP + row * (BAR + GAP)
    zero, length = LABEL + _scaled(-low, low, high, room), _scaled(abs(value), low, high, room)
    left = zero if value >= 0 else zero - length
    short = label if len(label) <= 30 else f"{label[:29]}…"
    middle = top + BAR // 2 + 4
    kind = "up" if value >= 0 else "down"
    return (
        f'<text x="{LABEL - 8}" y="{middle}" text-anchor="end">{escape(short)}</text>'
        f'<rect class="{kind}" x="{left}" y="{top}" width="{max(1, length) if value else 0}" height="{BAR}"/>'
        f'<text x="{max(zero, left + length) + 6}" y="{middle}">{escape(text)}</text>'
    )


def table_begins(title: str, columns: Sequence[tuple[str, bool]]) -> str:
    """Each column's heading, and whether it holds numbers."""
    cells = "".join(f"<th{_class(number)} scope=col>{escape(name)}</th>" for name, number in columns)
    return f"<h2>{escape(title)}</h2><table><thead><tr>{cells}</tr></thead><tbody>\n"


def table_row(columns: Sequence[tuple[str, bool]], cells: Sequence[Any]) -> str:
    shown = zip(columns, cells, strict=True)
    made = "".join(f"<td{_class(number)}>{escape(_text(cell))}</td>" for (_, number), cell in shown)
    return f"<tr>{made}</tr>\n"


def table_ends() -> str:
    return "</tbody></table>\n"


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _class(number: bool) -> str:
    return " class=n" if number else ""
