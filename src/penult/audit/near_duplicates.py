"""Find near-duplicates, and tie together what must stay on one side of a fold.

Near-duplicates (the same photo resized, saved again, brightened, mirrored, slightly cropped) are far closer to each other than
either is to its other neighbors. Features alone find pairs; with thumbnails whole families of copies are found (`same_photo`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.map import NEIGHBORS
from penult.audit.pairs import Ints, NearestRows, Pairs, UnionFind, joined
from penult.audit.registration import one_picture
from penult.audit.same_photo import Look, look_at
from penult.errors import InputError
from penult.i18n import _, ngettext
from penult.neighbors import MANY

LOOKED_AT = 3000  # pairs that are registered: some 10 ms each

Pictures = Callable[[NDArray[np.intp]], NDArray[Any]]  # row numbers (m,) to gray pictures (m, 96 * 96)


@dataclass(frozen=True, slots=True)
class Photos:
    """What photos are compared by: digests (n, 32), features (n, d), grey thumbnails (n, s * s) or None.

    `pictures` gives larger ones of some rows, by which one picture twice is told from two that look alike. `look` is what
    `group` has found among them, if it is known.
    """

    digests: NDArray[np.uint8]
    X: NDArray[Any]
    thumbnails: NDArray[Any] | None
    pictures: Pictures | None = None
    look: Look | None = None

    def first(self, digests: NDArray[np.uint8] | None = None) -> Ints:
        """Return the first row of each digest, ascending; without the digests (m, 32) of other photos."""
        before = np.zeros((0, 32), np.uint8) if digests is None else digests
        found = np.unique(copy_groups(np.vstack([before, self.digests])), return_index=True)[1] - len(before)
        return np.sort(found[found >= 0])

    def at(self, rows: Ints) -> tuple[NDArray[Any], NDArray[Any] | None]:
        """Return the features and thumbnails of some rows, ascending."""
        if len(rows) == len(self.digests):  # all of them: no copy
            return self.X, self.thumbnails
        return self.X[rows], None if self.thumbnails is None else np.asarray(self.thumbnails)[rows]


def copy_groups(digests: NDArray[np.uint8]) -> Ints:
    """Return a number (n,) for each image, the same for images with the same digest (n, 32).

    By sorting: ten million digests take some 60 bytes each beside themselves, and two seconds.
    """
    rows = np.ascontiguousarray(digests)
    if not len(rows):
        return np.zeros(0, dtype=np.intp)
    if rows.shape[1] >= 8:
        key = np.ascontiguousarray(rows[:, :8]).view(">u8").ravel().astype(np.uint64)
        order = np.argsort(key, kind="stable")
        same = key[order[1:]] == key[order[:-1]]
        again = np.flatnonzero(same)
        if (rows[order[again]] == rows[order[again + 1]]).all():  # else two digests begin alike, as no two sha256 do
            numbers = np.empty(len(rows), np.intp)
            numbers[order] = np.cumsum(np.r_[False, ~same])
            return numbers
    return np.unique(rows.view(f"V{rows.shape[1]}").ravel(), return_inverse=True)[1]


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
def leaks(train: Photos, test: Photos, widths: Sequence[int] | None = None) -> Pairs:
    """Return pairs of a training row (`first`) and a test row (`second`) that show the same photo, each test row once.

    A test photo leaks when it is of one family with a training photo. The same digest counts as a similarity of 1; else the
    pair is one picture twice, or the most alike one that was found, or the first training photo of the family.
    """
    n = len(train.digests)
    same = copy_groups(np.vstack([train.digests, test.digests]))
    families, single, candidates = _between(train, test, widths)
    across = _across(joined(families, single, candidates), n, 3)
    across = _Looker(_together(train, test)).told(across)
    copies = across.select(_copies(across))
    ties = UnionFind(len(same))
    ties.tie(same)
    ties.link(families)
    ties.link(copies)
    ties.link(single, limit=largest(len(same)))
    group = ties.numbers()
    first = np.full(int(group.max(initial=-1)) + 1, -1)  # the first training row of each group
    first[group[:n][::-1]] = np.arange(n)[::-1]
    leaked = np.flatnonzero(first[group[n:]] >= 0) + n
    exact = np.full(int(same.max(initial=-1)) + 1, -1)
    exact[same[:n][::-1]] = np.arange(n)[::-1]
    again = leaked[exact[same[leaked]] >= 0]
    rest = Pairs(first[group[leaked]], leaked, np.full(len(leaked), families.similarity.min(initial=1), np.float32))
    found = [
        Pairs(exact[same[again]], again, np.ones(len(again), np.float32)),
        copies,
        joined(families, single, rest),
    ]
    first, second, alike = (
        np.concatenate([getattr(one, side) for one in found]) for side in ("first", "second", "similarity")
    )
    sure = np.repeat([True, True, False], [len(one) for one in found])
    kept = np.flatnonzero((first < n) & np.isin(second, leaked))
    kept = kept[np.sort(np.unique(second[kept], return_index=True)[1])]
    return Pairs(first[kept], second[kept] - n, alike[kept], None if across.one_picture is None else sure[kept])


def _between(train: Photos, test: Photos, widths: Sequence[int] | None) -> tuple[Pairs, Pairs, Pairs]:
    """Return the families, single pairs and candidates with a test photo, by row numbers of the training part followed by the
    test part.

    What was found among the training photos is not looked for again, and files that are among them need no look.
    """
    once, new = train.first(), test.first(train.digests)
    if not len(new):
        return Pairs.none(), Pairs.none(), Pairs.none()
    known = train.look or look_at(train.at(once)[0], widths, train.at(once)[1])
    X, thumbnails = test.at(new)
    look = look_at(X, widths, thumbnails, known)
    return look.named(np.r_[once, len(train.digests) + new])


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


@dataclass(frozen=True, slots=True)
class Grouping:
    """Group numbers (n,), the near-duplicates found, sentences on what was tied together, and what that was found by.

    `most_alike` (n, 5) are the rows most like each, copies first, for `photo_map`; None of few, for which it looks itself.
    """

    groups: Ints
    pairs: Pairs
    notes: tuple[str, ...]
    look: Look
    most_alike: Ints | None = None


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
    folds_given: bool = False,
) -> Grouping:
    """Return one group an image: copies, near copies, the user's groups, and what hangs together by them.

    With thumbnails whole families of copies are found, however many there are, and kept together. Single pairs that are
    near by one measure only never tie more than a twentieth of the images (10 at least) into one group: the most alike
    are tied first, a link that would make a larger group is dropped and a note says so. Copies and the user's groups are
    always kept whole. `pictures` of rows tell which near-duplicates are one picture twice; these are kept together, too.
    With `near` False near-duplicates are reported, but not kept together. With `folds_given` the notes do not say that copies
    share a fold: the user's folds may part them. Raises InputError where the lengths differ.
    """
    n = len(digests)
    lengths = {"features": len(X), "groups": n if user_groups is None else len(user_groups)}
    lengths["thumbnails"] = n if thumbnails is None else len(thumbnails)
    if wrong := {name: length for name, length in lengths.items() if length != n}:
        raise InputError(_("{n} digests, but {wrong}; give one row an image.", n=n, wrong=wrong))
    same, photos = copy_groups(digests), Photos(digests, X, thumbnails)  # (n,)
    once = photos.first()
    look = look_at(photos.at(once)[0], widths, photos.at(once)[1])
    family, single, copies = look.named(once)
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
    notes = _notes(n - len(once), alone.numbers(), dropped, near, folds_given)
    return Grouping(ties.numbers(), pairs, notes, look, _most_alike(look.near, same, once) if n > MANY else None)


def _most_alike(near: NearestRows, same: Ints, once: Ints) -> Ints:
    """Return the rows (n, 5) most like each of n images: its copies (`same` numbers), then the first ones (`once`) near it."""
    place = np.empty(len(once), np.intp)
    place[same[once]] = np.arange(len(once))
    place = place[same]  # (n,)
    found = once[near.rows[:, :NEIGHBORS]][place]
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(once) + 1))
    for at in np.flatnonzero(np.diff(bounds) > 1):
        copies = order[bounds[at] : bounds[at + 1]]
        for row in copies:
            others = copies[: NEIGHBORS + 1][copies[: NEIGHBORS + 1] != row][:NEIGHBORS]
            found[row] = np.r_[others, found[row]][: found.shape[1]]
    return found


def _notes(copies: int, alike: Ints, dropped: int, near: bool, folds_given: bool) -> tuple[str, ...]:
    notes = []
    if copies and folds_given:
        notes.append(ngettext("{n} image is an exact copy of another.", "{n} images are exact copies of others.", copies))
    elif copies:
        notes.append(
            ngettext(
                "{n} image is an exact copy of another; copies are never on both sides of a fold.",
                "{n} images are exact copies of others; copies are never on both sides of a fold.",
                copies,
            )
        )
    sizes = np.bincount(alike)
    sizes = sizes[sizes > 1]
    if len(sizes):
        said = _("{n} images are near-duplicates or look-alikes ({groups}); as asked, each counts as a photo of its own.")
        if near and folds_given:
            said = _("{n} images are near-duplicates or look-alikes ({groups}).")
        elif near:
            said = _("{n} images are near-duplicates or look-alikes ({groups}); each group stays in one fold.")
        notes.append(said.format(n=int(sizes.sum()), groups=_groups(len(sizes), int(sizes.max()))))
    if dropped and not folds_given:
        notes.append(
            ngettext(
                "{n} pair of images that look alike was not kept together, as too many images would hang together; if your "
                "photos come in series, name them with --groups.",
                "{n} pairs of images that look alike were not kept together, as too many images would hang together; if your "
                "photos come in series, name them with --groups.",
                dropped,
            )
        )
    return tuple(notes)


def _groups(number: int, most: int) -> str:
    """Return how many groups there are, and of how many images."""
    if number == 1:
        return _("1 group")
    return _("{n} groups of 2", n=number) if most == 2 else _("{n} groups of 2 to {most}", n=number, most=most)
