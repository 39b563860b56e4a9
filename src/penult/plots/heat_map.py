"""Heat over a photo: orange where it argues for a class, blue where it argues against it; with its scale and caption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult.plots import style
from penult.plots.words import _, columns
from penult.texts import digits, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RGB = NDArray[np.uint8]  # (h, w, 3)
Heat = NDArray[np.floating[Any]]  # (h, w)

LONG = 4.3  # inches of the photo's longer side
NARROW = 3.0  # inches that the legend needs
EDGE, GAP = 0.22, 0.2  # inches around everything, between the two pictures
HEAD, FOOT = 0.84, 1.06  # inches above and below the pictures
FOR, AGAINST = "#A84600", "#005A8C"  # the two colours, dark enough for letters on white
DEEPEST = 0.85  # how much of the colour covers the photo where the heat is strongest
PALE = 0.35  # how far the grey photo is washed out, so that colour speaks
GRAY = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601: what Pillow's `L` is


def strongest(heat: Heat) -> float:
    """Return the value that gets the deepest colour: the largest there is, for or against; 1 where there is none."""
    top = float(np.abs(heat).max(initial=0))
    return top if top > 0 else 1.0


def overlay(photo: RGB, heat: Heat) -> RGB:
    """Return the photo in grey with the heat over it in colour, (h, w, 3); the strongest gets the deepest colour.

    Colour covers in proportion to the heat, so 0 shows the grey photo itself.
    """
    return tinted(255 * PALE + (1 - PALE) * (photo @ GRAY), heat / strongest(heat))


def tinted(gray: NDArray[np.floating[Any]], level: Heat) -> RGB:
    """Return grey (h, w) under the colours of levels -1..1: vermilion above 0, blue below; both stay apart for all readers."""
    level = np.clip(level, -1, 1)[..., None]
    color = np.where(level > 0, _parts(style.VERMILION), _parts(style.BLUE))
    cover = DEEPEST * np.abs(level)
    return np.asarray((gray[..., None] * (1 - cover) + color * cover).round(), np.uint8)


def _parts(color: str) -> NDArray[np.float64]:
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.float64)


@dataclass(frozen=True, slots=True)
class Caption:
    """The words around a heat: which class, how probable (0..1), of which file, found how, in which unit (both in English).

    `seen` is the part of the photo that was seen: left, top, right, bottom, as shares of its width and height.
    """

    label: str
    probability: float
    file: str
    method: str
    unit: str
    seen: tuple[float, float, float, float]

    @property
    def cut(self) -> bool:
        """Whether a part of the photo was not seen."""
        return max(self.seen[0], self.seen[1], 1 - self.seen[2], 1 - self.seen[3]) > 0.01


def plot_heat_map(photo: RGB, heat: Heat, caption: Caption) -> Figure:
    """Draw the photo beside the heat over it, with the scale of the heat, and say what is explained and how.

    `heat` (h, w) is in the caption's unit and on the photo's pixels.
    """
    high, wide = (max(LONG * side / max(photo.shape[:2]), 0.1) for side in photo.shape[:2])
    width = max(wide, NARROW)
    second = EDGE + width + GAP
    with style.drawing():
        canvas = _Canvas(style.bare(second + width + EDGE, high + HEAD + FOOT))
        canvas.picture(photo, (EDGE, FOOT, wide, high))
        ax = canvas.picture(overlay(photo, heat), (second, FOOT, wide, high))
        if caption.cut:
            _frame(ax, caption)
        _scale(canvas, caption, strongest(heat), (second, width))
        top = high + HEAD + FOOT
        name = f"{style.clean(caption.label, 36)}  {percent(caption.probability)}"
        canvas.text((EDGE, top - 0.18), name, fontsize=16, fontweight="bold")
        canvas.text((EDGE, top - 0.51), _end(caption.file, int(25 * width)), fontsize=11, color=style.GRAY)
        words = f"{_(caption.method)}\n{_(caption.unit)}"
        if caption.cut:
            words += "\n" + _("dashed: the part that the networks see")
        canvas.text((EDGE, FOOT - 0.12), words, fontsize=10.5, color=style.GRAY, linespacing=1.5)
    return canvas.figure


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A figure on which places are in inches from its lower left corner."""

    figure: Figure

    def picture(self, rgb: RGB, place: tuple[float, float, float, float]) -> Axes:
        """Show pixels at `place`: left, bottom, width, height; (0, 0) to (1, 1) on the axes are its corners, y downwards."""
        (width, height), (left, bottom, wide, high) = self.figure.get_size_inches(), place
        ax = self.figure.add_axes((left / width, bottom / height, wide / width, high / height))
        ax.imshow(rgb, interpolation="lanczos", aspect="auto", extent=(0, 1, 1, 0))
        ax.set_axis_off()
        return ax

    def text(self, place: tuple[float, float], words: str, **how: Any) -> None:
        """Write below a place."""
        width, height = self.figure.get_size_inches()
        self.figure.text(place[0] / width, place[1] / height, words, **{"va": "top", **how})


def _end(name: str, longest: int) -> str:
    """Return a file's name, cut at its beginning where it is too long: the end says which file of a folder it is."""
    line = style.clean(name, 2 * len(name) + 1)
    if columns(line) <= longest:
        return line
    while columns(line) >= longest:
        line = line[1:]
    return f"…{line}"


def _frame(ax: Axes, caption: Caption) -> None:
    """Draw a frame around what was seen: dashes of white on black are visible on any photo."""
    left, top, right, bottom = caption.seen
    x, y = [left, right, right, left, left], [top, top, bottom, bottom, top]
    ax.plot(x, y, color="white", lw=1.1, solid_joinstyle="miter")
    ax.plot(x, y, color=style.INK, lw=1.1, ls=(0, (4, 4)))


def _scale(canvas: _Canvas, caption: Caption, top: float, place: tuple[float, float]) -> None:
    """Draw the scale of colours below the right picture; `place` is its left end and its length in inches."""
    left, long = place
    levels = np.linspace(-1, 1, 601)[None]  # (1, 601)
    canvas.picture(tinted(np.full(levels.shape, 205.0), levels), (left, FOOT - 0.5, long, 0.15))
    name = style.clean(caption.label, 14)
    ends = (
        (0.0, "left", _("against {name}", name=name), AGAINST, f"−{digits(top)}"),
        (1.0, "right", _("for {name}", name=name), FOR, f"+{digits(top)}"),
    )
    for at, side, words, color, value in ends:
        canvas.text((left + at * long, FOOT - 0.12), words, fontsize=11, color=color, ha=side, fontweight="bold")
        canvas.text((left + at * long, FOOT - 0.55), value, fontsize=10.5, ha=side)
    canvas.text((left + long / 2, FOOT - 0.55), "0", fontsize=10.5, ha="center")
