"""The map of all photos: t-SNE of some thousands of rows, the others beside those that they are most like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.pairs import Floats, principal_directions
from penult.neighbors import nearest_neighbors, nearest_rows

LANDMARKS = 2500  # rows that t-SNE places; its time grows with them
NEIGHBORS = 5
# beside 30, 1000 and 0.5 a quarter of the time, and as many of the 10 nearest rows stay near (4,900 photos: 52% of 10 nearest)
PERPLEXITY, ROUNDS, ANGLE = 10, 400, 1.0
FEW = 12  # rows below which t-SNE has nothing to arrange: the first two components are the map
ANCHORS = 3  # landmarks between which another row is placed


@dataclass(frozen=True, slots=True, eq=False)
class PhotoMap:
    """Where each of n rows lies, in 0..1 with the same scale both ways, and the rows most like it, nearest first.

    `landmark` says which rows t-SNE itself placed.
    """

    places: NDArray[np.float64]  # (n, 2)
    near: NDArray[np.intp]  # (n, 5), fewer columns for fewer than six rows
    landmark: NDArray[np.bool_]  # (n,)


@default_errors
def photo_map(
    X: NDArray[Any],
    blocks: Sequence[int],
    seed: int = 0,
    landmarks: int = LANDMARKS,
    near: NDArray[np.intp] | None = None,
) -> PhotoMap:
    """Return the map of the rows of X (n, d); `blocks` are the widths of the runs of columns that count the same.

    X may be on disk: it is read once, in order, beside the landmarks. `near` (n, 5) are the rows most like each, where
    `group` has found them; else they are looked for.

    The features become 50 principal components; t-SNE (van der Maaten & Hinton, JMLR 9 (2008) 2579; Barnes-Hut) places
    at most `landmarks` rows drawn by the seed; each other row lies between the three of them that it is most
    like. The same seed gives the same map: one thread alone works on it, since several add up in another order each time.
    Distances on the map between far groups, and the groups' sizes, say nothing; who is beside whom does.
    """
    n = len(X)
    if n < 2:  # a photo alone is in the middle
        return PhotoMap(np.full((n, 2), 0.5), np.zeros((n, 0), np.intp), np.ones(n, bool))
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:landmarks])  # (l,)
    with _one_thread():
        Z = principal_directions(X, blocks, chosen, seed)  # (n, c)
    if near is None:
        near = nearest_neighbors(Z, NEIGHBORS)[0]
    places = np.empty((n, 2))
    places[chosen] = _arranged(Z[chosen], seed)
    here = np.zeros(n, bool)
    here[chosen] = True
    if not here.all():
        places[~here] = _between(Z[~here], Z[chosen], places[chosen], seed)
    return PhotoMap(_framed(places), near, here)


def _arranged(Z: Floats, seed: int) -> NDArray[np.float64]:
    """Return where t-SNE puts the unit vectors Z (l, c): (l, 2)."""
    plane = np.zeros((len(Z), 2), np.float32)
    plane[:, : min(2, Z.shape[1])] = Z[:, :2]
    if len(Z) < FEW or Z.shape[1] < 2:
        return plane.astype(np.float64)
    from sklearn.manifold import TSNE

    start = 1e-4 * plane / max(float(plane[:, 0].std()), 1e-12)
    with _one_thread():
        perplexity = min(PERPLEXITY, (len(Z) - 1) / 3)
        found = TSNE(init=start, perplexity=perplexity, max_iter=ROUNDS, angle=ANGLE, random_state=seed).fit_transform(Z)
    return np.asarray(found, np.float64)


def _one_thread() -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)


def _between(Z: Floats, anchors: Floats, places: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return places (m, 2) for further rows: the mean of their nearest anchors', the nearer the heavier.

    A little noise, a third of the usual gap between neighbors, keeps rows with the same anchors apart.
    """
    who, alike = nearest_rows(Z, anchors, min(ANCHORS, len(anchors)))  # (m, a)
    weight = np.exp((alike - alike[:, :1]) / 0.05)  # (m, a)
    middle = (places[who] * weight[..., None]).sum(axis=1) / weight.sum(axis=1, keepdims=True)  # (m, 2)
    gap = _usual_gap(places)
    beside: NDArray[np.float64] = middle + np.random.default_rng(seed).normal(0, gap / 3, middle.shape)
    return beside


def _usual_gap(places: NDArray[np.float64]) -> float:
    """Return the median distance from a place (l, 2) to the next one."""
    from scipy.spatial import cKDTree

    return float(np.median(cKDTree(places).query(places, 2)[0][:, 1])) if len(places) > 1 else 0.0


def _framed(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places moved and scaled into 0..1, the same scale both ways, in the middle."""
    low, high = places.min(axis=0), places.max(axis=0)
    side = max(float((high - low).max()), 1e-12)
    framed: NDArray[np.float64] = (places - (low + high) / 2) / side + 0.5
    return framed
