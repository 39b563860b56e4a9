"""Which photos the page shows: all of a few hundred, of many thousands those that tell something and a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penult.audit import KINDS, Finding
from penult.runs import PhotoRows, RunResults

SHOWN = 12  # photos in a gallery
SMALL = 2000  # small pictures in a page: more would make it heavier than anybody waits for
EACH = 6  # pictures beside a kind of finding

Ints = NDArray[np.intp]


def mistakes(rows: PhotoRows, most: int = SHOWN) -> Ints:
    """Return the misclassified rows, the most confident first."""
    wrong = np.flatnonzero(rows.wrong)
    return wrong[np.argsort(-rows.sure[wrong], kind="stable")][:most]


def least_confident(rows: PhotoRows, most: int = SHOWN) -> Ints:
    """Return the rows with the lowest confidence, right or wrong: at most half of all, for the rest are more confident."""
    measured = np.flatnonzero(rows.given >= 0)
    most = min(most, (len(measured) + 1) // 2)
    return measured[np.argsort(rows.sure[measured], kind="stable")][:most]


def by_kind(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return the findings of each kind in the order of the file, the kinds that matter most first, unknown ones last."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        kinds.setdefault(finding.kind, []).append(finding)
    place = {kind: i for i, kind in enumerate(KINDS)}
    return dict(sorted(kinds.items(), key=lambda pair: place.get(pair[0], len(KINDS))))


def with_thumbnail(results: RunResults) -> Ints:
    """Return the rows that get a small picture, at most `SMALL`: what tells something, then others in equal steps."""
    rows = results.rows
    n = len(rows.files)
    if n <= SMALL:
        return np.arange(n)
    number = {file: i for i, file in enumerate(rows.files)}
    told = [number[name] for f in results.findings for name in f.photos if name in number]
    first = [*mistakes(rows, SMALL // 3), *least_confident(rows, SMALL // 8), *told[: SMALL // 4]]
    kept = dict.fromkeys(int(i) for i in first)
    rest = np.setdiff1d(np.arange(n), np.fromiter(kept, np.intp, len(kept)))
    sample = rest[np.linspace(0, len(rest) - 1, SMALL - len(kept)).astype(np.intp)]
    return np.sort(np.concatenate([np.fromiter(kept, np.intp, len(kept)), sample]))


def flagged(results: RunResults) -> NDArray[np.bool_]:
    """Return which rows have a finding, (n,)."""
    named = {name for f in results.findings for name in (f.photos[1:] if f.kind == "leak" else f.photos)}
    return np.array([file in named for file in results.rows.files], bool)
