"""Answers for labelled images beside their labels: scores, and what these mean for a model.

In: answers and true labels. Out: an `Evaluation`, and sentences. `evaluate` is loaded when it is needed: it takes as long as
all of `predict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult import texts
from penult.bundle import Bundle
from penult.errors import InputError
from penult.i18n import _, ngettext
from penult.images import ImageSet, label_matrix
from penult.predict.answers import Predictions
from penult.texts import percent

if TYPE_CHECKING:
    from penult.evaluate import Evaluation, LabelEvaluation


Truth = Sequence[str] | NDArray[np.float32]  # a class for each image, or which labels it has, (n, L)


def true_answers(found: ImageSet, model: Bundle) -> Truth:
    """Return the class of each image, or its labels (n, L) where the model has several. Raises `InputError`."""
    if model.task == "classes":
        return [str(one.label) for one in found.images]
    labels = label_matrix(found, model.classes)
    if labels is None:
        raise InputError(
            _(
                "this model gives a photo several labels, and these images have one class each; give a "
                "table with a column of 0 and 1 for each label, or with several labels in a cell "
                "(cat;indoor)."
            )
        )
    return labels


def judge(answers: Predictions, labels: Truth) -> Evaluation | LabelEvaluation:
    """Return the scores of these answers against the true labels, one for each; they must be classes of the model.

    Of a model with several labels a photo they are a matrix (n, L) of 0, 1, and NaN where it is not known.
    See `remark_on_training` for images that the model learnt from.
    """
    from penult import evaluate

    if isinstance(labels, np.ndarray):
        return evaluate.score_labels(labels, answers.proba, answers.classes, answers.thresholds, name="new images")
    index = {c: i for i, c in enumerate(answers.classes)}
    y = np.array([index[label] for label in labels], np.intp)  # (n,)
    return evaluate.with_given(evaluate.score(y, answers.proba, answers.classes, name="new images"), answers.rule)


def judge_decision(answers: Predictions, labels: Truth) -> dict[str, Any] | None:
    """Return what the decision and the prediction sets of a model give on labelled images, as plain JSON values.

    As the record of a run has it; None for a model that gives the most probable class, without sets.
    """
    from penult import evaluate

    rule, sets = answers.rule, answers.sets
    if rule.kind == "argmax" and sets is None:
        return None
    seen = judge(answers, labels)
    if not isinstance(seen, evaluate.Evaluation):  # of several labels each has a threshold of its own
        return None
    point = coverage = None
    if rule.kind != "argmax":
        chosen = evaluate.focus(seen, rule)
        point = evaluate.measure_point(seen, rule.labels(seen.proba), chosen, rule.costs).to_dict()
    if sets is not None:
        coverage = evaluate.measure_sets(sets.sets(seen.proba), seen.y, None, seen.classes, sets.level).to_dict()
    return {**rule.to_facts(answers.classes), "point": point, "coverage": coverage}


def judge_unseen(answers: Predictions, labels: Truth) -> Evaluation | LabelEvaluation | None:
    """Return the scores on the images that are not training photos of the model; None where that is all or none."""
    known = answers.in_training
    if known is None or not known.any() or known.all():
        return None
    left = labels[~known] if isinstance(labels, np.ndarray) else [labels[i] for i in np.flatnonzero(~known).tolist()]
    return judge(answers[~known], left)


def verdict_on_new(model: Bundle, answers: Predictions, result: Evaluation | LabelEvaluation) -> str:
    """Return what the scores of these answers mean, see `verdict_on_scores`."""
    return verdict_on_scores(model, result, answers.in_training is not None and bool(answers.in_training.all()))


def verdict_on_scores(model: Bundle, result: Evaluation | LabelEvaluation, learnt: bool) -> str:
    """Return what the scores of a model on labelled images mean, beside those that its training measured out of fold.

    `result` is of the images that the model has not seen. Where all are its training photos (`learnt`) they mean nothing.
    """
    from penult import evaluate

    if learnt:
        return _(
            "These are training photos of this model: the scores mean nothing for new photos. "
            "Evaluate on photos that the model has not seen."
        )
    scores = model.facts.get("scores")
    if isinstance(result, evaluate.LabelEvaluation):
        return _verdict_on_labels(scores, result.to_dict())
    said, found = evaluate.verdict(result, _("on these photos")), result.to_dict()
    before = scores.get("accuracy") if isinstance(scores, dict) else None
    if isinstance(decision := model.facts.get("decision"), dict):  # then accuracy is that of the classes that it gives
        before = decision.get("accuracy")
    if not isinstance(before, dict) or not all(isinstance(before.get(end), float) for end in ("value", "low", "high")):
        return said  # a model of an older version, or trained elsewhere
    gap = evaluate.accuracy_gap({"scores": {"accuracy": before}}, found)
    if gap is None or not (gap.worse or gap.better):
        return said
    ours = percent(before["value"])
    if gap.better:
        return f"{said}{texts.gap()}{_copies(ours)}"
    more = _("Out of fold the model had {share}: these photos are of another kind than its training photos.", share=ours)
    return f"{said}{texts.gap()}{more}"


def _verdict_on_labels(scores: Any, found: dict[str, Any]) -> str:
    from penult import evaluate

    said, now = evaluate.label_verdict(found, on=_("on these photos")), found["scores"]["mAP"]
    before = scores.get("mAP") if isinstance(scores, dict) else None
    if not isinstance(before, dict) or None in (before.get("low"), before.get("high"), now["value"]):
        return said
    if now["high"] < before["low"]:
        more = _("Out of fold the model had {share}: these photos are of another kind.", share=percent(before["value"]))
        return f"{said}{texts.gap()}{more}"
    if now["low"] > before["high"]:
        return f"{said}{texts.gap()}{_copies(percent(before['value']))}"
    return said


def _copies(share: str) -> str:
    return _("Out of fold the model had {share}: are these copies of its training photos?", share=share)


def remark_on_training(answers: Predictions) -> str:
    """Return a sentence where images that are to be scored were training photos of the model; nothing where none was."""
    return remark_on_seen(0 if answers.in_training is None else int(answers.in_training.sum()), len(answers))


def remark_on_seen(found: int, n: int) -> str:
    """Return the same for `found` training photos among n."""
    if not found:
        return ""
    if found == n > 1:
        return _(
            "all {n} photos were in the training set, so the scores are too good; use photos that the model has not seen", n=n
        )
    return ngettext(
        "{n} of the {all} photos was in the training set, so the scores are too good; use photos that the model has not seen",
        "{n} of the {all} photos were in the training set, so the scores are too good; use photos that the model has not seen",
        found, all=n,
    )  # fmt: skip
