"""How close is close: the one table of tolerances, for every test that compares features.

The same pixels give the same numbers up to rounding; another precision keeps the direction; another decoder
of the same JPEG moves single values. What the numbers mean (which class, which neighbour) must be equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAME_PIXELS = {"rtol": 1e-3, "atol": 1e-4}  # two engines, or an engine and its reference, in f32
# Levels of 255 that a resize may stray from Pillow's. It is nothing: vector instructions made Pillow's own arithmetic
# fast enough. What others would cost, on photos of 400 x 360 to 224: resizers of 16-bit weights are up to 15 levels off,
# 0.16 in the mean; a JPEG decoded at half its size, where 2 to 3 times the target is left, up to 34, 0.4 in the mean (65 and
# 1.1 where its sides are odd). At 12 megapixels features keep a cosine of 0.9997, 0.9996 and 0.998 at a half, a quarter and
# an eighth, for 35, 31 and 27 ms instead of 53: not worth other pixels.
RESIZED = 0
SAME_JPEG = {"rtol": 1e-1, "atol": 1e-1}  # decoded by two libraries, or resized by two
COSINE = {"f32": 0.999999, "f16": 0.9999, "bf16": 0.998}  # against f32, for each image, all its features as they are
# A part by itself keeps less: maxima are single numbers that no mean evens out. Measured in bf16 on 56 photos
# of cats and dogs: lite0, 1, 2 keep 0.9991, 0.9989, 0.9982 at worst; their weakest part, the maxima of the
# head, 0.9969, 0.9959, 0.9925 at worst and 0.9991, 0.9990, 0.9986 in the middle.
COSINE_OF_PARTS = {"f32": 0.99999, "f16": 0.999, "bf16": 0.99}


def assert_same_pixels(ours: NDArray[np.floating], reference: NDArray[np.floating]) -> None:
    """Fail unless two arrays agree as the same pixels in f32 must."""
    np.testing.assert_allclose(ours, reference, **SAME_PIXELS)


def assert_same_direction(
    ours: NDArray[np.floating], reference: NDArray[np.floating], parts: tuple[int, ...], precision: str
) -> None:
    """Fail unless every row (n, d), and each of its parts, points where the f32 reference points."""
    assert cosines(ours, reference).min() >= COSINE[precision]
    for start, width in zip(np.cumsum((0, *parts)), parts, strict=False):
        columns = slice(start, start + width)
        assert cosines(ours[:, columns], reference[:, columns]).min() >= COSINE_OF_PARTS[precision], columns


def cosines(ours: NDArray[np.floating], reference: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the cosine of the angle between each two rows (n, d): (n,)."""
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1)
    return (ours * reference).sum(axis=1) / lengths  # type: ignore[no-any-return]
