"""Tables and numbers as text, and a text's place in a page.

In: cells, values. Out: Markdown. It must not know what is measured.
"""

from __future__ import annotations

import statistics
from pathlib import Path

OPEN, CLOSE = "<!-- bench: written by `make bench` -->", "<!-- bench: end -->"


def lines(head: str, rows: list[list[str]]) -> str:
    """Return a table of Markdown; nothing for no rows."""
    columns = head.split("|")
    every = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.strip() for cell in row) + " |" for row in every) if rows else ""


def number(value: float | None, digits: int = 2) -> str:
    """Return a number with two decimals (or as many), one above 20, none above 200; nothing for None."""
    if value is None:
        return ""
    return f"{value:.{digits if abs(value) < 20 else 1 if abs(value) < 200 else 0}f}"


def spread(values: list[float]) -> str:
    """Return the median and, of several, the range."""
    if not values:
        return ""
    several = f" [{number(min(values))} to {number(max(values))}]" if len(values) > 1 else ""
    return number(statistics.median(values)) + several


def put(page: Path, text: str) -> None:
    """Put the text between the marks of the page, or with new marks at its end."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    if OPEN in old and CLOSE in old:
        before, after = old.partition(OPEN)[0], old.partition(CLOSE)[2]
    else:
        before, after = old.rstrip("\n") + "\n\n" if old else "", "\n"
    page.write_text(f"{before}{OPEN}\n{text}{CLOSE}{after}", encoding="utf-8")
