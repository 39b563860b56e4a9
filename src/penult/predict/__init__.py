"""A model and images in, one `Prediction` per image out; loads neither scikit-learn nor torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penult import bundle
from penult.embed import EmbedOptions
from penult.predict.answers import Prediction, Predictions, doubtful, write_review
from penult.predict.classifier import ModelClassifier
from penult.predict.judging import (
    judge,
    judge_decision,
    judge_unseen,
    remark_on_seen,
    remark_on_training,
    true_answers,
    verdict_on_new,
    verdict_on_scores,
)
from penult.predict.predictor import NEAR, SAME, Predictor
from penult.predict.tables import write_predictions

__all__ = [
    "NEAR",
    "SAME",
    "ModelClassifier",
    "Prediction",
    "Predictions",
    "Predictor",
    "doubtful",
    "judge",
    "judge_decision",
    "judge_unseen",
    "load_model",
    "remark_on_seen",
    "remark_on_training",
    "true_answers",
    "verdict_on_new",
    "verdict_on_scores",
    "write_predictions",
    "write_review",
]


def load_model(
    path: str | Path,
    *,
    device: str = "auto",
    precision: str = "auto",
    cache_dir: str | Path | bool | None = None,
    **others: Any,
) -> ModelClassifier:
    """Open a model file: a `Predictor` that is a fitted scikit-learn classifier, too.

    Parameters
    ----------
    path : str or Path
        `model.penult`, or the run folder that it is in.
    device : {"auto", "cpu", "cuda", "coreml", "dml"}, default="auto"
        What computes the networks.
    precision : {"auto", "f32", "bf16", "f16", "int8"}, default="auto"
        In what precision; "auto" is that of training, where this machine can.
    cache_dir : str, Path or False, optional
        The folder of the feature cache; None is the user's cache folder, False keeps features in memory only.
    **others
        Any other field of `penult.embed.EmbedOptions`, such as `workers`.

    Returns
    -------
    ModelClassifier

    Raises
    ------
    InputError
        When there is no such file.
    DamagedFile
        When it is not as it was saved.

    Examples
    --------
    >>> import penult
    >>> [p.label for p in penult.load_model("cats").predict(["cat.jpg", "dog.jpg"])]
    ['cat', 'dog']
    """
    cache = others.pop("cache", cache_dir)  # its former name
    return ModelClassifier(bundle.load_bundle(path), EmbedOptions(device, precision, cache, **others))


load = load_model
