"""How unlike the training photos a row is; numpy alone, because prediction needs it. `heads/unlike.py` fits it.

In: what a training left behind, and rows X (n, d). Out: a score (n,), above 1 where the answer is not to be relied on.

Two distances, each divided by the level that nearly all training rows kept when they were held out; the larger counts. *To
the photos*: the mean distance to the nearest training rows (Sun et al., ICML 2022: deep nearest neighbors), each block of the
features scaled to length 1 and counted by its width. *To the classes*: the distance to the nearest class mean where the
variation inside the classes is divided out (Mahalanobis distance in the discriminant space of Fisher's LDA; cf. Bodesheim et
al., CVPR 2013: there a new class lies between the known ones). The first finds photos of something else altogether, the second
a new class among similar ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array, default_errors, row_chunks, unit_blocks
from penult.errors import DamagedFile
from penult.heads.scoring import row_products, squared_distances
from penult.i18n import _

Floats = NDArray[np.float64]

ROWS = 2000  # kept: at most 2 MB of the model file
# cats from dogs at 2% false alarms: 88% found; by 256 random directions 69%, by all columns 91%
COLUMNS = 1024
AXES = 48  # of the discriminant space: at most 1 MB of the model file
OLD_COLUMNS = 256  # random directions of models saved before
NEAREST = 5
CHUNK = 1 << 21  # numbers in memory at a time
OLD_ARRAYS, ARRAYS, CLASS_ARRAYS = {"rows", "centre"}, {"rows", "centre", "step"}, {"axes", "means"}
FACTS = ("blocks", "nearest", "level", "share")


@dataclass(frozen=True)
class NoveltyReference:
    """What the training rows leave behind to measure others by, and plain facts.

    `rows` (m, q) int8 times `step`, and `centre` (q,); where there are three classes or more `axes` (d, r) and `means` (k, r).
    """

    arrays: dict[str, Array]
    facts: dict[str, Any]

    @default_errors
    def __call__(self, X: Array) -> Floats:
        """Return the score (n,) of rows X (n, d): above 1 is more unlike than nearly all of the training photos were."""
        blocks, kept = tuple(self.facts["blocks"]), self.arrays
        out: list[Floats] = [np.zeros(0)]
        for unit in unit_chunks(X, blocks):
            squares = self._to_photos(unit, blocks) if "step" in kept else self._to_old_rows(unit)
            score = nearest_mean(squares, self.facts["nearest"]) / float(self.facts["level"])
            if "axes" in kept:
                apart = class_distances(unit, self._axes, kept["means"]).min(axis=1)
                score = np.maximum(score, apart / float(self.facts["class_level"]))
            out.append(score)
        return np.concatenate(out)

    @default_errors
    def kept_form(self, X: Array) -> NDArray[np.int8]:
        """Return rows X (n, d) as those of the training photos are kept: (n, q), in 8 bits. Not for models saved before."""
        blocks, centre, step = tuple(self.facts["blocks"]), self.arrays["centre"], self.arrays["step"]
        parts = [in_steps(compressed(unit, blocks), centre, step) for unit in unit_chunks(X, blocks)]
        return np.concatenate([np.zeros((0, len(centre)), np.int8), *parts])

    def _to_photos(self, unit: Floats, blocks: tuple[int, ...]) -> Floats:
        """Return the squared distances (n, m) of rows (n, d) to the training rows, each row's depending on itself alone."""
        rows, step = self._rows, float(self.arrays["step"])
        Z = compressed(unit, blocks) - self.arrays["centre"].astype(np.float64)  # (n, q)
        # 35 bits of each number, times 7 bits, 1,024 of them: float64 adds these up exactly, in whatever order BLAS does it
        bits = 35 - np.frexp(np.abs(Z).max(axis=1, keepdims=True))[1]  # (n, 1)
        Z = np.ldexp(np.rint(np.ldexp(Z, bits)), -bits)
        products = row_products(Z, rows) if len(Z) == 1 else Z @ rows.T  # BLAS wakes threads, which costs more than one row
        return np.asarray(squared_distances(Z / step, rows, products / step) * step**2)

    def _to_old_rows(self, unit: Floats) -> Floats:
        rows = self._rows
        Z = _turned(unit) - self.arrays["centre"].astype(np.float64)
        return np.asarray(squared_distances(Z, rows, row_products(Z, rows)))

    @cached_property
    def _rows(self) -> Floats:
        return self.arrays["rows"].astype(np.float64)

    @cached_property
    def _axes(self) -> Floats:
        return np.ascontiguousarray(self.arrays["axes"].T, np.float64)  # (r, d)


def in_steps(Z: Floats, centre: Array, step: Array | np.float32) -> NDArray[np.int8]:
    """Return rows (n, q) about their center in 8 bits."""
    found: NDArray[np.int8] = np.clip(np.rint((Z - centre) / step), -127, 127).astype(np.int8)
    return found


