"""Evaluations side by side: one line each, the number and its interval.

Comes in: evaluations of the same images. Goes out: a figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penult.errors import InputError
from penult.evaluate import Evaluation
from penult.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def comparison(evaluations: Sequence[Evaluation], metric: str = "log_loss") -> Figure:
    """Draw each evaluation's score and 95% interval, best at the top.

    Raises InputError if none has the score.
    """
    known: list[tuple[str, Any]] = [
        (one.name, one.scores[metric]) for one in evaluations if one.scores[metric].value is not None
    ]
    if not known:
        raise InputError(f"no evaluation has a value for {metric!r}, so there is nothing to compare; give another measure.")
    sign = 1 if metric in ("log_loss", "brier", "ece") else -1
    known.sort(key=lambda pair: sign * pair[1].value)
    value = np.array([one.value for _, one in known])  # (r,)
    low, high = np.array([one.low for _, one in known]), np.array([one.high for _, one in known])
    place = np.arange(len(known))
    with style.drawing():
        figure = style.blank(9, 1.6 + 0.46 * len(known))
        ax = figure.subplots()
        ax.errorbar(
            value,
            place,
            xerr=[value - low, high - value],
            color=style.BLUE,
            marker="o",
            ls="none",
            capsize=5,
            ms=9,
        )
        if low.min() > 0 and high.max() > 20 * low.min():
            style.log_axis(ax.xaxis)
        ax.set_yticks(place, [style.clean(name, 40) for name, _ in known])
        ax.set_ylim(len(known) - 0.4, -0.6)
        ax.grid(visible=False, axis="y")
        for at, number in enumerate(value):
            ax.annotate(
                style.digits(number),
                (1.01, at),
                xycoords=("axes fraction", "data"),
                va="center",
                annotation_clip=False,
            )
        words = metric.replace("_", " ")
        ax.set_xlabel(f"{words} on unseen images, 95% interval")
        ax.set_title(f"{words.capitalize()}: best at the top")
    return figure
