"""Heat over a photo: orange where it speaks for a class, blue where it speaks against it.

Comes in: a photo, its heat, words. Goes out: pixels, a figure. Must not know: models, or how heat is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penult.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RGB = NDArray[np.uint8]  # (h, w, 3)
Heat = NDArray[np.floating[Any]]  # (h, w)

DEEPEST = 0.82  # how much of the colour covers the photo where the heat is strongest
BEND = 0.8  # below 1: weak heat is seen sooner
PALE = 0.35  # how far the grey photo is washed out, so that colour speaks


@dataclass(frozen=True, slots=True)
class Caption:
    """The words around a heat: which class, how probable (0..1), of which file, found how, in which unit."""

    label: str
    probability: float
    file: str
    method: str
    unit: str


def strongest(heat: Heat) -> float:
    """Return the value that gets the deepest colour: the largest there is, for or against; 1 where there is none."""
    top = float(np.abs(heat).max(initial=0))
    return top if top > 0 else 1.0


def overlay(photo: RGB, heat: Heat, top: float | None = None) -> RGB:
    """Return the photo in grey with the heat over it in colour (h, w, 3); `top` gets the deepest colour."""
    grey = photo @ np.array([0.299, 0.587, 0.114])  # (h, w)
    pale = 255 * PALE + (1 - PALE) * grey
    return _tinted(pale, heat / (strongest(heat) if top is None else top))


def _tinted(grey: NDArray[np.floating[Any]], level: Heat) -> RGB:
    """Return grey (h, w) under the colours of levels -1..1: vermilion above 0, blue below; both stay apart for all readers."""
    level = np.clip(level, -1, 1)[..., None]
    colour = np.where(level > 0, _parts(style.VERMILION), _parts(style.BLUE))
    cover = DEEPEST * np.abs(level) ** BEND
    return np.asarray((grey[..., None] * (1 - cover) + colour * cover).round(), np.uint8)


def _parts(colour: str) -> NDArray[np.float64]:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float64)


LONG = 4.3  # inches of the photo's longer side
NARROW = 3.0  # inches that the legend needs
EDGE, GAP = 0.22, 0.2  # inches around everything, between the two pictures
HEAD, FOOT = 0.78, 1.02  # inches above and below the pictures


def explained(photo: RGB, heat: Heat, caption: Caption) -> Figure:
    """Draw the photo beside the heat over it, with the scale of the heat, and say what is explained and how.

    `heat` (h, w) is in the caption's unit and on the photo's pixels.
    """
    top = strongest(heat)
    wide, high = (LONG * side / max(photo.shape[:2]) for side in (photo.shape[1], photo.shape[0]))
    room = max(wide, NARROW)
    width, height = 2 * room + GAP + 2 * EDGE, max(high, 0.3) + HEAD + FOOT
    with style.drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), dpi=style.DPI)
        for column, picture in enumerate((photo, overlay(photo, heat, top))):
            left = EDGE + column * (room + GAP)
            ax = figure.add_axes((left / width, FOOT / height, room / width, 1 - (HEAD + FOOT) / height))
            ax.imshow(picture, interpolation="lanczos", aspect="equal")
            ax.set_anchor("NW")
            ax.set_axis_off()
        _scale(figure, caption, top, (EDGE + room + GAP, min(wide, room) if wide >= NARROW else room))
        name = f"{style.clean(caption.label, 40)}  {100 * caption.probability:.1f} %"
        figure.text(EDGE / width, 1 - 0.2 / height, name, fontsize=16, fontweight="bold", va="top")
        file = style.clean(caption.file, 60)
        figure.text(EDGE / width, 1 - 0.5 / height, file, fontsize=11, color=style.GREY, va="top")
        words = f"where the model looked:\n{caption.method}"
        figure.text(EDGE / width, (FOOT - 0.16) / height, words, fontsize=11, color=style.GREY, va="top", linespacing=1.5)
    return figure


def _scale(figure: Figure, caption: Caption, top: float, place: tuple[float, float]) -> None:
    """Draw the scale of colours below the right picture; `place` is its left end and its length in inches."""
    (width, height), (left, long) = figure.get_size_inches(), place
    ax = figure.add_axes((left / width, (FOOT - 0.3) / height, long / width, 0.14 / height))
    levels = np.linspace(-1, 1, 401)[None]  # (1, 401)
    ax.imshow(_tinted(np.full(levels.shape, 200.0), levels), aspect="auto", extent=(-1, 1, 0, 1))
    ax.set_yticks([])
    ax.set_xticks([-1, 0, 1], [f"{sign}{style.digits(top)}" if sign else "0" for sign in ("−", "", "+")], fontsize=10)
    first, _, last = ax.get_xticklabels()
    first.set_horizontalalignment("left")
    last.set_horizontalalignment("right")
    ax.tick_params(length=3, pad=2)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    name = style.clean(caption.label, 18)
    figure.text(left / width, (FOOT - 0.13) / height, f"against {name}", fontsize=10.5, va="bottom", color=style.BLUE)
    end = (left + long) / width
    figure.text(end, (FOOT - 0.13) / height, f"for {name}", fontsize=10.5, va="bottom", ha="right", color="#B04A00")
    middle = (left + long / 2) / width
    figure.text(middle, 0.16 / height, caption.unit, fontsize=10, va="bottom", ha="center", color=style.GREY)
