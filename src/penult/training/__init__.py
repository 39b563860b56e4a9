"""Train: folders of photos (or feature files) in, a run folder out.

Scan, embed, fit, evaluate, predict, save; each step is another package's, this one only knows their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from penult import evaluate, heads, images, runs, shards, store
from penult.arrays import default_errors
from penult.bundle.model import Task
from penult.embed import at_depth, embed
from penult.errors import InputError, ProgressCallback, listed, quiet
from penult.evaluate import TrialProcess
from penult.heads.prior import check_shares
from penult.heads.weights import class_weights
from penult.i18n import _
from penult.images import ImageSet
from penult.predict.sample_submission import SampleSubmission
from penult.progress import progress_bar
from penult.runs import RunFolder
from penult.texts import is_url, printable
from penult.training import environment
from penult.training.data import from_features, from_images, listed_names
from penult.training.deciding import decide_run
from penult.training.difference import compare_runs
from penult.training.evaluating import evaluate_stored
from penult.training.keywords import Keywords
from penult.training.label_measuring import check_label_options
from penult.training.label_trainer import LabelTrainer
from penult.training.options import TrainOptions, find_backbones
from penult.training.run import Run
from penult.training.run_difference import RunDifference
from penult.training.stored import StoredFeatures, are_large, of_files, open_shards
from penult.training.stored_data import from_stored
from penult.training.stored_labels import read_labels
from penult.training.trainer import Trainer
from penult.training.unpacked import unpacked
from penult.zoo import DEFAULT

__all__ = [
    "Run",
    "RunDifference",
    "TrainOptions",
    "Trainer",
    "compare_runs",
    "decide_run",
    "evaluate_stored",
    "open_shards",
    "train",
    "train_features",
    "train_images",
    "train_sets",
    "train_source",
    "train_stored",
]


def train(  # noqa: PLR0913  what the command's common options are
    source: str | Path | Sequence[str | Path] | None = None,
    test: str | Path | None = None,
    *,
    out: str | Path = "penult-run",
    backbones: str | Sequence[str] = DEFAULT,
    views: int = 1,
    head: str = "blend",
    groups: str | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    cache_dir: str | Path | bool | None = None,
    features: str | Sequence[str] | None = None,
    verbose: bool | None = None,
    progress: ProgressCallback | None = None,
    **others: Any,
) -> Run:
    """Train an image classifier and evaluate it by cross-validation, as `penult train` does.

    Parameters
    ----------
    source : str or Path
        A folder (or a tar, zip or Parquet file, or `s3://...`) of photos by class, a CSV of photos and labels, or a folder or
        address of shards that `penult embed` wrote.
    test : str or Path, optional
        Photos to predict, and to evaluate on where they are labelled.
    out : str or Path, default="penult-run"
        The run folder: model, scores, predictions, report. A run that ended there is kept as `penult-run.1`, ...
    backbones : str or list of str, default="default"
        Networks whose features are concatenated, see `list_backbones`.
    views : {1, 2, 4}, default=1
        How many pictures of each photo a network sees, whose features are averaged: 1 is as the network's recipe says, 2 the
        center crop and the whole photo, 4 both and their mirror images.
    head : str, default="blend"
        "blend" (the average of "logistic" and "lda"), "blend3" (of these and an rbf "svm"), "logistic", "svm", "knn",
        "centroid", "lda", "dense", or "auto" for the best of all but "blend3" and "dense".
    groups : str, optional
        A column of the CSV (patient, scene) whose equal values are kept in one fold.
    seed : int, default=0
        Random seed of folds and heads.
    device : {"auto", "cpu", "cuda", "coreml", "dml"}, default="auto"
        What computes the networks.
    precision : {"auto", "f32", "bf16", "f16", "int8"}, default="auto"
        In what precision; "auto" is the fastest that keeps the features.
    cache_dir : str, Path or False, optional
        The folder of the feature cache; None is the user's cache folder, False keeps features in memory only.
    features : str or list of str, optional
        Feature files instead of photos.
    verbose : bool, optional
        Show progress: by default in a terminal and in a notebook; False nowhere.
    progress : callable, optional
        Called as `progress(step, done, total)`, instead of a bar.
    **others
        The other options of `penult train`, with ``_`` for ``-``: `class_weight`, `review`, `max_bad` ...; and `cost`,
        `target`, `coverage`, which say how a class is chosen: `target="recall defective 0.95"`.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        For images or options that cannot be used.
    UnknownName
        For a backbone or head that does not exist.
    OutputError
        When the run cannot be written.

    Examples
    --------
    >>> import penult
    >>> run = penult.train("photos", out="cats", backbones="colour_histogram")
    >>> round(run.evaluation.scores["accuracy"].value, 2)
    1.0
    """
    given = {"backbones": backbones, "views": views, "head": head, "groups": groups, "seed": seed, "out": out}
    computed = {"device": device, "precision": precision, "cache_dir": cache_dir}
    options = Keywords({**given, **computed, **others}).training()
    if (source is None) == (features is None):
        raise InputError(_("penult.train takes either photos or features; give one of the two."))
    with progress_bar(verbose, progress) as shown:
        if features is not None:
            return train_features([features] if isinstance(features, str) else features, options, shown)
        assert source is not None  # noqa: S101 - for the type checker: checked above
        photos = str(source) if isinstance(source, str | Path) else [str(one) for one in source]
        return train_source(photos, None if test is None else str(test), options, shown)


def train_images(
    source: str | Sequence[str],
    test: str | None = None,
    options: TrainOptions | None = None,
    progress: ProgressCallback = quiet,
) -> Run:
    """Train on folders of images, or a table, and write the run folder. Raises what `train` raises."""
    options = options or TrainOptions()
    found, table = images.labels_from(source, options.labels, options.table)
    labelled, other = images.scan_train_and_test(found, test, options.groups, table)
    return train_sets(labelled, other, options, progress)


def train_source(
    source: str | Sequence[str],
    test: str | None = None,
    options: TrainOptions | None = None,
    progress: ProgressCallback = quiet,
) -> Run:
    """Train on what is there: shards of features, or images as `train_images` takes them. Raises what `train` raises."""
    options = options or TrainOptions()
    if not isinstance(source, str) or not _is_stored(source):
        if options.memory is not None:
            raise InputError(
                _(
                    "--memory is a limit for stored features; give feature files with --features, or embed the images "
                    "first (`penult embed IMAGES --out FOLDER`) and train on that folder."
                )
            )
        return train_images(source, test, options, progress)
    if test is not None:
        raise InputError(
            _(
                "{source} has features, and --test images to embed; leave --test out, embed the test images with "
                "`penult embed`, and give their features to `penult evaluate` or `penult predict --features`.",
                source=printable(source),
            )
        )
    return train_stored(open_shards(source, Path(options.out)), options, progress)


def _is_stored(source: str) -> bool:
    return (is_url(source) or Path(source).is_dir()) and shards.is_features(source)


@default_errors
def train_sets(labelled: ImageSet, test: ImageSet | None, options: TrainOptions, progress: ProgressCallback = quiet) -> Run:
    """Train on images that are scanned already; the order of the training images is of no account, that of `test` is kept."""
    _check(options)
    labelled = labelled.in_order()
    several = labelled.task == "labels"
    if several:
        check_label_options(options)
    sample = _check_classes(options, labelled.classes, () if test is None else test.ids, labelled.task)
    chosen = find_backbones(options, progress)
    options.settings.tolerance.check_scan(labelled, test)
    paths = [image.source for s in (labelled, test) if s is not None for image in s.images]
    training = paths[: len(labelled)]
    with RunFolder(options.out, options.overwrite) as folder, TrialProcess(len(paths)) as process:
        trainer = (LabelTrainer if several else Trainer)(folder, options, sample, process, progress)
        exact = at_depth(chosen, training, options.settings, progress)
        trainer.clock.lap("networks")
        done = embed(paths, exact, options.settings.with_thumbnails(), progress, thumbnails=True, calibration=training)
        trainer.clock.lap("features")
        trainer.account(labelled, test, done)
        trainer.unlabelled = labelled.unlabelled
        data = from_images(labelled, test, done, options.near_duplicates == "group")
        where = {"sources": environment.sources(labelled, test), "ignored": environment.ignored(labelled, test)}
        return trainer.run(data, done, where, exact)


@default_errors
def train_features(paths: Sequence[str], options: TrainOptions, progress: ProgressCallback = quiet) -> Run:
    """Train on feature files of the blog post's layout; the model then predicts from features, not from images."""
    _check(options)
    if options.task == "labels":
        raise InputError(
            _(
                "feature files have one class a row in their data set `label`; train several labels a photo on "
                "images, or on shards with a table (--labels FILE)."
            )
        )
    if are_large(paths, options.memory):
        runs.check_features(paths)
        with store.RowReader([Path(path) for path in paths]) as reader:
            names = None if options.files is None else listed_names(options.files, reader.headers[0].train)
            return train_stored(of_files(reader, paths, names), options, progress)
    data = from_features(paths, options.files, options.near_duplicates == "group")
    sample = _check_classes(options, data.classes, data.test.files if data.test else ())
    with RunFolder(options.out, options.overwrite) as folder, TrialProcess(len(data.train.files)) as process:
        return Trainer(folder, options, sample, process, progress).run(data, None, {"sources": {}, "ignored": {}})


