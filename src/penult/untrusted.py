"""Files that somebody else wrote: opened without waiting, read without believing a word of them.

In: a path or bytes. Out: bytes, rows of text, JSON values, an array, the members of a zip; or an `OSError` or `ValueError`
whose text says what is wrong, for the caller to put its file's name and a cure to. It must not know what the content means.
Nothing is unpickled, evaluated or unpacked, and nothing large is asked of the memory because a header says so.
"""

from __future__ import annotations

import codecs
import csv
import errno
import hashlib
import io
import json
import math
import os
import re
import stat
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from penult.i18n import _

if TYPE_CHECKING:
    from numpy.typing import NDArray

# --- files: a pipe or device, at which a reader would wait for ever, is refused ---

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def open_file(path: Path | str) -> io.BufferedReader:
    """Return a regular file, open for reading. Raises `OSError`, also for what is no regular file."""
    return os.fdopen(_regular(os.fspath(path)), "rb")


def read_bytes(path: Path | str, most: int | None = None) -> bytes:
    """Return the bytes of a regular file. Raises `OSError`, also for more than `most` bytes."""
    with open_file(path) as file:
        if most is None:
            return file.read()
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it is too large, more than {most:,} bytes", str(path))
    return data


def sha256(path: Path | str) -> str:
    """Return the sha256 of a regular file, 64 hex digits. Raises `OSError`."""
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _regular(path: str) -> int:
    """Look, open without waiting, and look again: what stands under a name may change in between."""
    kind = Path(path).stat().st_mode
    if stat.S_ISREG(kind):
        descriptor = os.open(path, _FLAGS)
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISREG(kind):
            return descriptor
        os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OSError(errno.ENODEV, "it is a device or a pipe, not a file", path)


# --- JSON: refused before it is parsed where its values would need far more memory than its text ---

MOST_JSON = 64 << 20
MANY_VALUES = 8_000_000  # numbers, where counts of every pair of a thousand classes are among them
# A value costs 30 to 230 bytes of memory and as little as 2 of text: so many of each kind are 100 MB at most.
_MOST_VALUES = {b'"': 600_000, b"[": 200_000, b"{": 200_000, b",": 1_500_000}


def parse_json(data: bytes, numbers: int = _MOST_VALUES[b","]) -> Any:
    """Return the values of a JSON text in UTF-8. Raises `ValueError` for one that is damaged, too large or too deep.

    `numbers` is how many values there may be in all: a table of counts of a thousand classes is a million.
    """
    most = {**_MOST_VALUES, b",": numbers}
    if len(data) > MOST_JSON or any(data.count(sign) > count for sign, count in most.items()):
        raise ValueError(_("it has more values than such a file ever needs"))
    text = data.decode("utf-8-sig")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_("its values are nested too deeply")) from None


# --- arrays: numpy's own reader evaluates the header as Python, here it is matched letter by letter ---

_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_NPY_START = len(_NPY_MAGIC) + 2
_NPY_HEADER = re.compile(
    rb"\{'descr': '([<>|][fiub]\d{1,2})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18}, ){0,7}\d{1,18},?|)\), \} *\n"
)


def parse_npy(data: bytes) -> NDArray[Any]:
    """Return the array in `data`, a read-only view.

    Raises `ValueError` unless it is numbers or truth values, in the form that numpy writes, and fills `data` to the last byte.
    """
    import numpy as np

    end = _NPY_START + int.from_bytes(data[len(_NPY_MAGIC) : _NPY_START], "little")
    found = _NPY_HEADER.fullmatch(data[_NPY_START:end]) if data.startswith(_NPY_MAGIC) else None
    if found is None:
        raise ValueError(_("it is not an array as penult writes them"))
    try:
        dtype = np.dtype(found[1].decode())
    except TypeError:
        raise ValueError(_("{name!r} is not a supported number type", name=found[1].decode())) from None
    shape = tuple(int(side) for side in found[3].replace(b",", b" ").split())
    if math.prod(shape) * dtype.itemsize != len(data) - end:
        raise ValueError(
            _(
                "its header says {shape} of {dtype}, and {number} bytes follow",
                shape=shape,
                dtype=dtype,
                number=len(data) - end,
            )
        )
    return np.frombuffer(data, dtype, offset=end).reshape(shape, order="F" if found[2] == b"True" else "C")


# --- zips whose members are stored: whatever could make a reader allocate or unpack is refused ---

_LONGEST_DIRECTORY = 1 << 20  # bytes; a member needs about a hundred of it, and half a kilobyte of memory
_MEMBER_HEAD = 30  # bytes before the name of a member
# What `zipfile` raises for one damaged byte or another; RuntimeError includes NotImplementedError.
ZIP_ERRORS = (zipfile.BadZipFile, ValueError, EOFError, KeyError, RuntimeError, OverflowError, struct.error)


