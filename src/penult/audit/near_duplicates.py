"""Find near-duplicates, and tie together what must stay on one side of a fold.

Near-duplicates (the same photo resized, saved again, brightened, mirrored, slightly cropped) are far closer to each other than
either is to its other neighbors. No fixed similarity can tell them: two photos of different cats are seldom above 0.7 alike,
two different solar cells of one panel reach 0.95. So the rule is relative. Its numbers were measured on 333 photos of pets and
2,624 of solar cells, with ten kinds of copies of 30 photos each. Features alone find pairs; with thumbnails whole families of
copies are found, see `families`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors, unit_rows
from penult.audit.candidates import brought_upright, copy_candidates
from penult.audit.families import families
from penult.audit.pairs import COPY_PROBES, Floats, Ints, NearestRows, Pairs, UnionFind, directions, joined, nearest
from penult.audit.registration import one_picture
from penult.errors import InputError

NEIGHBORS = 10  # the distance to the tenth neighbor says how crowded it is around an image
MEMBERS = 40  # neighbors of a photo among which the members of its family are looked for
LOOKED_AT = 3000  # pairs that are registered: some 10 ms each

Pictures = Callable[[NDArray[np.intp]], NDArray[Any]]  # row numbers (m,) to gray pictures (m, 96 * 96)


@dataclass(frozen=True, slots=True)
class Rule:
    """Near copies: `floor` alike or more, and at most `ratio` times as far apart as their surroundings."""

    floor: float
    ratio: float


FEATURES = Rule(floor=0.8, ratio=0.4)
PICTURES = Rule(floor=0.85, ratio=0.15)


@dataclass(frozen=True, slots=True)
class SamePhoto:
    """What shows the same photo: links that hold families together, and pairs that are far nearer than their surroundings.

    `candidates` may: their thumbnails say so, whatever is around them.
    """

    families: Pairs
    pairs: Pairs
    candidates: Pairs


@dataclass(frozen=True, slots=True)
class Photos:
    """What photos are compared by: digests (n, 32), features (n, d), grey thumbnails (n, s * s) or None.

    `pictures` gives larger ones of some rows, by which one picture twice is told from two that look alike.
    """

    digests: NDArray[np.uint8]
    X: NDArray[Any]
    thumbnails: NDArray[Any] | None
    pictures: Pictures | None = None


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
    nearest neighbors, so more than ten copies of one photo are not all found; memory stays below some 300 MB.
    Raises InputError for widths that are not the columns of X.
    """
    return _close(nearest(directions([X], widths)[0], NEIGHBORS), rule)


def same_photo(several: Sequence[NDArray[Any]], widths: Sequence[int] | None, thumbnails: NDArray[Any] | None) -> SamePhoto:
    """Return what shows the same photo among the rows of all X (n, d) together, with their thumbnails (n, 256) if any.

    `several` X are measured by the center and spread of all of them. Raises InputError for widths that do not fit.
    """
    Z = np.vstack(directions(several, widths))
    if thumbnails is None:
        return SamePhoto(Pairs.none(), _close(nearest(Z, NEIGHBORS), FEATURES), Pairs.none())
    near, thumbnails = nearest(Z, MEMBERS), np.asarray(thumbnails, np.float32)
    standing = brought_upright(thumbnails)
    single = joined(_close(near, FEATURES), near_pictures(thumbnails))
    return SamePhoto(families(Z, thumbnails, near, standing), single, copy_candidates(Z, thumbnails, near, standing))


class _Looker:
    """Says of pairs whether they are one picture twice, by larger pictures of them; each pair is looked at once.

    Those beyond `LOOKED_AT` at a time count as look-alikes.
    """

    def __init__(self, pictures: Pictures | None) -> None:
        self.pictures = pictures
        self.said: dict[tuple[int, int], bool] = {}

    def told(self, pairs: Pairs) -> Pairs:
        """Return the pairs with what their pictures say: one picture twice, or two that look alike."""
        if self.pictures is None or not len(pairs):
            return pairs
        names = list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True))
        new = [name for name in names if name not in self.said][:LOOKED_AT]
        if new:
            first, second = np.array(new, np.intp).T
            rows = np.unique(np.r_[first, second])
            seen = self.pictures(rows)
            found = one_picture(seen, np.searchsorted(rows, first), np.searchsorted(rows, second))
            self.said.update(zip(new, found.tolist(), strict=True))
        return replace(pairs, one_picture=np.array([self.said.get(name, False) for name in names]))


