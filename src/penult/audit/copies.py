"""Find copies: by digest those that are the same file, by features or thumbnails those that look the same.

Comes in: digests (n, 32), features (n, d), thumbnails. Goes out: numbers, `Pairs`.

Near copies (the same photo resized, saved again, brightened, mirrored, slightly cropped) are far closer to
each other than either is to its other neighbours. No fixed similarity can tell them: two photos of different
cats are seldom above 0.7 alike, two different solar cells of one panel reach 0.95. So the rule is relative.
Its numbers were measured on 333 photos of pets and 2,624 of solar cells, with ten kinds of copies of 30
photos each. Features alone find pairs; with thumbnails whole families of copies are found, see `families`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.directions import Floats, directions, unit
from penult.audit.families import families
from penult.audit.forest import Forest
from penult.audit.neighbors import Ints, Neighbors, Pairs, joined, nearest

NEIGHBOURS = 10  # the distance to the tenth neighbour says how crowded it is around an image
MEMBERS = 40  # neighbors of a photo among which the members of its family are looked for


@dataclass(frozen=True, slots=True)
class Rule:
    """Near copies: `floor` alike or more, and at most `ratio` times as far apart as their surroundings."""

    floor: float
    ratio: float


FEATURES = Rule(floor=0.8, ratio=0.4)
PICTURES = Rule(floor=0.85, ratio=0.15)


@dataclass(frozen=True, slots=True)
class Ties:
    """What shows the same photo: links that hold families together, and pairs that are far nearer than their surroundings."""

    families: Pairs
    pairs: Pairs


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
def near_copies(X: NDArray[Any], widths: Sequence[int] | None = None, rule: Rule = FEATURES) -> Pairs:
    """Return the pairs of rows of X (n, d) that show the same photo, as far as features alone can tell.

    `widths` are the numbers of columns of the backbones in X, each of which counts the same. Found among the ten
    nearest neighbours, so more than ten copies of one photo are not all found; memory stays below some 300 MB.
    Raises InputError for widths that are not the columns of X.
    """
    return _close(nearest(directions([X], widths)[0], NEIGHBOURS), rule)


def same_photo(several: Sequence[NDArray[Any]], widths: Sequence[int] | None, thumbnails: NDArray[Any] | None) -> Ties:
    """Return what shows the same photo among the rows of all X (n, d) together, with their thumbnails (n, 256) if any.

    `several` X are measured by the center and spread of all of them. Raises InputError for widths that do not fit.
    """
    Z = np.vstack(directions(several, widths))
    if thumbnails is None:
        return Ties(Pairs.none(), _close(nearest(Z, NEIGHBOURS), FEATURES))
    near = nearest(Z, MEMBERS)
    return Ties(families(Z, thumbnails, near), joined(_close(near, FEATURES), near_pictures(thumbnails)))


@default_errors
def near_pictures(thumbnails: NDArray[Any], rule: Rule = PICTURES) -> Pairs:
    """Return the pairs of grey thumbnails (n, s * s) that show the same photo, however bright.

    Surer than features for pictures that all look alike; blind to mirrored ones, and at 16 x 16 to noise.
    """
    return _close(nearest(contrasts(thumbnails), NEIGHBOURS), rule)


@default_errors
def leaks(train: Sides, test: Sides, widths: Sequence[int] | None = None) -> Pairs:
    """Return pairs of a training row (`first`) and a test row (`second`) that show the same photo, each test row once.

    A test photo leaks when it is of one family with a training photo. The same digest counts as a similarity of 1; else
    the pair is the most alike one that was found, or the first training photo of the family.
    """
    n = len(train.digests)
    same = copy_groups(np.vstack([train.digests, test.digests]))
    looks = None
    if train.thumbnails is not None and test.thumbnails is not None:
        looks = np.vstack([train.thumbnails, test.thumbnails])
    look = same_photo([train.X, test.X], widths, looks)
    forest = Forest(len(same))
    forest.tie(same)
    forest.link(look.families)
    forest.link(look.pairs, limit=largest(len(same)))
    group = forest.numbers()
    first = np.full(int(group.max(initial=-1)) + 1, -1)  # the first training row of each group
    first[group[:n][::-1]] = np.arange(n)[::-1]
    leaked = np.flatnonzero(first[group[n:]] >= 0) + n
    exact = np.full(int(same.max(initial=-1)) + 1, -1)
    exact[same[:n][::-1]] = np.arange(n)[::-1]
    copies = leaked[exact[same[leaked]] >= 0]
    found = joined(
        Pairs(exact[same[copies]], copies, np.ones(len(copies), np.float32)),
        look.families,
        look.pairs,
        Pairs(first[group[leaked]], leaked, np.full(len(leaked), look.families.similarity.min(initial=1), np.float32)),
    )
    across = np.flatnonzero((found.first < n) & np.isin(found.second, leaked))
    across = across[np.sort(np.unique(found.second[across], return_index=True)[1])]
    return Pairs(found.first[across], found.second[across] - n, found.similarity[across])


def largest(n: int) -> int:
    """Return how many of n photos single pairs may tie together; families, which have a gap around them, may be larger."""
    return max(10, n // 20)


def contrasts(thumbnails: NDArray[Any]) -> Floats:
    """Return grey thumbnails (n, s * s) as unit vectors (n, s * s), whatever their brightness and contrast."""
    rows = np.asarray(thumbnails, dtype=np.float32)
    return unit(rows - rows.mean(axis=1, keepdims=True))


def surroundings(n: int) -> int:
    """Return how many neighbours are an image's surroundings among n.

    In a small set the tenth neighbour is of another class, and all of one class would seem close together.
    """
    return max(2, min(NEIGHBOURS, n // 8))


def _close(near: Neighbors, rule: Rule) -> Pairs:
    """Return the pairs of neighbors that the rule calls near copies."""
    n = len(near.rows)
    near = near.first(surroundings(n))
    if not near.rows.shape[1]:
        return Pairs.none()
    alike = near.similarity
    room = 1 - alike[:, -1]  # (n,) distance to the tenth neighbour (nearer ones below 80 images)
    tight = np.minimum(room[:, None], room[near.rows])  # (n, count)
    found = (alike >= rule.floor) & (1 - alike <= rule.ratio * tight)
    found |= alike > 1 - 1e-5  # the same vector, also where eleven copies leave no room to compare with
    one, place = np.nonzero(found)
    return joined(Pairs(one, near.rows[one, place], alike[one, place]))
