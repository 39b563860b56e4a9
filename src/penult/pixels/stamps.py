"""Small pictures for a page: decoded by the same road as for a network, so that they stand upright, and encoded small.

In: paths, a side. Out: WebP bytes, or a `Failure`, for each path, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING

from penult.pixels.decoding import MAX_PIXELS
from penult.pixels.preparing import prepare_all
from penult.pixels.recipe import FULL_DEPTH, Failure, Recipe

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

QUALITY = 70


def stamps(
    paths: Sequence[str], side: int, workers: int | None = None, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS
) -> Iterator[bytes | Failure]:
    """Yield for each picture its square centre, `side` pixels wide, as a WebP file.

    `depth` is that of the run's recipes. A file that is gone or cannot be decoded gives a `Failure`.
    """
    if not paths:
        return
    recipe = Recipe(size=side, crop_mode="crop", crop=1.0, interpolation="bilinear", depth=depth)
    with closing(prepare_all(list(paths), [recipe], workers=workers, max_pixels=max_pixels)) as prepared:
        for one in prepared:
            pixels = one.pixels[0]
            yield (one.failure or Failure("damaged")) if pixels is None else webp(pixels)


def webp(rgb: NDArray[np.uint8]) -> bytes:
    """Return an RGB array (h, w, 3) as the bytes of a WebP file, without any metadata."""
    from PIL.Image import fromarray

    file = BytesIO()
    fromarray(rgb).save(file, "WEBP", quality=QUALITY, method=2)
    return file.getvalue()
