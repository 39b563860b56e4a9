"""`penult evaluate`: evaluate a model on new labelled images."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from penult.cli import options, prior, sources, stored
from penult.cli.parser import Commands, command
from penult.i18n import _, pgettext
from penult.texts import count, percent, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from penult.bundle import Bundle
    from penult.evaluate import Evaluation, LabelEvaluation
    from penult.evaluate.drift import Drift
    from penult.evaluate.gates import Gate
    from penult.training.evaluating import StoredEvaluation

MISSED = 5  # the exit code where a gate was missed


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "evaluate",
        run,
        _("evaluate a model on new labelled images"),
        _(
            "LABELLED has the same layout as TRAIN of `penult train`, or is a folder or address of shards that `penult "
            "embed`\n"
            "wrote; its classes must be classes of the model. A class without images has a dash. Where a score misses "
            "its gate\n"
            "(--min-accuracy, --max-log-loss, --min-recall) the exit code is 5. Gates judge the images that the model "
            "was not\n"
            "trained on, where there are some."
        ),
        _("""
        penult evaluate run labelled                     labelled/cat/*.jpg, labelled/dog/*.jpg
        penult evaluate run labelled --min-accuracy 95%  exit code 5 where it is less
        """),
    )
    options.add_model(p)
    sources.add_images(p, "labelled", "LABELLED", _("labelled images"))
    gates = p.group("Evaluation")
    gates.add_argument("--min-accuracy", metavar="P", help=_("gate: exit code 5 where the accuracy is below P (0.95 or 95%%)"))
    gates.add_argument("--max-log-loss", metavar="X", help=_("gate: exit code 5 where the log loss is above X"))
    gates.add_argument(
        "--min-recall",
        action="append",
        default=[],
        metavar="CLASS=P",
        help=_("gate: exit code 5 where less than the share P of a class is found, or it has no images; repeat for several"),
    )
    stored.add_stored(
        p,
        _(
            "memory to keep to, such as 2GB: features that take more are read in slices to evaluate on (default: that of this "
            "machine)"
        ),
    )
    sources.add_tables(p)
    prior.add_prior(p, estimate=True)
    options.add_tolerance(p)
    options.add_compute(p)


def run(args: argparse.Namespace) -> int:
    """Classify the images, or the rows of shards, and compare with their labels; return 5 where a gate was missed."""
    if not args.labelled:
        args.usage_error(_("give LABELLED"))
    if stored.is_shards(args.labelled):
        return _of_shards(args)
    if args.memory:
        args.usage_error(_("--memory goes with features: LABELLED is none of these"))
    from penult import bundle, images
    from penult.cli import output
    from penult.evaluate import measured_sentences
    from penult.predict import Predictor, judge, judge_decision, judge_unseen, remark_on_training, true_answers, verdict_on_new

    model = bundle.load_bundle(args.model)
    gates = _gates(args, model)
    source, table = sources.to_scan(args, args.labelled)
    found = images.scan_labelled(source, classes=model.classes, table=replace(table, task=model.task))
    predictor = Predictor(model, options.embed_options(args))
    estimate = prior.use_prior(args, predictor, lambda: output.predict(predictor, found, args.quiet))
    predictor.watch_drift()
    answers = output.predict(predictor, found, args.quiet)
    drift = predictor.drift()  # of those that are no training photos
    labels = true_answers(found, model)
    measured, unseen = judge(answers, labels), judge_unseen(answers, labels)
    result, said = measured.to_dict(), verdict_on_new(model, answers, unseen or measured)
    judged = gates, (unseen or measured).to_dict()
    decision = judge_decision(answers, labels)
    if args.json:
        known = None if answers.in_training is None else int(answers.in_training.sum())
        new = None if unseen is None else unseen.to_dict()
        about = {"unreadable": len(answers.failures), "in_training": known, "not_in_training": new, "verdict": said}
        about |= {"decision": decision, **_drift_json(drift, estimate)}
        output.as_json({**result, **about, **_gates_json(*judged)})
        return _exit_code(*judged)
    if remark := remark_on_training(answers):
        output.out(_("note: {remark}", remark=remark))
    _show(len(answers), len(answers.failures), result, unseen, said)
    for text in measured_sentences(decision):
        output.out(output.printable(sentence(text)))
    _tell_drift(drift)
    return _tell_gates(*judged)


def _gates(args: argparse.Namespace, model: Bundle) -> tuple[Gate, ...]:
    """Return the gates that were asked for. Raises `InputError`, `UnknownName`."""
    from penult.errors import InputError
    from penult.evaluate.gates import parse_gates

    if model.task == "labels" and args.min_accuracy is not None:
        raise InputError(_("--min-accuracy is of one class a photo; for several labels give --max-log-loss or --min-recall."))
    return parse_gates(args.min_accuracy, args.max_log_loss, args.min_recall, model.classes)


def _drift_json(drift: Drift | None, estimate: dict[str, Any] | None) -> dict[str, Any]:
    """Return what `--json` says of drift, and of estimated class shares."""
    return {"drift": None if drift is None else drift.to_dict(), **({} if estimate is None else {"prior": estimate})}


def _tell_drift(drift: Drift | None) -> None:
    from penult.cli import output

    if drift is not None and drift.tested:
        output.out(output.printable(drift.meaning))


def _gates_json(gates: Sequence[Gate], result: dict[str, Any]) -> dict[str, Any]:
    return {"gates": [gate.to_dict(result) for gate in gates]} if gates else {}


def _exit_code(gates: Sequence[Gate], result: dict[str, Any]) -> int:
    return 0 if all(gate.is_met(result) for gate in gates) else MISSED


def _tell_gates(gates: Sequence[Gate], result: dict[str, Any]) -> int:
    """Print for each gate whether it was met; return the exit code."""
    from penult.cli import output

    for gate in gates:
        output.out(output.printable(gate.describe(result)))
    return _exit_code(gates, result)


def _show(n: int, unreadable: int, result: dict[str, Any], unseen: Evaluation | LabelEvaluation | None, said: str) -> None:
    """Print scores of n images, those of each class, those of images that the model has not seen, and what they mean."""
    from penult.cli import output

    images = count(n, "image")
    if unreadable:
        text = _("on {images} ({n:,} unreadable, scored with the class frequencies):", images=images, n=unreadable)
        output.out(text)
    else:
        output.out(_("on {images}:", images=images))
    output.show_scores(result)
    what = "label" if "per_label" in result else "class"
    each = result[f"per_{what}"]
    header = [_("label") if what == "label" else _("class"), pgettext("score", "precision"), _("recall"), _("images")]
    rows = [[str(r["name"]), percent(r["precision"]), percent(r["recall"]), str(r["support"])] for r in each]
    output.out(output.table(header, rows))
    if unseen is not None:
        output.out(_("on the {images} that the model was not trained on:", images=count(int(unseen.measured.sum()), "image")))
        output.show_scores(unseen.to_dict())
    output.out(output.printable(said))


def _of_shards(args: argparse.Namespace) -> int:
    """Answer the rows of shards and compare with their labels; return 5 where a gate was missed."""
    from penult import bundle, images, training
    from penult.cli import output
    from penult.predict import Predictor, remark_on_seen, verdict_on_scores

    model = bundle.load_bundle(args.model)
    gates = _gates(args, model)
    columns = images.TableOptions(**sources.columns(args))
    predictor = Predictor(model)
    with output.progress(not args.quiet) as progress:

        def measured() -> StoredEvaluation:
            rows = training.open_shards(args.labelled[0])
            return training.evaluate_stored(predictor, rows, args.labels, columns, stored.memory(args), progress)

        estimate = prior.use_prior(args, predictor, measured)
        predictor.watch_drift()
        found = measured()
        drift = None if found.in_training else predictor.drift()
    known = found.in_training
    said = verdict_on_scores(model, found.unseen or found.result, known == found.measured)
    judged = gates, (found.unseen or found.result).to_dict()
    if args.json:
        new = None if found.unseen is None else found.unseen.to_dict()
        about = {"unreadable": found.unreadable, "in_training": known, "not_in_training": new, "verdict": said}
        of_rows = {"labelled": found.images, "notes": list(found.notes)}
        told = {**_drift_json(drift, estimate), **_gates_json(*judged)}
        output.as_json({**found.result.to_dict(), **about, **of_rows, **told})
        return _exit_code(*judged)
    for text in (*found.notes, remark_on_seen(known or 0, found.measured)):
        if text:
            output.out(_("note: {text}", text=output.printable(text)))
    _show(found.measured, found.unreadable, found.result.to_dict(), found.unseen, said)
    _tell_drift(drift)
    return _tell_gates(*judged)
