"""A folder for matplotlib's own files where it has none: it would make one itself, and write lines about that.

In: the environment. Out: the environment.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from penult import store


@functools.cache
def settle() -> None:
    """Give matplotlib a folder that goes with this process, unless its own can be written; before it is imported."""
    if os.environ.get("MPLCONFIGDIR") or "matplotlib" in sys.modules:
        return
    if all(store.fallback.can_be_written(place) for place in _places()):
        return
    with suppress(OSError):  # no temporary files either: matplotlib says that itself
        folder = tempfile.mkdtemp(prefix="penult-matplotlib-")
        atexit.register(_remove, folder, os.getpid())
        os.environ["MPLCONFIGDIR"] = folder


def load() -> Any:
    """Return matplotlib, imported whatever MPLBACKEND names: figures are written to files, for which none is needed."""
    settle()
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


def _places() -> list[Path]:
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
