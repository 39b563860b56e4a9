"""How unlike the training photos a row is; numpy alone, because prediction needs it.

In: the training rows X (n, d), which fold measured each. Out: `NoveltyReference`: some of the rows, compressed, and the
distance that counts as far; then a score (n,) of any rows.

The score is the mean distance to the nearest training rows (Sun et al., ICML 2022: deep nearest neighbours), each part of the
features scaled to length 1 as heads do, divided by the distance that 99% of the training rows had to rows of the other folds.
So 1 means: more unlike than 99% of the training photos were to the others. `benchmarks/novelty.py` sets it beside others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array, check_blocks, default_errors, row_chunks, unit_blocks
from penult.errors import DamagedFile

Floats = NDArray[np.float64]

ROWS = 2000  # kept: at most 1 MB of the model file
COLUMNS = 256  # random directions (Achlioptas 2003); cats from dogs: AUC 0.995, with all columns 0.998
JUDGED = 5000  # training rows whose distances set the level
NEAREST = 5
LEVEL, NORMAL = 0.99, 2.326  # and how many standard deviations of a normal distribution that is
ENOUGH = 500  # rows whose 99% point is not that of a single odd one
TINY = 1e-6
EACH = 10  # rows that the smallest class keeps
CHUNK = 1 << 21  # numbers in memory at a time
ARRAYS, FACTS = {"rows", "centre"}, ("blocks", "nearest", "level", "share")


@dataclass(frozen=True)
class NoveltyReference:
    """What the training rows leave behind to measure others by: `rows` (m, q) float16 and `centre` (q,); plain facts."""

    arrays: dict[str, Array]
    facts: dict[str, Any]

    @default_errors
    def __call__(self, X: Array) -> Floats:
        """Return the score (n,) of rows X (n, d): above 1 is more unlike than 99% of the training photos were."""
        blocks, rows = tuple(self.facts["blocks"]), self.arrays["rows"].astype(np.float64)
        far = _far(X, blocks, self.arrays["centre"], rows, self.facts["nearest"])
        return far / float(self.facts["level"])


@default_errors
def fit(X: Array, y: Array, fold: Array, blocks: tuple[int, ...] | None = None) -> tuple[NoveltyReference, Floats]:
    """Return the reference of training rows X (n, d), and the score (n,) of each against rows of other folds only.

    `fold` (n,) as an evaluation has it: copies and groups are never in two folds, so none makes another look familiar. Of more
    than 5,000 rows only so many get a score, the others NaN.
    """
    runs = check_blocks(X.shape[1], blocks)
    kept = _kept(y)
    raw = np.concatenate(list(_compress(X[kept], runs)))  # (m, q)
    centre = raw.mean(axis=0).astype(np.float32)
    rows = (raw - centre).astype(np.float16)
    judged = np.arange(len(X)) if len(X) <= JUDGED else np.sort(np.random.default_rng(1).permutation(len(X))[:JUDGED])
    scores = np.full(len(X), np.nan)  # (n,)
    near = rows.astype(np.float64)
    for part in np.unique(fold[judged]):
        mine, others = judged[fold[judged] == part], near[fold[kept] != part]
        if len(others):
            scores[mine] = _far(X[mine], runs, centre, others, NEAREST)
    level = _level(scores[np.isfinite(scores)])
    facts = {"blocks": list(runs), "nearest": min(NEAREST, len(rows)), "level": level, "share": LEVEL}
    return NoveltyReference({"rows": rows, "centre": centre}, facts), scores / level


def reference(arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> NoveltyReference:
    """Return the reference of saved arrays. Raises `DamagedFile` when they cannot be one."""
    wrong = sorted(ARRAYS ^ set(arrays)) or [name for name in FACTS if name not in facts]
    if not wrong and not (type(facts["nearest"]) is int and isinstance(facts["level"], int | float)):
        wrong = ["nearest or level"]
    if not wrong:
        rows, centre = arrays["rows"], arrays["centre"]
        width = min(COLUMNS, sum(int(w) for w in facts["blocks"]))
        whole = rows.ndim == 2 and centre.shape == (width,) and rows.shape[1:] == (width,)
        if (
            not whole
            or len(rows) > ROWS
            or rows.dtype.kind != "f"
            or not np.isfinite(rows).all()
            or not np.isfinite(centre).all()
        ):
            wrong = ["rows"]
        elif not 1 <= int(facts["nearest"]) <= len(rows):
            wrong = ["nearest"]
        elif not 0 < float(facts["level"]) < np.inf:
            wrong = ["level"]
    if wrong:
        raise DamagedFile(f"the saved measure of novelty cannot be used ({', '.join(wrong)}); train again.")
    return NoveltyReference(dict(arrays), dict(facts))


def _kept(y: Array) -> NDArray[np.intp]:
    """Return the numbers of the rows to keep: all up to 2,000, else a random share of each class, at least a few."""
    if len(y) <= ROWS:
        return np.arange(len(y))
    rng = np.random.default_rng(0)
    classes, codes = np.unique(y, return_inverse=True)
    each = max(1, min(EACH, ROWS // len(classes)))
    turn = np.empty(len(y))  # (n,)
    for c in range(len(classes)):
        members = rng.permutation(np.flatnonzero(codes == c))
        rank = np.arange(len(members))
        turn[members] = np.where(rank < each, rank - each, (rank + 0.5) / len(members))
    return np.sort(np.argsort(turn, kind="stable")[:ROWS])


def _level(scores: Floats) -> float:
    """Return the distance that 99% of such rows keep below.

    Of few rows the 99% point is that of the oddest of them; there the bound for one more normal value stands in for it: the
    quantile of Student's t for a confidence of 0.99, by its expansion in 1 / freedom (Fisher & Cornish 1960).
    """
    count = len(scores)
    if not count:
        return 1.0
    if count >= ENOUGH:
        return max(float(np.quantile(scores, LEVEL, method="higher")), TINY)
    v = max(count - 1, 3)
    student = NORMAL + (NORMAL**3 + NORMAL) / (4 * v) + (5 * NORMAL**5 + 16 * NORMAL**3 + 3 * NORMAL) / (96 * v**2)
    spread = scores.std() * np.sqrt(count / v) * np.sqrt(1 + 1 / count)
    return max(float(scores.mean() + student * spread) * (1 + TINY), TINY)


def _compress(X: Array, blocks: tuple[int, ...]) -> Iterator[Floats]:
    """Yield rows X (n, d), scaled part by part and projected, chunk by chunk (c, q); distances stay as they are."""
    signs = _signs(X.shape[1]) if X.shape[1] > COLUMNS else None
    step = max(1, CHUNK // X.shape[1])
    for rows in row_chunks(len(X), step):
        part = unit_blocks(np.asarray(X[rows], np.float64), blocks)
        yield part if signs is None else part @ signs


def _signs(width: int) -> Floats:
    """Return a (width, 256) matrix of +-1/16, the same for ever: the raw stream of a bit generator never changes (NEP 19)."""
    words = np.random.PCG64(2022).random_raw(width * COLUMNS // 64)
    bits = np.unpackbits(np.asarray(words, "<u8").view(np.uint8)).reshape(width, COLUMNS)
    return np.asarray((2.0 * bits - 1.0) / np.sqrt(COLUMNS))


def _far(X: Array, blocks: tuple[int, ...], centre: Array, rows: Floats, count: int) -> Floats:
    """Return the mean distance (n,) of each row of X (n, d) to the `count` nearest of `rows` (m, q)."""
    squares, count = np.einsum("mq,mq->m", rows, rows), min(count, len(rows))
    out: list[Floats] = [np.zeros(0)]
    for whole in _compress(X, blocks):
        for Z in np.array_split(whole - centre, 1 + len(whole) * len(rows) // CHUNK):
            apart = np.einsum("cq,cq->c", Z, Z)[:, None] + squares - 2 * Z @ rows.T  # (c, m)
            apart.partition(count - 1, axis=1)
            out.append(np.sqrt(np.maximum(apart[:, :count], 0)).mean(axis=1))
    return np.concatenate(out)
