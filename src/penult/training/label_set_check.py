"""Which labels may be judged where a photo has several, and how probable it is that each is missing or wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.audit.label_set_noise import label_set_noise
from penult.audit.noise_model import DOUBTED
from penult.errors import listed
from penult.evaluate import LabelEvaluation
from penult.i18n import _
from penult.training.label_check import CHANCE, WEAK, LabelCheck

RIGHT = 0.5  # average precision that a label's classifier must have
UNCLIPPED = 1e-6  # floor of the second models' probabilities: the usual one allows for surprises, as wrong labels are


def check_label_sets(
    head: Any, X: NDArray[Any], seen: LabelEvaluation, sample_weight: NDArray[np.float64] | None = None
) -> LabelCheck:
    """Return how probable it is that each label of the rows X (n, d) is missing or wrong, by the out-of-fold `seen`.

    `rows` (m,) are those that were measured, `proba` (m, L), `wrong` (m, L), NaN for labels that are not known or are not
    judged: their classifier is not surely better than chance, or too weak; `note` names these. Where labels are in doubt the
    folds are fitted again without these (the second pass of "Confident Learning", Northcutt et al., JAIR 70, 2021), and the
    answer is the geometric mean of both passes: see `benchmarks/jobs.py label-noise`. `sample_weight` (n,) counts where they
    learn.
    """
    rows, better, judged = np.flatnonzero(seen.measured), _better(seen), _judged(seen)
    if not judged.any():
        nothing = np.full((len(rows), len(seen.labels)), np.nan)
        return LabelCheck(rows, seen.proba[rows], nothing, _(WEAK if better.any() else CHANCE))
    Y = np.where(judged, seen.Y, np.nan)
    wrong = label_set_noise(Y[rows], seen.proba[rows]).wrong
    doubted = np.nan_to_num(wrong) > DOUBTED
    if doubted.any():
        from sklearn.base import clone

        without = seen.Y.copy()
        without[rows] = np.where(doubted, np.nan, without[rows])
        proba, _other = clone(head).set_params(clip=UNCLIPPED).cross_fit(X, without, seen.fold, sample_weight=sample_weight)
        # what both passes doubt: the first learnt the wrong labels, and the second did not learn the hard photos
        wrong = np.sqrt(wrong * label_set_noise(Y[rows], proba[rows]).wrong)
    return LabelCheck(rows, seen.proba[rows], wrong, _left_out(seen, judged))


def _left_out(seen: LabelEvaluation, judged: NDArray[np.bool_]) -> str:
    """Return which labels are not judged, in a sentence; nothing where all are."""
    names = [label for label, known in zip(seen.labels, judged, strict=True) if not known]
    if not names:
        return ""
    return _(
        "missing and wrong labels were not looked for where the model finds a label too poorly: {names}", names=listed(names)
    )


def _better(seen: LabelEvaluation) -> NDArray[np.bool_]:
    """Return which labels (L,) have a classifier that is surely better than chance."""
    return np.array([one.ap.low is not None and one.ap.low > one.support / one.known for one in seen.per_label], bool)


def _judged(seen: LabelEvaluation) -> NDArray[np.bool_]:
    """Return which labels (L,) have a classifier that is surely better than chance, and right more often than not."""
    right = np.array([one.ap.value is not None and one.ap.value > RIGHT for one in seen.per_label], bool)
    return np.asarray(_better(seen) & right)
