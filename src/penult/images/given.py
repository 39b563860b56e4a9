"""Several sources in a row: lists of photos, globs, folders and archives side by side.

In: what stands on a command line. Out: paths, and their `Image` records. It must not know tables, but for the finder by which
a table's names are looked up among such photos.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from penult import untrusted
from penult.errors import InputError
from penult.i18n import N_, _
from penult.images.matching import Finder, Match, spellings
from penult.images.records import Image, kaggle_label, quoted
from penult.images.walk import GIVEN_NOT_IMAGE, REPEATED, ScanLog, path_kind, walk
from penult.sources import kind_of
from penult.sources.folder import SPECIAL, UNREADABLE, is_image, unread_format
from penult.sources.names import natural_key, without_archives
from penult.texts import is_url, printable, system_words

_GLOB = re.compile(r"[*?\[]")
_MOST_LIST = 1 << 30  # bytes


def expand_sources(sources: Iterable[str]) -> list[str]:
    """Return the paths that are meant: `-` is a list on standard input, `@list.txt` one in a file, `*.jpg` what fits it.

    A list has a path a line, or with a zero byte behind each as `find -print0` writes. What exists by its very name is that.
    Raises `InputError` for a list that cannot be read or is empty, and for a pattern that nothing fits.
    """
    found: list[str] = []
    for source in sources:
        if source == "-":
            found += _paths_of(_standard_input(), _("the list on standard input is empty; give a path a line"))
        elif source.startswith("@") and path_kind(source) == "nothing":
            try:
                data = untrusted.read_bytes(source[1:], _MOST_LIST)
            except OSError as error:
                raise InputError(
                    _(
                        "the list '{source}' cannot be read ({reason}); give @FILE with a path a line",
                        source=printable(source[1:]),
                        reason=system_words(error),
                    )
                ) from error
            found += _paths_of(data, _("the list '{source}' is empty; give a path a line", source=printable(source[1:])))
        elif _GLOB.search(source) and not is_url(source) and path_kind(source) == "nothing":
            fits = sorted(glob.glob(source, recursive=True), key=_order)  # noqa: PTH207 - absolute ones, too
            if not fits:
                raise InputError(
                    _("no file fits '{source}'; correct the pattern, or give the folder", source=printable(source))
                )
            found += fits
        else:
            found.append(source)
    return found


def _order(path: str) -> list[tuple[str, str]]:
    return [natural_key(part) for part in path.replace(os.sep, "/").split("/")]


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError(
            _("- stands for a list of paths on standard input, and nothing is piped into it; pipe one, or give paths")
        )
    return sys.stdin.buffer.read(_MOST_LIST)


def _paths_of(data: bytes, empty: str) -> list[str]:
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = data.split(b"\0") if b"\0" in data else data.splitlines()
    paths = [os.fsdecode(line) for line in lines if line.strip()]
    if not paths:
        raise InputError(empty)
    return paths


def given_images(paths: Sequence[str], log: ScanLog) -> list[Image]:
    """Return the images of files, folders and archives in a row, each id once, without labels."""
    return [replace(image, label=None) for image in _images_of(paths, log)]


def labelled_given(paths: Sequence[str], log: ScanLog) -> list[Image]:
    """Return the images of several sources with the labels that names and folders show.

    Kaggle's names where all have one; else the class folders below each source, of photos that lie in none the folder that
    they are in: `train/*` are class folders themselves. Raises `InputError` where both are mixed.
    """
    found = _images_of(paths, log)
    by_name = [kaggle_label(image.id) for image in found]
    if None not in by_name and len(set(by_name)) > 1:
        return [replace(image, label=label) for image, label in zip(found, by_name, strict=True)]
    flat = [image.label is None for image in found]
    below = {image.label for image in found}
    labels = [image.label or _folder_of(image) for image in found]
    odd = sorted({str(label) for label, alone in zip(labels, flat, strict=True) if alone and label not in below})
    if odd and not all(flat):
        raise InputError(
            _(
                "some of the folders have class folders in them, and others photos: {names}; give folders of one kind, "
                "and photos to classify with --test",
                names=quoted(odd),
            )
        )
    if "" in odd:
        raise InputError(
            _(
                "the photos given lie in no folder that could be their class; give class folders, or a table of "
                "labels with --labels FILE"
            )
        )
    return [replace(image, label=label) for image, label in zip(found, labels, strict=True)]


def _folder_of(image: Image) -> str:
    """Return the folder that an image lies in, of one in an archive the name of that."""
    folder = without_archives(image.id).rpartition("/")[0] if image.member is None else Path(image.member.container).stem
    return os.path.basename(os.path.abspath(folder)) if folder else ""  # noqa: PTH119, PTH100 - surrogates


def _images_of(paths: Sequence[str], log: ScanLog) -> list[Image]:
    found: dict[str, Image] = {}
    for path in paths:
        for image in _one_given(path, log):
            if found.setdefault(image.id, image) is not image:
                log.ignore(REPEATED, image.id)
    return list(found.values())


def _one_given(path: str, log: ScanLog) -> Iterable[Image]:
    name = path.replace(os.sep, "/")
    place = path_kind(path)
    if kind_of(path) not in (None, "table"):
        return walk(path, log, prefix=name.rstrip("/") + "/")
    if place != "file":
        log.ignore(SPECIAL, name)
        return ()
    try:
        if is_image(Path(path).name, path):
            return (Image(name, path),)
        log.skip(GIVEN_NOT_IMAGE, unread_format(Path(path).name, path), name)
    except OSError:
        log.ignore(UNREADABLE, name)
    return ()


class PhotoFinder(Finder):
    """Finds among photos that were given what `Finder` finds among the files of a folder."""

    on_disk: ClassVar[bool] = False
    missing: ClassVar[str] = N_("there are no photos of these names among those given")

    def __init__(self, photos: Iterable[Image], likely: str = "") -> None:
        super().__init__("", likely)
        self._above = []
        self._photos = {photo.id: photo for photo in photos}

    def at(self, cell: str) -> Match | None:
        """Return the photo that a cell names as it stands, or with blanks, slashes and bytes put right."""
        for text, ways in spellings(cell):
            if (photo := self._photos.get(text)) is not None:
                return Match(photo.path, text, ways, photo.member)
        return None

    def _every(self) -> Iterator[str]:
        self._members |= {id: photo.member for id, photo in self._photos.items() if photo.member is not None}
        return iter(self._photos)

    def _listed(self, prefix: str) -> dict[str, list[str]]:
        return {}  # other forms of a name are looked for among all
