"""The rows of a CSV file from anywhere, one after the other: a line or a cell without end is refused, not collected.

In: a path. Out: rows of text. It must not know columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from penult.foreign.opening import opened

LONGEST = 1 << 20  # characters of a line; a row of a thousand classes has 12,000
WRONG_ROWS = (OSError, ValueError, csv.Error)  # what `rows` raises


def rows(path: Path | str, delimiters: str = ",", column: str = "") -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row.

    Of several `delimiters` the one is used that makes one of the first line's cells `column`, else the one that makes most.
    UTF-8, with or without a byte order mark; bytes that are none are kept as surrogates. A row without any text is left out.
    Raises `OSError` and, with what is wrong and in which line, `ValueError`.
    """
    with opened(path) as raw:
        if raw.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
            raise ValueError("it is UTF-16 text; save it as 'CSV UTF-8'")
        raw.seek(0)
        file = io.TextIOWrapper(raw, "utf-8-sig", "surrogateescape", newline="")
        first = _line(file, 1)
        file.seek(0)
        reader = csv.reader(_lines(file), delimiter=_delimiter(first, delimiters, column))
        try:
            for cells in reader:
                if any(cells):
                    yield reader.line_num, cells
        except csv.Error as error:
            raise ValueError(
                f"line {reader.line_num} is not CSV ({error}); look for a quotation mark without its pair"
            ) from error


def _delimiter(first: str, delimiters: str, column: str) -> str:
    """Return what parts the cells: a quoted name may hold any sign, so each is tried on the first line."""

    def cells(sign: str) -> tuple[bool, int]:
        try:
            names = next(csv.reader([first], delimiter=sign), [])
        except csv.Error:
            names = []
        return column in (name.strip().lower() for name in names), len(names)

    return max(delimiters, key=cells)


def _lines(file: IO[str]) -> Iterator[str]:
    number = 1
    while line := _line(file, number):
        yield line
        number += 1


def _line(file: IO[str], number: int) -> str:
    line = file.readline(LONGEST + 1)
    if len(line) > LONGEST:
        raise ValueError(f"line {number} has more than {LONGEST:,} characters, which no row of a table has")
    return line
