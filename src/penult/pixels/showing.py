"""Pictures for people: a photo upright and not too large, where in it a network looks, and PNG files.

In: a source, a recipe, RGB arrays. Out: RGB arrays, places in the photo, the bytes of a PNG.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from penult.pixels.decoding import MAX_PIXELS, decode
from penult.pixels.recipe import FULL_DEPTH, Failure, Recipe
from penult.pixels.resizing import resized
from penult.pixels.sources import PATH, read, take

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from penult.pixels.sources import Source

    RGB = NDArray[np.uint8]  # (h, w, 3)

Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of a photo's width and height


def photo(source: Source, depth: int = FULL_DEPTH, max_pixels: int = MAX_PIXELS) -> RGB | Failure:
    """Return a path, array or Pillow image as the upright photo (h, w, 3) that `prepare` takes, or why it cannot be seen.

    `depth` is that of the recipes, `max_pixels` the limit of a picture (see `decode`).

    Raises `InputError` for an argument that is no image at all.
    """
    import numpy as np

    if isinstance(source, PATH):
        found = read(source)
        return found if isinstance(found, Failure) else decode(found[1], depth, max_pixels)
    seen = take(source, depth, max_pixels)
    return seen if isinstance(seen, Failure) else np.array(seen[1].convert("RGB"))


def view(width: int, height: int, recipe: Recipe) -> Box:
    """Return the part of a photo of this size that a network with this recipe sees."""
    (wide, high), (left, top) = resized(width, height, recipe)
    return left / wide, top / high, (left + recipe.size) / wide, (top + recipe.size) / high


def shrink(rgb: RGB, longest: int) -> RGB:
    """Return the photo with its longer side at most `longest`; a smaller one stays as it is."""
    import numpy as np
    from PIL.Image import Resampling, fromarray

    height, width = rgb.shape[:2]
    if max(height, width) <= longest:
        return rgb
    share = longest / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    return np.array(fromarray(rgb).resize(size, Resampling.LANCZOS))


def png(rgb: RGB) -> bytes:
    """Return a picture (h, w, 3) as the bytes of a PNG file; the same picture gives the same bytes."""
    from PIL.Image import fromarray

    file = BytesIO()
    fromarray(rgb).save(file, "PNG", compress_level=6)
    return file.getvalue()
