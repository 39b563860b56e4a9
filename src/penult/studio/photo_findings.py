"""What is odd about the photos of a project, before any model has looked at their labels.

In: what a run's audit found, or brightness and sharpness of the photos, and labels that contradict each other. Out: findings
as plain values, each with an id that does not change with the photos' numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.audit import KINDS, Finding
from penult.audit.kinds.copies import COPY, NEAR_COPY
from penult.audit.kinds.quality import REASONS, conditions
from penult.i18n import N_, _
from penult.studio.photos import FoundPhotos

TWO_LABELS = N_("same picture under two labels: keep the right one")


def find_problems(
    found: FoundPhotos,
    files: Sequence[Sequence[str]],
    said: Sequence[Sequence[str]],
    digests: NDArray[np.uint8],
    number: Mapping[str, int],
    arrays: Mapping[str, NDArray[Any]],
) -> Iterator[dict[str, Any]]:
    """Yield the findings of a project: those of its run, or else what the photos alone show.

    `said` are the labels that the files of each photo came with, `number` the photo in each file.
    """
    every = found.findings or [*_contradictions(files, said, arrays["alike"]), *_poor(files, arrays["quality"])]
    for one in every:
        n = number.get(one.file)
        if one.about == "photo" and n is not None and one.kind != "leak":
            related = number.get(one.related) if one.related else None
            yield _plain(one, n, related, digests)


def _plain(one: Finding, n: int, related: int | None, digests: NDArray[np.uint8]) -> dict[str, Any]:
    key = f"{one.kind} {digests[n].tobytes().hex()} {'' if related is None else digests[related].tobytes().hex()}"
    return {
        "id": hashlib.sha256(key.encode()).hexdigest()[:16],
        "kind": one.kind,
        "title": KINDS[one.kind].one if one.kind in KINDS else one.kind,
        "n": n,
        "related": related,
        "score": one.score if np.isfinite(one.score) else None,
        "reason": one.reason,
        "suggestion": one.suggestion,
    }


def _contradictions(
    files: Sequence[Sequence[str]], said: Sequence[Sequence[str]], alike: NDArray[np.int64]
) -> Iterator[Finding]:
    """Yield the photos whose equal files, or whose near copies, came with different labels."""
    for own, names in zip(files, said, strict=True):
        if len(names) > 1:
            first, last = _(" and in ").join(names[:-1]), names[-1]
            reason = _("exact duplicate in {label} and in {other}", label=first, other=last)
            yield COPY.finding(own[0], 1.0, reason, _(TWO_LABELS))
    for first, second in alike.tolist():
        one, other = said[first], said[second]
        if len(one) == len(other) == 1 and one != other:
            reason = _("near-duplicate in {label} and in {other}", label=other[0], other=one[0])
            yield NEAR_COPY.finding(files[second][0], 1.0, reason, _(TWO_LABELS), files[first][0])


def _poor(files: Sequence[Sequence[str]], quality: NDArray[Any]) -> Iterable[Finding]:
    """Yield the photos that show little."""
    for name, rows in conditions(quality).items():
        for row, score in rows:
            yield KINDS[name].finding(files[row][0], score, REASONS[name])
