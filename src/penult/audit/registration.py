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

from penult.arrays import in_threads, row_chunks
from penult.audit.alignment import IDENTITY, Lattice, align, normalized, undone, ways
from penult.audit.candidates import crop_maps
from penult.audit.pairs import Floats

LEVELS = (24, 48, 96)  # sides: pictures are registered on small ones first
STEPS = (8, 4, 4)  # of Gauss-Newton on each
# correlation on the first two levels below which a pair is given up; pairs of one picture had at least 0.7 and 0.88
HOPELESS = (0.6, 0.85)
STARTS = 2  # best of the maps that a search starts from
CROPPED = 0.9  # share of a side that a crop leaves, in those maps
PART = 64  # pairs worked on at a time

CLIPPED = 242  # gray levels from which a pixel may have lost what was brighter
CLIPS = 0.02  # share of such pixels in a picture that is clipped elsewhere, too: where one color is
FINE = 0.6  # pixels: the blur that both pictures get, so that resampling is no difference
BLURS = (0.4, 0.8, 1.2, 1.8, 2.6)  # pixels: what one of them may have been blurred by, tried as long as they gain
SMOOTH, SCENE, WINDOW = 0.8, 6.0, 4.0  # pixels: detail between the first two is compared, in windows of the third
TEXTURE = 1.0  # gray levels of detail in a window that says something
COVER = 0.6  # of a window that both pictures show
BRIGHTER = 0.12  # logarithm of the exposure from which one is brighter
SAME = 0.07  # of the detail that compression leaves over, in all but 2% of the windows


@dataclass(frozen=True, slots=True)
class Registered:
    """Pairs (p,) laid on each other, and what is left.

    `left` is what is left of the detail in all but 2% of the windows, `middle` in half of them, both as shares of the detail;
    `agreement` the correlation of the detail that all but 2% of the windows with texture reach, `coarse` that of the smallest
    pictures. `scale`, `gain` and `blur` are the traces: how much larger, brighter (logarithms, without sign) and softer
    (pixels) one of the two is; `clipped` the share of pixels that may have lost what was brighter.
    """

    left: Floats
    middle: Floats
    agreement: Floats
    coarse: Floats
    scale: Floats
    gain: Floats
    blur: Floats
    clipped: Floats

    @property
    def one_picture(self) -> NDArray[np.bool_]:
        """Which pairs (p,) are one picture."""
        same = self.left <= SAME
        zoomed = (self.scale >= 0.05) & (self.agreement >= 0.95) & (self.left <= 0.35) & (self.middle <= 0.075)
        blurred = (self.blur >= 0.8) & (self.agreement >= 0.95) & (self.left <= 0.3)
        # compression of a small picture leaves much fine detail over, and nothing coarse
        compressed = (self.coarse >= 0.999) & (self.agreement >= 0.75) & (self.left <= 0.25)
        # where a color clips, more is left, but not everywhere
        clear = (self.agreement >= 0.9) & (self.middle <= 0.05) | (self.agreement >= 0.97) & (self.middle <= 0.12)
        brighter = (self.gain >= BRIGHTER) & clear & ((self.clipped >= CLIPS) | (self.middle <= 0.03))
        return same | zoomed | blurred | compressed | brighter