def unit_chunks(X: Array, blocks: tuple[int, ...]) -> Iterator[Floats]:
    """Yield the rows of X (n, d), each block of length 1, some at a time."""
    for rows in row_chunks(len(X), max(1, CHUNK // max(X.shape[1], ROWS))):
        yield unit_blocks(np.asarray(X[rows], np.float64), blocks)


def compressed(unit: Floats, blocks: tuple[int, ...]) -> Floats:
    """Return rows (n, d) weighted and added up to at most 1,024 columns: distances stay nearly as they are."""
    order, factors, starts = hashing(blocks)
    turned = np.take(unit, order, axis=1) * factors  # row by row in memory; by an index it would be column by column
    return np.asarray(turned if len(starts) == len(order) else np.add.reduceat(turned, starts, axis=1))


@lru_cache(maxsize=4)
def hashing(blocks: tuple[int, ...]) -> tuple[NDArray[np.intp], Floats, NDArray[np.intp]]:
    """Return in which order the columns (d,) are added up, times which factors (d,), and where each sum begins (q,).

    A block counts by its width: the wide last stages of a network tell kinds of things apart, the narrow early ones light and
    texture. Each column gets a random sign and goes to one sum, the same for ever (feature hashing, Weinberger et al., ICML
    2009).
    """
    widths, width = np.array(blocks, np.float64), sum(blocks)
    weights = np.repeat(np.sqrt(widths * len(widths) / widths.sum()), blocks)
    if width <= COLUMNS:
        return np.arange(width), weights, np.arange(width)
    words = np.asarray(np.random.PCG64(2022).random_raw(width))  # the raw stream of a bit generator never changes (NEP 19)
    order = np.argsort(words, kind="stable")
    signs = np.where(words[order] & 1, 1.0, -1.0)
    return order, weights[order] * signs, np.arange(COLUMNS) * width // COLUMNS


def nearest_mean(squares: Floats, count: int) -> Floats:
    """Return the mean (n,) of the `count` smallest distances of each row of squared distances (n, m)."""
    count = min(count, squares.shape[1])
    return np.asarray(np.sqrt(np.partition(squares, count - 1, axis=1)[:, :count]).mean(axis=1))


def class_distances(unit: Floats, axes: Floats, means: Array) -> Floats:
    """Return the distance of each row (n, d) to each class mean (k, r) on the discriminant axes (r, d): (n, k)."""
    placed, means = row_products(unit, axes), means.astype(np.float64)  # (n, r), (k, r)
    return np.asarray(np.sqrt(squared_distances(placed, means, row_products(placed, means))))


def reference(arrays: Mapping[str, Array], facts: Mapping[str, Any]) -> NoveltyReference:
    """Return the reference of saved arrays. Raises `DamagedFile` when they cannot be one."""
    base = ARRAYS if "step" in arrays else OLD_ARRAYS
    wanted = base | (CLASS_ARRAYS if CLASS_ARRAYS & set(arrays) else set())
    levels = ("level", "class_level") if "axes" in wanted else ("level",)
    wrong = sorted(wanted ^ set(arrays)) or [name for name in (*FACTS, *levels) if name not in facts]
    if not wrong and not all(type(facts[name]) in (int, float) and 0 < facts[name] < np.inf for name in levels):
        wrong = ["level"]
    if not wrong:
        wrong = _misshapen(arrays, sum(int(w) for w in facts["blocks"]))
    if not wrong and not (type(facts["nearest"]) is int and 1 <= facts["nearest"] <= len(arrays["rows"])):
        wrong = ["nearest"]
    if wrong:
        raise DamagedFile(_("the saved measure of novelty cannot be used ({wrong}); train again.", wrong=", ".join(wrong)))
    return NoveltyReference(dict(arrays), dict(facts))


def _misshapen(arrays: Mapping[str, Array], width: int) -> list[str]:
    """Return the arrays that cannot be those of a reference for `width` columns."""
    old = "step" not in arrays
    columns = min(OLD_COLUMNS if old else COLUMNS, width)
    shapes: dict[str, tuple[int, ...]] = {"rows": (_most(arrays["rows"], 0, ROWS), columns), "centre": (columns,), "step": ()}
    if "axes" in arrays:
        count = _most(arrays["axes"], -1, AXES)
        shapes |= {"axes": (width, count), "means": (_most(arrays["means"], 0, width * ROWS), count)}
    kinds = {"rows": "f" if old else "i"}
    return [
        name
        for name, array in arrays.items()
        if array.shape != shapes[name] or array.dtype.kind != kinds.get(name, "f") or not np.isfinite(array).all()
    ]


def _most(array: Array, axis: int, limit: int) -> int:
    """Return the length of an array along one axis, at least 1 and at most `limit`; 1 of a number."""
    return max(1, min(int(array.shape[axis]), limit)) if array.ndim else 1


def _turned(unit: Floats) -> Floats:
    """Return rows (n, d) as models saved before had them: along 256 random directions."""
    signs = old_directions(unit.shape[1])
    return unit if signs is None else np.asarray(unit @ (signs / np.sqrt(OLD_COLUMNS)))


def old_directions(width: int) -> NDArray[np.float64] | None:
    """Return 256 random directions (width, 256) of +-1 (Achlioptas 2003), the same for ever; None for so few columns."""
    if width <= OLD_COLUMNS:
        return None
    words = np.random.PCG64(2022).random_raw(width * OLD_COLUMNS // 64)
    bits = np.unpackbits(np.asarray(words, "<u8").view(np.uint8)).reshape(width, OLD_COLUMNS)
    return np.asarray(2.0 * bits - 1.0)
