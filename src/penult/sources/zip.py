"""Images in zip files (APPNOTE 6.3): listed by the directory at their end, entry by entry, in bounded memory.

In: a binary file. Out: members in the order of the directory, natural order being that of the one who packed it. Stored and
deflated entries are read; what is encrypted, or packed in another way, is an image that cannot be read. The bytes of an entry
are never more than its directory says, and all entries together never more than the file has, so a zip bomb gains nothing.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from penult import signatures
from penult.errors import InputError
from penult.i18n import _
from penult.sources.entries import DAMAGED, Skip, kind_by_name
from penult.sources.folder import NOT_IMAGE
from penult.sources.member import Member
from penult.sources.names import UniqueNames, clean
from penult.sources.unpacking import read_entry
from penult.texts import printable

_END, _END_64, _PLACE_64 = struct.Struct("<4s4H2IH"), struct.Struct("<4sQ2H2I4Q"), struct.Struct("<4sIQI")
_ENTRY = struct.Struct("<4s6H3I5H2I")
_COMMENT = 1 << 16
_PIECE = 1 << 20
_MOST = 1 << 62  # bytes: no file has so many
_WIDE = 0xFFFFFFFF  # stands for a number that is in the extra field
_STORED, _DEFLATED = 0, 8
_METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 95: "XZ", 99: "AES"}
_ENCRYPTED, _UTF8 = 0x1, 0x800


class _Entry(NamedTuple):
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    offset: int


def zip_members(file: BinaryIO, container: str, tag: str, skip: Skip, prefix: str = "") -> Iterator[Member]:
    """Yield the images of a zip file; ids begin with `prefix`. `skip(kind, name)` is told of all else.

    Raises InputError for what is no zip file, or has lost its directory.
    """
    start, size, shift = _directory(file, container)
    unique, left = UniqueNames(), file.seek(0, 2)
    try:
        for entry in _entries(file, start, size):
            name = clean(entry.name)
            if not name or entry.name.endswith(("/", "\\")):
                continue
            left -= entry.packed
            key = f"{entry.method}:{entry.packed}:{entry.crc}"
            member = Member(prefix + name, container, key, entry.offset + shift, entry.size, "zip", tag)
            if why := _refused(entry, left):
                member = Member(prefix + name, container, why, packing="refused", tag=tag)
            kind = kind_by_name(name)
            if kind is None:
                kind = _kind_by_head(file, member)
            if kind:
                skip(kind, prefix + name)
            else:
                id = prefix + unique(name)
                yield member if id == member.id else replace(member, id=id)
    except struct.error:
        skip(DAMAGED, container)


def _kind_by_head(file: BinaryIO, member: Member) -> str:
    try:
        head = b"" if member.packing == "refused" else read_entry(file, member, signatures.HEAD)
    except OSError:
        head = b""
    return "" if signatures.looks_like_image(head) else NOT_IMAGE


def _refused(entry: _Entry, left: int) -> str:
    if entry.flags & _ENCRYPTED:
        return _("it is encrypted; unpack the zip file with its password")
    if entry.method not in (_STORED, _DEFLATED):
        how = _METHODS.get(entry.method, _("method {number}", number=entry.method))
        return _("it is packed by {how}; pack it by deflate, or not at all", how=how)
    if max(entry.offset, entry.size) > _MOST:
        return _("the zip file is damaged: there is no file where its directory says")
    if stat.S_ISLNK(entry.mode):
        return _("it is a link inside a zip file; pack the photo itself")
    return _("it lies where other files lie, as in a zip bomb; pack the photos anew") if left < 0 else ""


def _directory(file: BinaryIO, container: str) -> tuple[int, int, int]:
    """Return start and size of the directory, and by how much all places are off, as where a program stands in front."""
    length = file.seek(0, 2)
    tail_start = max(0, length - _COMMENT - _END.size)
    file.seek(tail_start)
    tail = file.read(length - tail_start)
    at = tail.rfind(b"PK\5\6", 0, len(tail) - _END.size + 4)
    if at < 0:
        if not length:
            raise InputError(_("'{name}' is empty; download or copy it again, and check its size", name=printable(container)))
        raise InputError(
            _(
                "'{name}' is no zip file, or the end of it is missing; download or copy it again, and check its size",
                name=printable(container),
            )
        )
    size, start = _END.unpack_from(tail, at)[5:7]
    end = tail_start + at
    place_64 = at - _PLACE_64.size
    if place_64 >= 0 and tail[place_64 : place_64 + 4] == b"PK\6\7":
        where = _PLACE_64.unpack_from(tail, place_64)[2]
        file.seek(where if where < length else 0)
        record = file.read(_END_64.size)
        if len(record) == _END_64.size and record[:4] == b"PK\6\6":
            size, start = _END_64.unpack(record)[-2:]
            end = where
    shift = end - size - start
    if size > length or shift < 0:
        raise InputError(
            _(
                "the directory of the zip file '{container}' is damaged; download or copy it again, and check its size",
                container=printable(container),
            )
        )
    return start + shift, size, shift


def _entries(file: BinaryIO, start: int, size: int) -> Iterator[_Entry]:
    """Yield the entries of the directory, which is read a piece at a time. Raises struct.error where it is damaged."""
    data, at, read = b"", 0, 0
    while at < len(data) or read < size:
        if len(data) - at < _ENTRY.size + 3 * _COMMENT and read < size:
            file.seek(start + read)
            piece = file.read(min(_PIECE, size - read))
            read = read + len(piece) if piece else size
            data, at = data[at:] + piece, 0
        magic, by, _, flags, method, _, _, crc, packed, full, n, m, k, _, _, outside, offset = _ENTRY.unpack_from(data, at)
        if magic != b"PK\1\2":
            raise struct.error
        body = at + _ENTRY.size
        name, extra = data[body : body + n], data[body + n : body + n + m]
        full, packed, offset = _wide(extra, [full, packed, offset])
        mode = outside >> 16 if by >> 8 == 3 else 0  # made on Unix
        yield _Entry(_text(name, flags), flags, method, crc, packed, full, mode, offset)
        at = body + n + m + k


def _wide(extra: bytes, numbers: list[int]) -> list[int]:
    """Put in the numbers that the extra field of zip64 has."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            values = iter(struct.unpack_from(f"<{size // 8}Q", extra, at + 4))
            return [next(values, number) if number == _WIDE else number for number in numbers]
        at += 4 + size
    return numbers


def _text(name: bytes, flags: int) -> str:
    """Return a name: UTF-8, also where that is not said but fits, else code page 437; bytes that are neither are kept."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8", "surrogateescape") if flags & _UTF8 else name.decode("cp437")
