"""Answers for labelled images beside their labels: scores, and what these mean for a model.

In: answers and true labels. Out: an `Evaluation`, and sentences. `evaluate` is loaded when it is needed: it takes as long as
all of `predict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from penult.bundle import Bundle
from penult.predict.answers import Predictions
from penult.texts import percent

if TYPE_CHECKING:
    from penult.evaluate import Evaluation


def judge(answers: Predictions, labels: Sequence[str]) -> Evaluation:
    """Return the scores of these answers against the true labels, one for each; they must be classes of the model.

    See `remark_on_training` for images that the model learnt from.
    """
    from penult import evaluate

    index = {c: i for i, c in enumerate(answers.classes)}
    y = np.array([index[label] for label in labels], np.intp)  # (n,)
    return evaluate.score(y, answers.proba, answers.classes, name="new images")


def judge_unseen(answers: Predictions, labels: Sequence[str]) -> Evaluation | None:
    """Return the scores on the images that are not training photos of the model; None where that is all or none."""
    known = answers.in_training
    if known is None or not known.any() or known.all():
        return None
    left = np.flatnonzero(~known).tolist()
    kept = Predictions(tuple(answers.ids[i] for i in left), answers.classes, answers.proba[left], {})
    return judge(kept, [labels[i] for i in left])


def verdict_on_new(model: Bundle, answers: Predictions, result: Evaluation) -> str:
    """Return what the scores of these answers mean, see `verdict_on_scores`."""
    return verdict_on_scores(model, result, answers.in_training is not None and bool(answers.in_training.all()))


def verdict_on_scores(model: Bundle, result: Evaluation, learnt: bool) -> str:
    """Return what the scores of a model on labelled images mean, beside those that its training measured out of fold.

    `result` is of the images that the model has not seen. Where all are its training photos (`learnt`) they mean nothing.
    """
    from penult import evaluate

    if learnt:
        return (
            "These are training photos of this model: the scores mean nothing for new photos. Evaluate on photos that the "
            "model has not seen."
        )
    said, found = evaluate.verdict(result, "on these photos"), result.to_dict()
    scores = model.facts.get("scores")
    before = scores.get("accuracy") if isinstance(scores, dict) else None
    if not isinstance(before, dict) or not all(isinstance(before.get(end), float) for end in ("value", "low", "high")):
        return said  # a model of an older version, or trained elsewhere
    gap = evaluate.accuracy_gap({"scores": {"accuracy": before}}, found)
    if gap is None or not (gap.worse or gap.better):
        return said
    ours = percent(before["value"])
    if gap.better:
        return f"{said} Out of fold the model had {ours}: are these copies of its training photos?"
    return f"{said} Out of fold the model had {ours}: these photos are of another kind than its training photos."


def remark_on_training(answers: Predictions) -> str:
    """Return a sentence where images that are to be scored were training photos of the model; nothing where none was."""
    return remark_on_seen(0 if answers.in_training is None else int(answers.in_training.sum()), len(answers))


def remark_on_seen(found: int, n: int) -> str:
    """Return the same for `found` training photos among n."""
    if not found:
        return ""
    which = f"all {n} photos were" if found == n > 1 else f"{found} of the {n} photos {'was' if found == 1 else 'were'}"
    return f"{which} in the training set, so the scores are too good; use photos that the model has not seen"
