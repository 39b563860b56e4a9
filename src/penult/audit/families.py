"""Families of copies: any number of copies, augmentations or frames of one scene, found as one group.

How far two photos are apart is the product of two distances: 1 - cosine of their features, 1 - correlation of their
thumbnails once aligned. A copy is near by both, another photo of the same kind of thing by one of them at most. Photos are
tied level by level (single linkage), and a cluster is a family where there is a gap around it: it holds together at a
distance far below that of its surroundings, the third nearest photo outside. So however many copies there are, the
reference is never one of them, and in a set of photos that all look alike (cells of one solar panel) nearness alone is no
evidence. The numbers were measured by benchmarks/families.py on four sets of photos and the solar cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import row_chunks
from penult.audit.alignment import PART, aligned
from penult.audit.candidates import Upright
from penult.audit.pairs import HALF, Floats, Ints, NearestRows, Pairs, cosines, joined
from penult.neighbors import float_rows

ALIKE = 0.45  # cosine of the features below which two photos are no copies
TURNED = 0.15  # ... where the thumbnails are EQUAL: to most networks a photo upside down is another one
EQUAL = 0.97  # correlation of the aligned thumbnails of a photo that was only turned or mirrored
ALIGNED = 0.88  # correlation of the aligned thumbnails below which they are none
FAR = 0.04  # the product of the distances above which they are none
SURE = 1e-4  # ... below which they are, whatever is around them
OUTSIDE = 3  # the surroundings of a cluster are its third nearest photo outside: one look-alike hides no family
FACTOR = 1.2  # between one level and the next
FIRST = 6  # neighbors that are looked at first
FEW = 12  # ... of what may have copies
LARGE = 0.1  # of the surroundings: up to there a cluster is tied that is larger than what is looked at around a photo


def families(
    Z: Floats, thumbnails: Floats, near: NearestRows, standing: Upright, known: Measured | None = None
) -> tuple[Pairs, Measured]:
    """Return pairs of rows that tie families together, and all that were measured for it.

    Z (n, d) unit vectors, thumbnails (n, 256), `near` the nearest of each; `standing` the thumbnails brought upright, since
    features of a photo and of its copy upside down may be no neighbors. Where the two do not begin with the first row, the
    pairs of the rows before are `known`, and only families of later ones are returned. The similarity of a pair is 1 less the
    product of its distances. Members that are linked through others are not paired.
    """
    measured = Measured(thumbnails, near, known)
    measured.look(near.similarity[:, :FIRST] >= ALIKE)
    one, other = standing.turned()
    measured.look_at(one, other, cosines(Z, one, other), alike=TURNED, least=EQUAL)
    # where nearly all of the first neighbors may be copies, the family may be larger; and what is around it counts, too
    few = len(near.rows), FEW
    member, _ = measured.members()
    if not member.any():
        return Pairs.none(), measured
    measured.look(np.broadcast_to(member[:, None], few))
    member, crowded = measured.members()
    measured.look(np.broadcast_to(crowded[:, None], near.rows.shape))
    member, _ = measured.members()
    measured.look(np.broadcast_to(member[:, None], few))
    edges = _Edges(measured, Z)
    kept = np.flatnonzero(edges.in_families())
    return joined(Pairs(edges.first[kept], edges.second[kept], 1 - edges.distance[kept])), measured


class Measured:
    """The pairs of neighbors that were aligned: their distances, and which of them may be copies; those `known` first."""

    def __init__(self, thumbnails: Floats, near: NearestRows, known: Measured | None = None) -> None:
        self.thumbnails, self.near, n = thumbnails, near, len(thumbnails)
        self.flat = thumbnails.std(axis=1) < 1  # an empty picture is like any other: nothing to align
        self.names = np.zeros(0, np.int64)  # of the pairs, in order: first * n + second
        self.distance = np.zeros(0, np.float32)
        self.link = np.zeros(0, bool)
        if known is not None:
            first, second = np.divmod(known.names, len(known.thumbnails))
            self.names, self.distance, self.link = first * np.int64(n) + second, known.distance, known.link

    def look(self, wanted: NDArray[np.bool_]) -> None:
        """Measure the pairs `wanted` (n, k) of each row and its k nearest neighbors, each once."""
        self.look_at(*self.near.pairs(wanted[:, : self.near.rows.shape[1]]))

    def look_at(self, one: Ints, other: Ints, similarity: Floats, alike: float = ALIKE, least: float = ALIGNED) -> None:
        """Measure pairs of rows (p,) with their cosines, each once; copies are `alike` and aligned as well as `least`."""
        n = len(self.thumbnails)
        names, at = np.unique(np.minimum(one, other) * np.int64(n) + np.maximum(one, other), return_index=True)
        new = ~np.isin(names, self.names) & ~self.flat[names // n] & ~self.flat[names % n]
        names, cosine = names[new], similarity[at[new]]
        distance = _distance(cosine, self.thumbnails, names // n, names % n)
        link = (cosine >= alike) & (distance <= (1 - least) * (1 - cosine)) & (distance <= FAR)
        order = np.argsort(np.r_[self.names, names], kind="stable")
        self.names = np.r_[self.names, names][order]
        self.distance = np.r_[self.distance, distance][order]
        self.link = np.r_[self.link, link][order]

    def members(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows with neighbors (n,) may have a copy, and which may have more than their first neighbors show."""
        n = len(self.thumbnails)
        links = np.bincount(np.r_[self.names // n, self.names % n][np.tile(self.link, 2)], minlength=n)[self.near.since :]
        return links > 0, links >= min(FEW, self.near.rows.shape[1]) - OUTSIDE


def _distance(cosine: Floats, thumbnails: Floats, one: Ints, other: Ints) -> Floats:
    """Return the distance (p,) of pairs of rows with this cosine of their features; thumbnails (n, 256)."""
    out = np.empty(len(one), np.float32)
    for pairs in row_chunks(len(one), 16 * PART):
        out[pairs] = (1 - cosine[pairs]) * (1 - aligned(thumbnails[one[pairs]], thumbnails[other[pairs]]))
    return np.maximum(out, 0)


def _reach(surroundings: NDArray[Any]) -> NDArray[Any]:
    """Return up to which distance a cluster with these surroundings may be tied.

    Half of them; less where the surroundings are near, since in a crowd even pairs that are near lie together by chance.
    """
    return np.asarray(np.minimum(np.minimum(0.5 * surroundings, 8 * surroundings**2), FAR))


class _Edges:
    """Pairs of rows with their distances; those with `link` may tie, the others only tell what is around."""

    def __init__(self, measured: Measured, Z: Floats) -> None:
        self.n = len(Z)
        first, second = (side.astype(np.intp) for side in np.divmod(measured.names, self.n))  # (m,) each
        kept = np.arange(len(first))
        if measured.near.since:  # what hangs together with later rows, and what is around that
            cluster = _clusters(first[measured.link], second[measured.link], self.n)
            later = np.bincount(cluster[measured.near.since :], minlength=len(Z)) > 0
            kept = np.flatnonzero(later[cluster[first]] | later[cluster[second]])
        self.first, self.second = first[kept], second[kept]
        self.distance, self.link = measured.distance[kept], measured.link[kept]
        self.Z, self.thumbnails = Z, measured.thumbnails
        self.most = measured.near.rows.shape[1]  # members of a family of which all are neighbors

    def in_families(self) -> NDArray[np.bool_]:
        """Return for each edge (m,) whether it is a link within a family."""
        kept = self.link & (self.distance <= SURE)
        levels = np.geomspace(SURE / 100, FAR, 1 + int(np.ceil(np.log(FAR / (SURE / 100)) / np.log(FACTOR))))
        before = -1
        for level in levels:
            tied = self.link & (self.distance <= level)
            if int(tied.sum()) == before:
                continue
            before = int(tied.sum())
            cluster = _clusters(self.first[tied], self.second[tied], self.n)
            family = self._families(cluster, tied)
            kept |= tied & family[cluster[self.first]]
        return kept

    def _families(self, cluster: Ints, tied: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which clusters (c,) have a gap around them."""
        count = int(cluster.max()) + 1
        highest = np.zeros(count)  # the largest distance that is needed at most to hold it together
        np.maximum.at(highest, cluster[self.first[tied]], self.distance[tied])
        several = np.bincount(cluster, minlength=count) > 1
        across = cluster[self.first] != cluster[self.second]
        inside = np.r_[cluster[self.first[across]], cluster[self.second[across]]]
        outside = np.r_[self.second[across], self.first[across]]
        distance = np.r_[self.distance[across], self.distance[across]]
        rows = np.flatnonzero(several[inside])
        inside, outside, distance = inside[rows], outside[rows], distance[rows]
        order = np.lexsort((distance, outside, inside))
        nearest = order[np.unique(inside[order] * np.int64(self.n) + outside[order], return_index=True)[1]]
        nearest = nearest[np.lexsort((distance[nearest], inside[nearest]))]
        owner = inside[nearest]
        start = np.searchsorted(owner, np.arange(count))
        known = np.bincount(owner, minlength=count)
        surroundings = np.ones(count)
        seen = np.flatnonzero(several & (known > 0))
        surroundings[seen] = distance[nearest][start[seen] + np.minimum(OUTSIDE, known[seen]) - 1]
        large = np.bincount(cluster, minlength=count) > self.most
        nearer = np.flatnonzero(large & (known > 0))
        surroundings[nearer] = distance[nearest][start[nearer]]  # of a crowd the very nearest counts
        for alone in np.flatnonzero(several & (known < OUTSIDE)):  # nearly all neighbors of its members are members
            around = self._around(np.flatnonzero(cluster == alone))
            surroundings[alone] = around if not known[alone] else min(around, surroundings[alone])
        reach = np.where(large, LARGE * surroundings, _reach(surroundings))
        return np.asarray(several & (highest <= reach))

    def _around(self, members: Ints) -> float:
        """Return the distance of the third nearest photo outside, as a few members see it; 1 where there are no others."""
        some = members[np.linspace(0, len(members) - 1, min(len(members), 8)).astype(np.intp)]
        queries = float_rows(self.Z[some])
        step = len(self.Z) if self.Z.dtype == np.float32 else HALF
        cosine = np.hstack([queries @ float_rows(self.Z[at]).T for at in row_chunks(len(self.Z), step)])  # (m, n)
        cosine[:, members] = -2
        count = min(OUTSIDE + 2, len(self.Z) - len(members))
        near = np.argpartition(-cosine, max(0, count - 1), axis=1)[:, :count]  # (m, count)
        one, other = np.repeat(some, count), near.ravel()
        if not len(other):
            return 1.0
        distance = _distance(np.take_along_axis(cosine, near, axis=1).ravel(), self.thumbnails, one, other)
        found = np.array([distance[other == row].min() for row in np.unique(other)])
        return float(np.sort(found)[:OUTSIDE][-1])


def _clusters(first: Ints, second: Ints, n: int) -> Ints:
    """Return the number of the connected component of each of n rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(n, n))
    return np.asarray(connected_components(links, directed=False)[1], np.intp)
