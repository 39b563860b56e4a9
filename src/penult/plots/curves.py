"""Curves and intervals: calibration, learning, regularisation, training per epoch, evaluations side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from penult import i18n
from penult.errors import InputError
from penult.evaluate import Evaluation, LearningCurve, Score, regularization_path
from penult.i18n import N_
from penult.plots import style
from penult.plots.words import _
from penult.stored_texts import retranslated
from penult.texts import digits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCORES = {"log_loss": N_("log loss"), "accuracy": N_("accuracy")}
FEW_IN_BIN = 10  # photos in a bin below which its marker is hollow


def plot_reliability(evaluation: Evaluation) -> Figure:
    """Draw accuracy against confidence with Wilson's 95% intervals; below it, the photos in each bin.

    The axis begins at the lowest confidence that occurs (0.8 at the latest), as most heads are nearly always
    confident.
    """
    bins = evaluation.reliability
    seen = bins.count > 0  # (b,)
    start = min(float(bins.edges[:-1][seen].min()), 0.8)
    with style.drawing():
        figure = style.blank(6.4, 6.4)
        top, low = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        top.plot([0, 1], [0, 1], color=style.GRAY, ls="--", lw=1.5, label=_("confidence equals accuracy"))
        for some, label, fill in (
            (bins.count >= FEW_IN_BIN, _("accuracy, 95% interval"), style.BLUE),
            ((bins.count < FEW_IN_BIN) & seen, _("accuracy, fewer than {n} photos", n=FEW_IN_BIN), "white"),
        ):
            if not some.any():
                continue
            y = bins.accuracy[some]
            top.errorbar(
                bins.confidence[some], y, yerr=[y - bins.low[some], bins.high[some] - y], color=style.BLUE,
                marker="o", ls="none", mfc=fill, mew=1.8, capsize=5, elinewidth=1.5, label=label,
                clip_on=False, zorder=3,
            )  # fmt: skip
        top.set_ylim(min(float(bins.low[seen].min()), start) - 0.02, 1.02)
        top.set_xlim(start, 1.0)
        top.set_ylabel(_("accuracy"))
        style.legend(top, loc="lower left", bbox_to_anchor=(-0.02, 1.0), borderaxespad=0.2)
        title = _("Calibration error {interval}", interval=style.interval_text(evaluation.scores["ece"]))
        top.set_title(title, pad=8 + 20 * len(top.get_legend().get_texts()))
        middle = (bins.edges[:-1] + bins.edges[1:]) / 2
        bars = low.bar(middle[seen], bins.count[seen], width=0.9 / len(middle), color=style.BLUE)
        low.bar_label(bars, labels=[f"{n:,}" for n in bins.count[seen]], padding=2, fontsize=11)
        low.set_ylim(0, int(bins.count.max()) * 1.3)
        low.set_ylabel(_("photos"))
        low.set_xlabel(_("confidence (probability of the predicted class)"))
        low.grid(visible=False, axis="x")
    return figure


def plot_training_curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw accuracy and loss per epoch, training beside validation.

    `history` holds `epoch, loss, accuracy` and, where photos were held back, `val_loss, val_accuracy`.
    """
    with style.drawing():
        figure = style.blank(10, 4.2)
        for ax, name, title in zip(figure.subplots(1, 2), ("accuracy", "loss"), (_("Accuracy"), _("Log loss")), strict=True):
            ax.plot(history["epoch"], history[name], color=style.BLUE, marker="o", label=_("training"))
            if f"val_{name}" in history:
                values = history[f"val_{name}"]
                ax.plot(history["epoch"], values, color=style.VERMILION, marker="s", ls="--", label=_("validation"))
            ax.set_title(title)
            ax.set_xlabel(_("epoch"))
            if name == "loss":
                ax.set_ylim(bottom=0)
            ax.xaxis.get_major_locator().set_params(integer=True)
            style.legend(ax)
    return figure


MINIMISED = N_("held-out log loss, smoothed as if 1/4 error more")


