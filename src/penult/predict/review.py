"""Which answers a person should look at, the most doubtful first, and their table `review.csv`.

In: `Predictions`, a level of confidence. Out: rows, a file.
"""

from __future__ import annotations

import csv
from pathlib import Path

from penult import evaluate, store
from penult.predict.answers import Prediction, Predictions, novelty_text

UNLIKE = "unlike the training photos"


def doubtful(answers: Predictions, level: float) -> list[tuple[Prediction, str]]:
    """Return the answers that are not to be relied on, with the reason, the most doubtful first.

    First the unreadable, then those unlike the training photos (what the model says of them says nothing), the most unlike
    first, then those less sure than `level`, the least sure first. Raises `InputError` for a level outside 0..1.
    """
    evaluate.check_level(level)
    found = [(p, reason) for p in answers if (reason := _reason(p, level))]
    return sorted(found, key=lambda one: _doubt(one[0]))


def write_review(path: str | Path, answers: Predictions, level: float) -> int:
    """Write `file,label,confidence,novelty,reason`, whole or not at all; return the number of rows."""
    found = doubtful(answers, level)
    with store.atomic_write_text(path) as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label", "confidence", "novelty", "reason"])
        for p, reason in found:
            rows.writerow([p.id, p.label, f"{p.confidence:.6g}", novelty_text(p), reason])
    return len(found)


def _reason(p: Prediction, level: float) -> str:
    if p.failure is not None:
        return f"unreadable: {p.failure.reason}"
    reasons = [UNLIKE] if p.unlike else []
    reasons += ["unsure"] if p.confidence < level else []
    return "; ".join(reasons)


def _doubt(p: Prediction) -> tuple[int, float, str]:
    if p.failure is not None:
        return 0, 0.0, p.id
    return (1, -(p.novelty or 0.0), p.id) if p.unlike else (2, p.confidence, p.id)
