"""The words of the command line; imports nothing heavy, so that `penult --help` is there at once."""

from __future__ import annotations

import argparse

HEADS = ("logistic", "svm", "knn", "centroid", "lda", "dense", "auto")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Keep the examples as they are written, and leave room for the long options."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=30, width=100)


def build() -> argparse.ArgumentParser:
    """Return the parser of every command."""
    from penult import __version__

    parser = argparse.ArgumentParser(
        prog="penult",
        formatter_class=_Formatter,
        description="Point it at folders of photos, get a calibrated classifier, its measurements and its predictions.",
        epilog="examples:\n"
        "  penult demo                                        find defective solar cells, nothing to download\n"
        "  penult train train --test test --out run           train/cat/*.jpg, train/dog/*.jpg, test/*.jpg\n"
        "  penult predict run/model.penult new/ --csv out.csv\n\n"
        "exit codes: 0 done, 1 refused (one line says why and what to do), 2 wrong usage, 3 more bad images than --max-bad\n"
        "or --strict allows, 4 not written (disk full, no permission): try again once there is room, 130 or 143 interrupted",
    )
    parser.add_argument("--version", action="version", version=f"penult {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _train(commands)
    _predict(commands)
    _evaluate(commands)
    _embed(commands)
    _compare(commands)
    _report(commands)
    _audit(commands)
    _explain(commands)
    _backbones(commands)
    _similar(commands)
    _demo(commands)
    _doctor(commands)
    _cache(commands)
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str, epilog: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + ".",
        epilog=epilog,
        formatter_class=_Formatter,
    )


def _train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "train",
        "learn to tell classes of photos apart, and measure how well",
        "TRAIN is a folder of class folders (train/cat/*.jpg), a folder of Kaggle names (cat.1.jpg), or a CSV of images and\n"
        "labels, whose columns and photos are found where there is one candidate. Features are kept in a cache: a second\n"
        "run, or one that was interrupted, does not compute them again. The run folder then holds model.penult,\n"
        "metrics.json, predictions.csv, submission.csv, oof.csv, history.csv, skipped.csv, map.csv, report.html, figures/\n"
        "and data_<backbone>.h5.",
    )
    p.add_argument("train", nargs="?", metavar="TRAIN", help="labelled images (not with --features)")
    p.add_argument("--test", metavar="DIR", help="images to predict; class folders in it are used to measure")
    _learning(p)
    _grouping(p)
    _tables(p)
    p.add_argument("--submission", metavar="CSV", help="sample submission to follow: its columns, ids and order")
    p.add_argument(
        "--submit",
        choices=("labels", "probabilities"),
        help="what submission.csv holds (default: as the sample; for two classes the probability, where it does not tell)",
    )
    p.add_argument("--features", nargs="+", metavar="H5", help="train from feature files (data_*.h5, gap_*.h5) instead")
    p.add_argument("--files", metavar="LIST", help="with --features: names of the training rows, one a line")
    _review(p, "of --test ")
    _tolerance(p)
    p.add_argument(
        "--protocol",
        type=lambda name: "blog2017" if name == "seed" else name,
        choices=("blog2017",),
        help="reproduce the 2017 blog post exactly: its three Keras networks (or those of -b), its resizing, its dense head, "
        "ResNet50 without preprocessing, probabilities cut to 0.005..0.995",
    )


def _learning(p: argparse.ArgumentParser) -> None:
    """Add what `train` and `demo` share."""
    _seeing(p)
    p.add_argument("--head", metavar="HEAD", help=f"one of {', '.join(HEADS)} (default: logistic)")
    p.add_argument(
        "--clip",
        metavar="P",
        help="smallest probability ever given (default: chosen by the folds)",
    )
    _class_weight(p)
    p.add_argument("--out", default=None, metavar="RUN", help="run folder (default: penult-run)")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="seed of folds and heads (default: 0)")
    _computing(p)


