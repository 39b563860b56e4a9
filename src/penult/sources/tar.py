"""Images in tar files: every member that is one, wherever in the file it lies; webdataset's shards, and those of gzip.

In: a binary file. Out: members in the order of the file. Formats: ustar, pax, GNU (POSIX.1-2017, pax; GNU tar manual, D).
Headers are read one by one and checked by their sums; nothing is taken from them but a name, a size and a kind. What is
damaged costs itself: the next header with a true sum is where reading goes on. A file that ends too early gives what is whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from penult import signatures
from penult.errors import InputError
from penult.i18n import _
from penult.sources.entries import CUT, DAMAGED, Skip, is_label_file, kind_by_name, with_labels
from penult.sources.folder import NOT_IMAGE, SPECIAL
from penult.sources.gzip_stream import GZIP, Unpacked
from penult.sources.member import Member
from penult.sources.names import UniqueNames, clean
from penult.texts import printable

_BLOCK = 512
_NOTHING = bytes(_BLOCK)
_LONGEST_NAME = 4096  # bytes
_MOST = 1 << 62  # bytes of a member: who claims more gets this, and no file has so many
_MOST_PAX = 1 << 20  # bytes of extended headers of one member
_REGULAR, _LINKS, _SPARSE, _FOLDER = b"07\0", b"12", b"S", b"5"
_PACKED = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"PK\3\4": "zip"}


class _Header(NamedTuple):
    name: str
    kind: bytes
    offset: int  # of the content
    size: int
    sparse: bool


def tar_members(file: BinaryIO, container: str, tag: str, skip: Skip, prefix: str = "") -> Iterator[Member]:
    """Yield the images of a tar file, plain or packed by gzip; ids begin with `prefix`.

    `skip(kind, name)` is told of all else. Links, and files that are stored as sparse, are refused one by one. Raises
    InputError for what is no tar file.
    """
    yield from with_labels(_found(file, container, tag, skip, prefix), lambda name: skip(NOT_IMAGE, name))


def _found(file: BinaryIO, container: str, tag: str, skip: Skip, prefix: str) -> Iterator[Member | tuple[str, bytes]]:
    head = file.read(_BLOCK)
    file.seek(0)
    _refuse_other(container, head)
    packed = head.startswith(GZIP)
    stream: BinaryIO | Unpacked = Unpacked(file) if packed else file
    unique = UniqueNames()
    for header in _headers(stream, lambda kind: skip(kind, container)):
        name = clean(header.name)
        kind = SPECIAL if header.kind not in _REGULAR + _LINKS + _SPARSE else kind_by_name(name)
        if kind in (None, NOT_IMAGE) and is_label_file(name, header.size):
            yield prefix + name, stream.read(header.size)
            continue
        if kind is None:
            kind = "" if signatures.looks_like_image(stream.read(min(header.size, signatures.HEAD))) else NOT_IMAGE
        if kind:
            skip(kind, prefix + name)
        else:
            id = prefix + unique(name)
            if why := _refused(header):
                yield Member(id, container, why, packing="refused", tag=tag)
            else:
                yield Member(id, container, "", header.offset, header.size, "gzip" if packed else "stored", tag)


def _refused(header: _Header) -> str:
    if header.kind in _LINKS:
        return _("it is a link inside a tar file; pack it with `tar --hard-dereference -h`")
    return _("it is stored as a sparse file; pack it without --sparse") if header.sparse else ""


def _refuse_other(container: str, head: bytes) -> None:
    """Raise InputError for what does not begin as a tar file does."""
    if head.startswith(GZIP) or (len(head) == _BLOCK and (head == _NOTHING or _checked(head))):
        return
    how = next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)
    name = printable(container)
    if how is not None:
        raise InputError(_("'{name}' is packed by {how}; unpack it, and give the folder or a .tar", name=name, how=how))
    if head:
        raise InputError(_("'{name}' is no tar file; give a tar file", name=name))
    raise InputError(_("'{name}' is empty; give a tar file", name=name))


def _checked(block: bytes) -> bool:
    """Tell whether the sum in a header is true: of all its bytes, those of the sum itself counted as blanks."""
    try:
        return sum(block) - sum(block[148:156]) + 256 == _number(block[148:156])
    except ValueError:
        return False


def _number(cells: bytes) -> int:
    """Return a number in octal digits, or in base 256 where the first bit is set. Raises ValueError."""
    if cells[0] & 0x80:
        return int.from_bytes(bytes([cells[0] & 0x7F]) + cells[1:], "big")
    digits = cells.split(b"\0", 1)[0].strip()
    return int(digits, 8) if digits else 0


def _headers(file: BinaryIO | Unpacked, tell: Callable[[str], None]) -> Iterator[_Header]:
    """Yield the headers of all members; the content may be read before the next one is asked for."""
    at, whole, damaged, extended = 0, 0, False, _Extended()
    end = None if isinstance(file, Unpacked) else file.seek(0, 2)
    while True:
        if (file.seek(whole) if end is None else end) < whole:
            return tell(CUT)
        file.seek(at if end is None else min(at, end))
        block = file.read(_BLOCK)
        if not block and isinstance(file, Unpacked) and not file.whole:
            return tell(CUT)
        if not block or (block == _NOTHING and file.read(_BLOCK) in (_NOTHING, b"")):
            return None
        at += _BLOCK
        if block == _NOTHING:
            continue
        size = _size(block)
        if size is None:
            if not damaged:
                tell(DAMAGED)
            damaged, extended = True, _Extended()
            continue
        damaged, kind = False, block[156:157]
        if kind in b"xLKg":
            extended.add(kind, file.read(size) if size <= _MOST_PAX else b"")
        else:
            size = extended.size(size)
            further = kind == _SPARSE and block[482]
            while further:  # more of the map of its holes
                file.seek(at)
                further, at = file.read(_BLOCK)[504:505] > b"\0", at + _BLOCK
            yield _Header(extended.name or _name(block), kind, at, size, kind == _SPARSE or extended.sparse)
            extended = _Extended()
        whole = at + size
        at += -(-size // _BLOCK) * _BLOCK


def _size(block: bytes) -> int | None:
    """Return the size in a header, None where that is no header."""
    try:
        return min(_number(block[124:136]), _MOST) if len(block) == _BLOCK and _checked(block) else None
    except ValueError:
        return None


def _name(block: bytes) -> str:
    name, prefix = block[:100].split(b"\0", 1)[0], block[345:500].split(b"\0", 1)[0]
    whole = prefix + b"/" + name if prefix and block[257:263] == b"ustar\0" else name
    return whole.decode("utf-8", "surrogateescape")


class _Extended:
    """What stands before a header about the same member: pax records, GNU's long name."""

    def __init__(self) -> None:
        self.name = ""
        self.sparse = False
        self._size: int | None = None

    def size(self, written: int) -> int:
        """Return the size of the member, whose header has `written`."""
        return written if self._size is None else self._size

    def add(self, kind: bytes, content: bytes) -> None:
        """Take one more of them; `g` is about all members that follow, and says nothing that matters here."""
        if kind == b"L":
            self.name = content[:_LONGEST_NAME].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        if kind != b"x":
            return
        while content:  # "LENGTH KEY=VALUE\n", the length of all of it
            length, blank, _ = content[:20].partition(b" ")
            end = int(length) if length.isdigit() else 0
            if not blank or not len(length) < end <= len(content):
                return
            key, _, value = content[len(length) + 1 : end - 1].partition(b"=")
            content = content[end:]
            if key in (b"path", b"GNU.sparse.name"):
                self.name = value[:_LONGEST_NAME].decode("utf-8", "surrogateescape")
            elif key == b"size" and value.isdigit():
                self._size = int(value) if len(value) < len(str(_MOST)) else _MOST
            self.sparse = self.sparse or key.startswith(b"GNU.sparse.")
