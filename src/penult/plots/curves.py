"""Lines: training per epoch, log loss against regularisation, log loss against the number of training images.

Comes in: a head's history or path, a `LearningCurve`. Goes out: figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penult.evaluate import LearningCurve, Score
from penult.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def training_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw accuracy and loss per epoch, training beside validation.

    `history` holds `epoch, loss, accuracy` and, where images were held back, `val_loss, val_accuracy`.
    """
    with style.drawing():
        figure = style.blank(10, 4.2)
        for ax, name, title in zip(figure.subplots(1, 2), ("accuracy", "loss"), ("Accuracy", "Log loss"), strict=True):
            ax.plot(history["epoch"], history[name], color=style.BLUE, marker="o", label="training")
            if f"val_{name}" in history:
                values = history[f"val_{name}"]
                ax.plot(history["epoch"], values, color=style.VERMILION, marker="s", ls="--", label="validation")
            ax.set_title(title)
            ax.set_xlabel("epoch")
            if name == "loss":
                ax.set_ylim(bottom=0)
            ax.xaxis.get_major_locator().set_params(integer=True)
            style.legend(ax)
    return figure


def regularisation(path: Mapping[str, Sequence[float]], chosen: float | None = None) -> Figure:
    """Draw validation log loss against C, with the chosen C marked (the best of `path` if none is given)."""
    strength, loss = np.asarray(path["C"], dtype=float), np.asarray(path["log_loss"], dtype=float)  # (s,)
    order = np.argsort(strength)
    best = int(np.argmin(loss)) if chosen is None else int(np.argmin(np.abs(np.log(strength / chosen))))
    with style.drawing():
        figure = style.blank(7.5, 4.5)
        ax = figure.subplots()
        ax.plot(strength[order], loss[order], color=style.BLUE, marker="o")
        ax.plot(
            strength[best], loss[best], color=style.VERMILION, marker="D", ms=12, mfc="none", mew=2.5,
            ls="none",
            label=f"chosen: C = {_plain(strength[best])}, log loss {style.digits(loss[best])}",
        )  # fmt: skip
        style.log_axis(ax.xaxis)
        if loss.min() > 0 and loss.max() > 10 * loss.min():
            style.log_axis(ax.yaxis)
        ax.set_title("Regularisation, chosen by inner folds")
        ax.set_xlabel("C (left: smooth and cautious, right: free)")
        ax.set_ylabel("validation log loss")
        style.legend(ax)
    return figure


def learning_curve(curve: LearningCurve) -> Figure:
    """Draw log loss and accuracy on unseen images against the number of training images."""
    with style.drawing():
        figure = style.blank(10, 4.2)
        left, right = figure.subplots(1, 2)
        _points(left, curve.sizes, curve.log_loss, style.BLUE, "o")
        _points(right, curve.sizes, curve.accuracy, style.VERMILION, "s")
        left.set_title("Log loss on unseen images")
        right.set_title("Accuracy on unseen images")
    return figure


def _points(ax: Axes, sizes: Sequence[int], scores: Sequence[Score], colour: str, marker: str) -> None:
    """Draw scores with their intervals over a log axis whose ticks are the sizes themselves."""
    from matplotlib.ticker import NullLocator

    pairs = zip(sizes, scores, strict=True)
    known: list[tuple[int, Any]] = [(n, one) for n, one in pairs if one.value is not None]
    x, value = [n for n, _ in known], [one.value for _, one in known]
    low, high = [one.low for _, one in known], [one.high for _, one in known]
    ax.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)
    ax.errorbar(
        x, value, yerr=[np.subtract(value, low), np.subtract(high, value)],
        color=colour, marker=marker, capsize=5, elinewidth=1.5,
    )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(x, [str(n) for n in x])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("training images")
    last = (x[-1], value[-1])
    ax.annotate(style.digits(value[-1]), last, xytext=(10, 0), textcoords="offset points", va="center")


def _plain(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