@default_errors
def near_pictures(thumbnails: NDArray[Any], rule: Rule = PICTURES) -> Pairs:
    """Return the pairs of grey thumbnails (n, s * s) that show the same photo, however bright.

    Surer than features for pictures that all look alike; blind to mirrored ones, and at 16 x 16 to noise.
    """
    return _close(nearest(contrasts(thumbnails), NEIGHBORS, COPY_PROBES), rule)


@default_errors
def leaks(train: Photos, test: Photos, widths: Sequence[int] | None = None) -> Pairs:
    """Return pairs of a training row (`first`) and a test row (`second`) that show the same photo, each test row once.

    A test photo leaks when it is of one family with a training photo. The same digest counts as a similarity of 1; else the
    pair is one picture twice, or the most alike one that was found, or the first training photo of the family.
    """
    n = len(train.digests)
    same = copy_groups(np.vstack([train.digests, test.digests]))
    thumbnails = None
    if train.thumbnails is not None and test.thumbnails is not None:
        thumbnails = np.vstack([train.thumbnails, test.thumbnails])
    look = same_photo([train.X, test.X], widths, thumbnails)
    across = _across(joined(look.families, look.pairs, look.candidates), n, 3)
    across = _Looker(_together(train, test)).told(across)
    copies = across.select(_copies(across))
    ties = UnionFind(len(same))
    ties.tie(same)
    ties.link(look.families)
    ties.link(copies)
    ties.link(look.pairs, limit=largest(len(same)))
    group = ties.numbers()
    first = np.full(int(group.max(initial=-1)) + 1, -1)  # the first training row of each group
    first[group[:n][::-1]] = np.arange(n)[::-1]
    leaked = np.flatnonzero(first[group[n:]] >= 0) + n
    exact = np.full(int(same.max(initial=-1)) + 1, -1)
    exact[same[:n][::-1]] = np.arange(n)[::-1]
    again = leaked[exact[same[leaked]] >= 0]
    rest = Pairs(first[group[leaked]], leaked, np.full(len(leaked), look.families.similarity.min(initial=1), np.float32))
    found = [
        Pairs(exact[same[again]], again, np.ones(len(again), np.float32)),
        copies,
        joined(look.families, look.pairs, rest),
    ]
    first, second, alike = (
        np.concatenate([getattr(one, side) for one in found]) for side in ("first", "second", "similarity")
    )
    sure = np.repeat([True, True, False], [len(one) for one in found])
    kept = np.flatnonzero((first < n) & np.isin(second, leaked))
    kept = kept[np.sort(np.unique(second[kept], return_index=True)[1])]
    return Pairs(first[kept], second[kept] - n, alike[kept], None if across.one_picture is None else sure[kept])


def _across(pairs: Pairs, n: int, most: int) -> Pairs:
    """Return the pairs of a row below n and one from n on, the `most` most alike of each of these at most."""
    across = np.flatnonzero((pairs.first < n) & (pairs.second >= n))
    order = np.argsort(pairs.second[across], kind="stable")
    start = np.searchsorted(pairs.second[across][order], pairs.second[across][order])
    kept = np.zeros(len(pairs), bool)
    kept[across[order[np.arange(len(order)) - start < most]]] = True
    return pairs.select(kept)


def _copies(pairs: Pairs) -> NDArray[np.bool_]:
    """Return which pairs (m,) are known to be one picture twice."""
    return np.zeros(len(pairs), bool) if pairs.one_picture is None else pairs.one_picture


def _together(train: Photos, test: Photos) -> Pictures | None:
    """Return the pictures of both parts, by row numbers of the training part followed by the test part."""
    ours, theirs, n = train.pictures, test.pictures, len(train.digests)
    if ours is None or theirs is None:
        return None
    return lambda rows: np.vstack([ours(rows[rows < n]), theirs(rows[rows >= n] - n)])