def _grouping(p: argparse.ArgumentParser) -> None:
    """Add what must be kept in one fold."""
    p.add_argument("--groups", metavar="COLUMN", help="CSV column (patient, scene) whose equal values are never split")
    p.add_argument(
        "--near-duplicates",
        choices=("group", "separate"),
        default="group",
        help="group: copies, edits and frames of one scene stay in one fold (default); separate: each is a photo of its own, "
        "for different things that only look alike",
    )


def _class_weight(p: argparse.ArgumentParser) -> None:
    p.add_argument(
        "--class-weight",
        choices=("balanced",),
        help="balanced: every class counts the same, however many photos it has, so that rare classes are found more often "
        "(default: every photo counts the same)",
    )


def _seeing(p: argparse.ArgumentParser) -> None:
    """Add which backbones look, and how."""
    p.add_argument(
        "-b",
        "--backbone",
        action="append",
        metavar="NAME",
        help="a network: built in, of timm, keras:NAME, NAME@WEIGHTS, model.onnx, or a preset (lite, blog2017, modern); "
        "repeat for several, their features stand side by side (default: lite; see `penult backbones`)",
    )
    p.add_argument(
        "--recipe",
        nargs="+",
        metavar="K=V",
        help="how an ONNX file without a .recipe.json sees: size=224 fit=crop crop=0.875 interpolation=bicubic "
        "mean=0.485,0.456,0.406 std=0.229,0.224,0.225 channels=rgb [output=TENSOR]",
    )
    p.add_argument("--fit", choices=("crop", "squash"), help="centre crop or whole picture (default: the backbone's own)")
    p.add_argument(
        "--pooling",
        choices=("mean", "mean+max"),
        help="how maps become features (default: the backbone's own)",
    )


def _tables(p: argparse.ArgumentParser) -> None:
    """Add what may have to be said of a CSV of images."""
    p.add_argument("--image-column", metavar="NAME", help="CSV column of image files or ids (default: found by itself)")
    p.add_argument("--label-column", metavar="NAME", help="CSV column of the labels (default: found by itself)")
    p.add_argument(
        "--image-dir", metavar="DIR", help="folder of the images in a CSV (default: the CSV's own folder, or one below it)"
    )
    p.add_argument(
        "--encoding", metavar="NAME", help="encoding of a CSV, such as cp1251 or gb18030 (default: found by itself)"
    )


def _tolerance(p: argparse.ArgumentParser) -> None:
    """Add how many images may be bad."""
    p.add_argument(
        "--max-bad",
        metavar="LIMIT",
        help="refuse, with exit code 3, when more images than LIMIT (5%% or 20) cannot be read (default: any number is told)",
    )
    p.add_argument(
        "--strict",
        action="store_true",
        help="refuse when any image cannot be read, or a link, folder or file that may be one was passed over",
    )


def _computing(p: argparse.ArgumentParser) -> None:
    """Add where and how features are computed."""
    p.add_argument("--cache", metavar="DIR", help="feature cache (default: the user's cache folder)")
    _no_cache(p, "keep no features on disk: all are computed anew, and are gone with the process")
    p.add_argument(
        "--device",
        default="auto",
        type=lambda name: "coreml" if name == "mps" else name,  # as penult called it before
        choices=("auto", "cpu", "cuda", "coreml", "dml"),
        help="(default: auto: an NVIDIA GPU where ONNX Runtime has one that works, else the CPU)",
    )
    p.add_argument("--precision", default="auto", choices=("auto", "f32", "f16", "bf16", "int8"), help="(default: auto)")
    p.add_argument(
        "--max-pixels",
        type=int,
        default=89_478_485,
        metavar="N",
        help="refuse pictures of more pixels, JPEGs of more than four times as many (default: 89478485)",
    )
    p.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")


def _no_cache(p: argparse.ArgumentParser, what: str) -> None:
    p.add_argument("--no-cache", dest="cache", action="store_const", const=False, help=what)


