"""Photos sorted into one folder for each class that they are given: copies or links, nothing is ever written over.

In: answers, and where the photos lie. Out: files below a folder, by the same names each time, so that the same command goes on
where it was stopped.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult import store
from penult.errors import InputError, OutputError, ProgressCallback, quiet
from penult.i18n import N_, _
from penult.predict.answers import Prediction, Predictions
from penult.sources import Member, read_ahead, reading_order
from penult.store.paths import output_error
from penult.texts import clauses, printable

UNREADABLE, NO_LABEL = "unreadable", "no label"
_STEM = 180  # bytes of a file's own name, where a number stands behind it
_CURE = N_("choose another place with --sort-into DIR")


@dataclass(slots=True)
class SortedPhotos:
    """What became of photos that were sorted: `there` had been laid by an earlier command, `lost` could not be read again.

    `copied` and `linked` count files: a photo with several labels lies in the folder of each.
    """

    folder: Path
    copied: int = 0
    linked: int = 0
    there: int = 0
    lost: int = 0

    def describe(self) -> str:
        """Return in a sentence what was done."""
        parts = [_("{n:,} copied", n=self.copied)] if self.copied else []
        parts += [_("{n:,} linked", n=self.linked)] if self.linked else []
        parts += [_("{n:,} there already", n=self.there)] if self.there else []
        parts += [_("{n:,} could not be read again", n=self.lost)] if self.lost else []
        done = clauses(parts) or _("nothing")
        return _("sorted into {folder}: {done}", folder=printable(self.folder), done=done)


class PhotoSorter:
    """Lays photos into `folder/CLASS/`; those that cannot be read into `folder/unreadable/`.

    A photo keeps its file name; where another one has that name in the folder, digits of its own path stand behind it. What
    is there already, with the same content, stays. Names never lead out of the folder: those of classes and of members of
    archives are made safe, and a class folder that is a link is refused.

    Parameters
    ----------
    folder : str or Path
        Where to; made if it is not there.
    classes : sequence of str
        All classes, so that folders are called the same whatever is sorted.
    link : bool, default False
        Hard links instead of copies; symbolic ones where the photos lie on another disk. Members of archives are copied.
    sources : sequence of str
        The folders that the photos are taken from.

    Raises
    ------
    InputError
        `folder` lies inside one of the sources, or has the name of a file.
    """

    def __init__(self, folder: str | Path, classes: Sequence[str], link: bool = False, sources: Sequence[str] = ()) -> None:
        store.check_output_folder(folder, "--sort-into")
        root = Path(folder)
        for source in sources:
            if os.path.isdir(source) and _is_inside(root, source):  # noqa: PTH112 - surrogates
                raise InputError(
                    _(
                        "--sort-into {folder} is inside {source}, where the photos are: they would be classified again the "
                        "next time; choose a folder outside.",
                        folder=printable(root), source=printable(source),
                    )
                )  # fmt: skip
        names = store.folder_names([UNREADABLE, NO_LABEL, *classes])
        self._names = dict(zip((None, "", *classes), names, strict=True))
        self._link, self._used, self._made = link, set[str](), set[str]()
        self._waiting: list[tuple[str, tuple[str | None, ...], Any]] = []
        self.done = SortedPhotos(root)

    def add(self, part: Predictions, sources: Sequence[Any]) -> None:
        """Take photos (n) whose answers are `part`; nothing is laid yet."""
        self._waiting += [(answer.id, _labels(answer), source) for answer, source in zip(part, sources, strict=True)]

    def sort(self, progress: ProgressCallback = quiet) -> SortedPhotos:
        """Lay all photos that were taken, those of an archive from its front to its back. Raises `OutputError`."""
        waiting, self._waiting = self._waiting, []
        sources = [source for _id, _labels, source in waiting]
        if (order := reading_order(sources)) is not None:
            waiting = [waiting[i] for i in order]
        contents = read_ahead(source for _id, _labels, source in waiting if _is_packed(source))
        with closing(contents):
            for done, (id, labels, source) in enumerate(waiting, 1):
                content = next(contents)[1] if _is_packed(source) else _path(source)
                if isinstance(content, OSError):
                    self.done.lost += 1
                else:
                    for label in labels:
                        self._lay(self._names[label], content if isinstance(content, str) else id, content)
                progress("sorting", done, len(waiting))
        return self.done

    def _lay(self, class_folder: str, name: str, content: str | bytes) -> None:
        """Lay one photo into the folder of this name."""
        folder = self._folder(class_folder)
        for target in _targets(folder, name):
            place = f"{class_folder}/{store.folded(target.name)}"
            if place in self._used:  # by another photo of this command
                continue
            try:
                laid = store.lay_file(content, target, self._link, symbolic=True)
            except FileExistsError:
                if not _is_same(content, target):
                    continue
                self.done.there += 1
            except OSError as error:
                raise output_error(error, target, _(_CURE)) from error
            else:
                self._count(laid)
            self._used.add(place)
            return
        self.done.lost += 1  # somebody has files of all these names there

    def _count(self, linked: bool | None) -> None:
        if linked is None:
            self.done.lost += 1
        elif linked:
            self.done.linked += 1
        else:
            self.done.copied += 1

    def _folder(self, name: str) -> Path:
        """Return the folder of a class, made at its first photo. Raises `OutputError` where it is a link, or a file."""
        folder = self.done.folder / name
        if name not in self._made:
            if folder.is_symlink() or (store.is_taken(folder) and not store.is_folder(folder)):
                said = _(
                    "{path} is a file, and photos are only laid into a folder; move it away, or choose another place with "
                    "--sort-into DIR."
                )
                if folder.is_symlink():
                    said = _(
                        "{path} is a link, and photos are only laid into a folder; move it away, or choose another place with "
                        "--sort-into DIR."
                    )
                raise OutputError(said.format(path=printable(folder)))
            store.make_folder(folder, _(_CURE))
            self._made.add(name)
        return folder


def _labels(answer: Prediction) -> tuple[str | None, ...]:
    """Return the classes in whose folders a photo belongs; None is that of unreadable photos, "" that of no label."""
    if answer.failure is not None:
        return (None,)
    return (answer.label,) if answer.labels is None else answer.labels or ("",)


def _targets(folder: Path, path: str) -> Iterator[Path]:
    """Yield the names that a photo may have in a folder: its own, then with digits of its path behind."""
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    name = "".join("_" if ord(sign) < 32 or ord(sign) == 127 else sign for sign in name)
    if name in ("", ".", "..") or name.startswith(".tmp-"):
        name = f"_{name}"
    stem, ending = os.path.splitext(name)  # noqa: PTH122
    if len(os.fsencode(name)) <= 255:
        yield folder / name
    stem = os.fsdecode(os.fsencode(stem)[:_STEM])
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()
    for digits in (8, 16, 32):
        yield folder / f"{stem}-{digest[:digits]}{ending[:20]}"


def _is_same(content: str | bytes, target: Path) -> bool:
    """Whether a file holds this photo."""
    try:
        if not target.is_file():
            return False
        if isinstance(content, bytes):
            return target.stat().st_size == len(content) and target.read_bytes() == content
        return os.path.samefile(content, target) or filecmp.cmp(content, target, shallow=False)  # noqa: PTH121 - surrogates
    except OSError:
        return False


def _is_inside(folder: Path, source: str) -> bool:
    own, root = os.path.realpath(folder), os.path.realpath(source)
    return own == root or own.startswith(root.rstrip(os.sep) + os.sep)


def _is_packed(source: Any) -> bool:
    """Whether a photo is no file of its own, but a part of an archive or of a store."""
    return isinstance(source, Member) and source.packing != "file"


def _path(source: Any) -> str:
    return source.path if isinstance(source, Member) else os.fspath(source)
