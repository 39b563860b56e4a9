"""`penult predict`: classify new images."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penult.cli import answering, options, prior, sharding, sources, stored
from penult.cli.parser import Commands, Parser, command
from penult.i18n import _
from penult.texts import NONE, is_url, percent

if TYPE_CHECKING:
    from penult.predict import Predictions, Predictor


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "predict",
        run,
        _("classify new images"),
        _(
            "Where nothing is to be written: one line an image, with confidence, class and file. An image that cannot be "
            "read\n"
            "has no class; a note names it, and only a submission gets the class frequencies of the training set for it."
        ),
        _("""
        penult predict run new/                          a line for each photo
        penult predict run new/ --csv answers.csv --html answers.html
        penult predict run new/ --sort-into sorted       sorted/cat/*.jpg, sorted/dog/*.jpg
        penult predict run test/ --submission sample_submission.csv
        """),
    )
    options.add_model(p)
    sources.add_images(p, "images", "IMAGES", _("images, folders, tar, zip or Parquet files of them, or a table (CSV, Excel)"))
    _add_outputs(p)
    options.add_review(p)
    p.group("Data").add_argument(
        "--features",
        nargs="+",
        metavar="H5",
        help=_("predict from feature files instead of images, or from a folder or address of shards of any size"),
    )
    options.add_out(
        p,
        "OUT",
        _(
            "a table by its ending, as --csv; or a folder or an address (s3://BUCKET/PATH): the answers as Parquet "
            "shards, for "
            "any number of images; the same command again does what is missing (needs penult[cloud])"
        ),
    )
    sharding.add(p)
    sources.add_tables(p)
    prior.add_prior(p, estimate=True)
    options.add_tolerance(p)
    options.add_compute(p)


def _add_outputs(p: Parser) -> None:
    """Add what can be made of the answers."""
    group = p.group("Output")
    group.add_argument(
        "--csv",
        metavar="FILE",
        help=_(
            "write a table: file,label,confidence, one column a class, novelty; a name that ends in .parquet, .jsonl or "
            ".ndjson gets that"
        ),
    )
    group.add_argument(
        "--html", metavar="FILE", help=_("write one page with the photos, their classes, a summary and heat maps")
    )
    group.add_argument(
        "--heat",
        type=int,
        metavar="N",
        help=_(
            "heat maps in the page of --html: of the N photos that most need a look (default: 24, where the model needs no "
            "covering of photos for it, else 2; at most 200)"
        ),
    )
    group.add_argument(
        "--sort-into",
        metavar="DIR",
        help=_(
            "copy the photos into DIR/CLASS/, unreadable ones into DIR/unreadable/; nothing is written over, and the same "
            "command again goes on"
        ),
    )
    group.add_argument(
        "--link",
        action="store_true",
        help=_("with --sort-into: hard links instead of copies, symbolic ones where the photos lie on another disk"),
    )
    group.add_argument(
        "--submission",
        metavar="CSV",
        help=_("write submission.csv, beside the table or here: the columns, ids and order of this sample submission"),
    )
    group.add_argument(
        "--submit", choices=("labels", "probabilities"), help=_("what submission.csv holds (default: as the sample)")
    )


def run(args: argparse.Namespace) -> None:
    """Classify images, or the rows of feature files."""
    if bool(args.images) == bool(args.features):
        args.usage_error(_("give either IMAGES or --features"))
    if args.out is not None and not [option for _, option in answering.table_files(args) if option == "--out"]:
        _to_shards(args)
        return
    if given := [name for name in sharding.OPTIONS if getattr(args, name)]:
        args.usage_error(_("--{given} is for shards: give --out as well", given=given[0]))
    _to_tables(args)


def _to_tables(args: argparse.Namespace) -> None:
    """Print the answers, or write what was asked for."""
    answering.check(args)
    from penult import bundle
    from penult.predict import Predictor

    settings = replace(options.embed_options(args), photo_thumbnails=bool(args.html))  # for the page, where photos are decoded
    predictor = Predictor(bundle.load_bundle(args.model), settings)
    prior.use_prior(args, predictor, lambda: prior.answer_all(args, predictor))
    if not args.json:  # which says nothing of all photos together
        predictor.watch_drift()
    if answering.is_asked(args):
        _write(args, predictor)
    elif args.features and stored.is_shards(args.features):
        _show_parts(args, predictor)
    else:
        _answer(args, predictor)


def _answer(args: argparse.Namespace, predictor: Predictor) -> None:
    """Show the answers, which are in memory together; of more than a few photos a summary goes to standard error."""
    from penult import images
    from penult.cli import output
    from penult.predict.summary import PredictionSummary

    if args.features:
        answers = predictor.predict_features(args.features)
    else:
        source, table = sources.to_scan(args, args.images)
        found = images.scan_unlabelled(source, predictor.bundle.classes, table)
        answers = output.predict(predictor, found, args.quiet)
    to_review = None if args.review is None else answering.write_review(args, answers)
    if args.json:
        output.as_json([p.to_dict() for p in answers])
        return
    _show(answers)
    if to_review:
        output.out(to_review)
    if len(answers) >= answering.FROM and not args.quiet:
        summary = PredictionSummary(predictor.bundle, drift=predictor.drift())
        summary.add(answers)
        answering.show_summary(summary, output.note_lines)


def _show(answers: Predictions) -> None:
    """Print a line for each answer."""
    from penult.cli import output

    for p in answers:
        line = f"{percent(p.confidence):>7}  {output.printable(p.label or NONE)}  {output.printable(p.id)}"
        if p.failure:
            line = _("{line}  (unreadable: {reason})", line=line, reason=_(p.failure.reason))
        elif p.unlike:
            line = _("{line}  (unlike the training photos)", line=line)
        output.out(line)


def _of_shards(args: argparse.Namespace, predictor: Predictor) -> Iterator[Predictions]:
    """Return the answers for the rows of shards, part by part."""
    from penult import shards
    from penult.predict.stored import predict_stored

    shards.refuse_answers(args.features[0])
    return predict_stored(predictor, shards.open_features(args.features[0]))


def _show_parts(args: argparse.Namespace, predictor: Predictor) -> None:
    """Print the answers for the rows of shards, part by part."""
    from penult.cli import output

    if args.review is not None:
        args.usage_error(_("--review of shards needs --csv FILE; review.csv is written beside it"))
    if args.json:
        output.as_json([p.to_dict() for part in _of_shards(args, predictor) for p in part])
        return
    for part in _of_shards(args, predictor):
        _show(part)


def _write(args: argparse.Namespace, predictor: Predictor) -> None:
    """Write what was asked for of any number of images as they come: little is in memory."""
    from penult import images
    from penult.cli import output

    parts: Iterable[tuple[Predictions, Sequence[Any]]]
    ids: Iterable[str] = ()
    if args.features:
        shards = stored.is_shards(args.features)
        some = _of_shards(args, predictor) if shards else [predictor.predict_features(args.features)]
        parts = ((part, ()) for part in some)
    else:
        source, table = sources.to_scan(args, args.images)
        found = images.stream_unlabelled(source, predictor.bundle.classes, table)
        ids = (one.id for one in found)
        parts = output.predict_parts(predictor, found, args.quiet)
    with ExitStack() as stack:
        outputs = answering.Outputs(args, predictor, ids, stack)
        for part, places in parts:
            outputs.add(part, places)
    outputs.finish()


def _to_shards(args: argparse.Namespace) -> None:
    """Write the answers as Parquet shards, or those of one part."""
    if args.features:
        args.usage_error(_("--out needs the images themselves: give one source of IMAGES in the place of --features"))
    source, table = sources.to_scan(args, args.images)
    if not isinstance(source, str) or table.photos or answering.is_asked(args) or args.review is not None:
        args.usage_error(
            _(
                "--out with a folder or an address takes one source of images, and no --csv, --html, --sort-into, "
                "--submission or "
                "--review; for a table give a name that ends in .csv, .parquet or .jsonl"
            )
        )
        return
    from penult import shards, store
    from penult.cli import output
    from penult.predict.answer_shards import AnswerWriter, prepare_answers

    if not is_url(args.out):
        store.check_output_folder(args.out, "--out")  # tables were told by their endings
    shards.check_place(args.out, source)
    part, runner = sharding.part_of(args.part), sharding.runner(args, AnswerWriter)
    with output.progress(not args.quiet) as progress:
        if part is not None and part[0] > 1:
            shards.wait_for_plan(args.out, progress)
        notes = prepare_answers(
            args.model, source, args.out, options.embed_options(args), rows=args.rows, table=table, progress=progress
        )
        done = shards.run_shards(args.out, part=part, runner=runner, make=AnswerWriter, progress=progress)
    for text in notes:
        output.note(_("note: {text}", text=text))
    sharding.tell_failures(args, done)
    sharding.tell(args, done, part, answers=True)
