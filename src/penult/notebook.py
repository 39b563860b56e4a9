"""How results show themselves in a notebook: small tables and charts as HTML, escaped, for light and dark alike.

In: texts and numbers. Out: HTML that holds no script, no link and no colour of its own but grey: it takes the page's. It must
not know what the numbers mean. Names of files and classes may hold anything; they are shown, never run.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from typing import Protocol

from penult.texts import count

GREY = "rgba(128,128,128,.35)"
CELL = f"padding:2px 10px;border-bottom:1px solid {GREY};text-align:"
SHOWN = 20  # rows of a table
WIDE, HIGH = 260, 150  # a chart, in pixels
Point = tuple[float, float]


class Found(Protocol):
    """What a finding has; `penult.audit.Finding` is one."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def file(self) -> str: ...  # noqa: D102
    @property
    def about(self) -> str: ...  # noqa: D102
    @property
    def related(self) -> str: ...  # noqa: D102
    @property
    def score(self) -> float: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def suggestion(self) -> str: ...  # noqa: D102


def text(value: object) -> str:
    """Return a value as HTML text: escaped, and bytes that are no text, controls and direction marks made visible."""
    return "".join(c if c.isprintable() else escape(_visible(c)) for c in escape(str(value)))


def _visible(char: str) -> str:
    return f"\\x{ord(char) - 0xDC00:02x}" if "\udc80" <= char <= "\udcff" else char.encode("unicode_escape").decode("ascii")


def number(value: float | None, digits: int = 4) -> str:
    """Return a number, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def block(lead: str, *parts: str) -> str:
    """Return one result: a sentence, then what belongs to it side by side where there is room."""
    inside = "".join(f'<div style="margin:4px 24px 4px 0">{part}</div>' for part in parts if part)
    row = f'<div style="display:flex;flex-wrap:wrap;align-items:flex-start">{inside}</div>'
    return f'<div style="font-size:13px;max-width:980px"><p style="margin:4px 0"><b>{text(lead)}</b></p>{row}</div>'


def table(header: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Return a table, the first column to the left, the others to the right; long ones end with how many rows are left out."""
    body = list(rows)
    lines = [_row("th", header, 'scope="col" '), *(_row("td", row) for row in body[:SHOWN])]
    if len(body) > SHOWN:
        lines.append(f'<tr><td colspan="{len(header)}" style="{CELL}left">and {len(body) - SHOWN:,} more</td></tr>')
    head = f'<caption style="text-align:left">{text(caption)}</caption>' if caption else ""
    return f'<table style="border-collapse:collapse;background:none">{head}{"".join(lines)}</table>'


def _row(tag: str, cells: Sequence[object], more: str = "") -> str:
    sides = ["left", *["right"] * (len(cells) - 1)]
    inside = (f'<{tag} {more}style="{CELL}{side}">{text(c)}</{tag}>' for c, side in zip(cells, sides, strict=True))
    return f"<tr>{''.join(inside)}</tr>"


def chart(points: Sequence[Point], caption: str, diagonal: bool = False) -> str:
    """Return a line through points as inline SVG; with `diagonal` both axes run from 0 to 1 and x = y is drawn."""
    if len(points) < 2 and not diagonal:
        return ""
    (left, right), (low, high) = (
        ((0.0, 1.0), (0.0, 1.0)) if diagonal else (_span(p[0] for p in points), _span(p[1] for p in points))
    )
    places = [
        (10 + (WIDE - 20) * (x - left) / (right - left), HIGH - 10 - (HIGH - 20) * (y - low) / (high - low)) for x, y in points
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    line = (
        f'<line x1="10" y1="{HIGH - 10}" x2="{WIDE - 10}" y2="10" stroke="{GREY}" stroke-dasharray="4 3"/>' if diagonal else ""
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="currentColor"/>' for x, y in places)
    return (
        f'<svg role="img" aria-label="{text(caption)}" width="{WIDE}" height="{HIGH}" viewBox="0 0 {WIDE} {HIGH}">'
        f'<rect x="10" y="10" width="{WIDE - 20}" height="{HIGH - 20}" fill="none" stroke="{GREY}"/>{line}'
        f'<polyline points="{path}" fill="none" stroke="currentColor" stroke-width="1.5"/>{dots}</svg>'
        f'<div style="opacity:.75">{text(caption)}</div>'
    )


def picture(png: bytes, caption: str) -> str:
    """Return a PNG as part of the page itself, as wide as there is room up to its own width."""
    data = b64encode(png).decode("ascii")
    return f'<img alt="{text(caption)}" style="max-width:460px;width:100%" src="data:image/png;base64,{data}"/>'


def _span(values: Iterable[float]) -> Point:
    found = list(values)
    low, high = min(found), max(found)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def finding(found: Found) -> str:
    """Return one finding: what, which files, why, what to do."""
    rows = [
        (found.about, found.file),
        ("related", found.related),
        ("score", number(found.score, 3)),
        ("to do", found.suggestion),
    ]
    return block(f"{found.kind}: {found.reason}", table(("", ""), [r for r in rows if r[1]]))


def findings(several: Iterable[Found]) -> str:
    """Return many findings as one table."""
    rows = [(f.file, f.kind, f.related, number(f.score, 3), f.reason, f.suggestion) for f in several]
    return block(count(len(rows), "finding"), table(("photo or class", "kind", "related", "score", "reason", "to do"), rows))
