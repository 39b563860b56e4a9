"""All figures of a run into one folder.

Comes in: what there is of results. Goes out: paths.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from penult.evaluate import Evaluation, LearningCurve
from penult.floats import default_errors
from penult.plots.calibration import reliability
from penult.plots.compared import comparison
from penult.plots.curves import learning_curve, regularisation, training_curves
from penult.plots.matrix import confusion
from penult.plots.style import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@default_errors
def save_all(
    folder: str | os.PathLike[str],
    evaluation: Evaluation | None = None,
    others: Sequence[Evaluation] = (),
    curve: LearningCurve | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
    path: Mapping[str, Sequence[float]] | None = None,
    chosen: float | None = None,
) -> list[Path]:
    """Draw each figure that there are results for, write it as PNG and SVG, and return the paths.

    `others` are compared with `evaluation`; `history` is a dense head's `history_`, `path` a logistic head's
    `path_` (a path without C has no figure) and `chosen` the C that it kept. What is empty or None has no
    figure. Raises OutputError where the folder cannot be written.
    """
    wanted: dict[str, Callable[[], Figure]] = {}
    if evaluation is not None:
        wanted["confusion"] = lambda: confusion(evaluation)
        wanted["reliability"] = lambda: reliability(evaluation)
        if others:
            wanted["comparison"] = lambda: comparison([evaluation, *others])
    if curve is not None:
        wanted["learning_curve"] = lambda: learning_curve(curve)
    if history:
        wanted["training_curves"] = lambda: training_curves(history)
    if path and "C" in path:
        wanted["regularisation"] = lambda: regularisation(path, chosen)
    return [written for name, draw in wanted.items() for written in save(draw(), folder, name)]
