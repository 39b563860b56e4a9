"""How alike two small grey pictures are once one is moved onto the other: shifted, cropped, turned, mirrored.

In: grey thumbnails (p, 256). Out: correlations (p,).

A photo and its augmented copy differ by a small affine map and by brightness. The map is found by Gauss-Newton on the
normalized correlation of the overlap (Lucas & Kanade 1981; Evangelidis & Psarakis, PAMI 30, 2008; inverse compositional:
Baker & Matthews, IJCV 56, 2004), from the identity, from the mirror image and, where a quarter turn or an upside-down picture
fits better than both, from that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import in_threads, row_chunks

Floats = NDArray[np.float32]

SIDE = 16  # of a thumbnail
OVERLAP = 0.6  # of the pixels at least must be compared
REACH = 0.45  # how far an entry of the affine map may move from the identity, in half sides
DONE = 0.97  # aligned well enough
# A pair whose correlation is below this after that many steps is given up: hardly any such pair reaches 0.9.
HOPELESS = (-0.3, 0.2, 0.45, 0.6, 0.7, 0.75, 0.8, 0.82)
LIKELY = 0.4  # correlation of the softened thumbnails below which a way is not tried: crops and turns have 0.48 at least
SOFT = 1.2  # pixels
TURNED = 0.5  # correlation from which a quarter turn is tried: the right one has it even where the copy is cropped as well
TIE = 0.15  # of what a picture is brighter to one side
PART = 256  # pairs worked on at a time: what they need fits into the processor's cache

IDENTITY = np.array([1, 0, 0, 0, 1, 0], np.float32)


class Lattice:
    """The pixels of a square picture: `grid` (side * side, 3) has x, y from -1 to 1, and 1."""

    def __init__(self, side: int) -> None:
        self.side, self.center = side, (side - 1) / 2
        rows, columns = (np.mgrid[0:side, 0:side].astype(np.float32) - np.float32(self.center)) / np.float32(self.center)
        self.grid = np.stack([columns.ravel(), rows.ravel(), np.ones(side * side, np.float32)], axis=1)
        self.products = (self.grid[:, :, None] * self.grid[:, None, :]).reshape(-1, 9)  # (side * side, 9)

    def places(self, maps: Floats) -> tuple[Floats, Floats, Floats]:
        """Return where affine maps (m, 6) send each pixel, x and y (m, side * side), and 1 where that is in the picture."""
        x, y = maps[:, :3] @ self.grid.T, maps[:, 3:] @ self.grid.T
        return x, y, ((np.abs(x) <= 1.001) & (np.abs(y) <= 1.001)).astype(np.float32)

    def packed(self, pictures: Floats) -> NDArray[np.complex128]:
        """Return pictures (m, side * side) as bilinear interpolation reads them, (m * side * side,).

        Each pixel is four float32: its value, its steps to the right and down, and how the one changes along the other.
        """
        plane = pictures.reshape(-1, self.side, self.side)
        out = np.zeros((*plane.shape, 4), np.float32)
        out[..., 0] = plane
        out[:, :, :-1, 1] = plane[:, :, 1:] - plane[:, :, :-1]
        out[:, :-1, :, 2] = plane[:, 1:] - plane[:, :-1]
        out[:, :-1, :, 3] = out[:, 1:, :, 1] - out[:, :-1, :, 1]
        return out.reshape(-1).view(np.complex128)

    def read(self, packed: NDArray[np.complex128], rows: NDArray[np.intp], x: Floats, y: Floats) -> Floats:
        """Return the packed pictures `rows` (m,) at the places x, y (m, side * side), interpolated between pixels."""
        x, y = (np.clip(where * np.float32(self.center) + np.float32(self.center), 0, self.side - 1.001) for where in (x, y))
        left, top = x.astype(np.int32), y.astype(np.int32)
        x -= left
        y -= top
        top *= self.side
        top += left
        at = top + (rows * self.side**2)[:, None]
        four = packed.take(at).view(np.float32).reshape(*at.shape, 4)
        return np.asarray(four[..., 0] + x * four[..., 1] + y * (four[..., 2] + x * four[..., 3]), np.float32)

    def sampled(self, pictures: Floats, x: Floats, y: Floats) -> Floats:
        """Return each picture (m, side * side) read at the places x, y (m, side * side)."""
        return self.read(self.packed(pictures), np.arange(len(pictures)), x, y)


_THUMBNAIL = Lattice(SIDE)


def aligned(first: NDArray[Any], second: NDArray[Any]) -> Floats:
    """Return the correlation (p,) of each thumbnail of `first` (p, 256) with that of `second`, once aligned as it is,
    mirrored, or turned by quarters, whichever is highest.

    Below about 0.85 the number is only a bound from below: such pairs are given up early.
    """
    parts = row_chunks(len(first), PART)
    found = in_threads(lambda part: _aligned(np.asarray(first[part], np.float32), np.asarray(second[part], np.float32)), parts)
    return np.concatenate([np.zeros(0, np.float32), *found])


def _aligned(a: Floats, b: Floats) -> Floats:
    """Return what `aligned` does, of so few pairs that what they need fits into the processor's cache."""
    soft, here = _softened(a), np.full(len(a), -1, np.float32)
    for side in ways(b)[:2]:
        fit = np.einsum("ij,ij->i", soft, _softened(side))
        here = np.maximum(here, np.minimum(fit, LIKELY))
        rows = np.flatnonzero(fit >= LIKELY)
        if len(rows):
            here[rows] = np.maximum(here[rows], _correlated(a[rows], side[rows]))
    rows, turned = _best_turn(a, b, here)
    if len(rows):
        here[rows] = np.maximum(here[rows], _correlated(a[rows], turned))
    return here


