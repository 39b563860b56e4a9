"""Fit the measure of novelty, and measure what share of a class that is left out it would find.

In: the training rows X (n, d), their classes, which fold measured each. Out: the `NoveltyReference`, the rows' own scores, and
for three classes or more `LeftOutClasses`: each class in turn is treated as unknown. All levels come from rows of other folds,
so that the false alarms are those of new photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array, check_blocks, default_errors
from penult.heads.novelty import (
    AXES,
    NEAREST,
    ROWS,
    Floats,
    NoveltyReference,
    compressed,
    in_steps,
    nearest_mean,
    unit_chunks,
)  # fmt: skip
from penult.heads.scoring import squared_distances

Ints = NDArray[np.intp]

ALARMS = 0.015  # share of the training rows that may be called unlike
SPLITS = (1.0, 0.5, 0.2)  # share of the alarms that are for the distance to the photos; the others for that to the classes
JUDGED = 5000  # training rows whose distances set the levels
BEYOND = 5  # rows above a quantile that make it more than that of a single odd one
TINY = 1e-6
EACH = 10  # rows that the smallest class keeps
RIDGE = 0.3  # added to the variation inside the classes, as a share of its mean over as many directions as there are rows
TRIED, TRIED_ROWS = 10, 1000  # classes that are left out in turn, and rows with which: a fit takes the cube of them


@dataclass(frozen=True, slots=True)
class LeftOutClasses:
    """What share of some classes is called unlike by a measure that knows only the others: class numbers and shares."""

    classes: tuple[int, ...]
    found: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Return the mean share over the classes."""
        return float(np.mean(self.found))


@default_errors
def fit_novelty(
    X: Array, y: Array, fold: Array, blocks: Sequence[int] | None = None
) -> tuple[NoveltyReference, Floats, LeftOutClasses | None]:
    """Return the reference of training rows X (n, d), the score (n,) of each beside other folds, and `LeftOutClasses`.

    `fold` (n,) as an evaluation has it: copies and groups are never in two folds, so none makes another look familiar. Of more
    than 5,000 rows only so many get a score, the others NaN. `LeftOutClasses` is None for fewer than three classes.
    """
    runs, kept = check_blocks(X.shape[1], blocks), kept_rows(y)
    more = np.setdiff1d(np.random.default_rng(1).permutation(len(X)), kept, assume_unique=True)
    judged = np.concatenate([kept, more[: max(JUDGED - len(kept), 0)]])  # (j,) the m kept rows come first
    made = [(rows.astype(np.float32), compressed(rows, runs)) for rows in unit_chunks(X[judged], runs)]
    unit, Z = (np.concatenate(rows) for rows in zip(*made, strict=True))  # (j, d), (j, q)
    del made
    m, part = len(kept), fold[judged]
    centre = Z[:m].mean(axis=0).astype(np.float32)
    step = np.float32(max(np.abs(Z[:m] - centre).max() / 127, TINY**2))
    rows = in_steps(Z[:m], centre, step)
    arrays: dict[str, Array] = {"rows": rows, "centre": centre, "step": np.asarray(step)}
    facts: dict[str, Any] = {"blocks": list(runs), "nearest": min(NEAREST, m), "share": 1 - ALARMS}
    photos = squared_distances(Z - centre, rows * np.float64(step))  # (j, m)
    far, share, left = _held_out(photos, part, part[:m]), 1.0, None
    classes, codes = np.unique(y[judged], return_inverse=True)
    if len(classes) > 2:
        some = kept_rows(codes[:m], TRIED_ROWS)
        left, share = _leave_out(unit[some], codes[some], photos[np.ix_(some, some)], part[some], classes)
    facts["level"] = _level(far, ALARMS * share)
    scores = far / facts["level"]  # (j,)
    if share < 1:
        span = _Span(unit[:m], codes[:m])
        apart = span.held_out(unit, part)  # (j, k)
        arrays["axes"], arrays["means"], factor = span.saved()
        nearest = apart.min(axis=1) * factor
        facts["class_level"] = _level(nearest, ALARMS * (1 - share))
        scores = np.fmax(scores, nearest / facts["class_level"])
    own = np.full(len(X), np.nan)  # (n,)
    own[judged] = scores
    return NoveltyReference(arrays, facts), own, left


