"""The place of use of a model, where classes are not as frequent as among its training photos (`--prior`).

Everything is measured on the photos as they are. The model answers for the other class shares, its decision is chosen for
them, and accuracy and log loss are told for there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.evaluate import Evaluation, Score
from penult.evaluate.evaluation import build
from penult.evaluate.intervals import mean_variance, positive_mean, wilson
from penult.evaluate.metrics import per_image
from penult.heads.prior import held_shares, parse_prior, reweigh, shifted_head
from penult.heads.scoring import HeadState
from penult.i18n import _, ngettext
from penult.texts import measured, percent

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PlaceOfUse:
    """Class shares `new` (k,) of the place of use, and `old` (k,), those that the head's own probabilities hold for."""

    classes: tuple[str, ...]
    old: Floats
    new: Floats

    @classmethod
    def of(
        cls, asked: str | Mapping[str, Any] | None, class_weight: Any, training: Floats, classes: Sequence[str]
    ) -> PlaceOfUse | None:
        """Return that of `TrainOptions.prior`, None without one; `training` (k,) are the shares of the training photos."""
        if asked is None:
            return None
        return cls(tuple(classes), held_shares(training, class_weight, classes), parse_prior(asked, classes, training))

    @classmethod
    def of_run(cls, metrics: Mapping[str, Any], classes: Sequence[str]) -> PlaceOfUse | None:
        """Return that of a finished run, by what `measure` wrote of it."""
        told = metrics.get("prior")
        if not told:
            return None
        old, new = (np.array([told[name][c] for c in classes], np.float64) for name in ("learnt", "classes"))
        return cls(tuple(classes), old, new)

    def head(self, state: HeadState) -> HeadState:
        """Return the head that answers for there. Raises `InputError` for a head that cannot."""
        return shifted_head(state, self.old, self.new)

    def at_training(self, proba: Floats) -> Floats:
        """Return probabilities (n, k) for the training photos, of those for there: what scores are measured with."""
        return reweigh(proba, self.new, self.old)

    def proba(self, evaluation: Evaluation) -> Floats:
        """Return the out-of-fold probabilities (n, k) for there."""
        return reweigh(evaluation.proba, self.old, self.new)

    def evaluation(self, found: Evaluation) -> Evaluation:
        """Return the evaluation answered for there, each photo with the weight of its class: what a decision is chosen by.

        The recall of a class does not depend on how frequent it is, so all its photos say what it is.
        """
        there = build(found.name, found.classes, found.y, self.proba(found), found.fold, found.groups)
        counts = np.bincount(found.y[found.measured], minlength=len(self.new))
        weights = self.new / np.maximum(counts, 1) * counts.sum()  # (k,) of a class without photos nothing is known
        return replace(there, weights=weights[found.y])

    def scores(self, found: Evaluation) -> dict[str, Score]:
        """Return accuracy and log loss there: the means of each class's photos, weighted by its share there."""
        at = found.measured
        y, groups = found.y[at], None if found.groups is None else found.groups[at]
        columns = per_image(y, self.proba(found)[at])
        table = np.column_stack([columns["accuracy"], columns["log_loss"]])  # (n, 2)
        means, variances = np.zeros(2), np.zeros(2)
        for c, share in enumerate(self.new):
            mine = y == c
            means += share * table[mine].mean(axis=0)
            variances += share**2 * mean_variance(table[mine], None if groups is None else groups[mine])
        right, loss = (float(mean) for mean in means)
        units = min(right * (1 - right) / variances[0], len(y)) if variances[0] > 0 else float(np.bincount(y).min())
        low, high = wilson(right * units, units)
        ends = positive_mean(loss, float(variances[1]), float(columns["log_loss"].max()) / units)
        return {"accuracy": Score(right, float(low), float(high)), "log_loss": Score(loss, *ends)}

    def measure(self, found: Evaluation, training: Floats) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what `metrics.json` says of there, and what the model file does, as plain JSON values.

        `training` (k,) are the class shares of the training photos.
        """
        scores = self.scores(found)
        plain = {name: score.to_dict() for name, score in scores.items()}
        new, old = (dict(zip(self.classes, shares.tolist(), strict=True)) for shares in (self.new, self.old))
        told = {"classes": new, "learnt": old, "scores": plain, "note": self._note(scores)}
        about = {"prior": self.new.tolist(), "training_prior": training.tolist()}
        return told, {**about, "scores": found.to_dict()["scores"] | plain}

    def _note(self, scores: Mapping[str, Score]) -> str:
        """Return what to tell of a run."""
        order = np.argsort(-np.abs(self.new - self.old), kind="stable")[:3].tolist()
        named = ", ".join(f"{self.classes[c]} {percent(float(self.new[c]))}" for c in order)
        if (more := len(self.classes) - len(order)) > 0:
            named = ngettext("{names} and {n:,} class more", "{names} and {n:,} classes more", more, names=named)
        accuracy, loss = scores["accuracy"], scores["log_loss"]
        right, low, high = measured(accuracy.value, accuracy.low, accuracy.high, share=True)
        losses = measured(loss.value, loss.low, loss.high)
        return _(
            "the model answers for the class shares of --prior ({shares}): there its accuracy is {right}% (95% CI {low} to "
            "{high}) and its log loss {loss}; all other scores are of the photos as they are",
            shares=named,
            right=right,
            low=low,
            high=high,
            loss=losses[0],
        )
