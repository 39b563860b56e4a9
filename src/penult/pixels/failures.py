"""Say why an image could not be seen, in words of a fixed list, and what to do about it.

In: the exception that a decoder raised, and the bytes that it was given. Out: a `Failure`, or words for several.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from importlib.util import find_spec
from types import MappingProxyType

from penult.pixels.naming import is_heif, no_picture, valid_but_unread
from penult.pixels.recipe import Failure, Refused

REASONS = MappingProxyType(
    {
        "empty": "the file has no bytes",
        "not an image": "the bytes are of no picture format",
        "unsupported format": "a picture or document, but not of a format that is read here",
        "unsupported depth": "numbers without a known black and white (32-bit integers, floating point), or of an odd width",
        "truncated": "the file ends too early",
        "damaged": "the decoder refused the content",
        "too large": "more bytes, pixels or memory than the limits allow",
        "unreadable file": "gone, not permitted, or not a plain file",
        "decoder crashed": "the process that decoded it died",
        "decoder hung": "the process that decoded it gave no answer in time",
    }
)

# What to do about each, where the failure itself does not know better.
CURES = MappingProxyType(
    {
        "empty": "copy it again from where it came from, or remove it",
        "not an image": "remove it",
        "unsupported format": "save it as JPEG or PNG",
        "unsupported depth": "save it with 8 bits a channel, or as unsigned 16-bit PNG or TIFF",
        "truncated": "copy or download it again from where it came from, or remove it",
        "damaged": "copy it again from where it came from, or remove it",
        "too large": "save it smaller",
        "unreadable file": "check that it is there and may be read",
        "decoder crashed": "open it in an image viewer and save it anew as JPEG or PNG, or remove it",
        "decoder hung": "open it in an image viewer and save it anew as JPEG or PNG, or remove it",
    }
)

HEIF_CURE = "pip install 'penult[heif]', or save it as JPEG or PNG"
_TOLD = 4  # kinds of failures in one sentence

_READ_HERE = (
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"GIF8",
    b"II*\0",
    b"MM\0*",
    b"\0\0\0\x0cjP",
    b"\xff\x4f\xff\x51",
)


def advice(failure: Failure) -> str:
    """Return what to do about a failure."""
    return failure.cure or CURES.get(failure.reason, "remove it")


def told(failures: Iterable[Failure]) -> str:
    """Return reasons with their numbers and cures, the most frequent first: `4 unsupported format (HEIC): pip install ...`."""
    found = Counter((what(f), advice(f)) for f in failures)
    words = [f"{count} {one}: {cure}" for (one, cure), count in found.most_common(_TOLD)]
    rest = sum(found.values()) - sum(count for _, count in found.most_common(_TOLD))
    return "; ".join([*words, *([f"{rest} for other reasons"] if rest else [])])


def what(failure: Failure) -> str:
    """Return the reason, with the format in brackets where that is what is wrong: other details are of one file alone."""
    of_all = failure.reason in ("unsupported format", "unsupported depth") and failure.detail
    of_all = of_all or (failure.reason == "not an image" and failure.cure and failure.detail)
    return f"{failure.reason} ({failure.detail})" if of_all else failure.reason


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
    if (unread := valid_but_unread(data, opened=True)) is not None:
        return Failure(*unread)
    early = isinstance(error, EOFError) or "truncat" in text or "end of file" in text or "unexpected eof" in text
    return Failure("truncated" if early or _cut_short(data) else "damaged", words)


def _unidentified(data: bytes) -> Failure:
    """Tell a format that is not read here, a damaged head and plain garbage apart, by the first bytes."""
    if is_heif(data):
        if find_spec("pi_heif"):
            return Failure("damaged", "the head of the file cannot be read")
        return Failure("unsupported format", "HEIC/HEIF", HEIF_CURE)
    if (unread := valid_but_unread(data, opened=False)) is not None:
        return Failure(*unread)
    if data.startswith(_READ_HERE) or data[4:12] == b"ftypavif" or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
        return Failure("truncated" if _cut_short(data) else "damaged", "the head of the file cannot be read")
    if (other := no_picture(data)) is not None:
        return Failure("not an image", *other)
    return Failure("not an image", f"begins with {data[:16]!r}")


def _cut_short(data: bytes) -> bool:
    """Return whether a file that failed to decode lacks its end, as far as its format tells."""
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-4096:]
    if data.startswith(b"RIFF"):
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    return False
