"""Walk a folder: every image below it, in natural order, and a tally of everything else.

In: one folder. Out: `Image` records whose label is the first-level folder they lie in. Links to folders are followed, but to
no folder above them and to none twice, so no loop of links can catch it. It opens no file whose name says what it is.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from penult.errors import InputError
from penult.images.kinds import UNREAD_PHOTOS, Unread, is_dropping, is_image, unread_format
from penult.images.names import MENTIONED, listing, natural_key
from penult.images.records import Image, ImageSet
from penult.texts import printable

HIDDEN = "hidden or system files"
NOT_IMAGE = "files that are not images"
LOOP = "links to a folder that they lie in"
TWICE = "links to folders that are read already"
BROKEN_LINK = "links that lead to no file"
SPECIAL = "pipes, sockets or devices"
UNREADABLE = "files or folders that could not be opened"
OUTSIDE = "images outside the class folders"
GIVEN_NOT_IMAGE = "given files that are not images"
REPEATED = "images named more than once"

# These may be images that the user counts on, so they are named, and `--strict` refuses them; the others are only counted.
MAY_HIDE_IMAGES = (LOOP, TWICE, BROKEN_LINK, SPECIAL, UNREADABLE, OUTSIDE, GIVEN_NOT_IMAGE, REPEATED)

IGNORED = "were ignored"

_IMAGE = "image"
_FOLDER = "folder"
_LINK = "link to a folder"


class Tally:
    """What a scan passed over, by kind: how many, and the first names; and what else is to be said."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {}
        self._said: list[str] = []
        self._unread: dict[str, tuple[Unread, list[str]]] = {}
        self.folders: list[str] = []  # first-level folders that were entered, with or without images

    def ignore(self, kind: str, name: str) -> None:
        """Count one more thing of this kind."""
        self._counts[kind] += 1
        names = self._names.setdefault(kind, [])
        if len(names) < MENTIONED:
            names.append(name)

    def pass_over(self, kind: str, unread: Unread | None, name: str) -> None:
        """Count one more file that is not read; one of a known photo format as of that, every other as of `kind`."""
        self.ignore(unread.files if unread is not None and unread.photo else kind, name)
        if unread is not None:
            self._unread.setdefault(unread.files, (unread, []))[1].append(name)

    def add_note(self, sentence: str) -> None:
        """Add a sentence that the user should read once."""
        self._said.append(sentence)

    @property
    def ignored(self) -> dict[str, int]:
        """Return the counts by kind, in alphabetical order."""
        return dict(sorted(self._counts.items()))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was said, then one sentence for each kind that may hide images."""
        kinds = [kind for kind in MAY_HIDE_IMAGES if kind in self._counts]
        lists = (f"{kind} {IGNORED}: {listing(self._names[kind], self._counts[kind])}" for kind in kinds)
        photos = (
            f"{files} {IGNORED}: {listing(names)}; {unread.cure}"
            for files, (unread, names) in self._unread.items()
            if unread.photo
        )
        return (*self._said, *lists, *photos)

    def summary(self) -> str:
        """Return ` (ignored: 3 links to folders)` for the end of a sentence, or nothing."""
        plain = [f"{count:,} {kind}" for kind, count in self.ignored.items() if kind not in self._unread]
        cures = [f"{len(names):,} {files}: {unread.cure}" for files, (unread, names) in self._unread.items()]
        told = "; ".join(([", ".join(plain)] if plain else []) + cures)
        return f" (ignored: {told})" if told else ""


def passed_over(images: ImageSet) -> tuple[str, ...]:
    """Return the notes of a scan that are about what may be an image, or hide some, and was not taken."""
    kinds = (*MAY_HIDE_IMAGES, *UNREAD_PHOTOS)
    return tuple(note for note in images.notes if note.startswith(tuple(f"{kind} {IGNORED}" for kind in kinds)))


def walk(folder: str, tally: Tally, prefix: str = "") -> Iterator[Image]:
    """Yield the images below a folder in natural order, folder by folder; ids begin with `prefix`.

    Raises InputError if the folder itself cannot be listed.
    """
    try:
        listed = _listed(folder)
    except OSError as error:
        raise InputError(
            f"the folder '{printable(folder)}' cannot be opened ({error.strerror}); check its permissions"
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
            yield Image(name, entry.path, level.label)
        elif kind == _FOLDER:
            try:
                below = _Level(name + "/", level.label or entry.name, _listed(entry.path))
            except OSError:
                tally.ignore(UNREADABLE, name)
                continue
            if level.label is None:
                tally.folders.append(entry.name)
            stack.append(below)
        else:
            tally.pass_over(kind, unread, name)


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
            if _within(target, self._root) and not any(map(is_dropping, Path(os.path.relpath(target, self._root)).parts)):
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
    """A folder on the way down: the beginning of ids in it, their label, the entries still to come."""

    prefix: str
    label: str | None
    entries: Iterator[os.DirEntry[str]]


def _listed(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return iter(sorted(entries, key=lambda entry: natural_key(entry.name)))


def _kind(entry: os.DirEntry[str]) -> tuple[str, Unread | None]:
    """Say what a folder entry is; only links and names that tell nothing cost a call to the system."""
    if is_dropping(entry.name):
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