def _predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "predict",
        "say what is in new images",
        "Without --csv and --json one line an image: class, confidence, file. An unreadable image gets the class prior.",
    )
    p.add_argument("model", metavar="MODEL", help="model.penult, or the run folder it is in")
    images = p.add_argument("images", nargs="+", default=[], metavar="IMAGES", help="images, folders of them, or a CSV")
    images.required = False  # with "*" Python 3.11 takes none of them where an option stands before the first
    p.add_argument("--csv", metavar="FILE", help="write file,label,confidence, one column a class, and novelty")
    _review(p)
    p.add_argument("--features", nargs="+", metavar="H5", help="predict from feature files instead of images")
    _tables(p)
    _tolerance(p)
    _computing(p)


def _review(p: argparse.ArgumentParser, which: str = "") -> None:
    p.add_argument(
        "--review",
        type=float,
        metavar="LEVEL",
        help=f"write review.csv: the photos {which}that a person should look at, because the answer is less sure than LEVEL "
        "(0.9 is usual), or they are unlike the training photos, or unreadable",
    )


def _evaluate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "evaluate",
        "measure a model on new labelled images",
        "LABELLED is laid out as TRAIN is; its classes must be classes of the model.",
    )
    p.add_argument("model", metavar="MODEL", help="model.penult, or the run folder it is in")
    p.add_argument("labelled", metavar="LABELLED", help="labelled images")
    _tables(p)
    _tolerance(p)
    _computing(p)


def _embed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "embed",
        "write the features of one folder as HDF5",
        "The file has `train` (n, d), `label` (n,) where the folders tell classes, and `train_files`. With several backbones\n"
        "there is one file each: FILE_<backbone>.h5.",
    )
    p.add_argument("images", metavar="IMAGES", help="a folder of images, labelled or not, or a CSV")
    _seeing(p)
    p.add_argument("--out", required=True, metavar="FILE.h5", help="the file to write")
    _tables(p)
    _tolerance(p)
    _computing(p)


def _compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "compare",
        "find the backbones, alone or together, that suit these photos and this machine",
        "TRAIN is laid out as for `train`. Every candidate embeds a stratified sample; the same folds judge each of them,\n"
        "every pair and every trio: log loss against images/s, and what each member adds. It ends with the line to type next.",
    )
    p.add_argument("train", metavar="TRAIN", help="labelled images")
    _seeing(p)
    p.add_argument("--head", default="logistic", metavar="HEAD", help=f"one of {', '.join(HEADS)} (default: logistic)")
    _class_weight(p)
    p.add_argument("--budget", metavar="TIME", help="5m, 90s, 1h30m: the cheapest candidates first, until the time is over")
    p.add_argument("--sample", type=int, default=1000, metavar="N", help="images to compare on (default: 1000)")
    _grouping(p)
    _tables(p)
    p.add_argument("--out", default="penult-compare", metavar="DIR", help="table and figure (default: penult-compare)")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="seed of sample, folds and heads (default: 0)")
    _tolerance(p)
    _computing(p)


def _report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "report",
        "make the page of a run again",
        "`train` wrote RUN/report.html already; after an update of penult, or when photos moved, this writes it anew.\n"
        "It is one file that needs no network: send it, print it, open it on a phone.",
    )
    p.add_argument("run", metavar="RUN", help="the folder that `penult train --out` made")
    p.add_argument("--photos", metavar="DIR", help="where the training photos are now (default: where they were)")
    p.add_argument("--json", action="store_true", help="one JSON object on standard output instead of text")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")


def _audit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from penult.cli.auditing import add_arguments

    p = _command(
        commands,
        "audit",
        "find what is wrong with photos: copies, leaks into the test photos, doubtful labels, photos that stand out",
        "TRAIN is laid out as for `train`, which does the same. Nothing is moved unless --apply is given a list; nothing is\n"
        "ever deleted or overwritten.",
    )
    add_arguments(p)
    _grouping(p)
    _tables(p)
    _seeing(p)
    p.add_argument("--head", metavar="HEAD", help=f"one of {', '.join(HEADS)} (default: logistic)")
    _class_weight(p)
    p.add_argument("--seed", type=int, default=0, metavar="N", help="seed of folds and heads (default: 0)")
    p.set_defaults(out=None, clip=None)
    _tolerance(p)
    _computing(p)


