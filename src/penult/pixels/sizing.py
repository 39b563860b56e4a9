"""How large a picture is, from its first bytes. In: a path. Out: width and height. It must not decode."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from PIL import Image

SMALL_FILE = 20_000  # bytes: a larger file is not opened, its picture is hardly tiny


def size_of_small(path: Any) -> tuple[int, int] | None:
    """Return width and height in pixels of a small file's picture; None for a large file, and for what cannot be read."""
    try:
        if Path(path).stat().st_size > SMALL_FILE:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as picture:
                return picture.size
    except (OSError, ValueError, TypeError, SyntaxError, Image.DecompressionBombError):
        return None
