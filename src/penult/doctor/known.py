"""A drawn picture and what `efficientnet_lite0` says of it in f32, wherever it is computed rightly.

In: a size, a vector. Out: the picture, and how far the vector is off. The numbers are those of `tests/golden`, which were
held against timm; a test compares the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NETWORK = "efficientnet_lite0"
FIRST = 6
# For each part of the features its first six numbers and its length.
KNOWN = (
    (1.4762, -0.6212, 0.1488, -3.5084, 1.7173, -1.9199, 44.8846),
    (0.9218, 3.3874, 2.7507, 2.4724, -1.4485, 2.9983, 38.2850),
    (0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 22.6188),
    (7.1632, 16.5851, 5.5009, 1.1522, 12.2205, 2.3741, 120.4018),
    (2.9914, 6.6621, 5.4408, 5.4107, 2.2429, 6.7949, 60.5900),
    (0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 72.2693),
)
OFF = 2e-3  # of a number, or of 1 where that is larger: two engines in f32 differ by less
COSINE = 0.998  # between a vector at lower precision and that in f32; bf16 keeps 0.999


def picture(size: int) -> NDArray[np.uint8]:
    """Return the picture (1, size, size, 3): rings, stripes and a slope."""
    y, x = np.mgrid[:size, :size].astype(np.int64)
    rings = ((x - size // 3) ** 2 + (y - size // 2) ** 2) * 900 // size**2
    stripes = (x * 7 + y * 3) // 5 % 2 * 160 + 40
    slope = (x + 2 * y) * 255 // (3 * size)
    return (np.stack([rings, stripes, slope], axis=-1) % 256).astype(np.uint8)[None]


def off(vector: NDArray[np.float32], blocks: tuple[int, ...]) -> float:
    """Return the largest error of a vector (d,) beside the known one, each relative to its number or to 1."""
    pieces = np.split(vector.astype(np.float64), np.cumsum(blocks)[:-1])
    seen = np.array([[*piece[:FIRST], np.linalg.norm(piece)] for piece in pieces])  # (blocks, 7)
    wanted = np.array(KNOWN)
    if seen.shape != wanted.shape or not np.isfinite(seen).all():
        return float("inf")
    return float((np.abs(seen - wanted) / np.maximum(np.abs(wanted), 1)).max())
