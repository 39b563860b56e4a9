"""`penult predict`: classify new images."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult.cli import options, sharding, sources, stored
from penult.cli.parser import Commands, command
from penult.texts import count, percent

if TYPE_CHECKING:
    from penult.predict import Prediction, Predictions, Predictor


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "predict",
        run,
        "classify new images",
        "Without --csv and --json: one line an image, with class, confidence and file. Unreadable images get the class\n"
        "frequencies of the training set.",
        """
        penult predict run new/                          a line for each photo
        penult predict run/model.penult new/ --csv answers.csv
        """,
    )
    options.add_model(p)
    sources.add_images(p, "images", "IMAGES", "images, folders, tar, zip or Parquet files of them, or a table (CSV, Excel)")
    p.group("Output").add_argument(
        "--csv", metavar="FILE", help="write file,label,confidence, one column a class, and novelty"
    )
    options.add_review(p)
    p.group("Data").add_argument(
        "--features",
        nargs="+",
        metavar="H5",
        help="predict from feature files instead of images, or from a folder or address of shards of any size",
    )
    options.add_out(
        p,
        "OUT",
        "write the answers as Parquet shards to a folder or an address (s3://BUCKET/PATH), for any number of images; the "
        "same command again does what is missing (needs penult[cloud])",
    )
    sharding.add(p)
    sources.add_tables(p)
    options.add_tolerance(p)
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Classify images, or the rows of feature files."""
    if bool(args.images) == bool(args.features):
        args.usage_error("give either IMAGES or --features")
    if args.out is not None:
        _to_shards(args)
        return
    if given := [name for name in sharding.OPTIONS if getattr(args, name)]:
        args.usage_error(f"--{given[0]} is for shards: give --out as well")
    _to_table(args)


def _to_table(args: argparse.Namespace) -> None:
    """Write the answers as one table, or print them."""
    from penult import bundle, store
    from penult.predict import Predictor

    if args.review is not None:
        from penult.evaluate import check_level

        check_level(args.review)
    if args.csv:
        store.check_output_file(args.csv, store.CSV, "--csv")
    model = bundle.load_bundle(args.model)
    predictor = Predictor(model, options.embed_options(args))
    shards = bool(args.features) and stored.is_shards(args.features)
    if args.csv and (shards or args.images):
        _write_parts(args, predictor)
    elif shards:
        _show_parts(args, predictor)
    else:
        _answer(args, predictor)


def _answer(args: argparse.Namespace, predictor: Predictor) -> None:
    """Show or write the answers, which are in memory together."""
    from penult import images
    from penult.cli import output
    from penult.predict import write_review

    if args.features:
        answers = predictor.predict_features(args.features)
    else:
        source, table = sources.to_scan(args, args.images)
        found = images.scan_unlabelled(source, predictor.bundle.classes, table)
        answers = output.predict(predictor, found, args.quiet)
    if args.csv:
        answers.write_csv(args.csv)
    to_review = None
    if args.review is not None:
        path = (Path(args.csv).parent if args.csv else Path()) / "review.csv"
        to_review = f"{write_review(path, answers, args.review)} of them to review: {output.printable(str(path))}"
    if args.json:
        output.as_json([p.to_dict() for p in answers])
        return
    if args.csv:
        output.out(
            f"{count(len(answers), 'prediction')} written to {output.printable(args.csv)}; "
            f"{count(len(answers.failures), 'image')} unreadable"
        )
    else:
        _show(answers)
    if to_review:
        output.out(to_review)


def _show(answers: Predictions) -> None:
    """Print a line for each answer."""
    from penult.cli import output

    for p in answers:
        why = f"  (unreadable: {p.failure.reason})" if p.failure else "  (unlike the training photos)" if p.unlike else ""
        output.out(f"{percent(p.confidence):>7}  {output.printable(p.label)}  {output.printable(p.id)}{why}")


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
        args.usage_error("--review of shards needs --csv FILE; review.csv is written beside it")
    if args.json:
        output.as_json([p.to_dict() for part in _of_shards(args, predictor) for p in part])
        return
    for part in _of_shards(args, predictor):
        _show(part)


def _write_parts(args: argparse.Namespace, predictor: Predictor) -> None:
    """Write the answers of any number of images as they come: little is in memory but those to review."""
    from penult import images
    from penult.cli import output
    from penult.predict import write_predictions, write_review
    from penult.predict.answers import review_reason

    doubtful: list[Prediction] = []
    answers: list[dict[str, Any]] = []

    def reviewed(parts: Iterator[Predictions]) -> Iterator[Predictions]:
        for part in parts:
            if args.review is not None:
                doubtful.extend(replace(p, probabilities={}) for p in part if review_reason(p, args.review))
            if args.json:
                answers.extend(p.to_dict() for p in part)
            yield part

    if args.features:
        parts = _of_shards(args, predictor)
    else:
        source, table = sources.to_scan(args, args.images)
        found = images.stream_unlabelled(source, predictor.bundle.classes, table)
        parts = output.predict_parts(predictor, found, args.quiet)
    many, failed = write_predictions(
        args.csv, predictor.bundle.classes, reviewed(parts), "label" if predictor.bundle.task == "classes" else "labels"
    )
    name = output.printable(args.csv)
    told = [f"{count(many, 'prediction')} written to {name}; {count(failed, 'image')} unreadable"]
    if args.review is not None:
        path = Path(args.csv).parent / "review.csv"
        told.append(f"{write_review(path, doubtful, args.review)} of them to review: {output.printable(str(path))}")
    if args.json:
        output.as_json(answers)
    else:
        output.out("\n".join(told))


def _to_shards(args: argparse.Namespace) -> None:
    """Write the answers as Parquet shards, or those of one part."""
    if args.features:
        args.usage_error("--out needs the images themselves: give one source of IMAGES in the place of --features")
    source, table = sources.to_scan(args, args.images)
    if not isinstance(source, str) or table.photos or args.csv or args.review is not None:
        args.usage_error("--out takes one source of images, and neither --csv nor --review")
        return
    from penult import shards
    from penult.cli import output
    from penult.predict.answer_shards import AnswerWriter, prepare_answers

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
        output.note(f"note: {text}")
    sharding.tell_failures(args, done)
    sharding.tell(args, done, part, "answers")