def one_picture(pictures: NDArray[Any], first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which pairs (p,), (p,) of gray pictures (n, side * side), 96 pixels a side, are one picture, edited or not."""
    parts = row_chunks(len(first), PART)
    found = in_threads(lambda part: registered(pictures[first[part]], pictures[second[part]]).one_picture, parts)
    return np.concatenate([np.zeros(0, bool), *found])


def registered(first: NDArray[Any], second: NDArray[Any]) -> Registered:
    """Lay the pictures of each pair (p, side * side) on each other, and measure what is left; of hopeless pairs all is."""
    a, b = (np.asarray(side, np.float32) for side in (first, second))
    rows, maps, coarse, a, b = _registered(a, b)
    out = np.tile(np.array([9, 9, -1, -1, 0, 0, 0, 0], np.float32), (len(first), 1))
    if not len(rows):
        return Registered(*out.T)
    lattice = _LATTICES[-1]
    x, y, seen = lattice.places(maps)
    square = (len(a), lattice.side, lattice.side)
    a, b, seen = (plane.reshape(square) for plane in (a, lattice.sampled(b, x, y), seen))
    clipped = np.maximum(*((side >= CLIPPED).mean(axis=(1, 2)) for side in (a, b)))
    unclipped = _blurred(((a < CLIPPED) & (b < CLIPPED)).astype(np.float32), 0.7) > 0.95
    seen = seen * unclipped
    a, b, blur = _equally_sharp(a, b, seen)
    cover = _cover(seen)
    left, right = (_detail(_blurred(side, SMOOTH), seen, cover) for side in (a, b))
    gain = _inner(left, right) / (_inner(right, right) + 1e-6)
    right *= gain[:, None, None]
    scale = np.abs(maps[:, 0] * maps[:, 4] - maps[:, 1] * maps[:, 3]) ** 0.5
    by = [np.abs(np.log(np.maximum(value, 0.05))) for value in (scale, gain)]
    out[rows] = np.stack([*_left(left, right, seen), coarse, *by, blur, clipped], axis=1)
    return Registered(*out.T)


def _registered(a: Floats, b: Floats) -> tuple[NDArray[np.intp], Floats, Floats, Floats, Floats]:
    """Return the pairs (m,) that are not hopeless, the maps (m, 6) that lay the second picture of each on the first, the
    correlation (m,) of the smallest pictures, and the pictures (m, side * side), where that fits better one of them mirrored.

    The first of the two is the one that shows less: that way every pixel of it is in the other.
    """
    pairs = np.arange(len(a))
    lattice = _LATTICES[0]
    small = _shrunk(a, lattice.side)
    sides = np.stack(ways(_shrunk(b, lattice.side), lattice.side)[:2])  # (2, p, 24 * 24)
    fits = np.stack([_correlation(small, side, start) for side in sides for start in _STARTS])  # (2 * starts, p)
    best = np.full(len(a), -2, np.float32)
    maps, way = np.tile(IDENTITY, (len(a), 1)), np.zeros(len(a), np.intp)
    for place in np.argsort(-fits, axis=0)[:STARTS]:
        side, start = np.divmod(place, len(_STARTS))
        found, moved = align(small, sides[side, pairs], _STARTS[start], lattice, (-1.0,) * STEPS[0], 1.0)
        better = found > best
        best[better], maps[better], way[better] = found[better], moved[better], side[better]
    larger = (maps[:, 0] * maps[:, 4] - maps[:, 1] * maps[:, 3] > 1)[:, None]
    b = np.stack(ways(b, LEVELS[-1])[:2])[way, pairs]
    a, b, maps = np.where(larger, b, a), np.where(larger, a, b), np.where(larger, undone(IDENTITY, maps), maps)
    rows, reached = pairs, best
    for lattice, steps, hopeless in zip(_LATTICES[1:], STEPS[1:], HOPELESS, strict=True):
        hopeful = reached >= hopeless
        rows = rows[hopeful]
        maps, a, b = (side[hopeful] for side in (maps, a, b))
        if not len(rows):
            break
        small = _shrunk(a, lattice.side)
        reached, maps = align(small, _shrunk(b, lattice.side), maps, lattice, (-1.0,) * steps, 1.0)
    return rows, maps, best[rows], a, b


def _correlation(a: Floats, b: Floats, start: Floats) -> Floats:
    """Return the correlation (p,) of a and of b moved by one map (6,)."""
    lattice = _LATTICES[0]
    x, y, seen = lattice.places(np.tile(start, (len(a), 1)))
    count = seen.sum(axis=1, keepdims=True)
    moved = lattice.sampled(b, x, y)
    return np.asarray(np.einsum("ij,ij->i", normalized(a, seen, count), normalized(moved, seen, count)), np.float32)


def _equally_sharp(a: Floats, b: Floats, seen: Floats) -> tuple[Floats, Floats, Floats]:
    """Return both pictures (p, side, side), the sharper one blurred as much as makes them most alike, and by how much (p,)."""
    cover = _cover(seen)
    plain = [_blurred(side, FINE) for side in (a, b)]
    detail = [_detail(side, seen, cover) for side in plain]
    best, by = _alike(*detail), np.zeros(len(a), np.float32)
    out = [side.copy() for side in plain]
    for which, side in enumerate((a, b)):
        live = np.flatnonzero(by == 0)  # where the first is not the sharper one
        for blur in BLURS:
            softer = _blurred(side[live], float(np.hypot(FINE, blur)))
            alike = _alike(_detail(softer, seen[live], cover[live]), detail[1 - which][live])
            better = alike > best[live] + 1e-5
            live, softer, alike = live[better], softer[better], alike[better]
            best[live], by[live], out[which][live] = alike, blur, softer
            if not len(live):
                break
    return out[0], out[1], by


def _alike(left: Floats, right: Floats) -> Floats:
    """Return the correlation (p,) of detail (p, side, side)."""
    return np.asarray(_inner(left, right) / np.sqrt(_inner(left, left) * _inner(right, right) + 1e-6), np.float32)


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


_LATTICES = tuple(Lattice(side) for side in LEVELS)
_STARTS = np.stack([IDENTITY, *crop_maps(CROPPED), *crop_maps(1 / CROPPED)])  # of the search for a map
_FEW = 60  # windows with texture below which nothing is decided
