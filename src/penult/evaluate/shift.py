"""Whether test photos are of the same kind as the training photos (dataset shift), and what tells them apart.

The folds say what to expect of photos of the same kind. Where the test score lies outside that, `causes` tests what is likely:
groups of photos (patients, scenes) on both sides of the folds, other shares of the classes, photos unlike the training photos,
features that a classifier can tell apart. Quinonero-Candela et al., Dataset Shift in Machine Learning, 2009.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.arrays import Array, default_errors, stratified_rows, unit_blocks
from penult.evaluate.intervals import Z95, Floats, Ints
from penult.evaluate.metrics import auc_column
from penult.heads.unlike import ALARMS
from penult.i18n import N_, _
from penult.texts import percent, percents

Z99 = 2.5758293035489004  # the normal distribution's 99.5% point
POINTS = 0.01  # of accuracy: a smaller difference is no other kind of photos, however many show it
LEARNING = 0.03  # by which a model of all photos may beat those of the folds, which learn from four fifths of them
MOST = 300  # photos of either part that are told apart
DRAWS = 199  # permutations
RIDGE = 0.1  # times the mean of the kernel's diagonal
SHARE = 0.05  # by which a class share must differ to be named
UNUSUAL = 0.05  # share of test photos unlike the training photos from which it is named
APART = 0.65  # area under the ROC curve from which features are called different


@dataclass(frozen=True, slots=True)
class Cause:
    """One likely reason: its `kind` (groups, classes, novelty, size, features), what was found, what to do about it."""

    kind: str
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Gap:
    """The accuracy on test photos less that out of fold, with a 99% interval."""

    value: float
    low: float
    high: float

    @property
    def worse(self) -> bool:
        """Whether the test photos are answered worse than the folds allow."""
        return self.high < -POINTS

    @property
    def better(self) -> bool:
        """Whether they are answered better than the folds allow."""
        return self.low > LEARNING


def accuracy_gap(scores: Mapping[str, Any], test: Mapping[str, Any] | None) -> Gap | None:
    """Return the difference of two evaluations as dicts, None where one has no accuracy.

    The interval is made of the two accuracies' own, which know of groups and of folds (MOVER: Zou & Donner, Statistics in
    Medicine 27 (2008) 1693), widened from 95 to 99%: a run that leads with a difference must be right.
    """
    ours, theirs = (one["scores"]["accuracy"] if one else None for one in (scores, test))
    if not ours or not theirs or any(one[end] is None for one in (ours, theirs) for end in ("value", "low", "high")):
        return None
    value, wide = theirs["value"] - ours["value"], Z99 / Z95
    down = wide * sqrt((theirs["value"] - theirs["low"]) ** 2 + (ours["high"] - ours["value"]) ** 2)
    up = wide * sqrt((theirs["high"] - theirs["value"]) ** 2 + (ours["value"] - ours["low"]) ** 2)
    return Gap(value, value - down, value + up)


def class_shares(scores: Mapping[str, Any], test: Mapping[str, Any], mean: Floats) -> Cause | None:
    """Return what other class shares explain of a difference; `mean` (k,) are the mean probabilities on the test photos.

    Recall does not depend on how frequent a class is, so the recalls out of fold, weighted by the shares of the test photos,
    are the accuracy that these shares alone would give (prior shift: Saerens et al., Neural Computation 14 (2002) 21).
    """
    ours, theirs = (np.array([c["support"] for c in one["per_class"]], float) for one in (scores, test))  # (k,)
    p, q = ours / ours.sum(), theirs / theirs.sum()
    pooled = (ours + theirs) / (ours.sum() + theirs.sum())
    error = np.sqrt(pooled * (1 - pooled) * (1 / ours.sum() + 1 / theirs.sum()))  # (k,)
    differs = np.abs(q - p)
    c = int(differs.argmax())
    if differs[c] < SHARE or differs[c] < 4 * error[c]:
        return None
    recalls = np.array([one["recall"] or 0.0 for one in scores["per_class"]])
    change = 100 * (float(q @ recalls) - scores["scores"]["accuracy"]["value"])
    name = scores["per_class"][c]["name"]
    said = _(
        "class shares differ: {name!r} is {old} of the training photos and {new} of the test photos (mean predicted "
        "probability there: {mean}); by itself this would change the accuracy by {change:+.1f} points",
        name=name, old=percent(p[c]), new=percent(q[c]), mean=percent(float(mean[c])), change=change,
    )  # fmt: skip
    cure = _("train on photos in which the classes are as frequent as where the model will be used")
    return Cause("classes", said, cure)


def unlike_share(novelty: Array | None) -> Cause | None:
    """Return whether more test photos are unlike the training photos than is usual (`ALARMS`), by their novelty (n,)."""
    known = np.zeros(0) if novelty is None else novelty[np.isfinite(novelty)]
    if not len(known):
        return None
    number, usual = int((known > 1).sum()), ALARMS * len(known)
    if number < max(UNUSUAL * len(known), usual + 4 * sqrt(usual) + 2):
        return None
    said = _(
        "{share} of the test photos are unlike all training photos (about {usual} is usual)",
        share=percent(number / len(known)),
        usual=percent(ALARMS),
    )
    return Cause("novelty", said, _("add labelled photos like the test photos to the training photos"))


@default_errors
def features_apart(X: Array, y: Ints, Z: Array, labels: Ints, blocks: Sequence[int], seed: int = 0) -> tuple[float, float]:
    """Return how well a classifier tells test rows Z (m, d) from training rows X (n, d) of their class: AUC and p-value.

    0.5 is not at all. A classifier two-sample test (Lopez-Paz & Oquab, ICLR 2017): kernel ridge regression of the part on the
    features, whose leave-one-out answers need one solution (Rifkin & Lippert 2007); rows change parts within their class for
    the p-value, so other shares of the classes are no difference of the features.
    """
    k = int(max(y.max(), labels.max())) + 1
    rows, cols = (stratified_rows(c, _sizes(c, k), seed) for c in (y, labels))
    part = np.repeat([-1.0, 1.0], [len(rows), len(cols)])  # (m,)
    classes = np.concatenate([y[rows], labels[cols]])
    F = unit_blocks(np.concatenate([X[rows], Z[cols]]), blocks).astype(np.float64)
    for c in range(k):
        F[classes == c] -= F[classes == c].mean(axis=0) if (classes == c).any() else 0
    K = (F @ F.T) * (1 + (classes[:, None] == classes))  # (m, m) what all classes have in common, and each by itself
    rng = np.random.default_rng(seed)
    drawn = np.stack([part] + [_permuted(part, classes, rng) for _ in range(DRAWS)], axis=1)  # (m, 1 + draws)
    areas = told_apart(K, drawn)
    return float(areas[0]), (1 + int((areas[1:] >= areas[0]).sum())) / (1 + DRAWS)


def told_apart(K: Floats, parts: Floats) -> Floats:
    """Return how well rows with the kernel K (m, m) tell which part they are of, for `parts` (m, c) of -1 and 1: AUC (c,).

    Kernel ridge regression of each column, answered leave-one-out by one solution for all.
    """
    hat = K @ np.linalg.inv(K + RIDGE * np.trace(K) / len(K) * np.eye(len(K)))
    left_out = (hat @ parts - np.diag(hat)[:, None] * parts) / (1 - np.diag(hat))[:, None]
    return np.array([_area(left_out[:, i], parts[:, i]) for i in range(parts.shape[1])])


def _sizes(y: Ints, k: int) -> Ints:
    counts = np.bincount(y, minlength=k)
    found: Ints = np.ceil(counts * min(1.0, MOST / len(y))).astype(np.intp)
    return found


def _permuted(part: Floats, classes: NDArray[Any], rng: np.random.Generator) -> Floats:
    """Return the parts dealt anew within each class."""
    order = np.lexsort((rng.random(len(part)), classes))
    dealt = np.empty_like(part)
    dealt[np.argsort(classes, kind="stable")] = part[order]
    return dealt


def _area(scores: Floats, part: Floats) -> float:
    """Return the area under the ROC curve of leave-one-out scores, 0.5 where one part is empty."""
    column = auc_column((part > 0).astype(np.intp), np.column_stack([-scores, scores]))
    return 0.5 if column is None else float(column.mean())


def other_features(area: float, chance: float) -> Cause | None:
    """Return whether features differ between the parts, from the answer of `features_apart`."""
    if chance > 0.01 or area < APART:
        return None
    said = _(
        "the photos look different: a classifier tells test from training photos, AUC {auc:.2f} (0.5: it cannot)", auc=area
    )
    cure = _("compare how both were taken (camera, place, format); train on photos like those to come")
    return Cause("features", said, cure)


def other_sizes(train: Sequence[float], test: Sequence[float]) -> Cause | None:
    """Return whether test photos are of another size, from the sides in pixels of some of either part."""
    if min(len(train), len(test)) < 10:
        return None
    ours, theirs = float(np.median(train)), float(np.median(test))
    if max(ours, theirs) < 1.5 * min(ours, theirs):
        return None
    said = _(
        "the photos are of another size: the median side is {ours:,.0f} pixels in training and {theirs:,.0f} in the test",
        ours=ours,
        theirs=theirs,
    )
    return Cause("size", said, _("use photos of one source, resized in one way"))


def grouped_names(pattern: str, example: str, accuracy: float, together: float | None) -> Cause:
    """Return that file names show groups whose photos are alike, and the accuracy with each group in one fold, if measured."""
    cure = _("train again with --groups '{pattern}'", pattern=pattern)
    if together is None:
        told = N_("file names show groups of photos that look alike (such as {example}), and the folds split them")
        return Cause("groups", _(told, example=example), cure)
    ours, kept = percents(accuracy, together)
    said = _(
        "file names show groups of photos that look alike (such as {example}), and the folds split them: with each group in "
        "one fold the out-of-fold accuracy is {kept}% instead of {ours}%",
        example=example, kept=kept, ours=ours,
    )  # fmt: skip
    return Cause("groups", said, cure)