def plot_regularization(path: Mapping[str, Sequence[float]], chosen: float | None = None) -> Figure:
    """Draw the loss that was minimised against C, with the chosen C marked (the best of `path` if none is given)."""
    strength, loss = np.array(regularization_path(path), dtype=float).T  # (s,)
    best = int(np.argmin(loss)) if chosen is None else int(np.argmin(np.abs(np.log(strength / chosen))))
    with style.drawing():
        figure = style.blank(7.5, 4.5)
        ax = figure.subplots()
        ax.plot(strength, loss, color=style.BLUE, marker="o")
        ax.plot(
            strength[best], loss[best], color=style.VERMILION, marker="D", ms=12, mfc="none", mew=2.5,
            ls="none",
            label=_("selected: C = {value}, loss {loss}", value=digits(strength[best]), loss=digits(loss[best])),
        )  # fmt: skip
        style.log_axis(ax.xaxis)
        if loss.min() > 0 and loss.max() > 10 * loss.min():
            style.log_axis(ax.yaxis)
        ax.set_title(_("Regularisation, selected by inner cross-validation"))
        ax.set_xlabel(_("C (smaller = stronger regularisation)"))
        ax.set_ylabel(_(MINIMISED))
        style.legend(ax)
    return figure


def plot_learning_curve(curve: LearningCurve) -> Figure:
    """Draw log loss and accuracy on held-out photos against the number of training photos."""
    with style.drawing():
        figure = style.blank(10, 4.2)
        left, right = figure.subplots(1, 2)
        _points(left, curve.sizes, curve.log_loss, style.BLUE, "o")
        _points(right, curve.sizes, curve.accuracy, style.VERMILION, "s")
        left.set_title(_("Log loss on held-out photos"))
        right.set_title(_("Accuracy on held-out photos"))
    return figure


def _points(ax: Axes, sizes: Sequence[int], scores: Sequence[Score], color: str, marker: str) -> None:
    """Draw scores with their intervals over a log axis whose ticks are the sizes themselves."""
    from matplotlib.ticker import NullLocator

    pairs = zip(sizes, scores, strict=True)
    known: list[tuple[int, Any]] = [(n, one) for n, one in pairs if one.value is not None]
    x, value = [n for n, _score in known], [one.value for _name, one in known]
    low, high = [one.low for _name, one in known], [one.high for _name, one in known]
    ax.fill_between(x, low, high, color=color, alpha=0.18, lw=0)
    ax.errorbar(
        x, value, yerr=[np.subtract(value, low), np.subtract(high, value)],
        color=color, marker=marker, capsize=5, elinewidth=1.5,
    )  # fmt: skip
    ax.set_xscale("log")
    ax.set_xticks(x, [str(n) for n in x])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(_("training photos"))
    last = (x[-1], value[-1])
    ax.annotate(digits(value[-1]), last, xytext=(10, 0), textcoords="offset points", va="center")


def plot_comparison(evaluations: Sequence[Evaluation], metric: str = "log_loss") -> Figure:
    """Draw each evaluation's score and 95% interval, best at the top.

    Raises InputError if none has the score.
    """
    known: list[tuple[str, Any]] = [
        (retranslated(one.name), one.scores[metric]) for one in evaluations if one.scores[metric].value is not None
    ]
    if not known:
        raise InputError(
            i18n._(
                "no evaluation has a value for {metric!r}, so there is nothing to compare; give another measure.",
                metric=metric,
            )
        )
    sign = 1 if metric in ("log_loss", "brier", "ece") else -1
    known.sort(key=lambda pair: sign * pair[1].value)
    value = np.array([one.value for _name, one in known])  # (r,)
    low, high = np.array([one.low for _name, one in known]), np.array([one.high for _name, one in known])
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
        ax.set_yticks(place, [style.clean(name, 40) for name, _score in known])
        ax.set_ylim(len(known) - 0.4, -0.6)
        ax.grid(visible=False, axis="y")
        for at, number in enumerate(value):
            ax.annotate(
                digits(number),
                (1.01, at),
                xycoords=("axes fraction", "data"),
                va="center",
                annotation_clip=False,
            )
        name = _(SCORES.get(metric, metric.replace("_", " ")))
        ax.set_xlabel(_("{score} on held-out photos, 95% interval", score=name))
        ax.set_title(_("{score}: best at the top", score=name[:1].upper() + name[1:]))
    return figure