def _explain(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "explain",
        "show where a model looked: heat over each photo, for and against a class",
        "A PNG a photo, with a scale and a caption. cam, the class activation map, is exact: what it shows adds up to the\n"
        "logit; it needs a linear head (logistic, lda, centroid, dense, linear svm) on networks with maps. occlusion covers\n"
        "the photo bit by bit, works for all, and takes some eighty times as long. auto takes cam where it can be had.",
    )
    p.add_argument("model", metavar="MODEL", help="model.penult, or the run folder it is in")
    p.add_argument("images", nargs="+", metavar="IMAGE", help="images, or folders of them")
    p.add_argument(
        "--class", dest="label", metavar="NAME", help="the class to explain (default: each photo's most probable one)"
    )
    p.add_argument("--out", default="penult-explain", metavar="DIR", help="where the pictures go (default: penult-explain)")
    p.add_argument("--method", default="auto", choices=("auto", "cam", "occlusion"), help="(default: auto)")
    _computing(p)


def _backbones(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "backbones",
        "list the networks, or fetch one ahead of time",
        "Without PATTERN: what is built in, and what was converted on this machine. With one, timm and Keras are asked too.\n"
        "images/s is what was measured on this machine; GMACs are 10^9 multiply-adds for one image.",
    )
    p.add_argument("pattern", nargs="?", metavar="PATTERN", help="part of a name, or a pattern such as 'resnet*'")
    p.add_argument("--fetch", action="append", metavar="NAME", help="get weights and convert them now; repeat for several")
    p.add_argument(
        "--show-recipe",
        metavar="NAME",
        help="print how a network sees, as the .recipe.json of an ONNX file (it is fetched and converted first)",
    )
    p.add_argument("--cache", metavar="DIR", help="cache folder (default: the user's)")
    _no_cache(p, "look at no cache folder: converted networks are not listed")
    p.add_argument(
        "--precision", default="auto", choices=("auto", "f32", "f16", "bf16"), help="of the images/s (default: auto)"
    )
    p.add_argument("--json", action="store_true", help="JSON on standard output instead of text")
    p.add_argument("-q", "--quiet", action="store_true", help="no progress on standard error")


def _similar(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "similar",
        "show the photos of a run that are most like a given one",
        "By the features that the model decides with: 1.000 is the same, and the very picture is marked `same photo`. Exact;\n"
        "for very many photos an index is made in the cache, once.",
    )
    p.add_argument("run", metavar="RUN", help="run folder of `penult train`")
    p.add_argument("photos", nargs="+", metavar="PHOTO", help="photos, or folders of them")
    p.add_argument("-n", type=int, default=10, metavar="N", help="how many for each photo (default: 10)")
    p.add_argument("--csv", metavar="FILE", help="write photo,rank,file,part,label,similarity,same_photo")
    _computing(p)


def _demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    p = _command(
        commands,
        "demo",
        "the whole job on real photos: find defective solar cells (or on your own FOLDER)",
        "A quarter of the images is held out, stratified by class; the model never sees them before it is measured.\n"
        "The photos come with the extra: pip install 'penult[demo]' (data: CC BY-NC-SA 4.0, Deitsch et al.).",
    )
    p.add_argument("folder", nargs="?", metavar="FOLDER", help="your own labelled images, instead of the solar cells")
    _learning(p)


def _doctor(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from penult.cli.doctoring import add_arguments

    p = _command(
        commands,
        "doctor",
        "check this installation, or run folders, and say what to do",
        "One line for each check: ok, note (good to know), warn, or FAIL, and what to do. Exit code 1 where anything fails.\n"
        "With RUN: every file of a run folder against the sha256 in its metrics.json, and its model's own samples.",
    )
    add_arguments(p)


def _cache(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from penult.cli.caching import add_arguments

    p = _command(
        commands,
        "cache",
        "show what the feature cache holds, check it, make it smaller",
        "Nothing in it is unique: what is removed, also beside a running command, is computed (or converted) again.\n"
        "--older and --max leave converted networks and those in 8 bits alone, which may need the network to be had again.\n"
        "Exit code 1 with --verify where anything was damaged.",
    )
    add_arguments(p)
