"""Options and arguments that say which images there are, and what a table says of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penult.cli.parser import Parser
from penult.i18n import _

if TYPE_CHECKING:
    from penult.images import TableOptions


def add_images(p: Parser, name: str, metavar: str, what: str) -> None:
    """Add one or more sources of images as arguments."""
    words = _("{what}; @FILE, or - for standard input, is a list of them, a path a line", what=what)
    images = p.add_argument(name, nargs="+", default=[], metavar=metavar, help=words)
    images.required = False  # with "*" Python 3.11 takes none of them where an option stands before the first


def add_tables(p: Parser, labels: bool = True, training: bool = False) -> None:
    """Add what may have to be said of a table of images; with `labels` the table itself, beside the images.

    With `training` also its columns by which is measured and weighed, and whether photos have several labels.
    """
    data = p.group("Data")
    if labels:
        data.add_argument(
            "--labels",
            metavar="FILE",
            help=_("table of the images' labels (CSV, Parquet, Excel), where the images themselves, or shards, are given"),
        )
    data.add_argument("--image-column", metavar="NAME", help=_("table column of image files or ids (default: detected)"))
    data.add_argument(
        "--label-column",
        metavar="NAME",
        help=_("table column of the labels, or several of 0 and 1 with commas between them (default: detected)"),
    )
    data.add_argument(
        "--image-dir",
        metavar="DIR",
        help=_("folder of the images in a table (default: the table's own folder, or one below it)"),
    )
    data.add_argument("--encoding", metavar="NAME", help=_("encoding of a CSV, such as cp1251 or gb18030 (default: detected)"))

    if training:
        _add_training(p)


def _add_training(p: Parser) -> None:
    p.group("Evaluation").add_argument(
        "--folds", metavar="COLUMN", help=_("table column of your own folds, used as they are (default: folds are chosen)")
    )
    p.group("Model").add_argument(
        "--weights", metavar="COLUMN", help=_("table column of how much each photo counts (default: every photo the same)")
    )
    p.group("Data").add_argument(
        "--task",
        default="auto",
        choices=("auto", "classes", "labels"),
        help=_(
            "classes: a photo has one of them; labels: any number, from columns of 0 and 1 or several in a cell (default: "
            "auto, as the table has them)"
        ),
    )


def columns(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was said of a table of images, as fields of `TableOptions` and `TrainOptions`."""
    names = ("image_column", "label_column", "image_dir", "encoding", "folds", "weights", "task")
    return {name: value for name in names if (value := getattr(args, name, None)) is not None}


def source_of(words: Sequence[str]) -> str | list[str]:
    """Return the source that is given, or several: lists and patterns are expanded. Raises `InputError`."""
    from penult import images

    found = images.expand_sources(words)
    return found[0] if len(found) == 1 else found


def to_scan(args: argparse.Namespace, words: Sequence[str]) -> tuple[str | list[str], TableOptions]:
    """Return what is to be scanned, and how: the table of --labels where one is given. Raises `InputError`."""
    from penult import images

    return images.labels_from(source_of(words), getattr(args, "labels", None), images.TableOptions(**columns(args)))
