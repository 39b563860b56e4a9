"""The cells of a table, whatever kind of file it is: CSV with any separator and encoding, Parquet, a workbook of Excel.

In: a path. Out: rows of text, the names of the columns first, read anew each time, so a CSV may be larger than the memory. It
must not know what the columns mean.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from penult import untrusted
from penult.errors import InputError, MissingExtra
from penult.i18n import N_, _
from penult.sources.parquet_tables import read_rows
from penult.texts import enumeration, in_quotes, printable, system_words

_WORKBOOKS = (b"PK\3\4", b"\xd0\xcf\x11\xe0")  # Excel's files begin so
_PARQUET = b"PAR1"
_SEPARATORS = ",;\t|"
_MOST_UNPACKED = 1 << 30  # bytes that a workbook may be unpacked


class TableFile:
    """The rows of a CSV, a Parquet file or the first sheet of a workbook, each a line number and its cells as text.

    `encoding` is that of a CSV, given or told from its bytes, empty for the other kinds. `column` is a name by which the
    separator of a CSV is known, and `rare` says whether cells that an unusual one makes are the first of a table.
    """

    def __init__(
        self, path: str, encoding: str | None, guess: bool, column: str, rare: Callable[[list[str]], bool] | None = None
    ) -> None:
        self.path, self._column, self._rare, self._given = path, column, rare, encoding
        with _reading(path), untrusted.open_file(path) as file:
            head = file.read(4)
        self.kind = "workbook" if head in _WORKBOOKS else "parquet" if head == _PARQUET else "csv"
        self.encoding = self._find_encoding(encoding, guess) if self.kind == "csv" else ""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number and the cells of each row that has text in it. Raises `InputError`."""
        if self.kind == "workbook":
            yield from ((n, cells) for n, cells in enumerate(self._sheet[1], 1) if any(cells))
            return
        if self.kind == "parquet":
            rows = ([_text(value) for value in row] for row in read_rows(self.path))
            yield from enumerate(rows, 1)
            return
        lenient = self.encoding == "cp1252" and self._given is None  # cell by cell: file names are bytes
        with _reading(self.path):
            used = untrusted.UTF8 if lenient else self.encoding
            yield from untrusted.read_csv(self.path, _SEPARATORS, self._column, used, self._rare)

    @property
    def notes(self) -> list[str]:
        """What is to be told of the file: of several sheets the first was read."""
        if self.kind != "workbook" or len(names := self._sheet[0]) < 2:
            return []
        told = N_("'{path}': its sheet '{name}' was read, and not {others}")
        if len(names) > 4:
            told = N_("'{path}': its sheet '{name}' was read, and not {others} and others")
        others = enumeration(map(in_quotes, names[1:4]))
        return [_(told, path=printable(self.path), name=printable(names[0]), others=others)]

    @cached_property
    def _sheet(self) -> tuple[list[str], list[list[str]]]:
        """The names of all sheets, the one that is read first, and its rows."""
        try:
            from python_calamine import CalamineError, CalamineWorkbook
        except ImportError as error:
            raise MissingExtra(
                _(
                    "'{path}' is a workbook, and what reads workbooks is not installed; pip install 'penult[tables]', or "
                    "save it as 'CSV UTF-8' and give that file.",
                    path=printable(self.path),
                )
            ) from error
        with _reading(self.path), untrusted.open_file(self.path) as file:
            _refuse_bombs(file)
            file.seek(0)
            try:
                with CalamineWorkbook.from_filelike(file) as book:
                    for at, name in enumerate(book.sheet_names):
                        rows = [[_text(cell) for cell in row] for row in book.get_sheet_by_index(at).iter_rows()]
                        if rows or at + 1 == len(book.sheet_names):
                            return [name, *(one for one in book.sheet_names if one != name)], rows
            except CalamineError as error:
                raise ValueError(
                    _("it is no workbook that can be read ({error}); save it as 'CSV UTF-8'", error=error)
                ) from error
        return [], []

    def _find_encoding(self, given: str | None, guess: bool) -> str:
        if given is None or guess:
            with _reading(self.path):
                return untrusted.guess_encoding(self.path)
        try:
            "".encode(given)
        except (LookupError, ValueError) as error:
            raise InputError(
                _("unknown encoding {given!r}; give --encoding a name such as utf-8, cp1252 or gb18030", given=given)
            ) from error
        return given


def _refuse_bombs(file: Any) -> None:
    """Raise `ValueError` for a zip that says it unpacks to more than any table needs."""
    if file.read(4) != _WORKBOOKS[0]:
        return
    try:
        size = sum(entry.file_size for entry in untrusted.open_zip(file).infolist())
    except untrusted.ZIP_ERRORS as error:
        raise ValueError(
            _("it is an archive or a workbook that is damaged ({error}); save it as 'CSV UTF-8'", error=error)
        ) from error
    if size > _MOST_UNPACKED:
        raise ValueError(_("it unpacks to more than 1 GiB, which no workbook of labels does; save it as 'CSV UTF-8'"))


def _text(value: Any) -> str:
    """Return a cell as a CSV would have it: numbers without .0, lists as JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, list | tuple):
        return json.dumps([_text(one) for one in value], ensure_ascii=False)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Say of a table that cannot be read which it is, and what to do."""
    try:
        yield
    except OSError as error:
        raise InputError(
            _("'{path}' cannot be read ({reason}); check its permissions", path=printable(path), reason=system_words(error))
        ) from error
    except ValueError as error:
        raise InputError(_("'{path}' cannot be used: {error}", path=printable(path), error=error)) from error
