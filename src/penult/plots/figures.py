"""Figures as files: one, all of a run, or all of a run in a process of its own.

That process loads matplotlib and draws while the caller still measures, so with two cores nobody waits for it.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from penult import store
from penult.arrays import default_errors
from penult.errors import OutputError
from penult.evaluate import Evaluation, LearningCurve
from penult.plots import style, words
from penult.plots.confusion import plot_confusion_matrix
from penult.plots.curves import (
    plot_comparison,
    plot_learning_curve,
    plot_regularization,
    plot_reliability,
    plot_training_curves,
)
from penult.worker import Crashed, Worker

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: Figure, folder: str | os.PathLike[str], name: str) -> list[Path]:
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
    with style.drawing(), warnings.catch_warnings():
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


@default_errors
def save_all(
    folder: str | os.PathLike[str],
    evaluation: Evaluation | None = None,
    others: Sequence[Evaluation] = (),
    curve: LearningCurve | None = None,
    history: Mapping[str, Sequence[float]] | None = None,
    path: Mapping[str, Sequence[float]] | None = None,
    chosen: float | None = None,
) -> list[Path]:
    """Draw each figure that there are results for, write it as PNG and SVG, and return the paths.

    `others` are compared with `evaluation`; `history` is a dense head's `history_`, `path` a logistic head's
    `path_` (a path without C has no figure) and `chosen` the C that it kept. What is empty or None has no
    figure. Raises OutputError where the folder cannot be written.
    """
    wanted: dict[str, Callable[[], Figure]] = {}
    if evaluation is not None:
        wanted["confusion"] = lambda: plot_confusion_matrix(evaluation)
        wanted["reliability"] = lambda: plot_reliability(evaluation)
        if others:
            wanted["comparison"] = lambda: plot_comparison([evaluation, *others])
    if curve is not None:
        wanted["learning_curve"] = lambda: plot_learning_curve(curve)
    if history:
        wanted["training_curves"] = lambda: plot_training_curves(history)
    if path and "C" in path:
        wanted["regularisation"] = lambda: plot_regularization(path, chosen)
    return [written for name, draw in wanted.items() for written in save_figure(draw(), folder, name)]


class FigureWorker:
    """Draws figures into a folder while the caller goes on; `finish` waits for them.

    Where no process can be had, or it dies, the figures are drawn in this one. As a `with` block: left early by an
    exception, what is not drawn yet is not drawn, and nothing half is left.
    """

    def __init__(self, folder: Path) -> None:
        style.config_folder()  # before the other process is started, which inherits it
        self._folder = folder
        self._asked: list[dict[str, Any]] = []
        self.note = ""  # what is to be said of the figures, once they are drawn
        self._stack = ExitStack()
        try:
            self._worker: Worker | None = self._stack.enter_context(Worker(f"{__name__}:work"))
        except OutputError:
            self._worker = None

    def draw(self, **results: Any) -> None:
        """Ask for the figures of these results (see `save_all`); returns at once."""
        self._asked.append(results)
        if self._worker is not None:
            self._worker.send((self._folder, results))

    def finish(self) -> list[Path]:
        """Return the paths of all figures. Raises OutputError where the folder cannot be written."""
        if self._worker is not None:
            try:
                answers = list(self._worker.answers())
                self.note = next((note for _paths, note in answers if note), "")
                return sorted(path for paths, _note in answers for path in paths)
            except Crashed:
                self._worker = None
        drawn = sorted(path for results in self._asked for path in save_all(self._folder, **results))
        self.note = words.font_note()
        return drawn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()
        store.sweep(self._folder)  # the figure that was under way when its process was ended, or crashed


def work(sent: Iterator[tuple[Path, dict[str, Any]]]) -> Iterator[tuple[list[Path], str]]:
    """Draw what is sent, and say what was lacking: the other side of `FigureWorker`."""
    style.load_matplotlib()  # while nothing is asked yet
    import matplotlib.figure  # noqa: F401

    for folder, results in sent:
        yield save_all(folder, **results), words.font_note()