def largest(n: int) -> int:
    """Return how many of n photos single pairs may tie together; families, which have a gap around them, may be larger."""
    return max(10, n // 20)


def contrasts(thumbnails: NDArray[Any]) -> Floats:
    """Return grey thumbnails (n, s * s) as unit vectors (n, s * s), whatever their brightness and contrast."""
    rows = np.asarray(thumbnails, dtype=np.float32)
    return unit_rows(rows - rows.mean(axis=1, keepdims=True))


def surroundings(n: int) -> int:
    """Return how many neighbors are an image's surroundings among n.

    In a small set the tenth neighbor is of another class, and all of one class would seem close together.
    """
    return max(2, min(NEIGHBORS, n // 8))


def _close(near: NearestRows, rule: Rule) -> Pairs:
    """Return the pairs of neighbors that the rule calls near copies."""
    n = len(near.rows)
    near = near.first(surroundings(n))
    if not near.rows.shape[1]:
        return Pairs.none()
    alike = near.similarity
    room = 1 - alike[:, -1]  # (n,) distance to the tenth neighbor (nearer ones below 80 images)
    tight = np.minimum(room[:, None], room[near.rows])  # (n, count)
    found = (alike >= rule.floor) & (1 - alike <= rule.ratio * tight)
    found |= alike > 1 - 1e-5  # the same vector, also where eleven copies leave no room to compare with
    one, place = np.nonzero(found)
    return joined(Pairs(one, near.rows[one, place], alike[one, place]))


@dataclass(frozen=True, slots=True)
class Grouping:
    """Group numbers (n,), the near-duplicates found, and sentences on what was tied together."""

    groups: Ints
    pairs: Pairs
    notes: tuple[str, ...]


@default_errors
def group(
    digests: NDArray[np.uint8],
    X: NDArray[Any],
    widths: Sequence[int] | None = None,
    user_groups: NDArray[Any] | None = None,
    thumbnails: NDArray[Any] | None = None,
    *,
    near: bool = True,
    pictures: Pictures | None = None,
) -> Grouping:
    """Return one group an image: copies, near copies, the user's groups, and what hangs together by them.

    With thumbnails whole families of copies are found, however many there are, and kept together. Single pairs that are
    near by one measure only never tie more than a twentieth of the images (10 at least) into one group: the most alike
    are tied first, a link that would make a larger group is dropped and a note says so. Copies and the user's groups are
    always kept whole. `pictures` of rows tell which near-duplicates are one picture twice; these are kept together, too.
    With `near` False near-duplicates are reported, but not kept together. Raises InputError where the lengths differ.
    """
    n = len(digests)
    lengths = {"features": len(X), "groups": n if user_groups is None else len(user_groups)}
    lengths["thumbnails"] = n if thumbnails is None else len(thumbnails)
    if wrong := {name: length for name, length in lengths.items() if length != n}:
        raise InputError(f"{n} digests, but {wrong}; give one row an image.")
    same = copy_groups(digests)  # (n,)
    once = np.sort(np.unique(same, return_index=True)[1])  # the first image of each digest
    look = same_photo([np.asarray(X)[once]], widths, None if thumbnails is None else np.asarray(thumbnails)[once])
    family, single, copies = (
        Pairs(once[p.first], once[p.second], p.similarity) for p in (look.families, look.pairs, look.candidates)
    )
    looker = _Looker(pictures)
    copies = looker.told(copies)
    copies = copies.select(_copies(copies))
    alone = UnionFind(n)  # near-duplicates by themselves, to count and report them
    alone.link(copies)
    kept = family.select(alone.link(family).joined)
    links = alone.link(single, limit=largest(n))
    pairs = looker.told(joined(copies, kept, single.select(links.joined | links.dropped)))
    ties = UnionFind(n)
    for names in (same, user_groups):
        if names is not None:
            ties.tie(np.asarray(names))
    dropped = 0
    if near:
        ties.link(copies)
        ties.link(family)
        dropped = int(ties.link(single, limit=largest(n)).dropped.sum())
    return Grouping(ties.numbers(), pairs, _notes(n - len(once), alone.numbers(), dropped, near))


def _notes(copies: int, alike: Ints, dropped: int, near: bool) -> tuple[str, ...]:
    notes = []
    if copies:
        notes.append(
            "1 image is an exact copy of another; copies are never on both sides of a fold."
            if copies == 1
            else f"{copies} images are exact copies of others; copies are never on both sides of a fold."
        )
    sizes = np.bincount(alike)
    sizes = sizes[sizes > 1]
    if len(sizes):
        most = int(sizes.max())
        groups = "1 group" if len(sizes) == 1 else f"{len(sizes)} groups of 2{'' if most == 2 else f' to {most}'}"
        notes.append(
            f"{sizes.sum()} images are near-duplicates or look-alikes ({groups}); "
            + ("each group stays in one fold." if near else "as asked, each counts as a photo of its own.")
        )
    if dropped:
        pairs = "1 pair of images that look alike was" if dropped == 1 else f"{dropped} pairs of images that look alike were"
        notes.append(
            f"{pairs} not kept together, as too many images would hang together; "
            "if your photos come in series, name them with --groups."
        )
    return tuple(notes)
