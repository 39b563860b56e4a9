"""Photos that are unlike any class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.finding import AuditData, Finding, FindingKind
from penult.audit.pairs import bare_directions
from penult.i18n import N_, _

FEW = 20  # rows below which nothing can stand out
FAR = 6.0  # robust standard deviations

OUTLIER = FindingKind(
    "outlier",
    "outlier",
    "outliers",
    rank=70,
    suggestion=N_("remove it if it belongs to no class"),
    advice=N_("Check each; remove it if it belongs to no class."),
)
KINDS = (OUTLIER,)


def find(data: AuditData) -> Iterator[Finding]:
    """Yield the outliers among the training photos."""
    part = data.train
    reason = _("unlike any class") if part.Y is None else _("unlike any label")
    labels = part.y if part.Y is None else part.Y
    for row, score in [] if labels is None else outliers(part.photos.X, labels, data.blocks):
        yield OUTLIER.finding(part.ok_files[row], score, reason)


@default_errors
def outliers(X: NDArray[Any], y: NDArray[Any], blocks: Sequence[int] | None = None) -> list[tuple[int, float]]:
    """Return the rows of X (n, d) that are far from the centre of every class, and 1 - their likeness to the nearest.

    y (n,) are class numbers, or (n, L) labels: then the photos without any are one class more. Far is FAR robust standard
    deviations (median and 1.4826 times the median distance from it) beyond the median.
    """
    if len(X) < FEW:
        return []
    Z = bare_directions(X, blocks)
    if y.ndim == 1:
        members = [y == j for j in np.unique(y)]
    else:
        members = [own for own in [*(y == 1).T, ~(y == 1).any(axis=1)] if own.any()]
    centres = np.stack([Z[own].mean(axis=0) for own in members])  # (k, d')
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
    distance = 1 - (Z @ centres.T).max(axis=1)  # (n,)
    return [(int(i), float(min(1, distance[i]))) for i in np.flatnonzero(stands_out(distance))]


def stands_out(values: NDArray[Any], far: float = FAR) -> NDArray[np.bool_]:
    """Return which values (n,) are more than `far` robust standard deviations beyond the median."""
    middle = np.median(values)
    return np.asarray(values > middle + far * 1.4826 * np.median(np.abs(values - middle)) + 1e-6)
