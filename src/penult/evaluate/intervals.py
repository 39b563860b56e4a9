"""95% intervals: the bootstrap for means over images, Wilson's for shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

Z95 = 1.959963984540054  # the normal distribution's 97.5% point
CHUNK = 2_000_000  # draws held in memory at a time


@dataclass(frozen=True, slots=True)
class Score:
    """A measured number and its 95% interval; all None where the number is undefined."""

    value: float | None
    low: float | None
    high: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return plain JSON values."""
        return {"value": self.value, "low": self.low, "high": self.high}


def resample(columns: Floats, groups: NDArray[Any] | None, seed: int = 0) -> Floats:
    """Return the means of `columns` (n, m) over bootstrap resamples of the images, (b, m).

    With `groups` (n,) whole groups are drawn, as the images of one group do not err independently; a mean is
    then over the images drawn. 1,000 resamples, fewer (down to 200) above 4,000 units.
    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 8.
    """
    sums, sizes = _per_unit(columns, groups)  # (u, m), (u,)
    units = len(sums)
    total = int(np.clip(4_000_000 // max(units, 1), 200, 1000))
    table = np.column_stack([sums, sizes]).astype(np.float32)  # (u, m + 1)
    # float32 halves the product's time; the means are taken out first, so that it loses nothing that matters.
    centre: Floats = sums.sum(axis=0) / sizes.sum()  # (m,)
    table[:, :-1] = sums - sizes[:, None] * centre
    rng = np.random.default_rng(seed)
    step = max(1, CHUNK // units)
    parts = [_draw(table, min(step, total - start), rng) for start in range(0, total, step)]
    return centre + np.concatenate(parts)  # (b, m)


def _per_unit(columns: Floats, groups: NDArray[Any] | None) -> tuple[Floats, Floats]:
    """Return the sums of the columns within each group (u, m), and the groups' sizes (u,)."""
    if groups is None:
        return columns, np.ones(len(columns))
    names, unit = np.unique(groups, return_inverse=True)
    if len(names) == len(columns):
        return columns, np.ones(len(columns))
    sums = np.zeros((len(names), columns.shape[1]))  # (u, m)
    np.add.at(sums, unit, columns)
    return sums, np.bincount(unit).astype(np.float64)


def _draw(table: NDArray[np.float32], count: int, rng: np.random.Generator) -> Floats:
    """Return `count` resampled means of all columns of `table` but the last, which holds the sizes."""
    units = len(table)
    drawn = rng.integers(0, units, size=(count, units), dtype=np.int32)  # (b, u)
    drawn += (np.arange(count, dtype=np.int32) * units)[:, None]
    times = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)  # (b, u)
    sums = (times.astype(np.float32) @ table).astype(np.float64)  # (b, m + 1)
    means: Floats = sums[:, :-1] / sums[:, -1:]
    return means


def interval(value: float, resampled: Floats, limits: tuple[float, float], widen: float = 1.0) -> Score:
    """Return `value` with the 2.5% and 97.5% points of `resampled` (b,), `widen` times as far away, kept inside `limits`.

    The points are moved so that the resamples' mean falls on the value: a mean does not change by that, but
    resampling adds noise to every bin of a calibration error and so puts it systematically too high.
    """
    low, high = np.quantile(resampled, [0.025, 0.975]) - (resampled.mean() - value)
    low, high = value - widen * max(0.0, value - low), value + widen * max(0.0, high - value)
    low, high = np.clip([low, high], *limits)
    return Score(float(value), float(low), float(high))


@default_errors
def wilson(hits: Any, total: Any) -> tuple[Any, Any]:
    """Return Wilson's 95% interval of the share `hits / total` (numbers or arrays); (0, 1) for a total of 0.

    Source: E. B. Wilson, JASA 22 (1927) 209.

    """
    n = np.maximum(np.asarray(total, dtype=np.float64), 1e-12)
    share = np.asarray(hits, dtype=np.float64) / n
    spread = 1 + Z95**2 / n
    middle = (share + Z95**2 / (2 * n)) / spread
    half = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)) / spread
    # rounding must not put a share of 0 or 1 outside its own interval
    return np.minimum(np.clip(middle - half, 0, 1), share), np.maximum(np.clip(middle + half, 0, 1), share)


def perfect_auc(positive: int, negative: int) -> float:
    """Return the lower end of the 95% interval of an AUC of 1, measured on so many images (or groups) of either kind.

    Where every image is in order no resample is out of order, so this is Newcombe's interval (Statistics in Medicine 25 (2006)
    559, method 5): the smallest area that is at most 1.96 of its own standard deviations below 1.
    """
    spread = (positive + negative) / 2 - 1

    def beyond(area: float) -> bool:
        variance = area * (1 - area) * (1 + spread * ((1 - area) / (2 - area) + area / (1 + area)))
        return (1 - area) ** 2 > Z95**2 * variance / (positive * negative)

    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) else (low, middle)
    return high