@default_errors
def train_stored(stored: StoredFeatures, options: TrainOptions, progress: ProgressCallback = quiet) -> Run:
    """Train on features that were computed before, of which the networks are known; they may be larger than memory.

    Where they are, the model learns every row, and a sample of them is held out, measured and looked at (see `from_stored`).
    """
    _check(options)
    if options.backbones != DEFAULT or options.crop_mode or options.pooling or options.recipe or options.protocol:
        raise InputError(
            _(
                "the networks of stored features are those that made them ({names}); leave --backbone, --fit, "
                "--pooling, --recipe and --protocol out.",
                names=listed(stored.names),
            )
        )
    options = replace(options, backbones=stored.names)
    if options.folds is not None or options.weights is not None:
        raise InputError(
            _("--folds and --weights are about images, and these are stored features; leave them out, or train on the images.")
        )
    if options.submission is not None:
        raise InputError(_("a sample submission is about test images, and stored features have none; leave --submission out."))
    labels = read_labels(stored, options.labels, options.groups, options.table)
    several = labels.Y is not None
    if several:
        check_label_options(options)
    elif options.task == "labels":
        raise InputError(_("several labels a photo of stored features come from a table; give it with --labels FILE."))
    _check_classes(options, labels.classes, (), "labels" if several else "classes")
    data = from_stored(stored, labels, options)
    few = len(data.train.X) if data.every is None else 0  # a process beside this one is for what is in memory
    with RunFolder(options.out, options.overwrite) as folder, TrialProcess(few) as process:
        trainer = (LabelTrainer if several else Trainer)(folder, options, None, process, progress)
        data = unpacked(data, folder.path, progress)
        trainer.clock.lap("features")
        where = {"sources": {"train": stored.root} if stored.root else {}, "ignored": {}}
        return trainer.run(data, None, where)


def _check(options: TrainOptions) -> None:
    """Raise what can be known to be wrong before anything is computed."""
    heads.check_head(options.head)
    if options.review is not None:
        evaluate.check_level(options.review)


def _check_classes(
    options: TrainOptions, classes: Sequence[str], test_ids: Sequence[str], task: Task = "classes"
) -> SampleSubmission | None:
    """Raise what can be known to be wrong once the classes are known; return the sample submission, whose ids were checked."""
    options.clip_for(len(classes) if task == "classes" else 2)
    if task == "classes":
        options.decision.check(classes)
        class_weights(options.class_weight, np.array(classes), np.arange(len(classes)))
    if options.prior is not None:
        check_shares(options.prior, classes, task, options.head)
    if options.submission is None:
        return None
    sample = SampleSubmission.read(options.submission, classes, options.submit, task == "labels")
    sample.rows_of(test_ids)
    return sample
