"""Tie together what must stay on one side of a fold.

Comes in: copies, near copies, the user's groups. Goes out: `Grouping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import default_errors
from penult.audit.copies import copy_groups, largest, same_photo
from penult.audit.forest import Forest
from penult.audit.neighbors import Ints, Pairs, joined
from penult.errors import InputError


@dataclass(frozen=True, slots=True)
class Grouping:
    """Group numbers (n,), the near copies found, and sentences on what was tied together."""

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
) -> Grouping:
    """Return one group an image: copies, near copies, the user's groups, and what hangs together by them.

    With thumbnails whole families of copies are found, however many there are, and kept together. Single pairs that are
    near by one measure only never tie more than a twentieth of the images (10 at least) into one group: the most alike
    are tied first, a link that would make a larger group is dropped and a note says so. Copies and the user's groups are
    always kept whole. With `near` False near copies are found and reported, but not kept together. Raises InputError
    where the lengths differ.
    """
    n = len(digests)
    lengths = {"features": len(X), "groups": n if user_groups is None else len(user_groups)}
    lengths["thumbnails"] = n if thumbnails is None else len(thumbnails)
    if wrong := {name: length for name, length in lengths.items() if length != n}:
        raise InputError(f"{n} digests, but {wrong}; give one row an image.")
    same = copy_groups(digests)  # (n,)
    once = np.sort(np.unique(same, return_index=True)[1])  # the first image of each digest
    look = same_photo([np.asarray(X)[once]], widths, None if thumbnails is None else np.asarray(thumbnails)[once])
    family, single = (Pairs(once[p.first], once[p.second], p.similarity) for p in (look.families, look.pairs))
    alone = Forest(n)  # near copies by themselves, to count and report them
    kept = family.taken(alone.link(family).joined)
    links = alone.link(single, limit=largest(n))
    pairs = joined(kept, single.taken(links.joined | links.dropped))
    forest = Forest(n)
    for tie in (same, user_groups):
        if tie is not None:
            forest.tie(np.asarray(tie))
    dropped = 0
    if near:
        forest.link(family)
        dropped = int(forest.link(single, limit=largest(n)).dropped.sum())
    return Grouping(forest.numbers(), pairs, _notes(n - len(once), alone.numbers(), dropped, near))


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
            f"{sizes.sum()} images are near-duplicates ({groups}: copies, edits or frames of one scene); "
            + ("each group stays in one fold." if near else "as asked, each counts as a photo of its own.")
        )
    if dropped:
        pairs = "1 pair of images that look alike was" if dropped == 1 else f"{dropped} pairs of images that look alike were"
        notes.append(
            f"{pairs} not kept together, as too many images would hang together; "
            "if your photos come in series, name them with --groups."
        )
    return tuple(notes)
