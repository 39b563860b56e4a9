"""One look for all figures: sizes, colours for colour-blind readers too, dark text, files that stay the same.

Comes in: figures and texts. Goes out: files.
"""

from __future__ import annotations

import io
import logging
import os
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult import store
from penult.plots import home

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

# Okabe & Ito's palette (Color Universal Design, 2008): blue and vermilion stay apart for all readers.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#595959"
INK = "#111111"
DPI = 150

# Fonts with Chinese, Japanese, Korean signs that systems bring; DejaVu Sans, matplotlib's own, has none.
WIDE_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", "SimHei",
    "Hiragino Sans GB", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Noto Sans CJK JP", "Arial Unicode MS",
)  # fmt: skip

STYLE = {
    "font.size": 13,
    "axes.titlesize": 14,
    "axes.labelsize": 13,
    "xtick.labelsize": 12,
    "ytick.labelsize": 12,
    "legend.fontsize": 12,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": INK,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.8,
    "lines.linewidth": 2.0,
    "lines.markersize": 7,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": DPI,
    "text.parse_math": False,  # a class may be named "$5 bill$"
    "axes.unicode_minus": True,
    "svg.fonttype": "none",  # text stays text: smaller, searchable, and any sign that the reader's fonts have
    "svg.hashsalt": "penult",  # the same results give the same bytes
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the house's style, whatever style the caller's matplotlib has, and leave that as it was."""
    matplotlib = home.load()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE | {"font.family": _fonts()})
        yield


def _fonts() -> list[str]:
    """Return DejaVu Sans and those fonts of this machine that have the signs which it lacks."""
    from matplotlib import font_manager

    here = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in WIDE_FONTS if name in here)]


def blank(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    air = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12, wspace=0.04, hspace=0.02)
    return Figure(figsize=(width, height), dpi=DPI, layout=air)


def bare(width: float, height: float) -> Figure:
    """Return an empty figure of so many inches in which everything is placed by hand."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI)


def clean(text: object, longest: int = 28) -> str:
    """Return a name that any figure can hold: one line, no control signs or half characters, not too long."""
    signs = (" " if c.isspace() else "\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") else c for c in str(text))
    line = " ".join("".join(signs).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def power(value: float, _: Any = None) -> str:
    """Return a power of ten as it is printed, such as 10⁻³; plain numbers where those are short."""
    text = f"{value:g}"
    if "e" not in text and len(text) <= 4:
        return text
    mantissa, exponent = f"{value:.0e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if mantissa == "1" else f"{mantissa}·10{raised}"


def log_axis(axis: Any) -> None:
    """Make an axis (`ax.xaxis` or `ax.yaxis`) logarithmic, with labels that need no mathematics mode."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis._set_axes_scale("log")
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(numticks=7, subs=(1,) if high > 100 * low else (1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(power))
    axis.set_minor_formatter(NullFormatter())


def save(figure: Figure, folder: str | os.PathLike[str], name: str) -> list[Path]:
    """Write `name.png` (150 dpi) and `name.svg` into `folder`, each whole or not at all; return their paths.

    The same figure gives the same bytes. Raises OutputError where the folder cannot be written.
    """
    with _ready(figure):
        data = {"png": _png(figure), "svg": io.BytesIO()}
        figure.savefig(data["svg"], format="svg", metadata={"Date": None, "Creator": None})
    return [_write(Path(folder) / f"{name}.{kind}", part.getvalue()) for kind, part in data.items()]


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file (150 dpi); the same figure gives the same bytes."""
    with _ready(figure):
        return _png(figure).getvalue()


@contextmanager
def _ready(figure: Figure) -> Iterator[None]:
    """Lay a figure out, to be written in the block."""
    with drawing(), warnings.catch_warnings():
        # A sign that no font of this machine has is a box in the PNG, and itself in the SVG.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
            figure.set_layout_engine(None)  # laid out once, not before each of the two files: a third of the time
        yield


def _png(figure: Figure) -> io.BytesIO:
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 3})
    return file


def _write(path: Path, data: bytes) -> Path:
    with store.atomic_write(path) as file:
        file.write(data)
    return path


def interval_text(score: Any) -> str:
    """Return "0.0240 (0.0150 to 0.0360)", or a dash where the score is undefined."""
    return "–" if score.value is None else f"{digits(score.value)} ({digits(score.low)} to {digits(score.high)})"


def digits(value: float) -> str:
    """Return three digits that count, not more than four places: 0.992, 0.0249, 12.3."""
    return f"{value:#.3g}".rstrip(".") if abs(value) >= 0.001 else f"{value:.4f}"


def legend(ax: Axes, **where: Any) -> None:
    """Show the legend, its line samples long enough to tell dashes from lines."""
    ax.legend(handlelength=2.6, **where)
