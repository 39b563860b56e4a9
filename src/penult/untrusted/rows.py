"""The rows of a CSV file from anywhere, one after the other: a line or a cell without end is refused, not collected.

In: a path. Out: rows of text, and which encoding a file seems to have.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from penult.untrusted.opening import opened

LONGEST = 1 << 20  # characters of a line; a row of a thousand classes has 12,000
WRONG_ROWS = (OSError, ValueError, csv.Error)  # what `rows` raises
UTF8 = "utf-8-sig"

_BOMS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CHUNK = 1 << 20  # bytes
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # what Excel writes, and takes, as a first line that is no row
_ESCAPED, _LETTERS = re.compile("[\ud800-\udfff]"), re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
_RARE = "|"  # parts the cells only where nothing else does


def rows(
    path: Path | str, delimiters: str = ",", column: str = "", encoding: str | None = None
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row.

    Of several `delimiters` the one is used that makes one of the first line's cells `column`, else the one that makes most;
    Excel's line `sep=;` above them says it, and is no row.
    Without an `encoding`: UTF-16 or UTF-32 where a byte order mark says so, else UTF-8, with or without one; bytes that are
    none are kept as surrogates. A row without any text is left out.
    Raises `OSError` and, with what is wrong and in which line, `ValueError`.
    """
    with opened(path) as raw:
        used = encoding or _by_mark(raw.read(4)) or UTF8
        raw.seek(0)
        lenient = codecs.lookup(used).name in ("utf-8", "utf-8-sig")
        file = io.TextIOWrapper(raw, UTF8 if lenient else used, "surrogateescape" if lenient else "strict", newline="")
        try:
            first = _line(file, 1)
            told = _SEP.fullmatch(first) if len(delimiters) > 1 else None
            above = 0 if told is None else 1
            if told is None:
                file.seek(0)
            reader = csv.reader(_lines(file, above), delimiter=told[1] if told else _delimiter(first, delimiters, column))
            for cells in reader:
                if any(cells):
                    yield above + reader.line_num, cells
        except csv.Error as error:
            raise ValueError(
                f"line {above + reader.line_num} is not CSV ({error}); look for a quotation mark without its pair"
            ) from error
        except UnicodeError as error:
            raise ValueError(f"it is no text in {used} ({error}); save it as 'CSV UTF-8'") from error


def encoding_of(path: Path | str) -> str:
    """Return which encoding a text file has, as far as its bytes tell: read once, a part at a time.

    "utf-16", "utf-32" (or "utf-16-le", "utf-16-be" without a byte order mark); "utf-8-sig" for all that is UTF-8;
    "gb18030" for what can be read so and is mostly frequent Chinese characters; "cp1252" for everything else, which is no
    more than the most usual of the encodings that cannot be told apart, and for UTF-8 with a few rows of another. Raises
    `OSError`.
    """
    with opened(path) as raw:
        head = raw.read(64)
        marked = _by_mark(head[:4]) or _by_zeros(head)
        if marked:
            return marked
        raw.seek(0)
        utf8, letters, odd = codecs.getincrementaldecoder("utf-8")("surrogateescape"), 0, 0
        chinese: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("gb18030")()
        signs: Counter[str] = Counter()
        while True:
            chunk = raw.read(_CHUNK)
            as_utf8 = utf8.decode(chunk, final=not chunk)
            if not as_utf8.isascii():
                odd += len(_ESCAPED.findall(as_utf8))
                letters += len(_LETTERS.findall(as_utf8))
            if chinese is not None:
                text = _decoded(chinese, chunk)
                chinese = None if text is None else chinese
                if text and not text.isascii():
                    signs.update(sign for sign in text if sign > "\x7f")
            if not chunk or (odd and chinese is None):
                break
    if not odd:
        return UTF8
    mostly_utf8 = letters >= odd  # read as Chinese, the letters with accents of UTF-8 are frequent characters
    return "gb18030" if chinese is not None and not mostly_utf8 and _mostly_chinese(signs) else "cp1252"


def _by_mark(head: bytes) -> str | None:
    return next((name for mark, name in _BOMS if head.startswith(mark)), None)


def _by_zeros(head: bytes) -> str | None:
    """Tell UTF-16 without a mark by the zero beside each ASCII letter of the first line."""
    if len(head) < 8 or head.count(0) < len(head) // 3:
        return None
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes) -> str | None:
    try:
        return decoder.decode(chunk, final=not chunk)
    except UnicodeDecodeError:
        return None


def _mostly_chinese(signs: Counter[str]) -> bool:
    """Tell whether most are among the 3,755 frequent characters of GB 2312: letters of other encodings, read so, are not."""

    def frequent(sign: str) -> bool:
        try:
            return 0xB0 <= sign.encode("gb2312")[0] <= 0xD7
        except UnicodeEncodeError:
            return False

    return sum(count for sign, count in signs.items() if frequent(sign)) >= 0.7 * signs.total() > 0


def _delimiter(first: str, delimiters: str, column: str) -> str:
    """Return what parts the cells: a quoted name may hold any sign, so each is tried on the first line."""

    def cells(sign: str) -> tuple[bool, bool, int]:
        try:
            names = next(csv.reader([first], delimiter=sign), [])
        except csv.Error:
            names = []
        return column in (name.strip().lower() for name in names), sign != _RARE and len(names) > 1, len(names)

    return max(delimiters, key=cells)


def _lines(file: IO[str], above: int) -> Iterator[str]:
    number = above + 1
    while line := _line(file, number):
        yield line
        number += 1


def _line(file: IO[str], number: int) -> str:
    line = file.readline(LONGEST + 1)
    if len(line) > LONGEST:
        raise ValueError(f"line {number} has more than {LONGEST:,} characters, which no row of a table has")
    return line
