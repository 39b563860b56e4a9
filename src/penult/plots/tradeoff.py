"""Log loss against speed: which network, or which combination, is worth its time.

Comes in: points with a label each. Goes out: a figure.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penult.errors import InputError
from penult.evaluate import Score
from penult.plots import style
from penult.plots.labels import Mark, place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = 16  # more cannot be read
LONG = 12  # signs; where a network's name is longer the points carry letters, and a key beside the axes the names
MARKERS = (("o", "one network"), ("s", "two"), ("^", "three"))


@dataclass(frozen=True, slots=True)
class Point:
    """One network or several side by side; `front`: nothing else is both as fast and as good."""

    members: tuple[str, ...]
    images_per_second: float
    log_loss: Score
    front: bool


def tradeoff(points: Sequence[Point]) -> Figure:
    """Draw log loss with its 95% interval against images per second; the Pareto front is filled and joined by a line.

    The front and single networks are labelled first, `LABELS` at most; short names stand at the points, for long ones
    letters and a key. Raises `InputError` where there is no point.
    """
    if not points:
        raise InputError("there is nothing to compare: no network was measured; give one or more.")
    called = _called(points)
    with style.drawing():
        letters = any(name != sign for name, sign in called.items())
        figure = style.blank(12.5, max(6.4, 1.0 + 0.27 * len(called))) if letters else style.blank(10, 6.4)
        ax = figure.subplots()
        front = sorted((p for p in points if p.front), key=lambda p: p.images_per_second)
        ax.plot([p.images_per_second for p in front], [_value(p) for p in front], color=style.BLUE, lw=1.5, zorder=2)
        for point in points:
            _draw(ax, point)
        _axes(ax, points)
        _legend(ax, points)
        if letters:
            _key(figure, called)
        marks = _marks(points, called, letters)
        place(figure, ax, marks, sorted((m for m in marks if m.bold), key=lambda m: m.x))
    return figure


def _called(points: Sequence[Point]) -> dict[str, str]:
    """Return what each network is called at the points: its name, or a letter, the best network's first."""
    best: dict[str, float] = {}
    for p in sorted(points, key=lambda p: (len(p.members), _value(p))):
        for name in p.members:
            best.setdefault(name, _value(p))
    if len(best) == 1 or max(map(len, best)) <= LONG:
        return {name: style.clean(name) for name in best}
    signs = string.ascii_uppercase if len(best) <= len(string.ascii_uppercase) else [str(i + 1) for i in range(len(best))]
    return dict(zip(best, signs, strict=False))


def _key(figure: Figure, called: dict[str, str]) -> None:
    """Write beside the axes which letter is which network."""
    from matplotlib.lines import Line2D

    texts = [*called.values(), *(style.clean(name, 34) for name in called)]  # one column, then the other
    blanks = [Line2D([], [], ls="none", label=text) for text in texts]
    look: dict[str, Any] = {"ncols": 2, "handlelength": 0, "handletextpad": 0, "columnspacing": 1.0, "labelspacing": 0.7}
    figure.legend(handles=blanks, loc="outside right center", fontsize=11, **look)


def _draw(ax: Axes, point: Point) -> None:
    loss: Any = point.log_loss
    colour = style.BLUE if point.front else style.GREY
    ax.errorbar(
        point.images_per_second, loss.value, yerr=[[loss.value - loss.low], [loss.high - loss.value]],
        color=colour, marker=_marker(point), ms=10, mfc=colour if point.front else "white", mew=1.8, capsize=4,
        elinewidth=1.6 if point.front else 1.0, ls="none", zorder=4 if point.front else 3,
    )  # fmt: skip


def _marker(point: Point) -> str:
    return MARKERS[min(len(point.members), len(MARKERS)) - 1][0]


def _axes(ax: Axes, points: Sequence[Point]) -> None:
    """Scale: speed always by factors, log loss by factors where it spans many; room for labels at the sides."""
    from matplotlib.ticker import FuncFormatter

    speeds = np.array([p.images_per_second for p in points])
    losses: list[Any] = [p.log_loss for p in points]
    value, low, high = (np.array([getattr(one, name) for one in losses]) for name in ("value", "low", "high"))
    room = max((speeds.max() / speeds.min()) ** 0.15, 1.25)
    ax.set_xlim(speeds.min() / room, speeds.max() * room)
    style.log_axis(ax.xaxis)
    if value.min() > 0 and value.max() > 4 * value.min():
        bottom = max(low.min(), value.min() / 3)
        ax.set_ylim(bottom / 1.25, high.max() * 1.25)
        style.log_axis(ax.yaxis)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        span = high.max() - low.min() or 1.0
        ax.set_ylim(max(low.min() - 0.08 * span, 0) if low.min() >= 0 else low.min(), high.max() + 0.08 * span)
    ax.set_xlabel("images per second on this machine, the network alone (faster to the right)")
    ax.set_ylabel("log loss on unseen images, 95% interval")


def _legend(ax: Axes, points: Sequence[Point]) -> None:
    from matplotlib.lines import Line2D

    sizes = {min(len(p.members), len(MARKERS)) for p in points}
    look: dict[str, Any] = {"marker": "o", "ms": 10, "mew": 1.8}
    keys = [
        Line2D([], [], color=style.BLUE, mfc=style.BLUE, lw=1.5, label="front: nothing is both faster and better", **look),
    ]
    if not all(p.front for p in points):
        keys.append(Line2D([], [], color=style.GREY, mfc="white", ls="none", label="others", **look))
    if sizes != {1}:
        for size, (marker, words) in enumerate(MARKERS, 1):
            if size in sizes:
                keys.append(Line2D([], [], color=style.INK, mfc="none", ls="none", label=words, **{**look, "marker": marker}))
    ax.set_title("Which network for these photos: log loss against speed", pad=56 if len(keys) > 2 else 34)
    columns = {"ncols": 4, "columnspacing": 1.4, "handletextpad": 0.5}
    style.legend(ax, handles=keys, loc="lower left", bbox_to_anchor=(-0.02, 1.0), **columns)


def _marks(points: Sequence[Point], called: dict[str, str], letters: bool) -> list[Mark]:
    """Return where the points are and what they are called: the front, then single networks, then the best of the others.

    Letters are short: with them all of the front and all single networks are labelled.
    """
    rank = sorted(points, key=lambda p: (not p.front, len(p.members) > 1, _value(p)))
    first = sum(p.front or len(p.members) == 1 for p in points)
    marks = []
    for i, p in enumerate(rank):
        loss: Any = p.log_loss
        text = " + ".join(sorted(called[name] for name in p.members)) if i < LABELS or (letters and i < first) else ""
        marks.append(Mark(p.images_per_second, loss.value, loss.low, loss.high, text, p.front))
    return marks


def _value(point: Point) -> float:
    value: Any = point.log_loss.value
    return float(value)
