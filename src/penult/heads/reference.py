"""What a model keeps of its training photos so that new ones can be compared with them: which of the rows of its measure of
novelty stand for a group of copies, and the probabilities that photos had out of fold, in 8 bits. At most 150 kB.

numpy alone, because prediction collects the same of new photos.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array, default_errors
from penult.heads.novelty import ROWS, NoveltyReference
from penult.i18n import _

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

NUMBERS = 120_000  # probabilities that are kept, a byte each
MOST = 2000  # photos
REACH = 12.0  # logits of a probability that are told apart, in steps of a tenth
STEP = REACH / 127
LIKE = 0.8  # cosine from which two photos may be copies: those of most sets are farther, a photo and its crop nearer
USUAL = 0.99  # share of training photos whose nearest neighbor is farther away than what counts as a copy


@dataclass(frozen=True)
class TrainingReference:
    """One photo of each group of copies.

    `arrays`: `places` (s,) among the rows of the measure of novelty, `place_codes` (s,) their classes; `logits` (m, k) int8 of
    the probabilities that photos had out of fold, and `codes` (m,) their classes. `facts`: `alike`, the cosine from which new
    photos count as copies of one another.
    """

    arrays: dict[str, Array]
    facts: dict[str, Any]

    @property
    def proba(self) -> Floats:
        """The probabilities (m, k), in steps of a tenth of a logit; of the classes together they make 1."""
        return from_logits(self.arrays["logits"])


@default_errors
def to_logits(proba: Array) -> NDArray[np.int8]:
    """Return probabilities (n, k) as logits of 8 bits, each by itself."""
    p = np.clip(np.asarray(proba, np.float64), 1e-9, 1 - 1e-9)
    found: NDArray[np.int8] = np.rint(np.clip(np.log(p / (1 - p)) / STEP, -127, 127)).astype(np.int8)
    return found


@default_errors
def from_logits(logits: Array) -> Floats:
    """Return what probabilities logits of 8 bits stand for."""
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64) * STEP)))


def make_reference(
    novelty: NoveltyReference, rows: Ints, y: Ints, proba: Floats | None, groups: NDArray[Any] | None, seed: int = 0
) -> TrainingReference:
    """Return the reference of photos (n,) of classes y, which had `proba` (n, k) out of fold (NaN: not measured).

    `rows` (s,) are the photos whose rows `novelty` keeps; `groups` (n,) what belongs together, None if nothing does.
    """
    rng = np.random.default_rng(seed)
    own = np.arange(len(y)) if groups is None else groups
    places = np.sort(_one_each(own[rows], rng))
    kind = np.uint8 if y.max() < 256 else np.uint16
    arrays: dict[str, Array] = {"places": places.astype(np.uint16), "place_codes": y[rows[places]].astype(kind)}
    if proba is not None:
        measured = np.flatnonzero(np.isfinite(proba).all(axis=1))
        some = measured[_one_each(own[measured], rng)[: max(1, min(MOST, NUMBERS // proba.shape[1]))]]
        arrays |= {"logits": to_logits(proba[some]), "codes": y[some].astype(kind)}
    return TrainingReference(arrays, {"alike": _alike(novelty.arrays["rows"][places])})


def _one_each(groups: NDArray[Any], rng: np.random.Generator) -> Ints:
    """Return the number of one random member of each group of (n,), in random order."""
    order = rng.permutation(len(groups))
    return np.asarray(order[np.sort(np.unique(groups[order], return_index=True)[1])])


def _alike(rows: Array) -> float:
    """Return the cosine that the nearest neighbors of nearly all rows (s, q) of different groups keep below."""
    nearest = nearest_cosines(rows)
    return float(max(LIKE, np.quantile(nearest, USUAL))) if len(rows) > 1 else LIKE


def nearest_cosines(rows: Array) -> Floats:
    """Return the cosine (s,) of each row (s, q) with its nearest other."""
    cosines = row_cosines(rows)
    np.fill_diagonal(cosines, -1.0)
    return np.asarray(cosines.max(axis=1), np.float64)


def row_cosines(rows: Array) -> NDArray[np.float32]:
    """Return the cosines (s, s) of rows (s, q) about their own mean: beside photos of another kind all would look alike."""
    unit = rows.astype(np.float32)
    unit -= unit.mean(axis=0)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit @ unit.T)


def check_reference(reference: TrainingReference, k: int, novelty: NoveltyReference | None) -> None:
    """Raise `ValueError` for a reference that `make_reference` would not make for k classes and this measure of novelty."""
    kept: Mapping[str, Array] = reference.arrays
    if set(kept) not in ({"places", "place_codes"}, {"places", "place_codes", "logits", "codes"}):
        raise ValueError(_("what it keeps of its training photos is not complete"))
    places, most = kept["places"], ROWS if novelty is None else len(novelty.arrays["rows"])
    fine = _numbers(places, "u", ROWS) and places.max(initial=0) < most and len(kept["place_codes"]) == len(places)
    fine = fine and _numbers(kept["place_codes"], "u", ROWS) and kept["place_codes"].max(initial=0) < k
    if "logits" in kept:
        logits, codes = kept["logits"], kept["codes"]
        fine = fine and logits.dtype == np.int8 and logits.ndim == 2 and logits.shape == (len(codes), k)
        fine = fine and _numbers(codes, "u", MOST) and codes.max(initial=0) < k
    alike = reference.facts.get("alike")
    if not fine or not isinstance(alike, float) or not 0 < alike <= 1.01:
        raise ValueError(_("what it keeps of its training photos cannot be that"))


def _numbers(array: Array, kind: str, most: int) -> bool:
    return array.ndim == 1 and array.dtype.kind == kind and 1 <= len(array) <= most
