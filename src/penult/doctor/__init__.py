"""Check an installation, or run folders, and say what to do: each check is a small function that gives a `Check`.

In: the cache folder, or run folders. Out: `Check`s, one after another, as each is done. It must not know how they are shown,
and it changes nothing: what it writes to try a disk it removes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from penult import store
from penult.doctor import computing, hub, libraries, pictures, places, runs
from penult.doctor.check import FAIL, NOTE, OK, WARN, Check, guarded

__all__ = ["FAIL", "NOTE", "OK", "WARN", "WIDEST", "Check", "examine", "examine_runs"]

WIDEST = 12  # letters of a check's name
Look = Callable[[], Check | list[Check]]


def examine(cache: Path | None = None, offline: bool = False) -> Iterator[Check]:
    """Yield every check of this installation; `cache` None is the user's folder, `offline` asks no hub."""
    folder = store.default_cache() if cache is None else cache
    checks: list[tuple[str, Look]] = [
        ("python", libraries.python),
        ("penult", libraries.ours),
        ("libraries", libraries.libraries),
        ("imports", libraries.imports),
        ("weights", computing.weights),
        ("processor", computing.processor),
        ("memory", pictures.room),
        ("open files", pictures.open_files),
        ("engine", computing.computed),
        ("gpu", computing.gpu),
        ("formats", pictures.formats),
        ("resize", pictures.resize),
        ("workers", pictures.workers),
        ("cache", partial(places.cache, folder)),
        ("cache write", partial(places.writing, folder)),
        ("disk", partial(places.disks, folder)),
        ("extras", libraries.extras),
        ("torchvision", libraries.torchvision),
        ("hub", partial(hub.reachable, offline)),
    ]
    for name, look in checks:
        yield from guarded(name, look)


def examine_runs(folders: Sequence[Path]) -> Iterator[Check]:
    """Yield the checks of run folders."""
    for folder in folders:
        status = list(guarded("files", partial(runs.files, folder)))
        yield from status
        if not any(check.name == "run" for check in status):  # else there is nothing that belongs together
            yield from guarded("model", partial(runs.model, folder))
