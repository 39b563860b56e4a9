"""The classes of photos, and what drove them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penult import explain as explaining
from penult import store
from penult.api.given import Model, given_images, open_predictor, use_prior
from penult.errors import InputError, ProgressCallback
from penult.i18n import _
from penult.predict import Predictions, Predictor, write_review
from penult.predict.tables import check_table
from penult.progress import progress_bar
from penult.training.keywords import Keywords


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
        raise InputError(_("penult.predict takes either images or features; give one of the two."))
    named = Keywords(options)
    settings, table = named.settings(), named.table()
    named.end()
    predictor = open_predictor(model, settings if options else None, own=prior is not None)
    found = None if features is not None else given_images(images, predictor.bundle.classes, table)
    files = [features] if isinstance(features, str) else features or ()
    with progress_bar(verbose, progress) as shown:

        def answer() -> Predictions:
            return predictor.predict_features(files) if found is None else predictor.predict(found.sources, found.ids, shown)

        use_prior(predictor, prior, answer)
        answers = answer()
    if csv is not None:
        answers.write_csv(csv)
    if review is not None:
        write_review((Path(csv).parent if csv else Path()) / "review.csv", answers, review)
    return answers


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
        `model.penult`, the run folder that it is in, or the model itself.
    images : path or several, arrays, Pillow images, or a data set
        As for `penult.predict`.
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
        explained = open_predictor(model, settings if options else None)
    classes = explained.bundle.classes if isinstance(explained, Predictor) else tuple(map(str, explained.classes_))
    found = given_images(images, classes)
    with progress_bar(verbose, progress) as shown:
        done = explaining.explain(explained, found.sources, label, method, ids=found.ids, progress=shown)
    if out is not None:
        store.check_output_folder(out, "out")
        for one in done:
            explaining.write_picture(one, out)
    return done
