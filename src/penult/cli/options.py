"""Command-line options that several commands share, and what they mean for the functions that are called.

Nothing heavy is imported before a command runs, so that `penult --help` is there at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from penult import heads
from penult.cli import stored
from penult.errors import InputError, ProgressCallback

if TYPE_CHECKING:
    from penult.backbones import Backbone
    from penult.embed import EmbedOptions
    from penult.evaluate import DecisionRequest
    from penult.training import TrainOptions


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Keep the examples as they are written, and leave room for the long options."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=30, width=100)


def command(
    commands: Commands, name: str, run: Callable[[argparse.Namespace], int | None], what: str, epilog: str
) -> argparse.ArgumentParser:
    """Add a command, done by `run(args)`; `args.usage_error(text)` ends it with the usage line and exit code 2."""
    p = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=epilog,
        formatter_class=Formatter,
    )
    p.set_defaults(func=run, usage_error=p.error)
    return p


def add_model(p: argparse.ArgumentParser) -> None:
    """Add which model."""
    p.add_argument("model", metavar="MODEL", help="model.penult, or the run folder that it is in")


def add_training(p: argparse.ArgumentParser) -> None:
    """Add what `train` and `demo` share."""
    add_backbones(p)
    add_head(p)
    p.add_argument("--clip", metavar="P", help="clip probabilities to at least P (default: chosen by cross-validation)")
    p.add_argument("--out", default=None, metavar="RUN", help="run folder (default: penult-run)")
    add_seed(p, "folds and heads")
    add_compute(p)


def add_head(p: argparse.ArgumentParser, default: str | None = None) -> None:
    """Add the classifier, and how classes are weighted."""
    p.add_argument(
        "--head",
        default=default,
        metavar="HEAD",
        help=f"one of {', '.join(heads.head_names())} (default: blend, the average of logistic and lda)",
    )
    p.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="balanced: every class counts the same, however many photos it has, so that rare classes are found more often "
        "(default: every photo counts the same)",
    )


def add_seed(p: argparse.ArgumentParser, what: str) -> None:
    """Add the random seed."""
    p.add_argument("--seed", type=int, default=0, metavar="N", help=f"random seed of {what} (default: 0)")


def add_groups(p: argparse.ArgumentParser) -> None:
    """Add what must be kept in one fold."""
    p.add_argument(
        "--groups",
        metavar="COLUMN|REGEX",
        help="groups (patient, scene) that are kept in one fold: a column of the CSV, or for a folder a regular expression "
        r"whose match in the file name is the group, such as 'person\d+'",
    )
    p.add_argument(
        "--near-duplicates",
        choices=("group", "separate"),
        default="group",
        help="group: near-duplicates (copies, edits, frames of one scene) are kept in one fold (default); separate: each is a "
        "photo of its own, for different things that only look alike",
    )


def add_backbones(p: argparse.ArgumentParser) -> None:
    """Add the networks, and their preprocessing."""
    p.add_argument(
        "-b",
        "--backbone",
        action="append",
        metavar="NAME",
        help="a network: built in, timm's, keras:NAME, NAME@WEIGHTS, model.onnx, or a preset (lite+, lite, blog2017, modern). "
        "Its own size, --fit and --pooling may stand behind it (NAME:320:squash); repeat for several, their features are "
        "concatenated (default: see `penult backbones`)",
    )
    p.add_argument(
        "--recipe",
        nargs="+",
        metavar="K=V",
        help="preprocessing for an ONNX file without .recipe.json: size=224 fit=crop crop=0.875 interpolation=bicubic "
        "mean=0.485,0.456,0.406 std=0.229,0.224,0.225 channels=rgb [output=TENSOR]",
    )
    seen = p.add_mutually_exclusive_group()
    seen.add_argument(
        "--fit",
        choices=FITS,
        metavar="HOW",
        help="crop: center crop; squash: the whole picture; crop+squash: both, features averaged; +mirror: also their mirror "
        "images (default: the backbone's own)",
    )
    seen.add_argument(
        "--views",
        dest="fit",
        type=_views,
        metavar="N",
        help="pictures of each photo that a network sees: 1 (the backbone's own), 2 (--fit crop+squash), 4 "
        "(--fit crop+squash+mirror)",
    )
    p.add_argument(
        "--pooling",
        choices=("mean", "mean+max", "stages"),
        help="pooling of the feature maps; stages: mean+max, also of earlier stages (built-in networks; default: the "
        "backbone's own)",
    )


def _views(number: str) -> str | None:
    """Return the --fit of so many views."""
    if number not in VIEWS:
        raise argparse.ArgumentTypeError(f"{number!r} is not 1, 2 or 4")
    return VIEWS[number]


def add_tables(p: argparse.ArgumentParser) -> None:
    """Add what may have to be said of a CSV of images."""
    p.add_argument("--image-column", metavar="NAME", help="CSV column of image files or ids (default: detected)")
    p.add_argument("--label-column", metavar="NAME", help="CSV column of the labels (default: detected)")
    p.add_argument(
        "--image-dir", metavar="DIR", help="folder of the images in a CSV (default: the CSV's own folder, or one below it)"
    )
    p.add_argument("--encoding", metavar="NAME", help="encoding of a CSV, such as cp1251 or gb18030 (default: detected)")


def add_tolerance(p: argparse.ArgumentParser) -> None:
    """Add how many images may be bad."""
    p.add_argument(
        "--max-bad",
        metavar="LIMIT",
        help="stop with exit code 3 when more images than LIMIT (5%% or 20) cannot be read (default: report and continue)",
    )
    p.add_argument(
        "--strict",
        action="store_true",
        help="stop with exit code 3 when any image cannot be read, or a link, folder or file that may be one was skipped",
    )


def add_review(p: argparse.ArgumentParser, which: str = "") -> None:
    """Add the list of photos for human review."""
    p.add_argument(
        "--review",
        type=float,
        metavar="LEVEL",
        help=f"write review.csv: the photos {which}that a person should check, because the confidence is below LEVEL "
        "(0.9 is usual), or they are unlike the training photos, or unreadable",
    )


def add_compute(p: argparse.ArgumentParser) -> None:
    """Add where and how features are computed, and how results are printed."""
    add_engine(p)
    add_output(p)


def add_engine(p: argparse.ArgumentParser) -> None:
    """Add where and how features are computed."""
    add_cache(p, "feature cache", "keep no features on disk: all are computed again, and are gone with the process")
    p.add_argument(
        "--device",
        default="auto",
        type=lambda name: "coreml" if name == "mps" else name,  # as penult called it before
        choices=("auto", "cpu", "cuda", "coreml", "dml"),
        help="compute device (default: auto: CUDA where ONNX Runtime has a GPU that works, else the CPU)",
    )
    p.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "f32", "f16", "bf16", "int8"),
        help="number format of the networks (default: auto: the fastest that keeps the features)",
    )
    p.add_argument(
        "--max-pixels",
        type=int,
        default=89_478_485,
        metavar="N",
        help="refuse pictures of more pixels, JPEGs of more than four times as many (default: 89478485)",
    )


def add_cache(p: argparse.ArgumentParser, what: str, without: str | None = None) -> None:
    """Add the cache folder; `without` is what --no-cache means, where there is such an option."""
    p.add_argument("--cache", metavar="DIR", help=f"{what} folder (default: the user's cache folder)")
    if without is not None:
        p.add_argument("--no-cache", dest="cache", action="store_const", const=False, help=without)


def add_output(p: argparse.ArgumentParser, quiet: bool = True) -> None:
    """Add how results are printed."""
    p.add_argument("--json", action="store_true", help="JSON on standard output instead of text")
    if quiet:
        p.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")


def embed_options(args: argparse.Namespace) -> EmbedOptions:
    """Return where and how features are computed, and how many images may be bad. Raises `InputError`."""
    from penult.embed import EmbedOptions, Tolerance

    tolerance = Tolerance.parse(getattr(args, "max_bad", None), getattr(args, "strict", False))
    return EmbedOptions(args.device, args.precision, args.cache, tolerance=tolerance, max_pixels=args.max_pixels)


def train_options(args: argparse.Namespace, out: str) -> TrainOptions:
    """Return how to train; options that a command lacks, or that were not given, keep their defaults. Raises `InputError`."""
    from penult import store
    from penult.training import TrainOptions

    store.check_output_folder(args.out or out, "--out")
    same = (
        "pooling",
        "head",
        "class_weight",
        "groups",
        "near_duplicates",
        "submission",
        "submit",
        "files",
        "review",
        "overwrite",
        "labels",
    )
    given = {
        "decision": decision(args),
        **{name: getattr(args, name, None) for name in same},
        **columns(args),
        "backbones": tuple(args.backbone) if args.backbone else None,
        "crop_mode": args.fit,
        "clip": _clip(getattr(args, "clip", None)),
        "memory": stored.memory(args),
        "recipe": recipe(args),
    }
    make = TrainOptions.of_blog2017 if getattr(args, "protocol", None) == "blog2017" else TrainOptions
    known = {name: value for name, value in given.items() if value is not None}
    return make(out=args.out or out, seed=args.seed, settings=embed_options(args), **known)


def add_decision(p: argparse.ArgumentParser) -> None:
    """Add how a class is chosen, and prediction sets."""
    p.add_argument(
        "--cost",
        action="append",
        metavar="COST",
        help="what mistakes cost: 'defective>functional=10' means that a defective photo called functional costs 10 (in "
        "quotes; every other mistake costs 1), or a CSV with the columns true,predicted,cost; photos get the class of the "
        "smallest expected cost",
    )
    p.add_argument(
        "--target",
        metavar="TARGET",
        help="what the threshold of a class is to reach: 'recall defective 0.95' finds 95%% of the defective photos, "
        "'precision defective 0.9', or 'flagged defective 0.2' to call at most 20%% of all photos defective",
    )
    p.add_argument(
        "--coverage",
        type=float,
        metavar="SHARE",
        help="also answer with a set of classes that holds the right one for SHARE of the photos (0.95 is usual)",
    )


def decision(args: argparse.Namespace) -> DecisionRequest | None:
    """Return how a class is to be chosen; None for a command without these options. Raises `InputError`."""
    if not hasattr(args, "coverage"):
        return None
    from penult.evaluate import DecisionRequest

    return DecisionRequest.parse(args.cost, args.target, args.coverage)


def columns(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was said of a CSV of images."""
    return {name: getattr(args, name, None) for name in ("image_column", "label_column", "image_dir", "encoding")}


