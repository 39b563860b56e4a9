"""How large a picture is, from its first bytes. In: a path. Out: width and height. It must not decode."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from penult.pixels.decoding import formats

SMALL_FILE = 20_000  # bytes: a larger file is not opened, its picture is hardly tiny


def size_of_small(path: Any) -> tuple[int, int] | None:
    """Return width and height in pixels of a small file's picture; None for a large file, and for what cannot be read."""
    from PIL import Image

    try:
        if Path(path).stat().st_size > SMALL_FILE:
            return None
        data = Path(path).read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(data), formats=formats(data)) as picture:
                return picture.size
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError):
        return None
