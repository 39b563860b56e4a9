"""How right a model is on labelled photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from penult import images, pixels
from penult.api.given import Model, open_predictor, use_prior
from penult.errors import InputError, ProgressCallback
from penult.evaluate import Evaluation, LabelEvaluation
from penult.evaluate.gates import Gate, parse_gates
from penult.frames import short
from penult.i18n import _
from penult.predict import Predictions, judge, judge_unseen, true_answers, verdict_on_new
from penult.progress import progress_bar
from penult.texts import count, joined_labels, percent
from penult.training.keywords import Keywords


@dataclass(frozen=True, slots=True)
class Evaluated:
    """How right a model is on labelled photos.

    Attributes
    ----------
    evaluation : Evaluation or LabelEvaluation
        The scores on all photos.
    unseen : Evaluation, LabelEvaluation or None
        The scores on those that the model was not trained on, where some were.
    verdict : str
        What they mean.
    answers : Predictions
        The answer for each photo.
    labels : tuple of str (n)
        The true label of each; of several labels a photo all of them as one text.
    gates : tuple of Gate
        The bounds that were asked for; `passed` says whether all are met.

    Examples
    --------
    >>> import penult
    >>> found = penult.evaluate("cats", "photos", min_accuracy=0.9)
    >>> found
    Evaluated(images=12, accuracy=100%)
    >>> found.passed, found.scores["accuracy"].value
    (True, 1.0)
    """

    evaluation: Evaluation | LabelEvaluation
    unseen: Evaluation | LabelEvaluation | None
    verdict: str
    answers: Predictions
    labels: tuple[str, ...]
    gates: tuple[Gate, ...] = ()

    @property
    def scores(self) -> Mapping[str, Any]:
        """The scores on the photos that the model was not trained on, or on all where that is all or none."""
        return (self.unseen or self.evaluation).scores

    @property
    def passed(self) -> bool:
        """Whether every gate that was asked for is met."""
        result = (self.unseen or self.evaluation).to_dict()
        return all(gate.is_met(result) for gate in self.gates)

    def __repr__(self) -> str:
        name = "accuracy" if "accuracy" in self.scores else "mAP"
        value = self.scores[name].value
        return short("Evaluated", images=len(self.labels), **{name: _("not defined") if value is None else percent(value)})

    def _repr_html_(self) -> str:
        return (self.unseen or self.evaluation)._repr_html_()

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each photo: its true label, the answer, and whether that is right."""
        found = self.answers.to_pandas()
        found.insert(1, "true", list(self.labels))
        found.insert(2, "right", [one.label == label for one, label in zip(self.answers, self.labels, strict=True)])
        return found


def evaluate_model(
    model: Model,
    labelled: str | Path | Sequence[str | Path],
    *,
    min_accuracy: str | float | None = None,
    max_log_loss: str | float | None = None,
    min_recall: Sequence[str] = (),
    prior: str | Mapping[str, float] | None = None,
    verbose: bool | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Evaluated:
    """Evaluate a model on new labelled images, as `penult evaluate` does.

    Parameters
    ----------
    model : str, Path, Run, or what `penult.load_model` returns
        `model.penult`, the run folder that it is in, or the model itself.
    labelled : str or Path
        Labelled photos, as `penult.train` takes them; their classes must be classes of the model.
    min_accuracy : float or str, optional
        Gate: the least accuracy, such as 0.95 or "95%"; `Evaluated.passed` says whether all gates are met.
    max_log_loss : float or str, optional
        Gate: the largest log loss.
    min_recall : list of str, optional
        Gates: the least share of a class that is found, such as ``["defective=0.9"]``.
    prior : str or dict, optional
        How frequent the classes are where the model is used: ``{"defective": 0.02}``, or "estimate", from these images.
    verbose : bool, optional
        Show progress: by default in a terminal and in a notebook; False nowhere.
    progress : callable, optional
        Called as `progress(step, done, total)`, instead of a bar.
    **options
        As for `penult.predict`.

    Returns
    -------
    Evaluated

    Raises
    ------
    InputError
        For images or a model that cannot be used.

    Examples
    --------
    >>> import penult
    >>> found = penult.evaluate("cats", "photos", min_accuracy=0.9)
    >>> found.evaluation.scores["accuracy"].value, found.passed
    (1.0, True)
    """
    named = Keywords(options)
    settings, table = named.settings(), named.table()
    named.end()
    predictor = open_predictor(model, settings if options else None, own=prior is not None)
    classes, task = predictor.bundle.classes, predictor.bundle.task
    if task == "labels" and min_accuracy is not None:
        raise InputError(_("min_accuracy is of one class a photo; for several labels give max_log_loss or min_recall."))
    least, most = (None if one is None else str(one) for one in (min_accuracy, max_log_loss))
    gates = parse_gates(least, most, [min_recall] if isinstance(min_recall, str) else list(min_recall), classes)
    found = images.scan_labelled(labelled, classes=classes, table=replace(table, task=task))
    predictor.settings.tolerance.check_scan(found)
    with progress_bar(verbose, progress) as shown:
        use_prior(predictor, prior, lambda: predictor.predict(found.sources, found.ids, shown))
        answers = predictor.predict(found.sources, found.ids, shown)
    if len(answers.failures) == len(answers):
        why = pixels.summarize_failures(answers.failures.values())
        raise InputError(
            _(
                "none of the {images} can be read: {why}; give images that can be read.",
                images=count(len(answers), "image"),
                why=why,
            )
        )
    truth = true_answers(found, predictor.bundle)
    measured, unseen = judge(answers, truth), judge_unseen(answers, truth)
    if isinstance(truth, np.ndarray):
        labels = tuple(joined_labels([classes[c] for c in np.flatnonzero(row == 1)], classes) for row in truth)
    else:
        labels = tuple(truth)
    said = verdict_on_new(predictor.bundle, answers, unseen or measured)
    return Evaluated(measured, unseen, said, answers, labels, tuple(gates))