def networks_asked(args: argparse.Namespace) -> bool:
    """Tell whether networks, or anything about them, were given."""
    return bool(args.backbone or args.fit or args.pooling or args.recipe)


def find_networks(args: argparse.Namespace, progress: ProgressCallback) -> list[Backbone]:
    """Return the networks that -b names, with their preprocessing. Raises `InputError` or `UnknownName`."""
    from penult import zoo

    changes = {"crop_mode": args.fit} if args.fit else {}
    given = recipe(args)
    return [
        zoo.find_backbone(name, args.pooling, cache=args.cache, recipe=given, progress=progress, **changes)
        for name in zoo.expand(args.backbone or zoo.DEFAULT)
    ]


def recipe(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return what --recipe says. Raises `InputError` where no backbone is an ONNX file, the only ones that need it."""
    if not args.recipe:
        return None
    from penult import zoo

    if not any(".onnx" in name.lower() for name in args.backbone or ()):
        raise InputError(
            "--recipe is the preprocessing of an ONNX file, and no -b names one; other networks bring their own "
            "(--fit and NAME:SIZE change it)."
        )
    return zoo.parse_recipe(args.recipe)


def _clip(text: str | None) -> Any:
    if text is None or text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 0.5:
        raise InputError(f"--clip {text!r} is not `auto` or a probability from 0 to below 0.5; give one, such as 0.005.")
    return value


# Copies of what other packages say, so that --help imports none of them; `tests/test_completion.py` compares.
PRESETS = ("default", "lite+", "lite", "blog2017", "modern")
FITS = ("crop", "squash", "crop+squash", "crop+mirror", "squash+mirror", "crop+squash+mirror")
VIEWS = {"1": None, "2": "crop+squash", "4": "crop+squash+mirror"}
BUILT_IN = ("efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "colour_histogram")
_WORDS = {
    "head": tuple(heads.head_names()),
    "backbone": (*BUILT_IN, *PRESETS),
    "fetch": (*BUILT_IN, *PRESETS),
    "pattern": BUILT_IN,
}


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell and end the process; called only when a shell asks (`_ARGCOMPLETE` is set)."""
    import argcomplete

    for action in _actions(parser):
        if action.dest in _WORDS:
            action.completer = _Words(_WORDS[action.dest])  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


class _Words:
    """Offer some words, and files where a path could stand instead."""

    def __init__(self, words: tuple[str, ...]):
        self.words = words

    def __call__(self, prefix: str, action: argparse.Action, **_: Any) -> list[str]:
        from argcomplete.completers import FilesCompleter

        files = [str(path) for path in FilesCompleter()(prefix)] if action.dest == "backbone" else []
        return [word for word in self.words if word.startswith(prefix)] + files


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Return the actions of a parser and of its commands."""
    found = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for command in action.choices.values() for inner in _actions(command)]
    return found
