"""Is it one picture twice, or are they two of one kind? Told by what is left once one is laid on the other.

In: gray pictures (p, side * side) of pairs. Out: which pairs are one picture (p,).

Two photos of one kind of thing (neighboring solar cells, frames of a film, a burst) differ in detail wherever one looks;
a picture that was saved again, mirrored or made brighter leaves only the noise of compression. Cropping, resampling and blur
leave more, but leave a trace as well: another scale, exposure or sharpness, which two photos by one camera share. So what may
be left depends on whether there is such a trace. Where the pixels do not decide, it is not called one picture. The numbers
were measured by `benchmarks/trust.py duplicates`: five sets of photos, the solar cells among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import row_chunks, unit_rows
from penult.audit.alignment import IDENTITY, SIDE, Lattice, align, normalized, ways
from penult.audit.pairs import Floats, NearestRows, Pairs

LEVELS = (24, 48, 96)  # sides: pictures are registered on small ones first
STEPS = (8, 4, 4)  # of Gauss-Newton on each
STARTS = 2  # best of the maps that a search starts from
CROPPED = 0.9  # share of a side that a crop leaves, in those maps
PART = 64  # pairs worked on at a time
CLOSEST = 2  # neighbors that are looked at for crops
PARTLY = 0.85  # correlation of a crop with a thumbnail from which it may be one
CLEARLY = 0.6  # ... that leaves at most so much of what is left without cropping

CLIPPED = 242  # gray levels from which a pixel may have lost what was brighter
FINE = 0.6  # pixels: the blur that both pictures get, so that resampling is no difference
BLURS = (0.0, 0.4, 0.8, 1.2, 1.8, 2.6)  # pixels: what one of them may have been blurred by
SMOOTH, SCENE, WINDOW = 0.8, 6.0, 4.0  # pixels: detail between the first two is compared, in windows of the third
TEXTURE = 1.0  # gray levels of detail in a window that says something
COVER = 0.6  # of a window that both pictures show
BRIGHTER = 0.12  # logarithm of the exposure from which one is brighter
SAME = 0.07  # of the detail that compression leaves over, in all but 2% of the windows


@dataclass(frozen=True, slots=True)
class Registered:
    """Pairs (p,) laid on each other, and what is left.

    `left` is what is left of the detail in all but 2% of the windows, `middle` in half of them, both as shares of the detail;
    `agreement` the correlation of the detail that all but 2% of the windows with texture reach. `scale`, `gain` and `blur` are
    the traces: how much larger, brighter (logarithms, without sign) and softer (pixels) one of the two is.
    """

    left: Floats
    middle: Floats
    agreement: Floats
    scale: Floats
    gain: Floats
    blur: Floats

    @property
    def one_picture(self) -> NDArray[np.bool_]:
        """Which pairs (p,) are one picture."""
        same = self.left <= SAME
        zoomed = (self.scale >= 0.05) & (self.agreement >= 0.85) & (self.left <= 0.5)
        blurred = (self.blur >= 0.8) & (self.agreement >= 0.95) & (self.left <= 0.3)
        clear = (self.agreement >= 0.9) & (self.middle <= 0.05) | (self.agreement >= 0.97) & (self.middle <= 0.09)
        brighter = (self.gain >= BRIGHTER) & clear  # where a color clips, more is left, but not everywhere
        return same | zoomed | blurred | brighter


def one_picture(pictures: NDArray[Any], first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which pairs (p,), (p,) of gray pictures (n, side * side), 96 pixels a side, are one picture, edited or not."""
    parts = [slice(i, i + PART) for i in range(0, len(first), PART)]
    found = [registered(pictures[first[part]], pictures[second[part]]).one_picture for part in parts]
    return np.concatenate([np.zeros(0, bool), *found])


