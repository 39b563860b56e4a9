"""The curves of one label: precision against recall, and the share of photos that have it against its probability."""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.arrays import default_errors
from penult.evaluate.intervals import Floats, wilson

POINTS = 120  # of a curve
BINS = 10


@default_errors
def label_curves(y: Floats, p: Floats) -> dict[str, Any]:
    """Return the curves of a label by y (n,) of 0, 1 and NaN, and its probability p (n,).

    `precision_recall`: pairs from recall 0 to 1; `share`: of the photos, the precision of chance; `calibration`: for each of
    ten bins of equal width that has photos: edges, count, mean probability, share that has the label and its 95% interval.
    """
    known = np.isfinite(y)
    y, p = y[known], p[known]
    order = np.argsort(-p, kind="stable")
    ordered, hits = p[order], np.cumsum(y[order])
    last = np.append(ordered[1:] < ordered[:-1], True)  # equal probabilities are given together
    number, right = np.flatnonzero(last) + 1, hits[last]
    total = max(float(hits[-1]), 1.0) if len(hits) else 1.0
    points = list(zip((right / number).tolist(), (right / total).tolist(), strict=True))
    kept = np.unique(np.linspace(0, len(points) - 1, min(POINTS, len(points))).astype(int)).tolist()
    place = np.minimum((p * BINS).astype(int), BINS - 1)
    bins = [_bin(b, y[place == b], p[place == b]) for b in range(BINS) if (place == b).any()]
    return {"precision_recall": [points[i] for i in kept], "share": float(y.mean()), "calibration": bins}


def _bin(number: int, y: Floats, p: Floats) -> dict[str, float]:
    low, high = wilson(float(y.sum()), len(y))
    edges = {"start": number / BINS, "stop": (number + 1) / BINS}
    return {
        **edges,
        "count": len(y),
        "mean": float(p.mean()),
        "share": float(y.mean()),
        "low": float(low),
        "high": float(high),
    }