class _Span:
    """The discriminant space of rows (m, d), for any of them; solved in the span of the rows, (m, m)."""

    def __init__(self, unit: Array, codes: Ints) -> None:
        self.unit, self.codes = unit, codes
        self.products = (unit @ unit.T).astype(np.float64)  # (m, m)
        self.k = int(codes.max()) + 1

    def discriminant(self, rows: Ints) -> tuple[Floats, Floats, Ints]:
        """Return combinations (s, r) of some rows: the discriminant axes; the class means (c, r) on them, and the classes.

        Fisher's LDA with a ridge: the axes in which the class means differ most, where the covariance inside the classes, and
        the ridge in every direction, count as 1.
        """
        from scipy.linalg import solve

        classes, codes = np.unique(self.codes[rows], return_inverse=True)
        K = self.products[np.ix_(rows, rows)]  # (s, s)
        member = np.eye(len(classes))[codes]  # (s, c)
        mean = member / member.sum(axis=0)  # (s, c) class means as combinations of the rows
        to_means = K @ mean  # (s, c)
        # products of the rows less their class means, and of these with the class means less their mean
        within = K - to_means.T[codes] - to_means[:, codes] + (mean.T @ to_means)[np.ix_(codes, codes)]
        between = to_means - to_means.mean(axis=1, keepdims=True)
        crossed = between - (mean.T @ between)[codes]
        freedom = max(len(rows) - len(classes), 1)
        # the ridge does not depend on how many rows a fold leaves: distances by some of them and by all are comparable
        ridge = RIDGE * np.trace(within) / freedom / len(self.codes) + TINY * np.trace(K) / len(rows) ** 2 + TINY**2
        # (covariance + ridge)^-1 times the class means, by Woodbury's identity
        inner = within / freedom
        inner[np.diag_indices(len(rows))] += ridge
        solved = solve(inner, crossed, assume_a="pos") / freedom  # (s, c)
        spread = mean - mean.mean(axis=1, keepdims=True)
        combined = (spread - solved + mean @ (member.T @ solved)) / ridge  # (s, c)
        values, vectors = np.linalg.eigh(between.T @ combined)
        best = np.argsort(-values)[: min(AXES, len(classes) - 1)]
        axes = combined @ (vectors[:, best] / np.sqrt(np.maximum(values[best], TINY * values.max() + TINY**2)))  # (s, r)
        return axes, to_means.T @ axes, classes

    def held_out(self, unit: Array, part: Array) -> Floats:
        """Return the distance (j, k) of each row to each class of the kept rows of other folds; inf where there is none."""
        apart = np.full((len(unit), self.k), np.inf)
        here = part[: len(self.codes)]
        for fold in np.unique(part):
            others = np.flatnonzero(here != fold)
            if len(np.unique(self.codes[others])) > 1:
                axes, means, classes = self.discriminant(others)
                mine = np.flatnonzero(part == fold)
                at = unit[mine] @ (self.unit[others].T @ axes.astype(np.float32))  # (., r)
                apart[np.ix_(mine, classes)] = np.sqrt(squared_distances(at.astype(np.float64), means))
        return apart

    def saved(self) -> tuple[Array, Array, float]:
        """Return axes (d, r) and means (k, r) of all rows as a model file keeps them, and what their scale is."""
        combined, means, _ = self.discriminant(np.arange(len(self.codes)))
        axes = self.unit.T @ combined.astype(np.float32)
        factor = 1 / max(float(np.abs(axes).max()), TINY)  # within float16
        return (axes * factor).astype(np.float16), (means * factor).astype(np.float32), factor


def _leave_out(unit: Array, codes: Ints, photos: Floats, part: Array, names: Array) -> tuple[LeftOutClasses, float]:
    """Return what is found of each class when it is left out, and the split of the alarms that finds most over the classes.

    `unit` (m, d) rows and `codes` (m,) their classes, `photos` (m, m) squared distances, `part` (m,) folds.
    """
    span = _Span(unit, codes)
    apart = span.held_out(unit, part)  # (m, k)
    present = np.unique(codes)
    tried = np.unique(present[np.linspace(0, len(present) - 1, TRIED).round().astype(int)])
    found = np.zeros((len(tried), len(SPLITS)))
    for at, c in enumerate(tried):
        known, new = np.flatnonzero(codes != c), np.flatnonzero(codes == c)
        among = photos[np.ix_(known, known)]
        far = _held_out(among, part[known], part[known])
        near = np.delete(apart[known], c, axis=1).min(axis=1)
        axes, means, _ = span.discriminant(known)
        new_far = nearest_mean(photos[np.ix_(new, known)], NEAREST)
        new_near = np.sqrt(squared_distances(span.products[np.ix_(new, known)] @ axes, means)).min(axis=1)
        for to, share in enumerate(SPLITS):
            unlike = (new_far > _level(far, ALARMS * share)) | (new_near > _level(near, ALARMS * (1 - share)))
            found[at, to] = unlike.mean()
    best = int(found.mean(axis=0).argmax())
    return LeftOutClasses(tuple(int(c) for c in names[tried]), tuple(found[:, best].tolist())), SPLITS[best]


def _held_out(squares: Floats, part: Array, kept: Array) -> Floats:
    """Return the distance (j,) of each row to the nearest rows of other folds, NaN where there are none."""
    far = np.full(len(squares), np.nan)
    for fold in np.unique(part):
        mine, others = np.flatnonzero(part == fold), np.flatnonzero(kept != fold)
        if len(others):
            far[mine] = nearest_mean(squares[np.ix_(mine, others)], NEAREST)
    return far


def kept_rows(y: Array, most: int = ROWS) -> Ints:
    """Return which rows of classes y (n,) a reference keeps: all up to `most`, else a random share of each, at least a few."""
    if len(y) <= most:
        return np.arange(len(y))
    rng = np.random.default_rng(0)
    classes, codes = np.unique(y, return_inverse=True)
    each = max(1, min(EACH, most // len(classes)))
    turn = np.empty(len(y))  # (n,)
    for c in range(len(classes)):
        members = rng.permutation(np.flatnonzero(codes == c))
        rank = np.arange(len(members))
        turn[members] = np.where(rank < each, rank - each, (rank + 0.5) / len(members))
    return np.sort(np.argsort(turn, kind="stable")[:most])


def _level(scores: Floats, alarms: float) -> float:
    """Return the distance that all but the share `alarms` of such rows keep below; rows without a finite one do not count.

    Of few rows that quantile is the oddest of them; there the bound for one more normal value stands in for it: the quantile
    of Student's t, by its expansion in 1 / freedom (Fisher & Cornish 1960).
    """
    scores = scores[np.isfinite(scores)]
    count = len(scores)
    if not alarms:
        return np.inf
    if not count:
        return 1.0
    if count * alarms >= BEYOND:
        return max(float(np.quantile(scores, 1 - alarms, method="higher")), TINY)
    z, v = NormalDist().inv_cdf(1 - alarms), max(count - 1, 3)
    student = z + (z**3 + z) / (4 * v) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
    spread = scores.std() * np.sqrt(count / v) * np.sqrt(1 + 1 / count)
    return max(float(scores.mean() + student * spread) * (1 + TINY), TINY)
