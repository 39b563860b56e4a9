"""Say why an image could not be seen, in words of a fixed list.

In: the exception that a decoder raised, and the bytes that it was given. Out: a `Failure`.
Must not know: where the bytes came from, or what happens to an image that failed.
"""

from __future__ import annotations

from importlib.util import find_spec
from types import MappingProxyType

from penult.pixels.recipe import Failure

REASONS = MappingProxyType(
    {
        "empty": "the file has no bytes",
        "not an image": "the bytes are of no picture format",
        "unsupported format": "a picture or document, but not of a format that is read here",
        "unsupported depth": "numbers without a known black and white (32-bit integers, floating point)",
        "truncated": "the file ends too early",
        "damaged": "the decoder refused the content",
        "too large": "more bytes, pixels or memory than the limits allow",
        "unreadable file": "gone, not permitted, or not a plain file",
        "decoder crashed": "the process that decoded it died",
        "decoder hung": "the process that decoded it gave no answer in time",
    }
)

_READ_HERE = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"RIFF",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP",
    b"\xff\x4f\xff\x51",
)
_KNOWN_BY_SIGHT = {
    b"%!PS": "EPS",
    b"\xc5\xd0\xd3\xc6": "EPS",
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"<svg": "SVG",
    b"\0\0\1\0": "ICO",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL": "JPEG XL",
    b"v/1\1": "OpenEXR",
}
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")


def is_heif(data: bytes) -> bool:
    """Tell HEIC and HEIF, which need an extra, by the first 12 bytes."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS


class Refused(Exception):
    """A picture is not taken, for a reason of the list; it never leaves this room."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.failure = Failure(reason, detail)


def classify(error: Exception, data: bytes) -> Failure:
    """Return the failure that `error`, raised while `data` was decoded, stands for."""
    words = f"{type(error).__name__}: {error}".strip(": ")
    if isinstance(error, Refused):
        return error.failure
    if isinstance(error, MemoryError) or type(error).__name__.startswith("DecompressionBomb"):
        return Failure("too large", words)
    if type(error).__name__ == "UnidentifiedImageError":
        return _unidentified(data)
    text = words.lower()
    if isinstance(error, ValueError) and ("data too large" in text or "too much memory" in text):  # PNG: texts, a profile
        return Failure("too large", words)
    early = isinstance(error, EOFError) or "truncat" in text or "end of file" in text or "unexpected eof" in text
    return Failure("truncated" if early or _cut_short(data) else "damaged", words)


def _unidentified(data: bytes) -> Failure:
    """Tell a format that is not read here, a damaged head and plain garbage apart, by the first bytes."""
    if is_heif(data):
        if find_spec("pi_heif"):
            return Failure("damaged", "the head of the file cannot be read")
        return Failure("unsupported format", "HEIC/HEIF: pip install 'penult[heif]', or save it as JPEG or PNG")
    for magic, name in _KNOWN_BY_SIGHT.items():
        if data.startswith(magic):
            return Failure("unsupported format", f"{name}: save it as JPEG or PNG")
    if data.startswith(_READ_HERE) or data[4:12] == b"ftypavif":
        return Failure("truncated" if _cut_short(data) else "damaged", "the head of the file cannot be read")
    return Failure("not an image", f"begins with {data[:16]!r}")


def _cut_short(data: bytes) -> bool:
    """Return whether a file that failed to decode lacks its end, as far as its format tells."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-4096:]
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return False
