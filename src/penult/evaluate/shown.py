"""Evaluations and learning curves as notebooks show them.

In: `Evaluation`, `LearningCurve`. Out: HTML. It must not compute what they do not have.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from penult import html
from penult.evaluate.intervals import Score
from penult.evaluate.wording import verdict

if TYPE_CHECKING:
    from penult.evaluate.curve import LearningCurve
    from penult.evaluate.evaluation import Evaluation

CLASSES = 12  # up to which the confusion table is small
NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "log_loss": "log loss",
    "brier": "Brier score",
    "auc": "AUC",
    "ece": "calibration error",
}


def evaluation_html(found: Evaluation) -> str:
    """Return the verdict, the scores with their intervals, the classes, the confusion table, and the reliability diagram."""
    scores = html.table(
        ("score", "measured", "95% interval"),
        [(NAMES.get(name, name), html.number(one.value), _interval(one)) for name, one in found.scores.items()],
        caption=found.name,
    )
    classes = html.table(
        ("class", "precision", "recall", "images"),
        [(c.name, html.number(c.precision, 3), html.number(c.recall, 3), c.support) for c in found.per_class],
    )
    confusion = None
    if len(found.classes) <= CLASSES:
        rows = [(name, *line) for name, line in zip(found.classes, found.confusion.tolist(), strict=True)]
        confusion = html.table(("true, said", *found.classes), rows)
    bins = zip(found.reliability.confidence.tolist(), found.reliability.accuracy.tolist(), strict=True)
    points = [(x, y) for x, y in bins if not math.isnan(x)]
    drawn = html.line_chart(points, "how sure it was (across) and how often right (up)", diagonal=True)
    return html.result(verdict(found), scores, classes, confusion, drawn)


def curve_html(curve: LearningCurve) -> str:
    """Return the curve as a table, and its log loss drawn against the logarithm of the number of images."""
    columns = zip(curve.sizes, curve.accuracy, curve.log_loss, strict=True)
    rows = [(n, html.number(a.value), _interval(a), html.number(b.value), _interval(b)) for n, a, b in columns]
    shown = html.table(("training images", "accuracy", "95% interval", "log loss", "95% interval"), rows)
    losses = [
        (math.log(n), b.value) for n, b in zip(curve.sizes, curve.log_loss, strict=True) if b.value is not None and n > 0
    ]
    drawn = html.line_chart(losses, "log loss (up) against training images (across, logarithmic)")
    return html.result("would more photos help?", shown, drawn)


def _interval(one: Score) -> str:
    return f"{html.number(one.low)} to {html.number(one.high)}"
