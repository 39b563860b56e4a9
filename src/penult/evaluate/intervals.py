"""95% intervals: Wilson's for shares, gamma for losses, Newcombe's for areas, and the bootstrap for differences."""

from __future__ import annotations

from collections.abc import Sequence
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


def interval(value: float, resampled: Floats) -> tuple[float, float]:
    """Return the 2.5% and 97.5% points of `resampled` (b,), moved so that the resamples' mean falls on the value."""
    low, high = np.quantile(resampled, [0.025, 0.975]) - (resampled.mean() - value)
    return min(float(low), value), max(float(high), value)


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


def mean_variance(columns: Floats, groups: NDArray[Any] | None) -> Floats:
    """Return the variance of each column's mean (m,); with `groups` (n,) that of a ratio, as whole groups err together.

    Source: Cochran, Sampling Techniques, 1977, section 6.3.
    """
    sums, sizes = _per_unit(columns, groups)  # (u, m), (u,)
    away = sums - sizes[:, None] * (sums.sum(axis=0) / sizes.sum())
    variance: Floats = np.square(away).sum(axis=0) / sizes.sum() ** 2 * len(sizes) / max(len(sizes) - 1, 1)
    return variance


def positive_mean(mean: float, variance: float, event: float) -> tuple[float, float]:
    """Return the 95% interval of a mean of losses, most of it from few images, which has this variance.

    A gamma distribution has the mean and the variance; for the upper end one more `event` happens, as the images may lack a
    kind of error that others have (Fay & Feuer, Statistics in Medicine 16 (1997) 791; quantiles by Wilson & Hilferty, PNAS 17
    (1931) 684).
    """
    low = _gamma(mean, variance, -Z95) if variance > 0 else mean
    return min(low, mean), max(_gamma(mean + event, variance + event**2, Z95), mean)


def _gamma(mean: float, variance: float, z: float) -> float:
    if mean <= 0 or variance <= 0:
        return mean
    shape = mean**2 / variance
    return float(mean * max(0.0, 1 - 1 / (9 * shape) + z / (3 * np.sqrt(shape))) ** 3)


def auc_interval(loss: float, variance: float, counts: Sequence[tuple[int, int]], widen: float = 1.0) -> tuple[float, float]:
    """Return the 95% interval of 1 - AUC: all values that are at most 1.96 of their own standard deviations away.

    `counts` are the images (or groups) of each class and of all others. The deviation at another value follows Newcombe
    (Statistics in Medicine 25 (2006) 559, method 5), `widen` times as large, scaled by how far the measured variance is from
    his: a value of 0 has no variance, so that counts by the number of pairs in disorder that it stands for.
    """
    known = widen**2 * _newcombe(loss, counts)
    pairs = loss**2 / variance if variance > 0 else 0.0
    scale = widen**2 * ((pairs * variance / known + 1) / (pairs + 1) if known > 0 else 1.0)

    def end(way: float, step: float = 0.5) -> float:
        at = loss
        for _ in range(40):
            beyond = at + way * step
            if 0 <= beyond <= 1 and (beyond - loss) ** 2 <= Z95**2 * scale * _newcombe(beyond, counts):
                at = beyond
            step /= 2
        return at

    return end(-1), end(1)


def _newcombe(area: float, counts: Sequence[tuple[int, int]]) -> float:
    """Return the variance of an area, or of what it lacks to 1, averaged over the classes."""
    spread = [(1 + ((p + q) / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))) / (p * q) for p, q in counts if p and q]
    return area * (1 - area) * float(np.mean(spread))
