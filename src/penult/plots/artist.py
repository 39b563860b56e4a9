"""Draw in a process of its own: its matplotlib loads while the caller still measures.

Comes in: what `save_all` takes, part by part. Goes out: paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from penult import store
from penult.errors import OutputError
from penult.plots import home
from penult.plots.save import save_all
from penult.worker import Crashed, Worker


class Artist:
    """Draws figures into a folder while the caller goes on; `finish` waits for them.

    Where no process can be had, or it dies, the figures are drawn in this one. As a `with` block: left early by an
    exception, what is not drawn yet is not drawn, and nothing half is left.
    """

    def __init__(self, folder: Path) -> None:
        home.settle()  # before the other process is started, which inherits it
        self._folder = folder
        self._asked: list[dict[str, Any]] = []
        self._stack = ExitStack()
        try:
            self._aside: Worker | None = self._stack.enter_context(Worker(f"{__name__}:work"))
        except OutputError:
            self._aside = None

    def draw(self, **results: Any) -> None:
        """Ask for the figures of these results (see `save_all`); returns at once."""
        self._asked.append(results)
        if self._aside is not None:
            self._aside.send((self._folder, results))

    def finish(self) -> list[Path]:
        """Return the paths of all figures. Raises OutputError where the folder cannot be written."""
        if self._aside is not None:
            try:
                return sorted(path for paths in self._aside.answers() for path in paths)
            except Crashed:
                self._aside = None
        return sorted(path for results in self._asked for path in save_all(self._folder, **results))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()
        store.sweep(self._folder)  # the figure that was under way when its process was ended, or crashed


def work(sent: Iterator[tuple[Path, dict[str, Any]]]) -> Iterator[list[Path]]:
    """Draw what is sent: the other side of `Artist`."""
    home.load()  # while nothing is asked yet
    import matplotlib.figure  # noqa: F401

    for folder, results in sent:
        yield save_all(folder, **results)
