"""Read one source: a file's bytes, or a picture that is in memory already.

In: a path, an array or a Pillow image. Out: its digest with bytes or picture; or a `Failure`.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING

from penult.errors import InputError
from penult.pixels.decoding import MAX_BYTES, MAX_PIXELS, finish
from penult.pixels.recipe import FULL_DEPTH, Failure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Source = str | bytes | os.PathLike[str] | NDArray[np.uint8] | Image


PATH = (str, bytes, os.PathLike)  # a source of one of these types names a file; any other is a picture


def read(path: str | bytes | os.PathLike[str]) -> tuple[bytes, bytes] | Failure:
    """Read a file once; returns the SHA-256 digest (32 bytes) and the bytes."""
    try:
        descriptor = os.open(path, _HOW)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                folder = stat.S_ISDIR(found.st_mode)
                return Failure("unreadable file", os.strerror(errno.EISDIR) if folder else "it is not a plain file")
            if found.st_size > MAX_BYTES:
                return Failure("too large", f"{found.st_size:,} bytes; at most {MAX_BYTES:,} are read")
            data = _read_all(descriptor, found.st_size)
        finally:
            os.close(descriptor)
    except OSError as error:
        return Failure("unreadable file", error.strerror or str(error))
    except (ValueError, MemoryError) as error:  # a name with a zero byte in it; no memory
        return Failure("unreadable file", str(error) or type(error).__name__)
    return hashlib.sha256(data).digest(), data


# A named pipe that nobody writes to would hold the run for ever without O_NONBLOCK. No file object: it takes longer
# than a small file takes to read.
_HOW = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def _read_all(descriptor: int, size: int) -> bytes:
    """Read to the end; a file that is being written may be longer or shorter than its `size` was."""
    data = os.read(descriptor, size + 1)
    if len(data) == size:
        return data
    pieces, total = [data], len(data)
    while pieces[-1] and total <= MAX_BYTES:  # more is refused by `decode`
        pieces.append(os.read(descriptor, 1 << 20))
        total += len(pieces[-1])
    return b"".join(pieces)


def digest(source: Source) -> bytes | None:
    """Return the SHA-256 digest by which a source is known, None for one that cannot be read; nothing is decoded."""
    found = read(source) if isinstance(source, PATH) else take(source)
    return None if isinstance(found, Failure) else found[0]


def check_picture(source: NDArray[np.uint8] | Image) -> None:
    """Raise InputError unless `source` is a uint8 array (h, w, 3) or (h, w), or a Pillow image."""
    if what := what_else(source):
        raise InputError(f"got {what} for an image; give a path, a uint8 array (h, w, 3) or (h, w), or a Pillow image.")


def what_else(source: object) -> str:
    """Return what something is that is no picture, such as `an array float64 (9, 9)`; nothing for a picture."""
    if hasattr(source, "getexif"):
        return ""
    dtype, shape = str(getattr(source, "dtype", "")), getattr(source, "shape", ())
    if dtype == "uint8" and len(shape) in (2, 3) and (*shape, 3)[2] == 3 and 0 not in shape:
        return ""
    if dtype and shape:
        return f"an array {dtype} {shape}"
    number = f" ({source})" if isinstance(source, float) else ""  # nan: a photo that is missing from a table
    return f"a {type(source).__name__}{number}"


def take(
    source: NDArray[np.uint8] | Image, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS
) -> tuple[bytes, Image] | Failure:
    """Return digest and picture (`L` or `RGB`) of an array, uint8 (h, w, 3) or (h, w), or of a Pillow image.

    The digest is SHA-256 of the text `h,w,3:` and the RGB bytes, so the same pixels get the same digest
    either way.
    """
    from PIL import Image

    check_picture(source)
    picture = finish(lambda: source if isinstance(source, Image.Image) else Image.fromarray(source), depth, max_pixels)
    if isinstance(picture, Failure):
        return picture
    rgb = picture if picture.mode == "RGB" else picture.convert("RGB")
    digest = hashlib.sha256(f"{rgb.height},{rgb.width},3:".encode() + rgb.tobytes()).digest()
    return digest, picture
