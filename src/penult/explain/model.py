"""The model to explain, its networks and its head, however it was given, and which method suits it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penult.backbones import Backbone
from penult.bundle import Bundle, decision_of
from penult.decision import DecisionRule
from penult.embed import EmbedOptions
from penult.engines import Compute
from penult.errors import InputError, unknown
from penult.heads import HeadState, scorer
from penult.i18n import _
from penult.predict import Predictor

Method = Literal["cam", "occlusion"]
METHODS = ("auto", "cam", "occlusion")

LogitFunction = Callable[[NDArray[Any]], NDArray[np.float64]]  # (n, d) -> (n, k)


@dataclass(frozen=True, slots=True)
class ExplainedModel:
    """A model as explanations need it.

    `raw` gives the head's own logits, `proba` calibrated probabilities; `state` is None for another scikit-learn estimator.
    `device` and `precision` are as the model is served. `predictor` is what serves it, None for a `TransferClassifier`.
    `thresholds` (k,) are those of a model with several labels a photo.
    """

    classes: tuple[str, ...]
    backbones: tuple[Backbone, ...]
    raw: LogitFunction
    proba: LogitFunction
    state: HeadState | None
    settings: EmbedOptions
    compute: Compute
    predictor: Predictor | None
    thresholds: NDArray[np.float64] | None = None  # (k,)

    @property
    def several(self) -> bool:
        """Whether a photo has any number of labels."""
        return self.thresholds is not None

    def given(self, proba: NDArray[np.float64]) -> list[int]:
        """Return the numbers of the labels that a photo with probabilities (k,) is given; of classes that of the decision."""
        if self.thresholds is None:
            rule = DecisionRule() if self.predictor is None else decision_of(self.predictor.bundle)[0]
            return [int(rule.labels(proba[None])[0])]
        return [int(c) for c in np.flatnonzero(proba >= self.thresholds)]

    def _obstacle(self) -> str | None:
        """Return why there is no exact map of this model, or None where there is one."""
        if self.state is None or self.state.kind not in ("linear", "labels"):
            if self.state is None:
                return _("its scikit-learn estimator is not linear")
            return _("its {head} head is not linear", head=self.state.facts.get("head", self.state.kind))
        blind = [b.name for b in self.backbones if not b.has_maps]
        return _("there are no maps of {networks}", networks=", ".join(blind)) if blind else None

    def method(self, asked: str) -> Method:
        """Return the method for `asked`. Raises `UnknownName`, or `InputError` where there is no exact map."""
        if asked not in METHODS:
            raise unknown("method", asked, METHODS)
        obstacle = self._obstacle()
        if asked == "cam" and obstacle:
            raise InputError(
                _("this model has no exact activation map ({obstacle}); use the method occlusion, or auto.", obstacle=obstacle)
            )
        return "occlusion" if obstacle or asked == "occlusion" else "cam"

    def place(self, label: str | None) -> int | None:
        """Return a class's place in `classes`, None for None. Raises `UnknownName` with the nearest names."""
        if label is None:
            return None
        if label not in self.classes:
            raise unknown("label" if self.several else "class", label, self.classes)
        return self.classes.index(label)


def explained_model(model: Any) -> ExplainedModel:
    """Return a model as explanations need it. Raises `InputError` for other things, and for a model without a network."""
    if isinstance(model, Bundle):
        model = Predictor(model)
    if isinstance(model, Predictor):
        if not model.bundle.backbones:
            raise InputError(
                _(
                    "this model was trained from feature files and has no network in it, so its predictions "
                    "cannot be explained; train from images."
                )
            )
        head = model.bundle.head
        score = scorer(head.kind, head.arrays, head.facts)
        found = _explained(model.bundle.classes, model.bundle.backbones, score, model.settings, model)
        return replace(found, thresholds=model.bundle.thresholds)
    if not hasattr(model, "backbones_") or not hasattr(model, "head_"):
        raise InputError(
            _(
                "a {kind} cannot be explained; give what `penult.load_model` returns, or a fitted TransferClassifier.",
                kind=type(model).__name__,
            )
        )
    cache = None if model.cache_dir is True else model.cache_dir
    settings = EmbedOptions(model.device, model.precision_, cache, max_pixels=model.max_pixels)
    found = _explained(tuple(str(c) for c in model.classes_), model.backbones_, model.head_.scorer(), settings, None)
    return replace(found, thresholds=getattr(model, "thresholds_", None))


def _explained(
    classes: tuple[str, ...], backbones: tuple[Backbone, ...], score: Any, settings: EmbedOptions, predictor: Predictor | None
) -> ExplainedModel:
    state = getattr(score, "state", None)
    return ExplainedModel(classes, backbones, score.raw, score, state, settings, settings.compute(backbones), predictor)


def best_method(model: Any) -> Method:
    """Return the method that `explain` takes for a model unless it is told: "cam" where it can be, else "occlusion"."""
    return explained_model(model).method("auto")
