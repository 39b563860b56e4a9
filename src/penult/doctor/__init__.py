"""Check an installation, or run folders, and say what to do: each check is a small function that gives a `Check`.

In: the cache folder, or run folders. Out: `Check`s, one after another, as each is done. It must not know how they are shown,
and it changes nothing: what it writes to try a disk it removes. Nothing is imported here that a broken library could break:
what needs numpy is loaded when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from penult.doctor import installation
from penult.doctor.installation import FAIL, NOTE, OK, WARN, Check, guarded
from penult.errors import OutputError
from penult.i18n import _, pgettext

__all__ = ["FAIL", "NOTE", "OK", "WARN", "WIDEST", "Check", "examine", "examine_runs", "shown"]

WIDEST = 12  # letters of a check's name


def shown(word: str) -> str:
    """Return the name or state of a check in the language of the process; `Check` and JSON have it in English."""
    known = {
        "ok": _("ok"), "note": _("note"), "warn": _("warn"), "FAIL": _("FAIL"), "libraries": _("libraries"),
        "imports": _("imports"), "weights": _("weights"), "processor": _("processor"), "memory": _("memory"),
        "open files": _("open files"), "engine": _("engine"), "precision": pgettext("of numbers", "precision"),
        "self-test": pgettext("a check", "self-test"), "formats": _("formats"), "resize": _("resize"),
        "workers": _("workers"), "cache": _("cache"), "cache write": _("cache write"), "disk": _("disk"),
        "this folder": _("this folder"), "run": _("run"), "files": _("files"), "shards": _("shards"), "model": _("model"),
    }  # fmt: skip
    return known.get(word, word)


def examine(cache: Path | None = None, offline: bool = False) -> Iterator[Check]:
    """Yield every check of this installation; `cache` None is the user's folder, `offline` asks no hub."""
    yield from guarded("python", installation.python)
    yield from guarded("penult", installation.penult_itself)
    yield from guarded("libraries", installation.libraries)
    yield from guarded("imports", installation.imports)
    try:
        heavy = _heavy(cache)
    except Exception as error:  # a library that is broken raises what it likes
        yield _stopped(error)
        heavy = []
    for name, check in heavy:
        yield from guarded(name, check)
    yield from guarded("extras", installation.extras)
    yield from guarded("torchvision", installation.torchvision)
    yield from guarded("hub", partial(installation.hub, offline))


def examine_runs(folders: Sequence[Path | str]) -> Iterator[Check]:
    """Yield the checks of run folders, and of features in shards, which may be at an address."""
    try:
        from penult.doctor import run_checks
    except Exception as error:
        yield _stopped(error)
        return
    for place in folders:
        if "://" in str(place) or (Path(place) / "plan.parquet").is_file():
            yield from guarded("shards", partial(run_checks.shard_files, str(place)))
            continue
        folder = Path(place)
        status = list(guarded("files", partial(run_checks.run_files, folder)))
        yield from status
        if not any(check.name == "run" for check in status):  # else there is nothing that belongs together
            yield from guarded("model", partial(run_checks.run_model, folder))


def _heavy(cache: Path | None) -> list[tuple[str, Callable[[], Check | list[Check]]]]:
    from penult import store
    from penult.doctor import checks

    try:
        folder = store.default_cache() if cache is None else cache
        named = cache is not None or store.cache_was_chosen()
        of_cache = [("cache", partial(checks.cache, folder)), ("cache write", partial(checks.cache_write, folder, named))]
    except OutputError:
        folder, of_cache = None, [("cache", partial(checks.no_cache))]
    return [
        ("weights", checks.weights),
        ("processor", checks.processor),
        ("memory", checks.memory),
        ("open files", checks.open_files),
        ("engine", checks.engine),
        ("gpu", checks.gpu),
        ("formats", checks.formats),
        ("resize", checks.resize),
        ("workers", checks.workers),
        *of_cache,
        ("disk", partial(checks.disks, folder)),
    ]


def _stopped(error: Exception) -> Check:
    words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    cure = _("pip install --force-reinstall NAME, then run penult doctor again")
    return Check(
        "penult", FAIL, _("a library cannot be imported ({words}); the checks that need it were skipped", words=words), cure
    )
