"""`penult train`: train an image classifier, evaluate it, write a run folder."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from penult.cli import options, prior, sharding, sources, stored
from penult.cli.parser import Commands, Parser, command
from penult.i18n import _


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "train",
        run,
        _("train an image classifier and evaluate it by cross-validation"),
        _(
            "TRAIN is a folder of class folders (train/cat/*.jpg), several, or the class folders themselves (train/*); a "
            "folder\n"
            "of Kaggle names (cat.1.jpg); or a table of images and labels (CSV, Parquet, Excel), whose columns and "
            "photos are\n"
            "found where there is one candidate; a tar, zip or Parquet file of the same, a folder inside one "
            "(cats.zip/train),\n"
            "a folder of such files, or an address (s3://...); or a folder or address of shards that `penult embed` "
            "wrote, which\n"
            "may be larger than memory. Features are kept in a cache: a second run, or one that was interrupted, does not\n"
            "compute them again. The run folder then holds model.penult, metrics.json, predictions.csv, submission.csv,\n"
            "unlabelled_predictions.csv (of photos of the table without a label), oof.csv, history.csv, skipped.csv, "
            "photos.csv,\n"
            "map.csv, report.html, figures/ and data_<backbone>.h5. A finished run that is there is kept as RUN.1, RUN.2, ..."
        ),
        _("""
        penult train photos                              photos/cat/*.jpg, photos/dog/*.jpg
        penult train train --test test -o run            classify the photos of test/ too
        penult train train.csv --submission sample.csv   a competition's table, and its submission
        penult train photos --labels labels.xlsx --folds fold    labels and your own folds from a table
        """),
    )
    sources.add_images(p, "train", "TRAIN", _("labelled images (not with --features)"))
    p.group("Data").add_argument(
        "--test", metavar="DIR", help=_("test images to classify; if they are in class folders, they are evaluated")
    )
    options.add_training(p)
    output = p.group("Output")
    output.add_argument(
        "--overwrite",
        action="store_true",
        help=_("keep nothing of a finished run in RUN (default: it is kept as RUN.1, RUN.2, ...)"),
    )
    options.add_groups(p)
    sources.add_tables(p, training=True)
    output.add_argument("--submission", metavar="CSV", help=_("sample submission to follow: its columns, ids and order"))
    output.add_argument(
        "--submit",
        choices=("labels", "probabilities"),
        help=_("what submission.csv holds (default: as the sample; for two classes the probability, where it does not tell)"),
    )
    p.group("Data").add_argument(
        "--features", nargs="+", metavar="H5", help=_("train from feature files (data_*.h5, gap_*.h5) or shards instead")
    )
    _add_large(p)
    p.group("Data").add_argument("--files", metavar="LIST", help=_("with --features: names of the training rows, one a line"))
    options.add_review(p, of_test=True)
    for add_some in (options.add_decision, prior.add_prior, options.add_tolerance):
        add_some(p)
    _add_protocol(p)


def _add_large(p: Parser) -> None:
    """Add what rows get that are more than memory holds."""
    stored.add_stored(
        p,
        _(
            "memory to keep to, such as 2GB: features that take more are read in slices to train on (default: that of this "
            "machine)"
        ),
    )
    sharding.add_ray(
        p,
        _(
            "with shards: keep the rows that do not fit --memory in processes of Ray: ray (this machine, or the cluster that "
            "RAY_ADDRESS names, as inside a Ray job) or ray://HOST:PORT (default: in this process)"
        ),
        _("what each of Ray's actors gets: memory=8GB, and max=N of them at once (default: one for each core)"),
    )


def _add_protocol(p: Parser) -> None:
    p.group("Model").add_argument(
        "--protocol",
        type=lambda name: "blog2017" if name == "seed" else name,  # its name in earlier versions
        choices=("blog2017",),
        help=_(
            "reproduce the 2017 blog post exactly: its three Keras networks (or those of -b), its resizing, its dense head, "
            "ResNet50 without preprocessing, probabilities clipped to 0.005..0.995"
        ),
    )


def run(args: argparse.Namespace) -> None:
    """Train on images, or on feature files."""
    _check(args)
    from penult import training
    from penult.cli import output, summary

    how = options.train_options(args, "penult-run")
    with output.progress(not args.quiet) as progress, _rows_on(args) as actors:
        if args.features and not stored.is_shards(args.features):
            done = training.train_features(args.features, how, progress)
        else:
            done = training.train_source(sources.source_of(args.train or args.features), args.test, how, progress)
    if actors is not None and not actors.used:
        output.note(_("all rows fit the memory, so they were kept in this process; a smaller --memory has Ray keep them."))
    summary.show_run(done, args.json)


def _rows_on(args: argparse.Namespace) -> AbstractContextManager[Any]:
    """Return where rows are kept that do not fit in memory: in this process, which is None, or by Ray."""
    if (resources := sharding.ray_asked(args, "memory", "max")) is None:
        return nullcontext()
    from penult import cluster

    return cluster.heads_on(args.on, resources)


def _check(args: argparse.Namespace) -> None:
    """End with the usage line where options do not go together."""
    if bool(args.train) == bool(args.features):
        args.usage_error(_("give either TRAIN or --features"))
    if args.features and (args.test or args.groups or args.backbone or args.fit or args.pooling):
        args.usage_error(_("--test, --groups, --backbone, --fit and --pooling need images; they do not go with --features"))
    if args.on is not None and not stored.is_shards(args.features or args.train):
        args.usage_error(_("--on keeps rows of shards, which `penult embed --out DIR` writes; TRAIN is none of these"))
    if args.files and (not args.features or stored.is_shards(args.features)):
        args.usage_error(_("--files names the rows of feature files of --features; shards have names"))
    if args.labels and args.features and not stored.is_shards(args.features):
        args.usage_error(_("--labels goes with shards; feature files have their labels in the data set `label`"))
    if args.review is not None and not (args.test or args.features):
        args.usage_error(_("--review chooses among the photos of --test"))
    if args.protocol and (args.features or args.head or args.clip or args.fit or args.pooling or args.recipe):
        args.usage_error(_("--protocol sets head, clip, fit, pooling and recipes, and starts from images; leave those out"))
