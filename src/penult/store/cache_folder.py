"""Where the cache folder is, whether it can be written, and the one line that says that it cannot."""

from __future__ import annotations

import atexit
import errno
import functools
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from penult import system
from penult.errors import OutputError
from penult.i18n import N_, _
from penult.texts import printable

log = logging.getLogger(__name__)

CURE = N_("choose another cache folder with --cache DIR")
NAME_ONE = N_("give --cache DIR or set PENULT_CACHE")
_PERMANENT = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG,
}  # fmt: skip
_warned: list[str] = []  # once in a process is enough


def default_cache(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """Return the user's cache folder for penult; the variable PENULT_CACHE goes before the system's place.

    Raises `OutputError` where no such place is known: without a home folder (`env -i`, a user of a number only).
    """
    path = environment.get("PENULT_CACHE") or str(Path(system.cache_home(environment, platform)) / "penult")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # neither HOME nor an entry for this user
        raise OutputError(
            _(
                "no cache folder is known ({path}, and this user has no home folder); {cure}.",
                path=printable(path),
                cure=_(NAME_ONE),
            )
        ) from error


def cache_was_chosen() -> bool:
    """Return whether the user's cache folder is one that the variable PENULT_CACHE names."""
    return bool(os.environ.get("PENULT_CACHE"))


def user_cache(optional: bool = False) -> Path | None:
    """Return the user's cache folder, None where none is known.

    Raises `OutputError` where PENULT_CACHE names one in a home that is not there, unless that is only `optional`.
    """
    try:
        return default_cache()
    except OutputError:
        if cache_was_chosen() and not optional:
            raise
        return None


def warn_not_cached(why: str) -> None:
    """Say, once, that features are not kept."""
    if not _warned:
        _warned.append(why)
        log.warning(_("{why}: features are kept in memory for this run; {cure}", why=why, cure=_(NAME_ONE)))


def is_permanent(error: OutputError) -> bool:
    """Return whether no later try would succeed: no permission, a read-only disk. A full disk may have room later."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _PERMANENT


def can_be_written(folder: Path) -> bool:
    """Return whether this user may write in a folder, or make it; nothing is tried."""
    there = next((part for part in (folder.absolute(), *folder.absolute().parents) if _exists(part)), None)
    return there is not None and there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a name that no system has
        return False


def cache_root(cache: str | Path | bool | None) -> Path:
    """Return the cache folder that `cache` means: the user's, or for False and where none is a temporary one."""
    if isinstance(cache, str | Path):
        return Path(cache)
    return (None if cache is False else user_cache()) or temporary_cache()


@functools.cache
def temporary_cache() -> Path:
    """Return a folder that goes with this process."""
    folder = tempfile.mkdtemp(prefix="penult-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
