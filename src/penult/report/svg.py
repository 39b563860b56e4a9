"""Axes and marks as inline SVG: light, sharp on any screen, in the colours of the page's style sheet, with hints on hover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from penult.html import Child, Html, join, tag

WIDTH, HEIGHT = 440, 276
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 30, 44

XY = tuple[float, float]


@dataclass(frozen=True, slots=True)
class AxisScale:
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


def x_scale(low: float, high: float, ticks: Sequence[float] | None = None, log: bool = False) -> AxisScale:
    """Return a scale from left to right."""
    return AxisScale(low, high, LEFT, WIDTH - RIGHT, tuple(ticks or nice_ticks(low, high, log)), log)


def y_scale(low: float, high: float, ticks: Sequence[float] | None = None, log: bool = False) -> AxisScale:
    """Return a scale from the bottom to the top."""
    return AxisScale(low, high, HEIGHT - BOTTOM, TOP, tuple(ticks or nice_ticks(low, high, log)), log)


def nice_ticks(low: float, high: float, log: bool = False) -> list[float]:
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


def tick(value: float) -> str:
    """Return a number beside an axis, without zeros that say nothing: 0.1, 20, 10,000."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def line(start: XY, stop: XY, look: str) -> Html:
    """Return a straight line."""
    return tag("line", x1=start[0], y1=start[1], x2=stop[0], y2=stop[1], class_=look)


def label(at: XY, what: str, look: str = "", anchor: str = "middle") -> Html:
    """Return a piece of text."""
    return tag("text", what, x=at[0], y=at[1], text_anchor=anchor, class_=look or None)


def path(points: Sequence[XY], look: str) -> Html:
    """Return a line through points."""
    return tag("polyline", points=" ".join(f"{x},{y}" for x, y in points), class_=look)


def band(points: Sequence[tuple[float, float, float]], look: str) -> Html:
    """Return the area between (x, low, high)."""
    around = [(x, high) for x, _, high in points] + [(x, low) for x, low, _ in reversed(points)]
    return tag("polygon", points=" ".join(f"{x},{y}" for x, y in around), class_=look)


def dot(at: XY, look: str, hint: str = "", radius: float = 4.5) -> Html:
    """Return a round marker; `hint` is shown when the pointer rests on it."""
    return tag("circle", tag("title", hint) if hint else None, cx=at[0], cy=at[1], r=radius, class_=look)


def error_bar(x: float, low: float, high: float, look: str) -> Html:
    """Return an upright interval with caps."""
    return join(line((x, low), (x, high), look), [line((x - 4, at), (x + 4, at), look) for at in (low, high)])


def axes(
    x: AxisScale, y: AxisScale, under: str, beside: str, shown: tuple[Sequence[str], Sequence[str]] | None = None
) -> Html:
    """Return grid, ticks and the names of both axes."""
    names = shown or ([tick(t) for t in x.ticks], [tick(t) for t in y.ticks])
    right, base = WIDTH - RIGHT, HEIGHT - BOTTOM
    return join(
        [line((LEFT, y(t)), (right, y(t)), "grid") for t in y.ticks],
        line((LEFT, base), (right, base), "axis"),
        [label((LEFT - 8, y(t) + 4), name, "tick", "end") for t, name in zip(y.ticks, names[1], strict=True)],
        [label((x(t), base + 18), name, "tick") for t, name in zip(x.ticks, names[0], strict=True)],
        label(((LEFT + right) / 2, HEIGHT - 6), under, "name"),
        label((0, 10), beside, "name", "start"),
    )


def drawing(said: str, *parts: Child) -> Html:
    """Return the whole picture; `said` is what a reader who cannot see it hears."""
    return tag("svg", tag("title", said), *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="chart", role="img", aria_label=said)
