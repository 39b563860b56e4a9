"""Photos that belong to no class, and those that went wrong in the camera: by numbers that stand out from the others'."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.data import AuditData
from penult.audit.directions import bare_directions
from penult.audit.finding import Finding, FindingKind

FEW = 20  # rows below which nothing can stand out
FAR = 6.0  # robust standard deviations
BLANK = 4.0  # standard deviation of the luma, 0 to 255
DARK = 45.0  # 95th percentile of the luma
BLURRED = 0.8  # see backbones.quality

OUTLIER = FindingKind(
    "outlier",
    "outlier",
    "outliers",
    rank=70,
    suggestion="remove it if it belongs to no class",
    advice="Check each; remove it if it belongs to no class.",
)
BLANK_PHOTO = FindingKind("blank", "blank photo", "blank photos", rank=80, suggestion="remove it if there is nothing to see")
DARK_PHOTO = FindingKind(
    "dark", "very dark photo", "very dark photos", rank=90, suggestion="remove it if there is nothing to see"
)
BLURRED_PHOTO = FindingKind(
    "blurred", "blurred photo", "blurred photos", rank=100, suggestion="remove it if you cannot tell what it shows"
)
KINDS = (OUTLIER, BLANK_PHOTO, DARK_PHOTO, BLURRED_PHOTO)
REASONS = {"blank": "it has hardly any contrast", "dark": "it is very dark", "blurred": "it is far less sharp than the others"}

Odd = list[tuple[int, float]]  # row, score


def find(data: AuditData) -> Iterator[Finding]:
    """Yield training photos that are unlike any class, blank, dark or blurred."""
    part = data.train
    if part.y is None:
        return
    for row, score in outliers(part.photos.X, part.y, data.blocks):
        yield OUTLIER.finding(part.ok_files[row], score, "unlike any class")
    for name, rows in ({} if part.quality is None else conditions(part.quality)).items():
        kind = next(kind for kind in KINDS if kind.name == name)
        for row, score in rows:
            yield kind.finding(part.ok_files[row], score, REASONS[name])


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
