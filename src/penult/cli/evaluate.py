"""`penult evaluate`: evaluate a model on new labelled images."""

from __future__ import annotations

import argparse

from penult.cli import options
from penult.texts import count, percent


def add(commands: options.Commands) -> None:
    """Add the command and its options."""
    p = options.command(
        commands,
        "evaluate",
        run,
        "evaluate a model on new labelled images",
        "LABELLED has the same layout as TRAIN of `penult train`; its classes must be classes of the model.",
    )
    options.add_model(p)
    p.add_argument("labelled", metavar="LABELLED", help="labelled images")
    options.add_tables(p)
    options.add_tolerance(p)
    options.add_compute(p)


def run(args: argparse.Namespace) -> None:
    """Classify the images and compare with their labels."""
    from penult import bundle, images
    from penult.cli import output
    from penult.predict import Predictor, judge, judge_unseen, remark_on_training, verdict_on_new

    model = bundle.load_bundle(args.model)
    found = images.scan_labelled(args.labelled, classes=model.classes, table=images.TableOptions(**options.columns(args)))
    answers = output.predict(Predictor(model, options.embed_options(args)), found, args.quiet)
    labels = [str(i.label) for i in found.images]
    measured, unseen = judge(answers, labels), judge_unseen(answers, labels)
    result, said = measured.to_dict(), verdict_on_new(model, answers, unseen or measured)
    if args.json:
        known = None if answers.in_training is None else int(answers.in_training.sum())
        new = None if unseen is None else unseen.to_dict()
        about = {"unreadable": len(answers.failures), "in_training": known, "not_in_training": new, "verdict": said}
        output.as_json({**result, **about})
        return
    if remark := remark_on_training(answers):
        output.out(f"note: {remark}")
    unread = f" ({len(answers.failures)} unreadable, scored with the class frequencies)" if answers.failures else ""
    output.out(f"on {count(len(answers), 'image')}{unread}:")
    output.show_scores(result)
    rows = [[str(r["name"]), percent(r["precision"]), percent(r["recall"]), str(r["support"])] for r in result["per_class"]]
    output.out(output.table(["class", "precision", "recall", "images"], rows))
    if unseen is not None:
        output.out(f"on the {count(int(unseen.measured.sum()), 'image')} that the model was not trained on:")
        output.show_scores(unseen.to_dict())
    output.out(output.printable(said))
