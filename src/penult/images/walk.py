"""Walk a folder: every image below it, in natural order, and a log of everything else.

In: one folder. Out: `Image` records whose label is the first-level folder they lie in. Links to folders are followed, but to
no folder above them and to none twice, so no loop of links can catch it. Whether a file is an image its name says; one whose
name says nothing is opened and judged by its first bytes. A damaged `.jpg` is an image here, so that it is recorded as
unreadable later and not lost in silence.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from penult import signatures
from penult.errors import InputError
from penult.images.records import MENTIONED, Image, ImageSet, quoted
from penult.signatures import UnreadFormat
from penult.sources.names import is_system_file, natural_key
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


class ScanLog:
    """What a scan passed over, by kind: how many, and the first names; and what else is to be said."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._names: dict[str, list[str]] = {}
        self._said: list[str] = []
        self._unread: dict[str, tuple[UnreadFormat, list[str]]] = {}
        self.folders: list[str] = []  # first-level folders that were entered, with or without images

    def ignore(self, kind: str, name: str) -> None:
        """Count one more thing of this kind."""
        self._counts[kind] += 1
        names = self._names.setdefault(kind, [])
        if len(names) < MENTIONED:
            names.append(name)

    def skip(self, kind: str, unread: UnreadFormat | None, name: str) -> None:
        """Count one more file that is not read; one of a known photo format as of that, every other as of `kind`."""
        self.ignore(unread.files if unread is not None and unread.photo else kind, name)
        if unread is not None:
            self._unread.setdefault(unread.files, (unread, []))[1].append(name)

    def add_notes(self, sentences: Iterable[str]) -> None:
        """Add sentences that the user should read once."""
        self._said += sentences

    def image_set(self, root: str, images: Sequence[Image], classes: Sequence[str]) -> ImageSet:
        """Return the images of a scan with what this log has to say of it."""
        return ImageSet(root, tuple(images), tuple(classes), self.ignored, self.notes)

    @property
    def ignored(self) -> dict[str, int]:
        """Return the counts by kind, in alphabetical order."""
        return dict(sorted(self._counts.items()))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was said, then one sentence for each kind that may hide images."""
        kinds = [kind for kind in MAY_HIDE_IMAGES if kind in self._counts]
        lists = (f"{kind} {IGNORED}: {quoted(self._names[kind], self._counts[kind])}" for kind in kinds)
        photos = (
            f"{files} {IGNORED}: {quoted(names)}; {unread.cure_for_many}"
            for files, (unread, names) in self._unread.items()
            if unread.photo
        )
        return (*self._said, *lists, *photos)

    def summary(self) -> str:
        """Return ` (ignored: 3 links to folders)` for the end of a sentence, or nothing."""
        plain = [f"{count:,} {kind}" for kind, count in self.ignored.items() if kind not in self._unread]
        cures = [f"{len(names):,} {files}: {unread.cure_for_many}" for files, (unread, names) in self._unread.items()]
        told = "; ".join(([", ".join(plain)] if plain else []) + cures)
        return f" (ignored: {told})" if told else ""


def skipped_notes(images: ImageSet) -> tuple[str, ...]:
    """Return the notes of a scan that are about what may be an image, or hide some, and was not taken."""
    kinds = (*MAY_HIDE_IMAGES, *signatures.UNREAD_PHOTOS)
    return tuple(note for note in images.notes if note.startswith(tuple(f"{kind} {IGNORED}" for kind in kinds)))


def walk(folder: str, log: ScanLog, prefix: str = "") -> Iterator[Image]:
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
                log.ignore(UNREADABLE, name)
                continue
            if level.label is None:
                log.folders.append(entry.name)
            stack.append(below)
        else:
            log.skip(kind, unread, name)


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
    """A folder on the way down: the beginning of ids in it, their label, the entries still to come."""

    prefix: str
    label: str | None
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


def path_kind(path: str) -> Literal["file", "folder", "something else", "nothing"]:
    """Say what a path leads to, links followed; nothing also if it cannot be reached or cannot be a path."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - asked for every row of a CSV, and Path is slow
    except (OSError, ValueError):
        return "nothing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "something else"
