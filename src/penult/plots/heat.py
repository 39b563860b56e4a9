"""Heat over a photo: orange where it speaks for a class, blue where it speaks against it.

Comes in: a photo, its heat. Goes out: pixels. numpy alone: pages and tables need many small ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.plots import style

RGB = NDArray[np.uint8]  # (h, w, 3)
Heat = NDArray[np.floating[Any]]  # (h, w)

DEEPEST = 0.85  # how much of the colour covers the photo where the heat is strongest
PALE = 0.35  # how far the grey photo is washed out, so that colour speaks
GREY = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: what Pillow's `L` is


def strongest(heat: Heat) -> float:
    """Return the value that gets the deepest colour: the largest there is, for or against; 1 where there is none."""
    top = float(np.abs(heat).max(initial=0))
    return top if top > 0 else 1.0


def overlay(photo: RGB, heat: Heat) -> RGB:
    """Return the photo in grey with the heat over it in colour, (h, w, 3); the strongest gets the deepest colour.

    Colour covers in proportion to the heat, so 0 shows the grey photo itself.
    """
    return tinted(255 * PALE + (1 - PALE) * (photo @ GREY), heat / strongest(heat))


def tinted(grey: NDArray[np.floating[Any]], level: Heat) -> RGB:
    """Return grey (h, w) under the colours of levels -1..1: vermilion above 0, blue below; both stay apart for all readers."""
    level = np.clip(level, -1, 1)[..., None]
    colour = np.where(level > 0, _parts(style.VERMILION), _parts(style.BLUE))
    cover = DEEPEST * np.abs(level)
    return np.asarray((grey[..., None] * (1 - cover) + colour * cover).round(), np.uint8)


def _parts(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float64)