class _Sparing:
    """The file as `zipfile` sees it while it looks for the directory: no read is long."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.most: int | None = _LONGEST_DIRECTORY
        self.seek, self.tell, self.seekable, self.close = file.seek, file.tell, file.seekable, file.close

    def read(self, count: int = -1) -> bytes:
        if self.most is None:
            return self._file.read(count)
        data = self._file.read(self.most + 1 if count < 0 else min(count, self.most + 1))
        if len(data) > self.most:
            raise zipfile.BadZipFile(_("its directory is longer than one of penult's can be"))
        return data


def open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    """Return a zip of any kind, its directory read if it is not long. Raises one of `ZIP_ERRORS`, or `OSError`."""
    source = _Sparing(file)
    archive = zipfile.ZipFile(source)
    source.most = None
    return archive


class StoredZip:
    """The members of a zip, looked at before any is read. Raises one of `ZIP_ERRORS`, or `OSError`."""

    def __init__(self, file: IO[bytes], most: int) -> None:
        """`most` is how many members there may be."""
        size = file.seek(0, 2)
        self._archive = open_zip(file)
        entries = self._archive.infolist()
        self.names = [entry.filename for entry in entries]
        if len(entries) > most:
            raise ValueError(_("it has {number} members, and {most} are the most", number=len(entries), most=most))
        if len(set(self.names)) != len(self.names):
            raise ValueError(_("it has two members of one name"))
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
            raise ValueError(_("its members are compressed or encrypted"))
        end = 0
        for entry in sorted(entries, key=lambda entry: entry.header_offset):
            if entry.header_offset < end or entry.compress_size != entry.file_size:
                raise ValueError(_("its members overlap; it was made to deceive"))
            end = entry.header_offset + _MEMBER_HEAD + len(entry.orig_filename) + entry.file_size
        if end > size:
            raise ValueError(_("it claims to hold more than its own {size} bytes; it was made to deceive", size=size))

    def size(self, name: str) -> int:
        """Return how long a member is."""
        return self._archive.getinfo(name).file_size

    def read(self, name: str) -> bytes:
        """Return a member, to its end, so that its CRC is compared."""
        return self._archive.read(name)


# --- CSV: a line or a cell without end is refused, not collected ---

LONGEST_LINE = 1 << 20  # characters of a line; a row of a thousand classes has 12,000
CSV_ERRORS = (OSError, ValueError, csv.Error)  # what `read_csv` raises
UTF8 = "utf-8-sig"

_BOMS = ((codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_CHUNK = 1 << 20  # bytes
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # what Excel writes, and takes, as a first line that is no row
_ESCAPED, _LETTERS = re.compile("[\ud800-\udfff]"), re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
_BAR = "|"  # parts the cells only where nothing else does
RARE = " ^~:#"


def read_csv(
    path: Path | str,
    delimiters: str = ",",
    column: str = "",
    encoding: str | None = None,
    rare: Callable[[list[str]], bool] | None = None,
) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row.

    Of several `delimiters` the one is used that makes one of the first line's cells `column`, else the one that makes most;
    Excel's line `sep=;` above them says it, and is no row. Where none of them parts the first line, blanks and other signs do
    (`RARE`) that make as many cells of the second line, where `rare` says of the first cells that they are a table's.
    Without an `encoding`: UTF-16 or UTF-32 where a byte order mark says so, else UTF-8, with or without one; bytes that are
    none are kept as surrogates. A row without any text is left out.
    Raises `OSError` and, with what is wrong and in which line, `ValueError`.
    """
    with open_file(path) as raw:
        used = encoding or _by_mark(raw.read(4)) or UTF8
        raw.seek(0)
        lenient = codecs.lookup(used).name in ("utf-8", "utf-8-sig")
        file = io.TextIOWrapper(raw, UTF8 if lenient else used, "surrogateescape" if lenient else "strict", newline="")
        try:
            first = _line(file, 1)
            told = _SEP.fullmatch(first) if len(delimiters) > 1 else None
            above = 0 if told is None else 1
            sign = told[1] if told else _delimiter(first, delimiters, column)
            if rare is not None and told is None and len(_cells(first, sign)) < 2:
                sign = _rare_delimiter(first, _line(file, 2), rare) or sign
            if told is None:
                file.seek(0)
            reader = csv.reader(_lines(file, above), delimiter=sign, skipinitialspace=sign == " ")
            for cells in reader:
                if any(cells):
                    yield above + reader.line_num, cells
        except csv.Error as error:
            raise ValueError(
                _(
                    "line {line} is not CSV ({error}); look for a quotation mark without its pair",
                    line=above + reader.line_num,
                    error=error,
                )
            ) from error
        except UnicodeError as error:
            raise ValueError(
                _("it is not text in {used} ({error}); save it as 'CSV UTF-8'", used=used, error=error)
            ) from error


def guess_encoding(path: Path | str) -> str:
    """Return which encoding a text file has, as far as its bytes tell: read once, a part at a time.

    "utf-16", "utf-32" (or "utf-16-le", "utf-16-be" without a byte order mark); "utf-8-sig" for all that is UTF-8;
    "gb18030" for what can be read so and is mostly frequent Chinese characters; "cp1252" for everything else, which is no
    more than the most usual of the encodings that cannot be told apart, and for UTF-8 with a few rows of another. Raises
    `OSError`.
    """
    with open_file(path) as raw:
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

    def rank(sign: str) -> tuple[bool, bool, int]:
        names = _cells(first, sign)
        return column in (name.strip().lower() for name in names), sign != _BAR and len(names) > 1, len(names)

    return max(delimiters, key=rank)


def _rare_delimiter(first: str, second: str, is_header: Callable[[list[str]], bool]) -> str | None:
    """Return the sign that parts the first two lines alike, in a way that the caller knows."""
    for sign in RARE:
        cells = _cells(first, sign)
        if len(cells) > 1 and is_header(cells) and len(_cells(second, sign)) in (0, len(cells)):
            return sign
    return None


def _cells(line: str, sign: str) -> list[str]:
    try:
        return next(csv.reader([line.strip(" \r\n")], delimiter=sign, skipinitialspace=sign == " "), [])
    except csv.Error:
        return []


def _lines(file: IO[str], above: int) -> Iterator[str]:
    number = above + 1
    while line := _line(file, number):
        yield line
        number += 1


def _line(file: IO[str], number: int) -> str:
    line = file.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise ValueError(
            _(
                "line {number} has more than {most:,} characters, which no row of a table has",
                number=number,
                most=LONGEST_LINE,
            )
        )
    return line
