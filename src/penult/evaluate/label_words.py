"""What the scores of photos with several labels mean, in sentences, and the rows of the comparison of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penult.arrays import default_errors
from penult.errors import InputError
from penult.evaluate.evaluation import Difference
from penult.evaluate.interpret import UNSEEN
from penult.evaluate.intervals import interval, resample
from penult.evaluate.label_metrics import loss_table
from penult.evaluate.labels import LabelEvaluation
from penult.i18n import _, ngettext
from penult.texts import enumeration, gap, measured, percent


def label_verdict(found: Mapping[str, Any], test: Mapping[str, Any] | None = None, on: str = UNSEEN) -> str:
    """Return what was measured in two or three sentences: the mean average precision, the answers, the hardest label.

    `found` and `test` are `LabelEvaluation.to_dict()`.
    """
    scores, labels = found["scores"], found["per_label"]
    value, low, high = _share(scores["mAP"])
    if scores["mAP"]["value"] is None:
        return ngettext(
            "None of the {n:,} label could be measured: add photos with and without each.",
            "None of the {n:,} labels could be measured: add photos with and without each.",
            len(labels),
        )
    said = [
        ngettext(
            "{value}% mean average precision {on} (95% interval {low} to {high}%) over {n:,} label.",
            "{value}% mean average precision {on} (95% interval {low} to {high}%) over {n:,} labels.",
            len(labels), value=value, on=_(on) if on else "", low=low, high=high,
        )
    ]  # fmt: skip
    said.append(
        _(
            "With the chosen thresholds micro F1 is {f1}, and {exact} of the photos get exactly their labels.",
            f1=percent(scores["micro_f1"]["value"]),
            exact=percent(scores["exact_match"]["value"]),
        )
    )
    if weak := unlearned(labels):
        said.append(_("Not told apart better than chance: {names}.", names=enumeration(weak)))
    elif hardest := hardest_label(labels):
        ap = percent(hardest["ap"]["value"])
        said.append(_("Hardest: {name} (average precision {ap}).", name=hardest["name"], ap=ap))
    if test is not None and test["scores"]["mAP"]["value"] is not None:
        value, low, high = _share(test["scores"]["mAP"])
        said.append(_("On the test photos: {value}% ({low} to {high}%).", value=value, low=low, high=high))
    return gap().join(said)


def _share(score: Mapping[str, Any]) -> tuple[str, str, str]:
    return measured(score["value"], score["low"], score["high"], share=True)


def hardest_label(labels: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the label with the lowest average precision; None for none that was measured."""
    known = [one for one in labels if one["ap"]["value"] is not None]
    return min(known, key=lambda one: float(one["ap"]["value"])) if len(known) > 1 else None


def unlearned(labels: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the labels that are not surely told apart better than chance, whose average precision is their share."""
    return [
        str(one["name"])
        for one in labels
        if one["ap"]["low"] is not None and one["ap"]["low"] <= one["support"] / one["known"]
    ]


@default_errors
def paired_label_difference(first: LabelEvaluation, second: LabelEvaluation) -> Difference:
    """Return `first` minus `second` in the log loss of a label, over the photos that both measured (see `paired_difference`).

    Raises InputError where they are not of the same photos.
    """
    if first.Y.shape != second.Y.shape or not np.array_equal(first.Y, second.Y, equal_nan=True):
        raise InputError(
            _(
                "{name!r} and {name2!r} are not of the same photos; evaluate both on the same set.",
                name=first.name,
                name2=second.name,
            )
        )
    both = first.measured & second.measured
    tables = [np.nan_to_num(loss_table(one.Y[both], one.proba[both])).sum(axis=1) for one in (first, second)]
    gap = (tables[0] - tables[1]) / np.maximum(np.isfinite(first.Y[both]).sum(axis=1), 1)  # (n,)
    drawn = resample(gap[:, None], None if first.groups is None else first.groups[both])[:, 0]
    return Difference("log_loss", float(gap.mean()), *interval(float(gap.mean()), drawn), len(gap))


def label_summary_rows(evaluations: Sequence[LabelEvaluation]) -> list[dict[str, Any]]:
    """Return a row of plain values for each evaluation, as `summary_rows` does for one class a photo."""
    rows = []
    for one in evaluations:
        ap, loss = one.scores["mAP"], one.scores["log_loss"]
        bounds = {"mAP_low": ap.low, "mAP_high": ap.high, "log_loss_low": loss.low, "log_loss_high": loss.high}
        rows.append({"name": one.name, "mAP": ap.value, "log_loss": loss.value, **bounds})
    return rows