def cropped_pairs(thumbnails: NDArray[Any], near: NearestRows) -> Pairs:
    """Return pairs among the `CLOSEST` neighbors of which one looks like a part of the other, perhaps mirrored.

    Nearly as alike as the crop makes them, they are as they are no pair for `families` where all photos look alike.
    Thumbnails (n, 256); the similarity is the correlation of the crop.
    """
    n = len(thumbnails)
    one = np.repeat(np.arange(n), min(CLOSEST, near.rows.shape[1]))
    other = near.rows[:, :CLOSEST].ravel()
    names = np.unique(np.minimum(one, other) * np.int64(n) + np.maximum(one, other))
    first, second = (side.astype(np.intp) for side in np.divmod(names, np.int64(max(n, 1))))
    whole = np.asarray(thumbnails, np.float32)
    sides = [_unit(way) for way in ways(whole)[:2]]
    plain = np.maximum(*(_dots(sides[0], side, first, second) for side in sides))
    best = np.full(len(first), -1, np.float32)
    lattice = Lattice(SIDE)
    for start in _STARTS[1 : 1 + len(_STARTS) // 2]:
        x, y, _ = lattice.places(np.tile(start, (SIDE * SIDE, 1)))
        part = _unit(whole @ lattice.sampled([np.eye(SIDE * SIDE, dtype=np.float32)], x, y)[0])
        for side in sides:
            best = np.maximum(best, np.maximum(_dots(part, side, first, second), _dots(part, side, second, first)))
    found = np.flatnonzero((best >= PARTLY) & (1 - best <= CLEARLY * (1 - plain)))
    return Pairs(first[found], second[found], best[found])


def _unit(rows: Floats) -> Floats:
    """Return rows (n, d) of mean 0 and length 1."""
    return np.asarray(unit_rows(rows - rows.mean(axis=1, keepdims=True)), np.float32)


def _dots(a: Floats, b: Floats, first: NDArray[np.intp], second: NDArray[np.intp]) -> Floats:
    """Return the inner products (p,) of rows of a with rows of b."""
    out = np.empty(len(first), np.float32)
    for part in row_chunks(len(first)):
        out[part] = np.einsum("ij,ij->i", a[first[part]], b[second[part]])
    return out


def registered(first: NDArray[Any], second: NDArray[Any]) -> Registered:
    """Lay the second picture of each pair (p, side * side) on the first, and measure what is left."""
    a, b = (np.asarray(side, np.float32) for side in (first, second))
    maps, b = _registered(a, b)
    lattice = _LATTICES[-1]
    x, y, seen = lattice.places(maps)
    square = (len(a), lattice.side, lattice.side)
    a, b, seen = (plane.reshape(square) for plane in (a, lattice.sampled([b], x, y)[0], seen))
    unclipped = _blurred(((a < CLIPPED) & (b < CLIPPED)).astype(np.float32), 0.7) > 0.95
    seen = seen * unclipped
    a, b, blur = _equally_sharp(a, b, seen)
    cover = _cover(seen)
    left, right = (_detail(_blurred(side, SMOOTH), seen, cover) for side in (a, b))
    gain = _inner(left, right) / (_inner(right, right) + 1e-6)
    right *= gain[:, None, None]
    scale = np.abs(maps[:, 0] * maps[:, 4] - maps[:, 1] * maps[:, 3]) ** 0.5
    by = [np.asarray(np.abs(np.log(np.maximum(value, 0.05)))) for value in (scale, gain)]
    return Registered(*_left(left, right, seen), by[0], by[1], blur)


def _registered(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the maps (p, 6) that lay b (p, side * side) on a, and b as it was or mirrored, whichever fits better."""
    pairs = np.arange(len(a))
    lattice = _LATTICES[0]
    small = _shrunk(a, lattice.side)
    mirrored = ways(b, LEVELS[-1])[:2]
    sides = np.stack([_shrunk(way, lattice.side) for way in mirrored])  # (2, p, 24 * 24)
    fits = np.stack([_correlation(small, side, start) for side in sides for start in _STARTS])  # (2 * starts, p)
    best = np.full(len(a), -2, np.float32)
    maps, way = np.tile(IDENTITY, (len(a), 1)), np.zeros(len(a), np.intp)
    for place in np.argsort(-fits, axis=0)[:STARTS]:
        side, start = np.divmod(place, len(_STARTS))
        found, moved = align(small, sides[side, pairs], _STARTS[start], lattice, (-1.0,) * STEPS[0], 1.0)
        better = found > best
        best[better], maps[better], way[better] = found[better], moved[better], side[better]
    b = np.stack(mirrored)[way, pairs]
    for lattice, steps in zip(_LATTICES[1:], STEPS[1:], strict=True):
        maps = align(_shrunk(a, lattice.side), _shrunk(b, lattice.side), maps, lattice, (-1.0,) * steps, 1.0)[1]
    return maps, b


def _correlation(a: Floats, b: Floats, start: Floats) -> Floats:
    """Return the correlation (p,) of a and of b moved by one map (6,)."""
    lattice = _LATTICES[0]
    x, y, seen = lattice.places(np.tile(start, (len(a), 1)))
    count = seen.sum(axis=1, keepdims=True)
    moved = lattice.sampled([b], x, y)[0]
    alike: Floats = (normalized(a, seen, count)[0] * normalized(moved, seen, count)[0]).sum(axis=1)
    return alike


def _equally_sharp(a: Floats, b: Floats, seen: Floats) -> tuple[Floats, Floats, Floats]:
    """Return both pictures (p, side, side), the sharper one blurred as much as makes them most alike, and by how much (p,)."""
    best, by = np.full(len(a), -2, np.float32), np.zeros(len(a), np.float32)
    cover = _cover(seen)
    plain = [_blurred(side, FINE) for side in (a, b)]
    plain_detail = [_detail(side, seen, cover) for side in plain]
    out = [side.copy() for side in plain]
    for blur in BLURS:
        for which, side in enumerate((a, b)[: 2 if blur else 1]):
            softer = _blurred(side, float(np.hypot(FINE, blur)))
            left, right = _detail(softer, seen, cover), plain_detail[1 - which]
            alike = _inner(left, right) / np.sqrt(_inner(left, left) * _inner(right, right) + 1e-6)
            better = alike > best + 1e-5
            best[better], by[better] = alike[better], blur
            out[which][better], out[1 - which][better] = softer[better], plain[1 - which][better]
    return out[0], out[1], by


def _inner(a: Floats, b: Floats) -> Floats:
    """Return the inner products (p,) of pictures (p, side, side)."""
    return np.asarray(np.einsum("pij,pij->p", a, b), np.float32)


def _left(a: Floats, b: Floats, seen: Floats) -> tuple[Floats, Floats, Floats]:
    """Return `left`, `middle` and `agreement` of `Registered` for the detail of pictures (p, side, side)."""
    cover = _blurred(seen, WINDOW)
    aa, bb, ab = (_blurred(product, WINDOW) / np.maximum(cover, 1e-3) for product in (a * a, b * b, a * b))
    alike = ab / np.sqrt(aa * bb + 1e-6)
    weaker = np.minimum(aa, bb)
    rest = np.sqrt(np.maximum(aa + bb - 2 * ab, 0))
    out = np.tile(np.array([9, 9, -1], np.float32), (len(a), 1))
    for pair in range(len(a)):
        inside = cover[pair] > COVER
        telling = inside & (weaker[pair] > TEXTURE**2)
        if telling.sum() >= _FEW:
            detail = max(float(weaker[pair][inside].mean()) ** 0.5, 0.5)
            worst, middle = np.quantile(rest[pair][inside], [0.98, 0.5]) / detail
            out[pair] = worst, middle, np.quantile(alike[pair][telling], 0.02)
    return out[:, 0], out[:, 1], out[:, 2]


def _cover(seen: Floats) -> Floats:
    """Return how much of the surroundings of each pixel is `seen` (p, side, side)."""
    return np.asarray(np.maximum(_blurred(seen, SCENE), 1e-3))


def _detail(pictures: Floats, seen: Floats, cover: Floats) -> Floats:
    """Return pictures (p, side, side) less their surroundings, as far as they are `seen`."""
    return np.asarray((pictures - _blurred(pictures * seen, SCENE) / cover) * seen, np.float32)


def _blurred(pictures: Floats, sigma: float) -> Floats:
    """Return pictures (p, side, side) blurred by a Gaussian of so many pixels; at the border by what there is of it."""
    away = np.arange(pictures.shape[1], dtype=np.float32)
    kernel = np.exp(-0.5 * ((away[:, None] - away) / np.float32(sigma)) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    return np.asarray(kernel @ pictures @ kernel.T, np.float32)


def _shrunk(pictures: Floats, side: int) -> Floats:
    """Return pictures (p, s * s) at another side that divides s, less their surroundings: (p, side * side)."""
    step = LEVELS[-1] // side
    small = pictures.reshape(len(pictures), side, step, side, step).mean(axis=(2, 4))
    return np.asarray(small - _blurred(small, side / 5), np.float32).reshape(len(pictures), -1)


def _start_maps() -> Floats:
    """Return the maps (s, 6) from which the search begins: none, and those of crops in nine places, of either picture."""
    maps = [IDENTITY]
    for scale in (CROPPED, 1 / CROPPED):
        reach = abs(1 - scale)
        maps += [
            np.array([scale, 0, right, 0, scale, down], np.float32)
            for right in (-reach, 0, reach)
            for down in (-reach, 0, reach)
        ]
    return np.stack(maps)


_LATTICES = tuple(Lattice(side) for side in LEVELS)
_STARTS = _start_maps()
_FEW = 60  # windows with texture below which nothing is decided
