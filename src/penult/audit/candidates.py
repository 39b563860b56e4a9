"""Which pairs may be one picture twice: found in small thumbnails, to be looked at in larger ones (`registration`).

In: gray thumbnails (n, 256), features as unit vectors (n, d), the nearest rows of each. Out: pairs.

Among photos that all look alike, what families are found by (a gap around them) is not there, and the features of a small or
strongly compressed photo may be far from those of its original. Thumbnails hardly change when a picture is saved again, made
smaller or mirrored; a brighter copy is what becomes of the darker one where white is the limit; and a crop is found by cutting
thumbnails. What all photos have in common at a place says nothing, and is subtracted first. The numbers were measured by
`benchmarks/trust.py duplicates` on five sets of photos, the solar cells among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import row_chunks, unit_rows
from penult.audit.alignment import SIDE, Lattice, turned, upright
from penult.audit.pairs import COPY_PROBES, Floats, Ints, NearestRows, Pairs, cosines, joined, nearest

AROUND = 12  # neighbors of a thumbnail that are looked at
EQUALLY = 0.9  # correlation of thumbnails, once upright, from which a pair is looked at
EQUAL = 0.998  # ... from which it may be one picture
WHITE = 255.0
LIT = 225.0  # gray levels up to which a pixel has lost nothing to white
FEW = 16  # such pixels by which the exposure is known
SOMEWHAT = 0.03  # logarithm of the mean level by which a brighter one differs at least, much of it white
BRIGHTER = 0.12  # logarithm of the exposure from which one is brighter
EXPOSED = 0.97  # correlation of the brighter one with the darker one at that exposure
AND_ALIKE = 0.016  # product of the distances (1 - correlation, 1 - cosine of the features) up to which it may be one picture
SHRUNK = 0.9  # share of a side that a crop leaves
ROUGHLY = 0.85  # share of the distance without cropping that is left by a crop at about the right place
CUT = 0.6  # ... and at the right place
PARTLY = 0.25  # product of the distances of a crop
COMPARED = 400_000  # pairs of which crops are compared; the nearest neighbors of each photo

_SQUARE = SIDE * SIDE


@dataclass(frozen=True, slots=True)
class Upright:
    """Thumbnails brought upright: `rows` (m,) and the way `ways` (m,) that each was turned, `pictures` (m, 256), `near` them.

    `centered` (m, 256) are the pictures of mean 0 and length 1. A thumbnail stands there once, or more often where it is
    nearly a tie how it stands.
    """

    rows: Ints
    ways: Ints
    pictures: Floats
    centered: Floats
    near: NearestRows

    def pairs(self) -> tuple[Ints, Ints, Floats]:
        """Return the places (p,), (p,) of neighbors of other thumbnails, and their correlations (p,)."""
        one, other, alike = self.near.pairs(self.near.similarity >= EQUALLY)
        others = np.flatnonzero(self.rows[one] != self.rows[other])
        return one[others], other[others], alike[others]

    def turned(self) -> tuple[Ints, Ints]:
        """Return pairs of rows (p,), (p,) that are alike once turned, and not only mirrored."""
        one, other, _ = self.pairs()
        found = np.flatnonzero(turned(self.ways[one], self.ways[other]))
        return self.rows[one[found]], self.rows[other[found]]


def brought_upright(thumbnails: Floats, known: Upright | None = None) -> Upright:
    """Return thumbnails (n, 256) brought upright, with their neighbors; after those `known`, of which none are looked for."""
    rows, ways, pictures = upright(thumbnails)
    centered, since = _centered(pictures), 0
    if known is not None:
        since, first = len(known.rows), int(known.rows[-1]) + 1
        rows, ways = np.r_[known.rows, first + rows], np.r_[known.ways, ways]
        pictures, centered = np.vstack([known.pictures, pictures]), np.vstack([known.centered, centered])
    return Upright(rows, ways, pictures, centered, nearest(centered, AROUND, COPY_PROBES, since))


def copy_candidates(Z: Floats, thumbnails: Floats, near: NearestRows, standing: Upright) -> Pairs:
    """Return the pairs of photos that may be one picture: equal thumbnails, brighter copies, crops.

    Z (n, d) unit vectors, thumbnails (n, 256); the similarity of a pair is a correlation.
    """
    return joined(*_equal(Z, standing), _crops(thumbnails, near))


def _equal(Z: Floats, standing: Upright) -> tuple[Pairs, Pairs]:
    """Return the pairs whose thumbnails are equal, and those of which one is what becomes of the other in more light."""
    one, other, alike = standing.pairs()
    rows = standing.rows[one], standing.rows[other]
    level = standing.pictures.mean(axis=1)
    lit = np.flatnonzero(np.abs(np.log((level[one] + 1) / (level[other] + 1))) >= SOMEWHAT)
    gain, exposed = np.zeros(len(one), np.float32), alike.copy()
    for part in row_chunks(len(lit)):
        those = lit[part]
        gain[those], exposed[those] = _exposed(standing.pictures[one[those]], standing.pictures[other[those]])
    brighter = np.flatnonzero((gain >= BRIGHTER) & (exposed >= EXPOSED))
    far = (1 - exposed[brighter]) * (1 - cosines(Z, *(side[brighter] for side in rows)))
    near = np.flatnonzero(far <= AND_ALIKE)
    brighter = brighter[near[_first(rows[0][brighter[near]], far[near])]]
    same = np.flatnonzero(alike >= EQUAL)
    equal, lit_more = (Pairs(rows[0][some], rows[1][some], exposed[some]) for some in (same, brighter))
    return equal, lit_more


def _exposed(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    """Return the logarithm of the exposure (p,) that makes the darker thumbnail of a pair (p, 256) most like the brighter one,
    white being the limit, and how well they then correlate (p,)."""
    darker = np.where((one.mean(axis=1) <= other.mean(axis=1))[:, None], one, other)
    brighter = one + other - darker
    lit = (brighter < LIT).astype(np.float32)
    gain = (lit * brighter * darker).sum(axis=1) / ((lit * darker**2).sum(axis=1) + 1)
    gain = np.where(lit.sum(axis=1) >= FEW, np.clip(gain, 1, 4), 1)
    alike = np.einsum("ij,ij->i", _centered(np.minimum(gain[:, None] * darker, WHITE)), _centered(brighter))
    return np.log(gain), alike


def _crops(thumbnails: Floats, near: NearestRows) -> Pairs:
    """Return the pair of each photo and the neighbor of which it looks most like a part, or the other way round."""
    n = len(thumbnails)
    near = near.first(max(1, COMPARED // max(n, 1)))
    if not near.rows.size:
        return Pairs.none()
    T = thumbnails - thumbnails.mean(axis=1, keepdims=True)
    uncropped = unit_rows(T - T.mean(axis=0))
    plain = _dots(uncropped[near.since :], uncropped, near.rows)
    best = np.full(near.rows.shape, -1, np.float32)
    for part, whole in _cut(T, crop_maps(SHRUNK), T.mean(axis=0)):
        as_part, as_whole = part[near.since :], whole[near.since :]
        best = np.maximum(best, np.maximum(_dots(as_part, whole, near.rows), _dots(as_whole, part, near.rows)))
    rough = 1 - best <= ROUGHLY * (1 - plain)
    plain, best = plain[rough], best[rough]
    one, other, alike = near.pairs(rough)
    few, place = np.unique(np.r_[one, other], return_inverse=True)
    for part, whole in _cut(T[few], crop_maps(SHRUNK, 5), T.mean(axis=0)):  # finer, for those few
        for rows in row_chunks(len(one)):
            i, j = place[: len(one)][rows], place[len(one) :][rows]
            fit = np.maximum(np.einsum("ij,ij->i", part[i], whole[j]), np.einsum("ij,ij->i", whole[i], part[j]))
            best[rows] = np.maximum(best[rows], fit)
    left = (1 - best) / np.maximum(1 - plain, np.float32(1e-6))
    some = np.flatnonzero((left <= CUT) & ((1 - best) * (1 - alike) <= PARTLY))
    some = some[_first(one[some], left[some], 2)]
    return Pairs(one[some], other[some], best[some])


def _cut(T: Floats, crops: list[Floats], mean: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield for each crop (6,) the thumbnails T (n, 256) as parts and as wholes, less that part of the mean (256,) of all."""
    lattice = Lattice(SIDE)
    for crop in crops:
        x, y, _ = lattice.places(np.tile(crop, (_SQUARE, 1)))
        cut = lattice.sampled(np.eye(_SQUARE, dtype=np.float32), x, y)  # (256, 256): thumbnails @ cut are cropped
        common = mean @ cut
        yield unit_rows(T @ cut - common), unit_rows(T - common)


def crop_maps(scale: float, places: int = 3) -> list[Floats]:
    """Return the maps (6,) of crops that leave `scale` of a side, in so many places a side; of larger pictures, above 1."""
    shifts = np.linspace(-abs(1 - scale), abs(1 - scale), places)
    return [np.array([scale, 0, right, 0, scale, down], np.float32) for right in shifts for down in shifts]


def _first(rows: Ints, far: NDArray[Any], count: int = 1) -> Ints:
    """Return for each row that there is among `rows` (p,) the places of its `count` nearest."""
    order = np.lexsort((far, rows))
    begins = np.searchsorted(rows[order], rows[order])
    return order[np.arange(len(order)) - begins < count]


def _centered(rows: Floats) -> Floats:
    """Return rows (n, d) of mean 0 and length 1."""
    return np.asarray(unit_rows(rows - rows.mean(axis=1, keepdims=True)), np.float32)


def _dots(A: Floats, B: Floats, rows: NDArray[Any]) -> Floats:
    """Return the inner products (n, k) of each of A (n, d) with `rows` (n, k) of B."""
    return np.concatenate([(B[rows[some]] @ A[some][:, :, None])[:, :, 0] for some in row_chunks(len(A), 256)])
