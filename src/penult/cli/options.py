"""Command-line options that several commands share, and what they mean for the functions that are called.

Nothing heavy is imported before a command runs, so that `penult --help` is there at once.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from penult import heads
from penult.cli import sources, stored
from penult.cli.completion import FITS, VIEWS
from penult.cli.parser import Parser
from penult.errors import InputError, ProgressCallback
from penult.i18n import _

if TYPE_CHECKING:
    from penult.backbones import Backbone
    from penult.embed import EmbedOptions
    from penult.evaluate import DecisionRequest
    from penult.training import TrainOptions


def add_model(p: Parser) -> None:
    """Add which model."""
    p.add_argument("model", metavar="MODEL", help=_("model.penult, or the run folder that it is in"))


def add_training(p: Parser) -> None:
    """Add what `train` and `demo` share."""
    model = p.group("Model")
    add_backbones(p)
    add_head(p)
    model.add_argument("--clip", metavar="P", help=_("clip probabilities to at least P (default: chosen by cross-validation)"))
    add_out(p, "RUN", _("run folder (default: penult-run)"))
    add_seed(p, _("random seed of folds and heads (default: 0)"))
    add_compute(p)


def add_out(p: Parser, metavar: str, what: str, default: str | None = None, required: bool = False) -> None:
    """Add where the result is written."""
    p.group("Output").add_argument("-o", "--out", default=default, required=required, metavar=metavar, help=what)


def add_head(p: Parser, default: str | None = None) -> None:
    """Add the classifier, and how classes are weighted."""
    model = p.group("Model")
    model.add_argument(
        "--head",
        default=default,
        metavar="HEAD",
        help=_(
            "one of {head_names} (default: blend, the average of logistic and lda; blend3 adds an rbf svm for about "
            "twice the time of the head)",
            head_names=", ".join(heads.head_names()),
        ),
    )
    model.add_argument(
        "--class-weight",
        choices=("balanced",),
        help=_(
            "balanced: every class counts the same, however many photos it has, so that rare classes are found more often "
            "(default: every photo counts the same)"
        ),
    )


def add_seed(p: Parser, what: str) -> None:
    """Add the random seed; `what` is its help."""
    p.group("Model").add_argument("--seed", type=int, default=0, metavar="N", help=what)


def add_groups(p: Parser) -> None:
    """Add what must be kept in one fold."""
    evaluation = p.group("Evaluation")
    evaluation.add_argument(
        "--groups",
        metavar="COLUMN|REGEX",
        help=_(
            "groups (patient, scene) that are kept in one fold: a column of the table, or for a folder a regular expression "
            r"whose match in the file name is the group, such as 'person\d+'"
        ),
    )
    evaluation.add_argument(
        "--near-duplicates",
        choices=("group", "separate"),
        default="group",
        help=_(
            "group: near-duplicates (copies, edits, frames of one scene) are kept in one fold (default); separate: each is a "
            "photo of its own, for different things that only look alike"
        ),
    )


def add_backbones(p: Parser, several_views: bool = False) -> None:
    """Add the networks, and their preprocessing; `several_views`: --views may be a list of numbers, to compare them."""
    model = p.group("Model")
    model.add_argument(
        "-b",
        "--backbone",
        action="append",
        metavar="NAME",
        help=_(
            "a network: built in, timm's, keras:NAME, hf:OWNER/NAME (ONNX of the Hugging Face hub), NAME@WEIGHTS, "
            "model.onnx, or a preset (lite+, lite, blog2017, modern). "
            "Its own size, --fit and --pooling may stand behind it (NAME:320:squash); repeat for several, their features are "
            "concatenated (default: see `penult backbones`)"
        ),
    )
    model.add_argument(
        "--recipe",
        nargs="+",
        metavar="K=V",
        help=_(
            "preprocessing for an ONNX file without .recipe.json: size=224 fit=crop crop=0.875 interpolation=bicubic "
            "mean=0.485,0.456,0.406 std=0.229,0.224,0.225 channels=rgb [output=TENSOR]"
        ),
    )
    seen = model.add_mutually_exclusive_group()
    seen.add_argument(
        "--fit",
        choices=FITS,
        metavar="HOW",
        help=_(
            "crop: center crop; squash: the whole picture; crop+squash: both, features averaged; +mirror: also their mirror "
            "images (default: the backbone's own)"
        ),
    )
    views = _(
        "pictures of each photo that a network sees: 1 (the backbone's own), 2 (--fit crop+squash), 4 (--fit "
        "crop+squash+mirror)"
    )
    compared = _(
        "pictures of each photo that a network sees: 1 (the backbone's own), 2 (--fit crop+squash), 4 "
        "(--fit crop+squash+mirror); 1,2,4 compares every network with each"
    )
    seen.add_argument(
        "--views",
        dest="fit",
        type=_list_of_views if several_views else _views,
        metavar="N[,N]" if several_views else "N",
        help=compared if several_views else views,
    )
    model.add_argument(
        "--pooling",
        choices=("mean", "mean+max", "stages", "cls", "pooler"),
        help=_(
            "pooling of the feature maps; stages: mean+max, also of earlier stages (built-in networks); of hf: networks "
            "mean: the patches' mean, cls: the class token, pooler: the network's own pooling (default: the backbone's own)"
        ),
    )


def _views(number: str) -> str | None:
    """Return the --fit of so many views."""
    if number not in VIEWS:
        raise argparse.ArgumentTypeError(_("{number!r} is not 1, 2 or 4", number=number))
    return VIEWS[number]


def _list_of_views(numbers: str) -> str | tuple[str | None, ...] | None:
    """Return the --fit of so many views, or of each of several numbers."""
    found = tuple(_views(number) for number in numbers.split(","))
    return found if len(found) > 1 else found[0]


def add_tolerance(p: Parser) -> None:
    """Add how many images may be bad."""
    data = p.group("Data")
    data.add_argument(
        "--max-bad",
        metavar="LIMIT",
        help=_("stop with exit code 3 when more images than LIMIT (5%% or 20) cannot be read (default: report and continue)"),
    )
    data.add_argument(
        "--strict",
        action="store_true",
        help=_("stop with exit code 3 when any image cannot be read, or a link, folder or file that may be one was skipped"),
    )


def add_review(p: Parser, of_test: bool = False) -> None:
    """Add the list of photos for human review; `of_test`: those of --test."""
    answered = _(
        "write review.csv: the photos that a person should check, because the confidence is below LEVEL "
        "(0.9 is usual), or they are unlike the training photos, or unreadable"
    )
    tested = _(
        "write review.csv: the photos of --test that a person should check, because the confidence is below LEVEL "
        "(0.9 is usual), or they are unlike the training photos, or unreadable"
    )
    p.group("Output").add_argument(
        "--review",
        type=float,
        metavar="LEVEL",
        help=tested if of_test else answered,
    )


def add_compute(p: Parser) -> None:
    """Add where and how features are computed, and how results are printed."""
    add_engine(p)
    add_output(p)


def add_engine(p: Parser) -> None:
    """Add where and how features are computed."""
    machine = p.group("Machine")
    add_cache(
        p,
        _("feature cache folder (default: the user's cache folder)"),
        _("keep no features on disk: all are computed again, and are gone with the process"),
    )
    machine.add_argument(
        "--device",
        default="auto",
        type=lambda name: "coreml" if name == "mps" else name,  # as penult called it before
        choices=("auto", "cpu", "cuda", "coreml", "dml"),
        help=_("compute device (default: auto: CUDA where ONNX Runtime has a GPU that works, else the CPU)"),
    )
    machine.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "f32", "f16", "bf16", "int8"),
        help=_("number format of the networks (default: auto: the fastest that keeps the features)"),
    )
    machine.add_argument(
        "--max-pixels",
        type=int,
        default=89_478_485,
        metavar="N",
        help=_("refuse pictures of more pixels, JPEGs of more than four times as many (default: 89478485)"),
    )


def add_cache(p: Parser, what: str = "", without: str | None = None) -> None:
    """Add the cache folder, with `what` as help; `without` is what --no-cache means, where there is such an option."""
    machine = p.group("Machine")
    machine.add_argument("--cache", metavar="DIR", help=what or _("cache folder (default: the user's cache folder)"))
    if without is not None:
        machine.add_argument("--no-cache", dest="cache", action="store_const", const=False, help=without)


def add_output(p: Parser) -> None:
    """Add how results are printed."""
    p.group("Output").add_argument("--json", action="store_true", help=_("JSON on standard output instead of text"))


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
        "prior",
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
        **sources.columns(args),
        "backbones": tuple(args.backbone) if args.backbone else None,
        "crop_mode": args.fit,
        "clip": _clip(getattr(args, "clip", None)),
        "memory": stored.memory(args),
        "recipe": recipe(args),
        "configured": getattr(args, "origins", None),
    }
    make = TrainOptions.of_blog2017 if getattr(args, "protocol", None) == "blog2017" else TrainOptions
    known = {name: value for name, value in given.items() if value is not None}
    return make(out=args.out or out, seed=args.seed, settings=embed_options(args), **known)


def add_decision(p: Parser) -> None:
    """Add how a class is chosen, and prediction sets."""
    decisions = p.group("Decisions")
    decisions.add_argument(
        "--cost",
        action="append",
        metavar="COST",
        help=_(
            "what mistakes cost: 'defective>functional=10' means that a defective photo called functional costs 10 (in "
            "quotes; every other mistake costs 1), or a CSV with the columns true,predicted,cost; photos get the class of the "
            "smallest expected cost"
        ),
    )
    decisions.add_argument(
        "--target",
        metavar="TARGET",
        help=_(
            "what the threshold of a class is to reach: 'recall defective 0.95' finds 95%% of the defective photos, "
            "'precision defective 0.9', or 'flagged defective 0.2' to call at most 20%% of all photos defective"
        ),
    )
    decisions.add_argument(
        "--coverage",
        type=float,
        metavar="SHARE",
        help=_("also answer with a set of classes that holds the right one for SHARE of the photos (0.95 is usual)"),
    )


def decision(args: argparse.Namespace) -> DecisionRequest | None:
    """Return how a class is to be chosen; None for a command without these options. Raises `InputError`."""
    if not hasattr(args, "coverage"):
        return None
    from penult.evaluate import DecisionRequest

    return DecisionRequest.parse(args.cost, args.target, args.coverage)


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
    """Return what --recipe says. Raises `InputError` where no backbone is an ONNX file: other networks bring their own."""
    if not args.recipe:
        return None
    from penult import zoo

    if not any(".onnx" in name.lower() or name.startswith("hf:") for name in args.backbone or ()):
        raise InputError(
            _(
                "--recipe is the preprocessing of an ONNX file, and no -b names one; other networks bring their own "
                "(--fit and NAME:SIZE change it)."
            )
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
        raise InputError(
            _("--clip {text!r} is not `auto` or a probability from 0 to below 0.5; give one, such as 0.005.", text=text)
        )
    return value
