"""A sample of the photos that a model answers, by which it is told afterwards whether they are of another kind (drift)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from penult.bundle import Bundle, held_prior, training_prior
from penult.errors import InputError
from penult.heads import novelty
from penult.i18n import _

if TYPE_CHECKING:
    from penult.evaluate.drift import Drift
    from penult.evaluate.prior_shift import PriorEstimate

MOST = 1000  # photos
OTHER_KIND = 0.9  # AUC of telling new photos from training photos, from which classes can hardly look as they did


class DriftSample:
    """Up to 1,000 random photos of all that were answered: their features as the model keeps those of its training photos, and
    their probabilities.
    """

    def __init__(self, model: Bundle) -> None:
        self._model, self._old = model, held_prior(model)
        self._rng = np.random.default_rng(0)
        self._keys, self._known = np.zeros(0), 0
        self._rows = np.zeros((0, 0), np.int8)  # (m, q)
        self._proba = np.zeros((0, len(model.classes)))  # (m, k)
        self._novelty = None if model.novelty is None else novelty.reference(model.novelty.arrays, model.novelty.facts)

    def add(self, X: NDArray[np.float32], proba: NDArray[np.float64], new: NDArray[np.bool_] | None = None) -> None:
        """Take features (n, d) and probabilities (n, k) that hold for the class shares of the model.

        Those that are not `new` (n,) are left out: a model answers the photos that it was trained on more surely than others.
        """
        if new is not None:
            self._known += int((~new).sum())
            X, proba = X[new], proba[new]
        if self._model.reference is None or self._novelty is None or not len(X):
            return
        keys = self._rng.random(len(X))  # those with the smallest keys are a sample of all so far (Knuth's reservoir)
        level = np.partition(self._keys, MOST - 1)[MOST - 1] if len(self._keys) >= MOST else np.inf
        some = np.flatnonzero(keys < level)
        rows = self._novelty.kept_form(X[some])
        keys, proba = np.concatenate([self._keys, keys[some]]), np.concatenate([self._proba, proba[some]])
        rows = np.concatenate([self._rows, rows]) if len(self._rows) else rows
        kept = np.sort(np.argsort(keys, kind="stable")[:MOST])
        self._keys, self._rows, self._proba = keys[kept], rows[kept], proba[kept]

    def drift(self, prior: NDArray[np.float64] | None = None) -> Drift:
        """Return what the tests say of the photos so far; `prior` (k,) are class shares that were asked for since training."""
        from penult.evaluate import drift

        model = self._model
        if model.reference is None or self._novelty is None:
            return drift.not_tested(
                _(
                    "Drift was not tested: this model was saved without what the test needs of its training "
                    "photos; train again for it."
                )
            )
        if not len(self._rows) and self._known:
            return drift.not_tested(_("Drift was not tested: the model was trained on these photos."))
        if not len(self._rows):
            return drift.not_tested(_("Drift was not tested: there are no photos that could be read."))
        found = model.reference, self._novelty.arrays["rows"], self._rows, self._proba, model.classes
        if model.task != "classes":
            return drift.measure_drift(*found)
        asked = prior is not None or "prior" in model.facts
        usual = prior if prior is not None else self._old if asked else training_prior(model)
        return drift.measure_drift(*found, self._old, usual, asked)

    def estimate_prior(self) -> PriorEstimate:
        """Return the class shares of the photos so far. Raises `InputError` where they cannot be told."""
        from penult.evaluate.prior_shift import estimate_prior

        model, reference = self._model, self._model.reference
        if model.task != "classes":
            raise InputError(
                _("class shares are of photos of one class each, and these have several labels; leave --prior out.")
            )
        if reference is None or "logits" not in reference.arrays:
            raise InputError(
                _(
                    "class shares cannot be estimated: this model was saved without the out-of-fold "
                    "probabilities of its training photos; train again, or give the shares with --prior."
                )
            )
        drift = self.drift()
        other = drift.features is not None and drift.features.differs and not drift.shares
        if other and drift.features is not None and drift.features.statistic > OTHER_KIND:
            raise InputError(
                _(
                    "class shares cannot be estimated: these photos look unlike the training photos of every "
                    "class (AUC {statistic:.2f}); label some of them and train again, or give the shares "
                    "with --prior.",
                    statistic=drift.features.statistic,
                )
            )
        proba = reference.proba / reference.proba.sum(axis=1, keepdims=True)
        found = estimate_prior(self._proba, reference.arrays["codes"].astype(np.intp), proba, self._old, model.classes)
        said = (_("the photos differ from the training photos in more than the class shares"),) if other else ()
        return replace(found, doubts=(*said, *found.doubts))
