"""Take out of a PNG what Pillow refuses and no picture needs: long texts, color profiles, damaged chunks on the side.

In: the bytes of a PNG that Pillow refused. Out: the same picture without them. It never raises, takes time and memory in
proportion to the file, and unpacks at most a megabyte of any chunk, so a text that would unpack to gigabytes costs nothing.
"""

from __future__ import annotations

import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_UNPACKED = 1 << 20  # bytes of a packed text; what Pillow unpacks of one
_MOST_CHUNKS = 1_000_000
_FRAME = 12  # bytes of a chunk beside its body: length, kind, checksum
_ANCILLARY = 0x20  # a small first letter: a decoder may do without the chunk
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_ANIMATION = (b"acTL", b"fcTL", b"fdAT")  # of the frames behind the first
_LEAST = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}  # bytes; with fewer it says nothing
_LEAST_CLEAR = {0: 2, 2: 6, 3: 1}  # bytes of the transparent color, by the color type of the header
_XMP, _EXIF = b"XML:com.adobe.xmp\0", b"Raw profile type exif\0"  # texts that may say which side is up


def without_bulk(data: bytes) -> bytes | None:
    """Return `data`, a PNG, without long texts, color profiles, animation and ancillary chunks that are too short or whose
    checksum is wrong.

    Kept are all that decides the pixels and which side is up. None where nothing is to be taken out.
    """
    if not data.startswith(SIGNATURE):
        return None
    kept, position, changed = [data[: len(SIGNATURE)]], len(SIGNATURE), False
    for _ in range(_MOST_CHUNKS):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + _FRAME + length
        if end > len(data):
            break
        kind = data[position + 4 : position + 8]
        piece: bytes | None = data[position:end]
        if kind[0] & _ANCILLARY:
            short = length < (_LEAST_CLEAR.get(data[25], 0) if kind == b"tRNS" else _LEAST.get(kind, 0))
            piece = None if short else _slimmed(kind, data[position + 8 : end - 4], data[position:end])
        if piece is None or len(piece) != end - position:
            changed = True
        if piece:
            kept.append(piece)
        position = end
    return b"".join([*kept, data[position:]]) if changed else None


def _slimmed(kind: bytes, body: bytes, chunk: bytes) -> bytes | None:
    """Return what is kept of an ancillary chunk: itself, a shorter one, or None."""
    if zlib.crc32(kind + body) != int.from_bytes(chunk[-4:], "big") or kind in (b"iCCP", *_ANIMATION):
        return None
    if kind not in _TEXTS:
        return chunk
    if kind == b"iTXt" and body.startswith(_XMP):
        return _xmp(body)
    if body.startswith(_EXIF) and (kind == b"tEXt" or _unpacked(body[len(_EXIF) + 1 :])[1]) and len(body) <= MOST_UNPACKED:
        return chunk
    return None


def _xmp(body: bytes) -> bytes | None:
    """Return an XMP block as an unpacked text of a megabyte at most: the orientation stands near its beginning."""
    packed, rest = body[len(_XMP) : len(_XMP) + 1] == b"\1", body[len(_XMP) + 2 :]
    _, _, rest = rest.partition(b"\0")  # the language
    _, _, text = rest.partition(b"\0")  # the keyword, translated
    if packed:
        text, _ = _unpacked(text)
    text = text[:MOST_UNPACKED].decode("utf-8", "ignore").encode()
    return _chunk(b"iTXt", _XMP + b"\0\0\0\0" + text) if text else None


def _unpacked(packed: bytes) -> tuple[bytes, bool]:
    """Return up to a megabyte of what `packed` holds, and whether that is all of it."""
    unpacker = zlib.decompressobj()
    try:
        return unpacker.decompress(packed, MOST_UNPACKED), not unpacker.unconsumed_tail
    except zlib.error:
        return b"", False


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