def upright(thumbnails: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Return thumbnails (n, 256) turned by quarters and mirrored so that they are brighter to the right than above, and
    above than below: the same for a picture and its turned or mirrored copies.

    Returns row numbers (m,), the way that each was turned (m,) for `turned`, and pictures (m, 256): one for each row, and
    more where it is nearly a tie how it stands.
    """
    T = np.asarray(thumbnails, np.float32)
    pixels = np.vstack(ways(np.arange(SIDE * SIDE)[None]))  # (8, 256): which pixel of a thumbnail lies where, each way
    right, up = ((T @ line[np.argsort(pixels)].T).T for line in (_THUMBNAIL.grid[:, 0], -_THUMBNAIL.grid[:, 1]))  # (8, n)
    near = np.float32(TIE) * np.hypot(right[0], up[0])
    way, row = np.nonzero((right >= up - near) & (up >= -near))
    return row, way, np.take_along_axis(T[row], pixels[way], axis=1)


def turned(one: NDArray[np.intp], other: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return whether pictures that two ways (m,), (m,) make equal stand otherwise: turned, and not only mirrored."""
    across = (one >= 4, other >= 4)
    up = np.where(across[0], one & 1, one >> 1 & 1) != np.where(across[1], other & 1, other >> 1 & 1)
    return np.asarray((across[0] != across[1]) | up)


def ways(thumbnails: NDArray[Any], side: int = SIDE) -> list[NDArray[Any]]:
    """Return pictures (n, side * side) in all eight ways: as they are, mirrored, then those turned by quarters."""
    pictures = thumbnails.reshape(-1, side, side)
    across = pictures.transpose(0, 2, 1)
    turns = [way for p in (pictures, across) for way in (p, p[:, :, ::-1], p[:, ::-1], p[:, ::-1, ::-1])]
    return [np.ascontiguousarray(way).reshape(len(thumbnails), -1) for way in turns]


def _softened(thumbnails: Floats) -> Floats:
    """Return thumbnails (n, 256) blurred, of mean 0 and length 1: what small shifts, crops and turns hardly change."""
    away = np.arange(SIDE, dtype=np.float32)
    kernel = np.exp(-0.5 * ((away[:, None] - away) / np.float32(SOFT)) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    soft = (kernel @ thumbnails.reshape(-1, SIDE, SIDE) @ kernel.T).reshape(len(thumbnails), -1)
    soft -= soft.mean(axis=1, keepdims=True)
    return np.asarray(soft / (np.linalg.norm(soft, axis=1, keepdims=True) + np.float32(1e-3)), np.float32)


def _best_turn(a: Floats, b: Floats, reached: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return the rows (m,) of b (p, 256) that fit a better when turned than upright, and those turned (m, 256).

    Rows that were aligned well as they are, `reached` (p,), need no turn.
    """
    left = a - a.mean(axis=1, keepdims=True)
    left /= np.linalg.norm(left, axis=1, keepdims=True) + np.float32(1e-3)
    every = ways(b - b.mean(axis=1, keepdims=True))
    length = np.linalg.norm(every[0], axis=1) + np.float32(1e-3)
    fits = np.stack([np.einsum("ij,ij->i", left, way) for way in every]) / length  # (8, p)
    best = fits.argmax(axis=0)
    rows = np.flatnonzero((best > 1) & (fits.max(axis=0) >= TURNED) & (reached < DONE))
    return rows, np.ascontiguousarray(np.stack(every)[best[rows], rows]) + b[rows].mean(axis=1, keepdims=True)


def _correlated(a: Floats, b: Floats) -> Floats:
    """Return the best correlation (p,) on the way from the identity to the map that lays b (p, 256) on a."""
    return align(a, b, np.tile(IDENTITY, (len(a), 1)), _THUMBNAIL, HOPELESS)[0]


def align(
    a: Floats, b: Floats, start: Floats, lattice: Lattice, hopeless: Sequence[float], done: float = DONE
) -> tuple[Floats, Floats]:
    """Return the best correlation (p,) on the way from `start` (p, 6) to the map that lays b on a (p, side * side), and where.

    It takes a step for each number of `hopeless`, gives up a pair whose correlation is not above it, and stops at
    `done` or where a step gained nothing.
    """
    best, found = np.full(len(a), -1, np.float32), start.copy()
    packed, slopes, inverse = lattice.packed(b), *_prepared(a, lattice)
    maps = start.copy()  # (p, 6)
    live, reached = np.arange(len(a)), best.copy()
    for step in range(len(hopeless) + 1):
        x, y, seen = lattice.places(maps[live])  # (m, side * side)
        count = seen.sum(axis=1, keepdims=True) + np.float32(1e-6)
        left, right = (normalized(side, seen, count) for side in (a[live], lattice.read(packed, live, x, y)))
        alike = np.einsum("ij,ij->i", left, right)
        valid = (count[:, 0] >= OVERLAP * lattice.side**2) & (np.abs(maps[live] - IDENTITY).max(axis=1) < REACH)
        better = np.flatnonzero(valid & (alike > best[live]))
        best[live[better]], found[live[better]] = alike[better], maps[live[better]]
        if step == len(hopeless):
            break
        going = np.flatnonzero(valid & (alike < done) & (alike > hopeless[step]) & (alike > reached[live]))
        if not len(going):
            break
        reached[live] = alike
        live, left, share = live[going], left[going], count[going] / lattice.side**2
        # what lies between the two, along the part of `left` that is no change of its length
        missing = right[going] - left * alike[going, None]
        change = inverse[live] @ (_along(slopes[:, live], missing, lattice) / share)[:, :, None]
        maps[live] = undone(maps[live], np.clip(change[:, :, 0], -0.15, 0.15) + IDENTITY)
    return best, found


def normalized(rows: Floats, seen: Floats, count: Floats) -> Floats:
    """Return rows (m, side * side) of mean 0 and length 1 over the pixels `seen`, 0 elsewhere; `count` (m, 1) are seen."""
    rows = (rows - np.einsum("ij,ij->i", rows, seen)[:, None] / count) * seen
    rows /= np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None] + np.float32(1e-3)
    return rows


def _prepared(a: Floats, lattice: Lattice) -> tuple[Floats, Floats]:
    """Return the slopes of pictures a (p, side * side) of mean 0 and length 1, (2, p, side * side), and for each the inverse
    (p, 6, 6) of the damped curvature of the correlation by the entries of a map.

    The curvature is that at a itself, so it is worked out once and not at every step (the inverse compositional algorithm:
    Baker & Matthews, IJCV 56, 2004).
    """
    every = np.ones_like(a)
    count = np.full((len(a), 1), a.shape[1], np.float32)
    unit = normalized(a, every, count)
    pictures = unit.reshape(-1, lattice.side, lattice.side)
    slopes = np.stack([_slope(pictures, axis, lattice.center).reshape(a.shape) for axis in (2, 1)])
    dx, dy = slopes
    # J'J for J = (dx * grid, dy * grid), by products of two entries of the grid
    squares = [((one * other) @ lattice.products).reshape(-1, 3, 3) for one, other in ((dx, dx), (dx, dy), (dy, dy))]
    curvature = np.block([[squares[0], squares[1]], [squares[1], squares[2]]])  # (p, 6, 6)
    total = _along(slopes, every, lattice)  # a change of the mean is no change of the correlation
    length = _along(slopes, unit, lattice)  # nor is one of the length
    curvature -= total[:, :, None] * (total / count)[:, None, :] + length[:, :, None] * length[:, None, :]
    damping = 2e-3 * np.trace(curvature, axis1=1, axis2=2) / 6 + 1e-6
    curvature += damping[:, None, None] * np.eye(6, dtype=np.float32)
    return slopes, np.asarray(np.linalg.inv(curvature), np.float32)


def _slope(pictures: Floats, axis: int, center: float) -> Floats:
    """Return the change per half side of pictures (p, side, side) along an axis."""
    change: Any = np.gradient(pictures, axis=axis)
    return np.asarray(change * center, np.float32)


def _along(slopes: Floats, values: Floats, lattice: Lattice) -> Floats:
    """Return the sum of `values` (m, side * side) times the derivative of a picture by each entry of the map, (m, 6)."""
    return np.hstack([(slope * values) @ lattice.grid for slope in slopes])


def undone(maps: Floats, first: Floats) -> Floats:
    """Return the maps (m, 6), or one (6,), after the inverse of `first` (m, 6)."""
    scale = 1 / (first[:, 0] * first[:, 4] - first[:, 1] * first[:, 3])
    xx, xy, yx, yy = first[:, 4] * scale, -first[:, 1] * scale, -first[:, 3] * scale, first[:, 0] * scale
    right, down = -(xx * first[:, 2] + xy * first[:, 5]), -(yx * first[:, 2] + yy * first[:, 5])
    rows = []
    for one, other, shift in (maps.T[:3], maps.T[3:]):
        rows += [one * xx + other * yx, one * xy + other * yy, one * right + other * down + shift]
    return np.asarray(np.stack(rows, axis=1), np.float32)
