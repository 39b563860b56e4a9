"""The confusion matrix: which classes get mixed up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from penult.evaluate import Evaluation
from penult.plots import style
from penult.plots.words import _, columns
from penult.texts import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOTH, COUNTS, NAMES = 8, 20, 60  # up to so many classes: counts and percent, counts, names


def plot_confusion_matrix(evaluation: Evaluation) -> Figure:
    """Draw counts by true label (row) and prediction (column), shaded by the row's share.

    Up to 8 classes each cell has its count and percent, up to 20 its count if it is not 0, above that the
    shade alone speaks, on a square-root scale so that single confusions can be seen.
    """
    table = evaluation.confusion  # (k, k)
    k = len(table)
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)  # (k, k)
    names = [style.clean(name, 24) for name in evaluation.classes]
    cell = 1.45 if k == 2 else float(np.interp(k, [3, 8, 20, 40, NAMES], [1.15, 0.75, 0.46, 0.24, 0.17]))
    side = min(cell * k, 10.5)
    with style.drawing():
        across, below = _names_margin(names)
        figure = style.blank(side + across + (1.2 if k <= BOTH else 2.6), side + below + 1.0)
        ax = figure.subplots()
        cells = ax.pcolormesh(share**0.5, cmap="Blues", vmin=0, vmax=1, rasterized=k > NAMES)
        ax.invert_yaxis()
        ax.set_aspect("equal")
        ax.grid(False)
        _names(ax, names)
        if k <= COUNTS:
            _numbers(ax, table, share)
        if k > BOTH:
            _scale(figure, cells)
        right = int(np.trace(table))
        ax.set_title(_("{right:,} of {n:,} photos classified correctly", right=right, n=int(table.sum())))
        ax.set_xlabel(_("prediction"))
        ax.set_ylabel(_("true label"))
    return figure


def _scale(figure: Figure, cells: Any) -> None:
    """Add the scale of shades, where the cells do not say the percentages themselves."""
    marks = np.array([0, 0.01, 0.05, 0.25, 0.5, 1])
    bar = figure.colorbar(cells, ax=cells.axes, fraction=0.04, pad=0.02, aspect=30, ticks=marks**0.5)
    bar.ax.set_yticklabels([f"{100 * mark:g}%" for mark in marks])
    bar.ax.set_title(_("of row"), fontsize=11, loc="left")
    bar.outline.set_visible(False)


def _lettering(names: list[str]) -> tuple[float, int]:
    """Return the size of the names' letters in points, and their slant in degrees."""
    k = len(names)
    size = 12 if k <= 12 else 10 if k <= 24 else 8.5 if k <= 44 else 7
    return size, 0 if max(map(columns, names)) <= (14 if k == 2 else 6) and k <= 12 else 45 if k <= 24 else 90


def _names_margin(names: list[str]) -> tuple[float, float]:
    """Return the inches that the names need beside and below the matrix."""
    size, slant = _lettering(names)
    long = max(map(columns, names)) * size * 0.6 / 72
    return long, long * float(np.sin(np.radians(slant))) + 0.2


def _names(ax: Axes, names: list[str]) -> None:
    """Label rows and columns: smaller and slanted where there are many, every n-th if too many."""
    size, slant = _lettering(names)
    places = np.arange(0, len(names), -(-len(names) // NAMES))
    shown = [names[i] for i in places]
    ax.set_xticks(places + 0.5, shown, rotation=slant, fontsize=size, rotation_mode="anchor")
    for label in ax.get_xticklabels() if slant else []:
        label.set(ha="right", va="center" if slant == 90 else "top")
    ax.set_yticks(places + 0.5, shown, fontsize=size)
    ax.tick_params(length=0)


def _numbers(ax: Axes, table: np.ndarray, share: np.ndarray) -> None:
    """Write the numbers into the cells, white on dark."""
    k = len(table)
    size = 15 if k <= 3 else 12 if k <= BOTH else 11 if k <= 12 else 9
    for row, column in np.ndindex(k, k):
        count = int(table[row, column])
        if not count and k > BOTH:
            continue
        text = f"{count:,}\n{percent(float(share[row, column]))}" if k <= BOTH else f"{count:,}"
        color = "white" if share[row, column] ** 0.5 > 0.55 else style.INK
        ax.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=color, fontsize=size)
