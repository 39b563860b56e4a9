"""Log loss against speed: which network, or which combination, is worth its time."""

from __future__ import annotations

import itertools
import string
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penult import i18n
from penult.arrays import Array
from penult.errors import InputError
from penult.evaluate import Score
from penult.i18n import N_
from penult.plots import style
from penult.plots.words import _, columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LABELS = 16  # more cannot be read
LONG = 12  # letters; where a network's name is longer the points carry letters, and a key beside the axes the names
MARKERS = (("o", N_("one network")), ("s", N_("two")), ("^", N_("three")))
GAP = 12  # points between a marker and its label


@dataclass(frozen=True, slots=True)
class TradeoffPoint:
    """One network or several, their features concatenated; `front`: nothing else is both as fast and as good."""

    members: tuple[str, ...]
    images_per_second: float
    log_loss: Score
    front: bool


def plot_tradeoff(points: Sequence[TradeoffPoint]) -> Figure:
    """Draw log loss with its 95% interval against images per second; the Pareto front is filled and joined by a line.

    The front and single networks are labelled first, `LABELS` at most; short names stand at the points, for long ones
    letters and a key. Raises `InputError` where there is no point.
    """
    if not points:
        raise InputError(i18n._("there is nothing to compare: no network was measured; give one or more."))
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
        _place_labels(figure, ax, marks, sorted((m for m in marks if m.bold), key=lambda m: m.x))
    return figure


def _called(points: Sequence[TradeoffPoint]) -> dict[str, str]:
    """Return what each network is called at the points: its name, or a letter, the best network's first."""
    best: dict[str, float] = {}
    for p in sorted(points, key=lambda p: (len(p.members), _value(p))):
        for name in p.members:
            best.setdefault(name, _value(p))
    if len(best) == 1 or max(map(columns, best)) <= LONG:
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


def _draw(ax: Axes, point: TradeoffPoint) -> None:
    loss: Any = point.log_loss
    color = style.BLUE if point.front else style.GRAY
    ax.errorbar(
        point.images_per_second, loss.value, yerr=[[loss.value - loss.low], [loss.high - loss.value]],
        color=color, marker=_marker(point), ms=10, mfc=color if point.front else "white", mew=1.8, capsize=4,
        elinewidth=1.6 if point.front else 1.0, ls="none", zorder=4 if point.front else 3,
    )  # fmt: skip


def _marker(point: TradeoffPoint) -> str:
    return MARKERS[min(len(point.members), len(MARKERS)) - 1][0]


def _axes(ax: Axes, points: Sequence[TradeoffPoint]) -> None:
    """Scale: speed always by factors, log loss by factors where it spans many; room for labels at the sides."""
    from matplotlib.ticker import FuncFormatter

    speeds = np.array([p.images_per_second for p in points])
    losses: list[Any] = [p.log_loss for p in points]
    value, low, high = (np.array([getattr(one, name) for one in losses]) for name in ("value", "low", "high"))
    margin = max((speeds.max() / speeds.min()) ** 0.15, 1.25)
    ax.set_xlim(speeds.min() / margin, speeds.max() * margin)
    style.log_axis(ax.xaxis)
    if value.min() > 0 and value.max() > 4 * value.min():
        bottom = max(low.min(), value.min() / 3)
        ax.set_ylim(bottom / 1.25, high.max() * 1.25)
        style.log_axis(ax.yaxis)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))
    else:
        span = high.max() - low.min() or 1.0
        ax.set_ylim(max(low.min() - 0.08 * span, 0) if low.min() >= 0 else low.min(), high.max() + 0.08 * span)
    ax.set_xlabel(_("images per second on this machine, the network alone"))
    ax.set_ylabel(_("log loss on held-out photos, 95% interval"))


def _legend(ax: Axes, points: Sequence[TradeoffPoint]) -> None:
    from matplotlib.lines import Line2D

    sizes = {min(len(p.members), len(MARKERS)) for p in points}
    look: dict[str, Any] = {"marker": "o", "ms": 10, "mew": 1.8}
    keys = [
        Line2D([], [], color=style.BLUE, mfc=style.BLUE, lw=1.5, label=_("Pareto front"), **look),
    ]
    if not all(p.front for p in points):
        keys.append(Line2D([], [], color=style.GRAY, mfc="white", ls="none", label=_("others"), **look))
    if sizes != {1}:
        for size, (marker, words) in enumerate(MARKERS, 1):
            if size in sizes:
                keys.append(
                    Line2D([], [], color=style.INK, mfc="none", ls="none", label=_(words), **{**look, "marker": marker})
                )
    ax.set_title(_("Log loss against speed"), pad=56 if len(keys) > 2 else 34)
    columns = {"ncols": 4, "columnspacing": 1.4, "handletextpad": 0.5}
    style.legend(ax, handles=keys, loc="lower left", bbox_to_anchor=(-0.02, 1.0), **columns)


