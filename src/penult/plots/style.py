"""One look for all figures: sizes, colours for colour-blind readers too, dark text; and how matplotlib is loaded."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penult import store
from penult.plots import words
from penult.plots.words import _
from penult.texts import NONE, measured

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito's palette (Color Universal Design, 2008): blue and vermilion stay apart for all readers.
BLUE, VERMILION, GRAY = "#0072B2", "#D55E00", "#595959"
INK = "#111111"
DPI = 150

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
    """Draw in our style, whatever style the caller's matplotlib has, and leave that as it was."""
    matplotlib = load_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE | {"font.family": list(words.fonts())})
        yield


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
    line = words.note_name(" ".join("".join(signs).split()))
    if words.columns(line) <= longest:
        return line
    kept = longest - 1
    while words.columns(line[:kept]) >= longest:
        kept -= 1
    return line[:kept].rstrip() + "…"


def power(value: float, _place: Any = None) -> str:
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


def interval_text(score: Any) -> str:
    """Return "0.0240 (0.0150 to 0.0360)", or a dash where the score is undefined."""
    if score.value is None:
        return NONE
    value, low, high = measured(score.value, score.low, score.high)
    return _("{value} ({low} to {high})", value=value, low=low, high=high)


def legend(ax: Axes, **where: Any) -> None:
    """Show the legend, its line samples long enough to tell dashes from lines."""
    ax.legend(handlelength=2.6, **where)


@functools.cache
def config_folder() -> None:
    """Give matplotlib a folder that goes with this process, unless its own can be written; before it is imported."""
    if os.environ.get("MPLCONFIGDIR") or "matplotlib" in sys.modules:
        return
    if all(store.can_be_written(place) for place in _config_places()):
        return
    with suppress(OSError):  # no temporary files either: matplotlib says that itself
        folder = tempfile.mkdtemp(prefix="penult-matplotlib-")
        atexit.register(_remove, folder, os.getpid())
        os.environ["MPLCONFIGDIR"] = folder


def load_matplotlib() -> Any:
    """Return matplotlib, imported whatever MPLBACKEND names: figures are written to files, for which none is needed."""
    config_folder()
    if "matplotlib" in sys.modules:
        return sys.modules["matplotlib"]
    backend = os.environ.pop("MPLBACKEND", "")
    try:
        import matplotlib
    finally:
        if backend:
            os.environ["MPLBACKEND"] = backend
    if backend:  # as matplotlib would have done, but for one that it does not know
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # not in a process that was forked from this one
        shutil.rmtree(folder, ignore_errors=True)


def _config_places() -> list[Path]:
    """Return where matplotlib wants to write; a name that cannot be written where there is no home folder."""
    unix = sys.platform.startswith(("linux", "freebsd"))
    names = {"XDG_CONFIG_HOME": "~/.config", "XDG_CACHE_HOME": "~/.cache"} if unix else {"": "~/.matplotlib"}
    found = []
    for variable, usual in names.items():
        try:
            place = Path(os.environ.get(variable) or Path(usual).expanduser())
        except RuntimeError:  # no home folder
            return [Path(os.devnull, "matplotlib")]
        found.append(place / "matplotlib" if unix else place)
    return found
