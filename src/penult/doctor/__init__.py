"""Check an installation, or run folders, and say what to do: each check is a small function that gives a `Check`.

In: the cache folder, or run folders. Out: `Check`s, one after another, as each is done. It must not know how they are shown,
and it changes nothing: what it writes to try a disk it removes. Nothing is imported here that a broken library could break:
what needs numpy is loaded when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from penult.doctor import hub, libraries
from penult.doctor.check import FAIL, NOTE, OK, WARN, Check, guarded
from penult.errors import OutputError

__all__ = ["FAIL", "NOTE", "OK", "WARN", "WIDEST", "Check", "examine", "examine_runs"]

WIDEST = 12  # letters of a check's name
Look = Callable[[], Check | list[Check]]


def examine(cache: Path | None = None, offline: bool = False) -> Iterator[Check]:
    """Yield every check of this installation; `cache` None is the user's folder, `offline` asks no hub."""
    for name, look in _light():
        yield from guarded(name, look)
    try:
        heavy = _heavy(cache)
    except Exception as error:  # a library that is broken raises what it likes
        yield _stopped(error)
        heavy = []
    for name, look in heavy:
        yield from guarded(name, look)
    yield from guarded("extras", libraries.extras)
    yield from guarded("torchvision", libraries.torchvision)
    yield from guarded("hub", partial(hub.reachable, offline))


def examine_runs(folders: Sequence[Path]) -> Iterator[Check]:
    """Yield the checks of run folders."""
    try:
        from penult.doctor import runs
    except Exception as error:
        yield _stopped(error)
        return
    for folder in folders:
        status = list(guarded("files", partial(runs.files, folder)))
        yield from status
        if not any(check.name == "run" for check in status):  # else there is nothing that belongs together
            yield from guarded("model", partial(runs.model, folder))


def _light() -> list[tuple[str, Look]]:
    return [
        ("python", libraries.python),
        ("penult", libraries.ours),
        ("libraries", libraries.libraries),
        ("imports", libraries.imports),
    ]


def _heavy(cache: Path | None) -> list[tuple[str, Look]]:
    from penult import store
    from penult.doctor import computing, pictures, places

    kept: list[tuple[str, Look]] = [("cache", places.unknown)]
    try:
        folder = store.default_cache() if cache is None else cache
        named = cache is not None or store.cache_was_chosen()
        kept = [("cache", partial(places.cache, folder)), ("cache write", partial(places.writing, folder, named))]
    except OutputError:
        folder = None
    return [
        ("weights", computing.weights),
        ("processor", computing.processor),
        ("memory", pictures.room),
        ("open files", pictures.open_files),
        ("engine", computing.computed),
        ("gpu", computing.gpu),
        ("formats", pictures.formats),
        ("resize", pictures.resize),
        ("workers", pictures.workers),
        *kept,
        ("disk", partial(places.disks, folder)),
    ]


def _stopped(error: Exception) -> Check:
    words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    cure = "run penult doctor again when it can be imported: pip install --force-reinstall NAME"
    return Check("penult", FAIL, f"the other checks need a library that cannot be imported ({words})", cure)
