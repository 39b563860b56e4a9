"""Axes and marks as inline SVG: light, sharp on any screen, in the page's own colours.

In: numbers. Out: `Html`. Colours are classes, so that the page's sheet decides them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from penult.html import Child, Html, join, tag
from penult.report.numbers import tick

WIDTH, HEIGHT = 440, 276
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 30, 44

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Scale:
    """From numbers to places along one axis; `ticks` are the numbers written beside it."""

    low: float
    high: float
    start: float
    stop: float
    ticks: tuple[float, ...]
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of a number, kept inside the axis."""
        low, high, at = (math.log(max(v, 1e-300)) if self.log else v for v in (self.low, self.high, value))
        share = (at - low) / (high - low) if high > low else 0.5
        return round(self.start + min(max(share, 0), 1) * (self.stop - self.start), 1)


def across(low: float, high: float, ticks: Sequence[float] | None = None, log: bool = False) -> Scale:
    """Return a scale from left to right."""
    return Scale(low, high, LEFT, WIDTH - RIGHT, tuple(ticks or nice(low, high, log)), log)


def upward(low: float, high: float, ticks: Sequence[float] | None = None, log: bool = False) -> Scale:
    """Return a scale from the bottom to the top."""
    return Scale(low, high, HEIGHT - BOTTOM, TOP, tuple(ticks or nice(low, high, log)), log)


def nice(low: float, high: float, log: bool = False) -> list[float]:
    """Return four to seven round numbers between two, on a log axis powers of ten with 2 and 5 where there is room."""
    if high <= low:
        return [low]
    if log:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        steps = (1,) if high > 500 * low else (1, 2, 5)
        every = [m * 10.0**p for p in powers for m in steps if low * 0.999 <= m * 10.0**p <= high * 1.001]
        if len(every) > 2:
            return every[:: -(-len(every) // 6)]
    rough = (high - low) / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(m * unit for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def line(x1: float, y1: float, x2: float, y2: float, look: str) -> Html:
    """Return a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=look)


def words(at: Point, what: str, look: str = "", anchor: str = "middle") -> Html:
    """Return a piece of text."""
    return tag("text", what, x=at[0], y=at[1], text_anchor=anchor, class_=look or None)


def path(points: Sequence[Point], look: str) -> Html:
    """Return a line through points."""
    return tag("polyline", points=" ".join(f"{x},{y}" for x, y in points), class_=look)


def band(points: Sequence[tuple[float, float, float]], look: str) -> Html:
    """Return the area between (x, low, high)."""
    around = [(x, high) for x, _, high in points] + [(x, low) for x, low, _ in reversed(points)]
    return tag("polygon", points=" ".join(f"{x},{y}" for x, y in around), class_=look)


def dot(at: Point, look: str, said: str = "", radius: float = 4.5) -> Html:
    """Return a round marker; `said` is shown when the pointer rests on it."""
    return tag("circle", tag("title", said) if said else None, cx=at[0], cy=at[1], r=radius, class_=look)


def whisker(x: float, low: float, high: float, look: str) -> Html:
    """Return an upright interval bar with caps."""
    caps = [line(x - 4, at, x + 4, at, look) for at in (low, high)]
    return join(line(x, low, x, high, look), caps)


def axes(x: Scale, y: Scale, under: str, beside: str, shown: tuple[Sequence[str], Sequence[str]] | None = None) -> Html:
    """Return grid, ticks and the names of both axes."""
    names = shown or ([tick(t) for t in x.ticks], [tick(t) for t in y.ticks])
    grid = [line(LEFT, y(t), WIDTH - RIGHT, y(t), "grid") for t in y.ticks]
    left = [words((LEFT - 8, y(t) + 4), name, "tick", "end") for t, name in zip(y.ticks, names[1], strict=True)]
    low = [words((x(t), HEIGHT - BOTTOM + 18), name, "tick") for t, name in zip(x.ticks, names[0], strict=True)]
    base = line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis")
    middle = (LEFT + WIDTH - RIGHT) / 2
    named = [words((middle, HEIGHT - 6), under, "name"), words((0, 10), beside, "name", "start") if beside else None]
    return join(grid, base, left, low, named)


def drawing(said: str, *parts: Child, width: float = WIDTH, height: float = HEIGHT) -> Html:
    """Return the whole picture; `said` is what a reader who cannot see it hears."""
    return tag("svg", tag("title", said), *parts, viewBox=f"0 0 {width} {height}", class_="chart", role="img", aria_label=said)
