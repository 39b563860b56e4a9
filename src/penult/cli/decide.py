"""`penult decide`: choose how a trained model turns probabilities into classes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from penult.cli import options
from penult.cli.parser import Commands, command
from penult.i18n import _, pgettext
from penult.texts import percent, sentence

RECALLS = (0.8, 0.9, 0.95, 0.98, 0.99)  # rows of the table


def add(commands: Commands) -> None:
    """Add the command and its options."""
    p = command(
        commands,
        "decide",
        run,
        _("choose the threshold, the costs of mistakes or prediction sets of a trained model"),
        _(
            "Nothing is trained: the threshold is chosen by the out-of-fold probabilities of the run and measured by "
            "folds, and\n"
            "model.penult, predictions.csv, metrics.json and report.html have it from then on, so `predict`, `evaluate`, "
            "`serve`\n"
            "and `export` use it. Without an option: the present decision, and what other thresholds would give. What\n"
            "--coverage or the others said before is kept where it is not given again."
        ),
        _("""
        penult decide penult-run
        penult decide penult-run --target 'recall defective 0.95'
        penult decide penult-run --cost 'defective>functional=10'
        penult decide penult-run --coverage 0.95
        """),
    )
    p.add_argument("run", metavar="RUN", help=_("run folder of `penult train`"))
    options.add_decision(p)
    p.group("Decisions").add_argument(
        "--most-probable",
        action="store_true",
        help=_("give each photo its most probable class again, without prediction sets"),
    )
    options.add_output(p)


def run(args: argparse.Namespace) -> None:
    """Choose a decision, or show what there is."""
    from penult.cli import output
    from penult.evaluate import DecisionRequest, decision_sentences
    from penult.training.deciding import decide_run, read_decidable

    given = DecisionRequest.parse(args.cost, args.target, args.coverage)
    if args.most_probable and given != DecisionRequest():
        args.usage_error(_("--most-probable takes no other decision beside it"))
    folder = Path(args.run)
    metrics = read_decidable(folder)[0]
    if given == DecisionRequest() and not args.most_probable:
        found = metrics.get("decision") or {}
    else:
        before = DecisionRequest.from_dict((metrics.get("options") or {}).get("decision"))
        asked = DecisionRequest() if args.most_probable else given.over(before)
        with output.progress(not args.quiet) as progress:
            found = decide_run(folder, asked, progress)
    if args.json:
        output.as_json(found)
        return
    said = decision_sentences(found) or [_("each photo gets its most probable class")]
    for text in said:
        output.out(output.printable(sentence(text)))
    if given == DecisionRequest() and not args.most_probable:
        _show_curve(found.get("curve") or {})
    elif metrics.get("submitted"):
        output.note(_("note: submission.csv is as training wrote it; its probabilities are the same, its labels may not be"))


def _show_curve(curve: Mapping[str, Any]) -> None:
    """Print what thresholds of the class that matters give."""
    from penult.cli import output

    points: Sequence[Mapping[str, Any]] = curve.get("points") or ()
    rows: dict[float, list[str]] = {}  # by threshold: what keeps several recalls stands once, beside the highest
    for wanted in RECALLS:
        found = next((one for one in points if one["recall"]["value"] >= wanted), None)
        if found is not None:
            shares = (found["recall"]["value"], found["flagged"], found["precision"]["value"])
            rows[found["threshold"]] = [percent(wanted, 0), *(percent(share) for share in shares)]
    if rows:
        named = _distinct(list(rows))
        shown = [[cells[0], threshold, *cells[1:]] for threshold, cells in zip(named, rows.values(), strict=True)]
        header = [_("recall of {name} from", name=output.printable(str(curve["class"])))]
        header += [_("threshold"), _("recall"), _("flagged"), pgettext("score", "precision")]
        output.out(output.table(header, shown))


def _distinct(values: Sequence[float]) -> list[str]:
    """Return different numbers with as few digits as tell them apart, three or more."""
    texts = [[f"{value:.{digits}g}" for value in values] for digits in range(3, 18)]
    return next(some for some in texts if len(set(some)) == len(values))
