"""Walk a folder: every image below it, in natural order, and a log of everything else.

In: one folder. Out: `Image` records whose label is the first-level folder they lie in; `penult.sources` walks.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol

from penult import signatures
from penult.i18n import N_, _
from penult.images.records import MENTIONED, Image, ImageSet, quoted
from penult.signatures import UnreadFormat
from penult.sources import Member, kind_of, members
from penult.sources.entries import CUT, DAMAGED
from penult.sources.folder import BROKEN_LINK, LOOP, NOT_IMAGE, SPECIAL, TWICE, UNREADABLE, walk_folder
from penult.sources.names import archive_kind, without_archives
from penult.sources.parquet_images import ANY_COLUMNS, ParquetColumns
from penult.sources.scan import in_archives

OUTSIDE = N_("images outside the class folders")
GIVEN_NOT_IMAGE = N_("given files that are not images")
NO_LABEL = N_("images without a label")
REPEATED = N_("images named more than once")

# These may be images that the user counts on, so they are named, and `--strict` refuses them; the others are only counted.
MAY_HIDE_IMAGES = (
    LOOP, TWICE, BROKEN_LINK, SPECIAL, UNREADABLE, CUT, DAMAGED, OUTSIDE, NO_LABEL, GIVEN_NOT_IMAGE, REPEATED,
)  # fmt: skip


class SkippedNote(str):
    """A note about what may be an image, or hide some, and was not taken."""

    __slots__ = ()


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

    def image_set(
        self, root: str, images: Sequence[Image], classes: Sequence[str], task: Literal["classes", "labels"] = "classes"
    ) -> ImageSet:
        """Return the images of a scan with what this log has to say of it."""
        return ImageSet(root, tuple(images), tuple(classes), self.ignored, self.notes, task)

    @property
    def ignored(self) -> dict[str, int]:
        """Return the counts by kind, in alphabetical order."""
        return dict(sorted(self._counts.items()))

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what was said, then one sentence for each kind that may hide images."""
        kinds = [kind for kind in MAY_HIDE_IMAGES if kind in self._counts]
        lists = (
            _("{kind} were ignored: {names}", kind=_(kind), names=quoted(self._names[kind], self._counts[kind]))
            for kind in kinds
        )
        photos = (
            _("{kind} were ignored: {names}; {cure}", kind=unread.files_said, names=quoted(names), cure=unread.cure_for_many)
            for unread, names in self._unread.values()
            if unread.photo
        )
        return (*self._said, *map(SkippedNote, lists), *map(SkippedNote, photos))

    def summary(self) -> str:
        """Return ` (ignored: 3 links to folders)` for the end of a sentence, or nothing."""
        plain = [_("{n:,} {kind}", n=count, kind=_(kind)) for kind, count in self.ignored.items() if kind not in self._unread]
        cures = [
            _("{n:,} {kind}: {cure}", n=len(names), kind=unread.files_said, cure=unread.cure_for_many)
            for unread, names in self._unread.values()
        ]
        told = _("; ").join(([", ".join(plain)] if plain else []) + cures)
        return _(" (ignored: {kinds})", kinds=told) if told else ""


class Noted(Protocol):
    """What a scan found, with what is to be said of it."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences to say once."""


def skipped_notes(images: Noted) -> tuple[str, ...]:
    """Return the notes of a scan that are about what may be an image, or hide some, and was not taken."""
    return tuple(note for note in images.notes if isinstance(note, SkippedNote))


def walk(source: str, log: ScanLog, prefix: str = "", columns: ParquetColumns = ANY_COLUMNS) -> Iterator[Image]:
    """Yield the images of a folder, an archive or an address, in natural order, folder by folder; ids begin with `prefix`.

    Their label is what the archive says of them, else the first folder on the way to them. Of a folder without images the
    archives are looked into. Raises InputError if the source itself cannot be listed.
    """
    if kind_of(source) != "folder":
        yield from (_image(source, one, prefix) for one in members(source, _skip_in(log), columns))
        return
    archives: list[str] = []

    def skip(kind: str, unread: UnreadFormat | None, name: str) -> None:
        if kind == NOT_IMAGE and archive_kind(name) is not None:
            archives.append(name[len(prefix) :])
        else:
            log.skip(kind, unread, name)

    found = False
    for id, top, entry in walk_folder(source, skip, log.folders.append, prefix):
        found = True
        yield Image(id, entry.path, top)
    if not found:
        yield from (_image(source, one, prefix) for one in in_archives(source, archives, _skip_in(log), columns))
        return
    for name in archives:
        log.ignore(NOT_IMAGE, prefix + name)


def _image(source: str, member: Member, prefix: str) -> Image:
    first, slash, _ = without_archives(member.id).partition("/")
    label = member.label if member.label is not None else first if slash else None
    return Image(prefix + member.id, f"{source.rstrip('/')}/{member.id}", label, None, member)


def _skip_in(log: ScanLog) -> Callable[[str, str], None]:
    return lambda kind, name: log.skip(kind, signatures.unread_by_name(name) if kind == NOT_IMAGE else None, name)


def path_kind(path: str) -> Literal["file", "folder", "something else", "nothing"]:
    """Say what a path leads to, links followed; nothing also if it cannot be reached or cannot be a path."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - asked for every row of a CSV, and Path is slow
    except (OSError, ValueError):
        return "nothing"
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "something else"
