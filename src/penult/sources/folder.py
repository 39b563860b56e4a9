"""Walk a folder: every image below it, in natural order, and everything else by its kind.

Links to folders are followed, but to no folder above them and to none twice, so no loop of links can catch it. Whether a file
is an image its name says; one whose name says nothing is opened and judged by its first bytes. A damaged `.jpg` is an image
here, so that it is recorded as unreadable later and not lost in silence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from penult import signatures
from penult.errors import InputError
from penult.i18n import N_, _
from penult.signatures import UnreadFormat
from penult.sources.names import is_system_file, natural_key
from penult.texts import printable, system_words

HIDDEN = N_("hidden or system files")
NOT_IMAGE = N_("files that are not images")
LOOP = N_("links to a folder that they lie in")
TWICE = N_("links to folders that are read already")
BROKEN_LINK = N_("links that lead to no file")
SPECIAL = N_("pipes, sockets or devices")
UNREADABLE = N_("files or folders that could not be opened")

_IMAGE = "image"
_FOLDER = "folder"
_LINK = "link to a folder"


class FoundFile(NamedTuple):
    """An image below a folder: its path inside, `/`-separated, the first folder on the way (or None), the entry."""

    id: str
    top: str | None
    entry: os.DirEntry[str]


def walk_folder(
    folder: str,
    skip: Callable[[str, UnreadFormat | None, str], None],
    enter: Callable[[str], None] = lambda name: None,
    prefix: str = "",
) -> Iterator[FoundFile]:
    """Yield the images below a folder in natural order, folder by folder; ids begin with `prefix`.

    `skip(kind, format, id)` is told of everything else, `enter(name)` of the folders right below this one.
    Raises InputError if the folder itself cannot be listed.
    """
    try:
        listed = _listed(folder)
    except OSError as error:
        raise InputError(
            _(
                "the folder '{folder}' cannot be opened ({reason}); check its permissions",
                folder=printable(folder),
                reason=system_words(error),
            )
        ) from error
    links = _Links(folder)
    stack = [_Level(prefix, None, listed)]
    while stack:
        level = stack[-1]
        entry = next(level.entries, None)
        if entry is None:
            stack.pop()
            continue
        name, (kind, unread) = level.prefix + entry.name, _kind(entry)
        if kind in (_FOLDER, _LINK):
            kind = links.refused(entry.path, linked=kind == _LINK) or _FOLDER
        if kind == _IMAGE:
            yield FoundFile(name, level.top, entry)
        elif kind == _FOLDER:
            try:
                below = _Level(name + "/", level.top or entry.name, _listed(entry.path))
            except OSError:
                skip(UNREADABLE, None, name)
                continue
            if level.top is None:
                enter(entry.name)
            stack.append(below)
        else:
            skip(kind, unread, name)


class _Links:
    """Which folders of a walk were entered, so that none is entered twice."""

    def __init__(self, folder: str) -> None:
        self._root = os.path.realpath(folder)
        self._entered = {_identity(folder)}

    def refused(self, path: str, linked: bool) -> str | None:
        """Return the kind under which a folder is passed over, None where it is to be entered."""
        if linked:
            target = os.path.realpath(path)
            if _within(os.path.realpath(os.path.dirname(path)), target) or _within(self._root, target):  # noqa: PTH120 - surrogates
                return LOOP
            if _within(target, self._root) and not any(map(is_system_file, Path(os.path.relpath(target, self._root)).parts)):
                return TWICE  # the walk comes to the folder itself, and that is its place
        identity = _identity(path)
        if identity in self._entered:
            return TWICE
        if identity is not None:
            self._entered.add(identity)
        return None


def _within(path: str, folder: str) -> bool:
    """Tell whether `path` is `folder` or lies below it; both are real paths."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(folder)  # noqa: PTH116 - asked for every folder
    except OSError:
        return None
    return (found.st_dev, found.st_ino)


class _Level(NamedTuple):
    """A folder on the way down: the beginning of ids in it, the first folder, the entries still to come."""

    prefix: str
    top: str | None
    entries: Iterator[os.DirEntry[str]]


def _listed(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return iter(sorted(entries, key=lambda entry: natural_key(entry.name)))


def _kind(entry: os.DirEntry[str]) -> tuple[str, UnreadFormat | None]:
    """Say what a folder entry is; only links and names that tell nothing cost a call to the system."""
    if is_system_file(entry.name):
        return HIDDEN, None
    try:
        if entry.is_dir(follow_symlinks=False):
            return _FOLDER, None
        if entry.is_file():
            if is_image(entry.name, entry.path):
                return _IMAGE, None
            return NOT_IMAGE, unread_format(entry.name, entry.path)
        if entry.is_dir():
            return _LINK, None
    except OSError:  # no permission, or a link that leads to itself
        return BROKEN_LINK if entry.is_symlink() else UNREADABLE, None
    return BROKEN_LINK if entry.is_symlink() else SPECIAL, None


def is_image(name: str, path: str) -> bool:
    """Tell whether a regular file counts as an image; raises OSError if it has to be opened and cannot be."""
    told = signatures.named_like_image(name)
    return signatures.looks_like_image(_head(path)) if told is None else told


def unread_format(name: str, path: str) -> UnreadFormat | None:
    """Return the format of a file that is no image to penult, where it is a known one; by its name, else by its first bytes.

    Raises OSError as `is_image` does.
    """
    if (found := signatures.unread_by_name(name)) or signatures.named_like_image(name) is not None:
        return found
    return signatures.unread_by_head(_head(path))


def _head(path: str) -> bytes:
    with Path(path).open("rb", buffering=0) as file:
        return file.read(signatures.HEAD)
