"""Photos that belong to no class, and those that went wrong in the camera: by numbers that stand out from the others'.

In: features (n, d), class numbers, quality (n, 4). Out: rows and scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.directions import bare_directions

FEW = 20  # rows below which nothing can stand out
FAR = 6.0  # robust standard deviations
BLANK = 4.0  # standard deviation of the luma, 0 to 255
DARK = 45.0  # 95th percentile of the luma
BLURRED = 0.8  # see backbones.quality

Odd = list[tuple[int, float]]  # row, score


@default_errors
def outliers(X: NDArray[Any], y: NDArray[Any], blocks: Sequence[int] | None = None) -> Odd:
    """Return the rows of X (n, d) that are far from the centre of every class, and 1 - their likeness to the nearest.

    Far is FAR robust standard deviations (median and 1.4826 times the median distance from it) beyond the median.
    """
    if len(X) < FEW:
        return []
    Z = bare_directions(X, blocks)
    centres = np.stack([Z[y == j].mean(axis=0) for j in np.unique(y)])  # (k, d')
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    distance = 1 - (Z @ centres.T).max(axis=1)  # (n,)
    return [(int(i), float(min(1, distance[i]))) for i in np.flatnonzero(_stands_out(distance))]


@default_errors
def conditions(quality: NDArray[Any]) -> dict[str, Odd]:
    """Return the rows of quality (n, 4: mean, spread, bright, blur) that are blank, dark or blurred; each row once."""
    _, spread, bright, blur = np.asarray(quality, np.float64).T
    blank = spread < BLANK
    dark = (bright < DARK) & ~blank
    soft = (blur > BLURRED) & ~blank & ~dark
    if len(blur) >= FEW:  # where all are soft (a microscope), only those count that are softer than the others
        soft &= _stands_out(blur, 3.0)
    return {
        "blank": [(int(i), float(1 - spread[i] / BLANK)) for i in np.flatnonzero(blank)],
        "dark": [(int(i), float(1 - bright[i] / DARK)) for i in np.flatnonzero(dark)],
        "blurred": [(int(i), float(blur[i])) for i in np.flatnonzero(soft)],
    }


def _stands_out(values: NDArray[Any], far: float = FAR) -> NDArray[np.bool_]:
    middle = np.median(values)
    return np.asarray(values > middle + far * 1.4826 * np.median(np.abs(values - middle)) + 1e-6)
