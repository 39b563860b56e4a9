"""What shows the same photo, as far as features and small thumbnails can tell: single pairs, families, and what may be copies.

No fixed similarity can tell: two photos of different cats are seldom above 0.7 alike, two different solar cells of one panel
reach 0.95. So the rule for single pairs is relative to what is around them. Its numbers were measured on 333 photos of pets
and 2,624 of solar cells, with ten kinds of copies of 30 photos each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors, unit_rows
from penult.audit.candidates import Upright, brought_upright, copy_candidates
from penult.audit.families import Measured, families
from penult.audit.pairs import COPY_PROBES, Floats, NearestRows, Pairs, Scaling, directions, joined, nearest

NEIGHBORS = 10  # the distance to the tenth neighbor says how crowded it is around an image
MEMBERS = 40  # neighbors of a photo among which the members of its family are looked for


@dataclass(frozen=True, slots=True)
class Rule:
    """Near copies: `floor` alike or more, and at most `ratio` times as far apart as their surroundings."""

    floor: float
    ratio: float


FEATURES = Rule(floor=0.8, ratio=0.4)
PICTURES = Rule(floor=0.85, ratio=0.15)


@dataclass(frozen=True, slots=True)
class Seen:
    """The thumbnails of a `Look`: as they are (n, 256), as unit vectors whatever their brightness, and upright.

    `near` are the nearest of the unit vectors, `measured` the pairs that were laid on each other.
    """

    thumbnails: Floats
    contrasts: Floats
    near: NearestRows
    standing: Upright
    measured: Measured


@dataclass(frozen=True, slots=True)
class Look:
    """What was found among rows with unit vectors Z (n, d); where it goes on from another look, of the later rows only.

    `families` are links that hold families together, and `pairs` are far nearer than their surroundings. `candidates` may show
    the same photo: their thumbnails say so, whatever is around them. `near` are the nearest rows of each.
    """

    scaling: Scaling
    Z: Floats
    near: NearestRows
    seen: Seen | None
    families: Pairs
    pairs: Pairs
    candidates: Pairs

    def named(self, rows: NDArray[np.intp]) -> tuple[Pairs, Pairs, Pairs]:
        """Return families, pairs and candidates by other numbers (n,) of the rows."""
        found = self.families, self.pairs, self.candidates
        one, other, third = (Pairs(rows[p.first], rows[p.second], p.similarity) for p in found)
        return one, other, third


@default_errors
def near_copies(X: NDArray[Any], widths: Sequence[int] | None = None, rule: Rule = FEATURES) -> Pairs:
    """Return the pairs of rows of X (n, d) that show the same photo, as far as features alone can tell.

    `widths` are the numbers of columns of the backbones in X, each of which counts the same. Found among the ten
    nearest neighbors, so more than ten copies of one photo are not all found; memory stays below some 300 MB.
    Raises InputError for widths that are not the columns of X.
    """
    return _close(nearest(directions(X, widths), NEIGHBORS), rule)


@default_errors
def near_pictures(thumbnails: NDArray[Any], rule: Rule = PICTURES) -> Pairs:
    """Return the pairs of grey thumbnails (n, s * s) that show the same photo, however bright.

    Surer than features for pictures that all look alike; blind to mirrored ones, and at 16 x 16 to noise.
    """
    return _close(nearest(contrasts(thumbnails), NEIGHBORS, COPY_PROBES), rule)


def look_at(X: NDArray[Any], widths: Sequence[int] | None, thumbnails: NDArray[Any] | None, known: Look | None = None) -> Look:
    """Return what shows the same photo among the rows of X (n, d), with their thumbnails (n, 256) if any.

    Where another look is `known`, its rows come first and are not looked at again: only pairs with a row of X are found, and
    center and spread of the columns are those of that look. Raises InputError for widths that do not fit.
    """
    scaling = Scaling.of(X, widths) if known is None else known.scaling
    Z, since = scaling.directions(X), 0
    if known is not None:
        Z, since = np.vstack([known.Z, Z]), len(known.Z)
    none, around = Pairs.none(), None if known is None else known.near
    before = None if known is None else known.seen
    if thumbnails is None or (known is not None and before is None):
        near = nearest(Z, NEIGHBORS, since=since)
        return Look(scaling, Z, near, None, none, _close(near, FEATURES, around), none)
    looks = np.asarray(thumbnails, np.float32)
    unit = contrasts(looks)
    if before is not None:
        looks, unit = np.vstack([before.thumbnails, looks]), np.vstack([before.contrasts, unit])
    near = nearest(Z, MEMBERS, since=since)
    pictures = nearest(unit, NEIGHBORS, COPY_PROBES, since)
    standing = brought_upright(looks[since:], before.standing if before else None)
    found, measured = families(Z, looks, near, standing, before.measured if before else None)
    single = joined(_close(near, FEATURES, around), _close(pictures, PICTURES, before.near if before else None))
    seen = Seen(looks, unit, pictures, standing, measured)
    return Look(scaling, Z, near, seen, found, single, copy_candidates(Z, looks, near, standing))


def contrasts(thumbnails: NDArray[Any]) -> Floats:
    """Return grey thumbnails (n, s * s) as unit vectors (n, s * s), whatever their brightness and contrast."""
    rows = np.asarray(thumbnails, dtype=np.float32)
    return unit_rows(rows - rows.mean(axis=1, keepdims=True))


def surroundings(n: int) -> int:
    """Return how many neighbors are an image's surroundings among n.

    In a small set the tenth neighbor is of another class, and all of one class would seem close together.
    """
    return max(2, min(NEIGHBORS, n // 8))


def _close(near: NearestRows, rule: Rule, known: NearestRows | None = None) -> Pairs:
    """Return the pairs of neighbors that the rule calls near copies; `known` are the neighbors of the rows before those."""
    n = near.since + len(near.rows)
    near = near.first(surroundings(n))
    if not near.rows.shape[1]:
        return Pairs.none()
    # distance to the tenth neighbor (nearer ones below 80 images), (n,)
    before = [] if known is None else [known.first(surroundings(n))]
    around = np.concatenate(
        [1 - one.similarity[:, -1] if one.rows.shape[1] else np.ones(len(one.rows)) for one in (*before, near)]
    )
    own = around[near.since :, None]
    found = (near.similarity >= rule.floor) & (1 - near.similarity <= rule.ratio * np.minimum(own, around[near.rows]))
    found |= near.similarity > 1 - 1e-5  # the same vector, also where eleven copies leave no distance to compare with
    return joined(Pairs(*near.pairs(found)))
