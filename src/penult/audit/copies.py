"""Find copies: by digest those that are the same file, by features or thumbnails those that look the same.

Comes in: digests (n, 32), features (n, d), thumbnails. Goes out: numbers, `Pairs`. Must not know: labels.

Near copies (the same photo resized, saved again, brightened, mirrored, slightly cropped) are far closer to
each other than either is to its other neighbours. No fixed similarity can tell them: two photos of different
cats are seldom above 0.7 alike, two different solar cells of one panel reach 0.95. So the rule is relative.
Its numbers were measured on 333 photos of pets and 2,624 of solar cells, with ten kinds of copies of 30
photos each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.audit.directions import Floats, directions, unit
from penult.floats import default_errors

Ints = NDArray[np.intp]

NEIGHBOURS = 10  # the distance to the tenth neighbour says how crowded it is around an image
CELLS = 16_000_000  # similarities held in memory at a time


@dataclass(frozen=True, slots=True)
class Rule:
    """Near copies: `floor` alike or more, and at most `ratio` times as far apart as their surroundings."""

    floor: float
    ratio: float


FEATURES = Rule(floor=0.8, ratio=0.4)
PICTURES = Rule(floor=0.85, ratio=0.15)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Near copies: row numbers `first` < `second` (m,), and how alike they are (m,), most alike first."""

    first: Ints
    second: Ints
    similarity: Floats

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True, slots=True)
class Sides:
    """What photos are compared by: digests (n, 32), features (n, d), grey thumbnails (n, s * s) or None."""

    digests: NDArray[np.uint8]
    X: NDArray[Any]
    thumbnails: NDArray[Any] | None


def copy_groups(digests: NDArray[np.uint8]) -> Ints:
    """Return a number (n,) for each image, the same for images with the same digest (n, 32)."""
    rows = np.ascontiguousarray(digests)
    if not len(rows):
        return np.zeros(0, dtype=np.intp)
    return np.unique(rows.view(f"V{rows.shape[1]}").ravel(), return_inverse=True)[1]


@default_errors
def near_copies(X: NDArray[Any], blocks: Sequence[int] | None = None, rule: Rule = FEATURES) -> Pairs:
    """Return the pairs of rows of X (n, d) that show the same photo.

    `blocks` are the widths of the backbones' parts of X, each of which counts the same. Found among the ten
    nearest neighbours, so more than ten copies of one photo are not all found; memory stays below some 300 MB.
    Raises InputError for blocks that are not the columns of X.
    """
    return _close(directions([X], blocks)[0], rule)


@default_errors
def near_pictures(thumbnails: NDArray[Any], rule: Rule = PICTURES) -> Pairs:
    """Return the pairs of grey thumbnails (n, s * s) that show the same photo, however bright.

    Surer than features for pictures that all look alike; blind to mirrored ones, and at 16 x 16 to noise.
    """
    return _close(contrasts(thumbnails), rule)


@default_errors
def leaks(train: Sides, test: Sides, blocks: Sequence[int] | None = None) -> Pairs:
    """Return pairs of a training row (`first`) and a test row (`second`) that show the same photo, each test row once.

    The same digest counts as a similarity of 1; else the nearest by features, or by thumbnails, whichever is more alike.
    """
    n = len(train.digests)
    every = np.vstack([train.digests, test.digests])
    number = copy_groups(every)
    known, place = np.unique(number[:n], return_index=True)
    spot = np.minimum(np.searchsorted(known, number[n:]), max(0, len(known) - 1))
    same = np.flatnonzero(known[spot] == number[n:]) if len(known) else np.zeros(0, np.intp)
    exact = Pairs(place[spot[same]].astype(np.intp), same + n, np.ones(len(same), np.float32))
    found = [exact, _close(np.vstack(directions([train.X, test.X], blocks)), FEATURES)]
    if train.thumbnails is not None and test.thumbnails is not None:
        found.append(near_pictures(np.vstack([train.thumbnails, test.thumbnails])))
    pairs = joined(*found)
    across = np.flatnonzero((pairs.first < n) & (pairs.second >= n))
    across = across[np.sort(np.unique(pairs.second[across], return_index=True)[1])]
    return Pairs(pairs.first[across], pairs.second[across] - n, pairs.similarity[across])


def contrasts(thumbnails: NDArray[Any]) -> Floats:
    """Return grey thumbnails (n, s * s) as unit vectors (n, s * s), whatever their brightness and contrast."""
    rows = np.asarray(thumbnails, dtype=np.float32)
    return unit(rows - rows.mean(axis=1, keepdims=True))


def joined(*several: Pairs) -> Pairs:
    """Return each pair once, the smaller number first, the most alike pairs at the beginning."""
    one = np.concatenate([pairs.first for pairs in several])
    other = np.concatenate([pairs.second for pairs in several])
    similarity = np.concatenate([pairs.similarity for pairs in several])
    first, second = np.minimum(one, other), np.maximum(one, other)
    order = np.lexsort((second, first, -similarity))
    name = first[order] * (second.max(initial=0) + 1) + second[order]
    keep = order[np.sort(np.unique(name, return_index=True)[1])]
    return Pairs(first[keep], second[keep], np.minimum(similarity[keep], np.float32(1)))


def surroundings(n: int) -> int:
    """Return how many neighbours are an image's surroundings among n.

    In a small set the tenth neighbour is of another class, and all of one class would seem close together.
    """
    return max(2, min(NEIGHBOURS, n // 8))


def _close(Z: Floats, rule: Rule) -> Pairs:
    """Return the pairs of unit vectors Z (n, d) that the rule calls near copies."""
    n = len(Z)
    count = min(surroundings(n), n - 1)
    if count < 1:
        return Pairs(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0, np.float32))
    near = np.empty((n, count), dtype=np.intp)  # rows of the nearest, in no order
    alike = np.empty((n, count), dtype=np.float32)
    step = max(1, CELLS // n)
    for start in range(0, n, step):
        part = Z[start : start + step] @ Z.T  # (b, n)
        rows = np.arange(len(part))
        part[rows, start + rows] = -2  # not its own neighbour
        near[start : start + step] = np.argpartition(part, n - count, axis=1)[:, n - count :]
        alike[start : start + step] = np.take_along_axis(part, near[start : start + step], axis=1)
    room = 1 - alike.min(axis=1)  # (n,) distance to the tenth neighbour (nearer ones below 80 images)
    tight = np.minimum(room[:, None], room[near])  # (n, count)
    found = (alike >= rule.floor) & (1 - alike <= rule.ratio * tight)
    found |= alike > 1 - 1e-5  # the same vector, also where eleven copies leave no room to compare with
    one, place = np.nonzero(found)
    return joined(Pairs(one, near[one, place], alike[one, place]))
