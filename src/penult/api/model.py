"""A model and photos: their classes, how right these are, and what drove them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from penult import bundle, images, pixels, store
from penult import explain as explaining
from penult.bundle import Bundle
from penult.embed import EmbedOptions
from penult.errors import InputError, ProgressCallback
from penult.evaluate import Evaluation, LabelEvaluation
from penult.evaluate.gates import Gate, parse_gates
from penult.frames import short
from penult.heads.prior import parse_prior
from penult.predict import Predictions, Predictor, judge, judge_unseen, true_answers, verdict_on_new, write_review
from penult.predict.tables import check_table
from penult.progress import progress_bar
from penult.texts import count, joined_labels, percent
from penult.training import Run
from penult.training.keywords import Keywords

Model = str | Path | Run | Bundle | Predictor


def predict_images(
    model: Model,
    images: Any = None,
    *,
    features: str | Sequence[str] | None = None,
    csv: str | Path | None = None,
    review: float | None = None,
    prior: str | Mapping[str, float] | None = None,
    verbose: bool | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> Predictions:
    """Classify images, as `penult predict` does.

    Parameters
    ----------
    model : str, Path, Run, or what `penult.load_model` returns
        `model.penult`, the run folder that it is in, or the model itself.
    images : path or several, arrays, Pillow images, or a data set
        Photos, folders, archives and tables by path; uint8 arrays (h, w, 3), Pillow images, `penult.FileContent`; data sets of
        `torchvision` and Hugging Face.
    features : str or list of str, optional
        Feature files instead of images.
    csv : str or Path, optional
        Where to write file, label, confidence, one column a class, and novelty; a name that ends in `.parquet`, `.jsonl` or
        `.ndjson` gets that.
    review : float, optional
        Write `review.csv` beside it: the photos that a person should check, with a confidence below this, or unlike the
        training photos.
    prior : str or dict, optional
        How frequent the classes are where the model is used: ``{"defective": 0.02}``, or "estimate", from these images.
    verbose : bool, optional
        Show progress: by default in a terminal and in a notebook; False nowhere.
    progress : callable, optional
        Called as `progress(step, done, total)`, instead of a bar.
    **options
        `device`, `precision`, `cache_dir`, `max_pixels`, `max_bad`, `strict`; for a table `image_column`, `image_dir` ...

    Returns
    -------
    Predictions
        A sequence of `Prediction`, and a table in a notebook.

    Raises
    ------
    InputError
        For images or a model that cannot be used.

    Examples
    --------
    >>> import penult
    >>> answers = penult.predict("cats", ["cat.jpg", "dog.jpg"])
    >>> answers[0].label
    'cat'
    """
    if csv is not None:
        check_table(csv, "csv")
    if (images is None) == (features is None):
        raise InputError("penult.predict takes either images or features; give one of the two.")
    named = Keywords(options)
    settings, table = named.settings(), named.table()
    named.end()
    predictor = _predictor(model, settings, bool(options) or prior is not None)
    found = None if features is not None else _given(images, predictor.bundle.classes, table)
    files = [features] if isinstance(features, str) else features or ()
    with progress_bar(verbose, progress) as shown:

        def answer() -> Predictions:
            return predictor.predict_features(files) if found is None else predictor.predict(found.sources, found.ids, shown)

        _use_prior(predictor, prior, answer)
        answers = answer()
    if csv is not None:
        answers.write_csv(csv)
    if review is not None:
        write_review((Path(csv).parent if csv else Path()) / "review.csv", answers, review)
    return answers


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
        return short("Evaluated", images=len(self.labels), **{name: "not defined" if value is None else percent(value)})

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
    labelled : str or Path
        Labelled photos, as `penult.train` takes them; their classes must be classes of the model.
    min_accuracy, max_log_loss, min_recall : optional
        Gates, as the command line has them; `Evaluated.passed` says whether they are met.
    prior : str or dict, optional
        As for `penult.predict`.
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
    predictor = _predictor(model, settings, bool(options) or prior is not None)
    classes, task = predictor.bundle.classes, predictor.bundle.task
    if task == "labels" and min_accuracy is not None:
        raise InputError("min_accuracy is of one class a photo; for several labels give max_log_loss or min_recall.")
    least, most = (None if one is None else str(one) for one in (min_accuracy, max_log_loss))
    gates = parse_gates(least, most, [min_recall] if isinstance(min_recall, str) else list(min_recall), classes)
    found = images.scan_labelled(labelled, classes=classes, table=replace(table, task=task))
    predictor.settings.tolerance.check_scan(found)
    with progress_bar(verbose, progress) as shown:
        _use_prior(predictor, prior, lambda: predictor.predict(found.sources, found.ids, shown))
        answers = predictor.predict(found.sources, found.ids, shown)
    if len(answers.failures) == len(answers):
        why = pixels.summarize_failures(answers.failures.values())
        raise InputError(f"none of the {count(len(answers), 'image')} can be read: {why}; give images that can be read.")
    truth = true_answers(found, predictor.bundle)
    measured, unseen = judge(answers, truth), judge_unseen(answers, truth)
    if isinstance(truth, np.ndarray):
        labels = tuple(joined_labels([classes[c] for c in np.flatnonzero(row == 1)], classes) for row in truth)
    else:
        labels = tuple(truth)
    said = verdict_on_new(predictor.bundle, answers, unseen or measured)
    return Evaluated(measured, unseen, said, answers, labels, tuple(gates))


def explain_images(
    model: Model | Any,
    images: Any,
    label: str | Sequence[str] | None = None,
    method: str = "auto",
    *,
    out: str | Path | None = None,
    verbose: bool | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> explaining.Explanations:
    """Return what drove each prediction, as `penult explain` draws it.

    Parameters
    ----------
    model : str, Path, Run, a fitted TransferClassifier, or what `penult.load_model` returns
    images : as for `penult.predict`
    label : str or list of str, optional
        The class to explain, one for all images or one each (`--class`); by default each image's predicted one.
    method : {"auto", "cam", "occlusion"}, default="auto"
        The exact class activation map, or covering the image piece by piece; "auto": the first of them that can be.
    out : str or Path, optional
        A folder for the pictures; by default none is written, and a notebook shows them.
    verbose : bool, optional
        Show progress: by default in a terminal and in a notebook; False nowhere.
    progress : callable, optional
        Called as `progress(step, done, total)`, instead of a bar.
    **options
        `device`, `precision`, `cache_dir`, `max_pixels`.

    Returns
    -------
    Explanations
        A tuple of `Explanation`, one for each image that can be read, and pictures in a notebook.

    Raises
    ------
    InputError, UnknownName
        For a model, an image, a class or a method that cannot be used.

    Examples
    --------
    >>> import penult
    >>> found = penult.explain("cats", ["cat.jpg"])
    >>> found[0].label, found[0].heat.shape == found[0].photo.shape[:2]
    ('cat', True)
    """
    named = Keywords(options)
    settings = named.settings()
    named.end()
    explained: Any = model
    if not (hasattr(model, "backbones_") and hasattr(model, "head_")):
        explained = _predictor(model, settings, bool(options))
    classes = explained.bundle.classes if isinstance(explained, Predictor) else tuple(map(str, explained.classes_))
    found = _given(images, classes)
    with progress_bar(verbose, progress) as shown:
        done = explaining.explain(explained, found.sources, label, method, ids=found.ids, progress=shown)
    if out is not None:
        store.check_output_folder(out, "out")
        for one in done:
            explaining.write_picture(one, out)
    return done


@dataclass(frozen=True, slots=True)
class _Given:
    """Images as a model takes them, and their names."""

    sources: list[Any]
    ids: tuple[str, ...]


def _given(given: Any, classes: Sequence[str], table: images.TableOptions | None = None) -> _Given:
    """Return what was given as images: paths as the command line takes them, all else as `pixels.image_list` does."""
    several = [given] if isinstance(given, str | os.PathLike) else given
    if isinstance(several, list | tuple) and several and all(isinstance(one, str | os.PathLike) for one in several):
        found = images.scan_unlabelled([os.fspath(one) for one in several], classes, table or images.TableOptions())
        return _Given(list(found.sources), tuple(found.ids))
    sources = pixels.image_list(given)
    return _Given(sources, tuple(pixels.image_name(i, one) for i, one in enumerate(sources)))


def _predictor(model: Any, settings: EmbedOptions, asked: bool) -> Predictor:
    """Return what serves a model, however it was given; one that is open is asked with its own settings unless others are."""
    if isinstance(model, Predictor):
        return Predictor(model.bundle, settings) if asked else model
    if isinstance(model, Run):
        model = model.model
    if isinstance(model, str | os.PathLike):
        model = bundle.load_bundle(Path(model))
    if not isinstance(model, Bundle):
        raise InputError(
            f"a {type(model).__name__} is no model; give the path of model.penult or of a run folder, a Run, or what "
            "penult.load_model returns."
        )
    return Predictor(model, settings)


def _use_prior(predictor: Predictor, prior: str | Mapping[str, float] | None, answer: Callable[[], Any]) -> None:
    """Have a model answer for class shares: those that were asked for, or that its answers tell. Raises `InputError`."""
    if prior is None:
        return
    if prior != "estimate":
        text = prior if isinstance(prior, str) else ",".join(f"{name}={share}" for name, share in prior.items())
        predictor.use_prior(parse_prior(text, predictor.bundle.classes, bundle.training_prior(predictor.bundle)))
        return
    predictor.watch_drift()
    answer()
    found = predictor.estimate_prior()
    if found.differs:
        predictor.use_prior(found.shares)