def _marks(points: Sequence[TradeoffPoint], called: dict[str, str], letters: bool) -> list[LabeledMarker]:
    """Return where the points are and what they are called: the front, then single networks, then the best of the others.

    Letters are short: with them all of the front and all single networks are labelled.
    """
    rank = sorted(points, key=lambda p: (not p.front, len(p.members) > 1, _value(p)))
    first = sum(p.front or len(p.members) == 1 for p in points)
    marks = []
    for i, p in enumerate(rank):
        loss: Any = p.log_loss
        text = " + ".join(sorted(called[name] for name in p.members)) if i < LABELS or (letters and i < first) else ""
        marks.append(LabeledMarker(p.images_per_second, loss.value, loss.low, loss.high, text, p.front))
    return marks


def _value(point: TradeoffPoint) -> float:
    value: Any = point.log_loss.value
    return float(value)


@dataclass(frozen=True, slots=True)
class LabeledMarker:
    """A marker at (x, y) with a bar from `low` to `high`; `text` is empty where it gets no label."""

    x: float
    y: float
    low: float
    high: float
    text: str
    bold: bool

    def pixels(self, ax: Axes) -> Array:
        """Return where the marker and the ends of its bar are, (3, 2); a bar is cut at the axes."""
        ends = np.clip([self.y, self.low, self.high], *ax.get_ylim())
        return np.asarray(ax.transData.transform([(self.x, value) for value in ends]))


def _place_labels(figure: Figure, ax: Axes, marks: Sequence[LabeledMarker], line: Sequence[LabeledMarker]) -> None:
    """Label the marks, the first ones first, each where it covers the least; `line` are the marks that a line joins."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)  # where things are in pixels is known only then
    scale, inside = figure.dpi / 72, np.array([ax.get_window_extent(renderer).extents])
    boxes, weights = _obstacles(ax, marks, line, scale)
    ground = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75}
    for mark in (m for m in marks if m.text):
        text = ax.annotate(
            mark.text, (mark.x, mark.y), xytext=(0, 0), textcoords="offset points", fontsize=11,
            fontweight="bold" if mark.bold else "normal", zorder=2.5, bbox=ground,
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")  # see `figures.save_figure`
            size = np.array(text.get_window_extent(renderer).size)  # (2,)
        at, low, high = mark.pixels(ax)
        corners = _corners(size / scale, (low - at)[1] / scale, (high - at)[1] / scale)  # (p, 2)
        places = np.hstack([at + corners * scale, at + corners * scale + size])  # (p, 4)
        nearest = np.clip(at, places[:, :2], places[:, 2:])
        far = np.hypot(*(nearest - at).T)  # (p,)
        far[:2] = 2.5 * GAP * scale  # at the ends of its own bar, which leads there
        covered = _overlaps(places + np.array([-6, -3, 6, 3]), boxes) @ weights  # with some air
        best = int(np.argmin(covered + 60 * (size.prod() - _overlaps(places, inside)[:, 0]) + 12 * far))
        text.set_position(tuple(corners[best]))
        boxes, weights = np.vstack([boxes, places[best]]), np.append(weights, 30.0)
        if best >= 2 and far[best] > 1.4 * GAP * scale:  # a thin line leads to a label that stands far from its marker
            x, y = ax.transData.inverted().transform([at, nearest[best]]).T
            ax.plot(x, y, color=style.GRAY, lw=0.8, zorder=1)


def _corners(size: Array, low: float, high: float) -> Array:
    """Return where the lower left corner of a label of this `size` may stand, in points from its marker, (p, 2).

    At the ends of its own bar, from `low` to `high`, then all around, near places first.
    """
    width, height = size
    places = [(-width / 2, high + 3), (-width / 2, low - height - 3)]
    for far in (GAP, 22, 36, 56, 80, 110):
        for up in (-height / 2, far * 0.7, -far * 0.7 - height, far * 1.4, -far * 1.4 - height):
            places += [(far, up), (-far - width, up)]
    return np.array(places)


def _obstacles(ax: Axes, marks: Sequence[LabeledMarker], line: Sequence[LabeledMarker], scale: float) -> tuple[Array, Array]:
    """Return what labels should not cover, markers, bars and the line: boxes (m, 4), and how bad each of their pixels is."""
    found = []
    half = 8 * scale
    for mark in marks:
        (x, y), (_x, low), (_same, high) = mark.pixels(ax)
        found += [(x - half, y - half, x + half, y + half, 30.0), (x - half / 3, low, x + half / 3, high, 12.0)]
    for start, stop in itertools.pairwise(mark.pixels(ax)[0] for mark in line):
        found += [(x - 4, y - 4, x + 4, y + 4, 4.0) for x, y in np.linspace(start, stop, 24)]
    table = np.array(found)
    return table[:, :4], table[:, 4]


def _overlaps(some: Array, others: Array) -> Array:
    """Return the area that each of some boxes (p, 4) shares with each of others (m, 4), (p, m)."""
    sides = np.minimum(some[:, None, 2:], others[None, :, 2:]) - np.maximum(some[:, None, :2], others[None, :, :2])
    return np.asarray(sides.clip(0).prod(axis=-1))
