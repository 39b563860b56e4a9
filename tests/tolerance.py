"""How close is close: the one table of tolerances, for every test that compares features.

The same pixels give the same numbers up to rounding; another precision keeps the direction; another decoder
of the same JPEG moves single values. What the numbers mean (which class, which neighbour) must be equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAME_PIXELS = {"rtol": 1e-3, "atol": 1e-4}  # two engines, or an engine and its reference, in f32
SAME_JPEG = {"rtol": 1e-1, "atol": 1e-1}  # decoded by two libraries, or resized by two
COSINE = {"f32": 0.999999, "bf16": 0.998}  # against f32, for each image


def assert_same_pixels(ours: NDArray[np.floating], reference: NDArray[np.floating]) -> None:
    """Fail unless two arrays agree as the same pixels in f32 must."""
    np.testing.assert_allclose(ours, reference, **SAME_PIXELS)


def assert_same_direction(
    ours: NDArray[np.floating], reference: NDArray[np.floating], precision: str
) -> None:
    """Fail unless every row (n, d) points where the f32 reference points, as the precision allows."""
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    cosine = (ours * reference).sum(axis=1) / lengths  # (n,)
    assert cosine.min() >= COSINE[precision], cosine
