"""Write labels beside points so that they cover nothing: no marker, bar, line or other label.

Comes in: axes whose layout is done, marks with a text each. Goes out: the texts on the axes.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult.plots import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDS = 2  # the first places of a label: at the ends of its own bar, which leads there
GAP = 12  # points between a marker and its label

Box = tuple[float, float, float, float]  # left, bottom, right, top, in pixels
Taken = list[tuple[Box, float]]  # what a label should not cover, and how bad each of its square pixels is


@dataclass(frozen=True, slots=True)
class Mark:
    """A marker at (x, y) with a bar from `low` to `high`; `text` is empty where it gets no label."""

    x: float
    y: float
    low: float
    high: float
    text: str = ""
    bold: bool = False


def place(figure: Figure, ax: Axes, marks: Sequence[Mark], line: Sequence[Mark]) -> None:
    """Label the marks, the first ones first, where that covers the least; `line` are the marks that a line joins."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    if (engine := figure.get_layout_engine()) is not None:
        engine.execute(figure)  # where things are in pixels is known only then
    taken: Taken = list(_obstacles(ax, marks, line))
    inside = ax.get_window_extent(renderer)
    ground = {"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.75}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # see `style.save`
        for mark in marks:
            if mark.text:
                text = ax.annotate(
                    mark.text, (mark.x, mark.y), xytext=(0, 0), textcoords="offset points", fontsize=11,
                    fontweight="bold" if mark.bold else "normal", zorder=2.5, bbox=ground,
                )  # fmt: skip
                _move(text, _spots(ax, mark), text.get_window_extent(renderer), taken, inside)


def _move(text: Any, spots: NDArray[np.float64], size: Any, taken: Taken, inside: Any) -> None:
    """Put a label where it is best, and lead a line to it if that is far."""
    scale = text.figure.dpi / 72
    (x, y), (_, low), (_, high) = spots
    places = list(_places(size.width / scale, size.height / scale, (low - y) / scale, (high - y) / scale))
    boxes = [_box(x, y, place, size, scale) for place in places]
    ways = [np.linspace((x, y), _nearest((x, y), box), 12) for box in boxes]  # each (12, 2)
    far = [float(np.hypot(*(way[-1] - way[0]))) for way in ways]
    cost = [_cost(box, taken, inside) + 12 * f + _crossed(w, taken, scale) for box, f, w in zip(boxes, far, ways, strict=True)]
    cost[:ENDS] = [_cost(box, taken, inside) + 30 * GAP * scale for box in boxes[:ENDS]]
    best = int(np.argmin(cost))
    text.set_position(places[best])
    taken.append((boxes[best], 30.0))
    if far[best] > 1.4 * GAP * scale and best >= ENDS:
        _leader(text.axes, (x, y), boxes[best])


def _places(width: float, height: float, low: float, high: float) -> Iterator[tuple[float, float]]:
    """Yield where the lower left corner of a label may stand, in points from its marker.

    At the ends of its own bar, from `low` to `high`, then all around, near places first.
    """
    yield -width / 2, high + 3
    yield -width / 2, low - height - 3
    for far in (GAP, 22, 36, 56, 80, 110):
        for up in (-height / 2, far * 0.7, -far * 0.7 - height, far * 1.4, -far * 1.4 - height):
            yield far, up
            yield -far - width, up


def _box(x: float, y: float, place: tuple[float, float], size: Any, scale: float) -> Box:
    left, bottom = x + place[0] * scale, y + place[1] * scale
    return left, bottom, left + size.width, bottom + size.height


def _spots(ax: Axes, mark: Mark) -> NDArray[np.float64]:
    """Return where the marker and the ends of its bar are, in pixels: (3, 2); a bar is cut at the axes."""
    bottom, top = ax.get_ylim()
    ends = np.clip([mark.y, mark.low, mark.high], bottom, top)
    spots: NDArray[np.float64] = ax.transData.transform([(mark.x, value) for value in ends])
    return spots


def _obstacles(ax: Axes, marks: Sequence[Mark], line: Sequence[Mark]) -> Iterator[tuple[Box, float]]:
    """Yield what labels should not cover: markers, bars, and the line in short pieces."""
    half = 8 * ax.figure.dpi / 72
    for mark in marks:
        (x, y), (_, low), (_, high) = _spots(ax, mark)
        yield (x - half, y - half, x + half, y + half), 30.0
        yield (x - half / 3, low, x + half / 3, high), 12.0
    for start, stop in itertools.pairwise(_spots(ax, mark)[0] for mark in line):
        for part in np.linspace(start, stop, 24):
            yield (part[0] - 4, part[1] - 4, part[0] + 4, part[1] + 4), 4.0


def _cost(box: Box, taken: Taken, inside: Any) -> float:
    """Return how bad a place for a label is: what it would cover, and what of it would be outside the axes."""
    wide = (box[0] - 6, box[1] - 3, box[2] + 6, box[3] + 3)  # with some air
    covered = sum(weight * _overlap(wide, other) for other, weight in taken)
    area = (box[2] - box[0]) * (box[3] - box[1])
    return covered + 60 * (area - _overlap(box, (inside.x0, inside.y0, inside.x1, inside.y1)))


def _crossed(way: NDArray[np.float64], taken: Taken, scale: float) -> float:
    """Return how bad it is to lead a line (12, 2) from a marker to its label: across other markers and labels."""
    clear = way[np.hypot(*(way - way[0]).T) > GAP * scale]
    crossed = [w for x, y in clear for box, w in taken if box[0] < x < box[2] and box[1] < y < box[3]]
    return 20 * sum(crossed)


def _overlap(one: Box, other: Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    tall = min(one[3], other[3]) - max(one[1], other[1])
    return wide * tall if wide > 0 and tall > 0 else 0.0


def _nearest(at: tuple[float, float], box: Box) -> tuple[float, float]:
    """Return the point of a box that is nearest."""
    return float(np.clip(at[0], box[0], box[2])), float(np.clip(at[1], box[1], box[3]))


def _leader(ax: Axes, at: tuple[float, float], box: Box) -> None:
    """Draw a thin line to a label that stands far from its point."""
    x, y = ax.transData.inverted().transform([at, _nearest(at, box)]).T
    ax.plot(x, y, color=style.GREY, lw=0.8, zorder=1)
