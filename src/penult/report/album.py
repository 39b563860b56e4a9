"""The pictures of the page: small ones for cells and map, large ones for galleries, and a placeholder for what is gone.

In: which photos, where their folders are. Out: data URIs and `<img>`.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penult import pixels
from penult.html import Html, tag
from penult.pixels import Failure
from penult.texts import printable

SMALL, LARGE = 80, 256  # pixels a side
PREFIX = "data:image/webp;base64,"

Key = tuple[str, str]  # part ("train" or "test"), file


@dataclass(slots=True)
class Album:
    """Pictures by part and file; `gone` are photos whose file is not there, `unseen` those whose file cannot be read."""

    small: dict[Key, str] = field(default_factory=dict)
    large: dict[Key, str] = field(default_factory=dict)
    heat: dict[Key, str] = field(default_factory=dict)
    gone: dict[Key, str] = field(default_factory=dict)
    unseen: dict[Key, str] = field(default_factory=dict)
    method: str = ""  # how the heat was found
    photos: bool = True  # False where the run began with feature files: then there is nothing to show

    def picture(self, key: Key, caption: str = "") -> Html | None:
        """Return the photo as an element, or a placeholder that says what became of it."""
        if not self.photos:
            return None
        if key in self.large or key in self.small:
            source = self.large.get(key) or self.small[key]
            return tag("img", src=source, alt=caption or printable(key[1]), width=LARGE, height=LARGE)
        why = self.gone.get(key) or self.unseen.get(key, "not shown")
        return tag("span", why, class_="gone", role="img", aria_label=f"{printable(key[1])}: no picture")


def fill(
    roots: Mapping[str, str], small: Sequence[Key], large: Sequence[Key], depth: int = 16, max_pixels: int = pixels.MAX_PIXELS
) -> Album:
    """Read the photos and make their pictures. `roots` are the folders of the parts that are known.

    `depth` is that of the run's recipes, `max_pixels` its limit.
    """
    album = Album(photos=bool(roots))
    for keys, side, shelf in ((small, SMALL, album.small), (large, LARGE, album.large)):
        known = [key for key in dict.fromkeys(keys) if key[0] in roots]
        paths = [os.path.join(roots[part], file) for part, file in known]  # noqa: PTH118 - odd bytes, and `//`, survive
        pictures = pixels.thumbnails(paths, side, depth=depth, max_pixels=max_pixels)
        for key, path, made in zip(known, paths, pictures, strict=False):
            if not isinstance(made, Failure):
                shelf[key] = uri(made)
            elif _is_gone(path):
                album.gone[key] = "not there any more"
            else:
                album.unseen[key] = made.reason
    return album


def _is_gone(path: str) -> bool:
    """Tell whether there is no such file; one that may not be opened, or is damaged, is still where it was."""
    try:
        os.stat(path)  # noqa: PTH116 - odd bytes, and `//`, survive
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def uri(webp: bytes) -> str:
    """Return a WebP file as a data URI."""
    return PREFIX + base64.b64encode(webp).decode("ascii")
