"""What names of files, objects and entries of archives say: their kind, order and ids, and which a system leaves about.

Names are as the operating system gives them: bytes that are not UTF-8 are surrogates (PEP 383).
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from typing import Literal

from penult.signatures import image_ending

_DIGITS = re.compile(r"[0-9]+")
_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # Windows, macOS
    | {"__macosx", "@eadir", "$recycle.bin", "system volume information"}  # folders: zip, Synology, Windows
)

ArchiveKind = Literal["tar", "zip", "parquet"]
ARCHIVES: dict[str, ArchiveKind] = {
    ".tar": "tar", ".tar.gz": "tar", ".tgz": "tar", ".zip": "zip", ".parquet": "parquet",
}  # fmt: skip
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
TABLES = (".csv", ".tsv", ".tab", ".psv", ".txt", *WORKBOOKS)
_ARCHIVE = re.compile(rf"(?<![^/])[^/]*(?:{'|'.join(map(re.escape, ARCHIVES))})/", re.IGNORECASE)
_REMEMBERED = 1_000_000  # names of one archive among which each is made unique


def archive_kind(name: str) -> ArchiveKind | None:
    """Return which kind of archive a name is that of."""
    lower = name.lower()
    return next((kind for ending, kind in ARCHIVES.items() if lower.endswith(ending)), None)


def natural_key(name: str) -> tuple[str, str]:
    """Return a sort key that puts `2.jpg` before `10.jpg`.

    Runs of ASCII digits compare as numbers, all else by code point; names that are equal so far (`01`, `1`)
    by code point throughout, so the order is total.
    """
    return _DIGITS.sub(_ranked, name), name


def _ranked(run: re.Match[str]) -> str:
    # The count of significant digits goes first, as one character: a longer number is a larger one. The "0"
    # before it keeps digits where they stand among other characters. `int` refuses more than 4,300 digits.
    digits = run[0].lstrip("0")
    return "0" + chr(min(len(digits), sys.maxunicode)) + digits


def path_key(path: str) -> tuple[tuple[str, str], ...]:
    """Return a sort key: paths come as a walk comes to them that enters folders where it finds them."""
    folder, _, name = path.rpartition("/")
    return (*_folder_key(folder), natural_key(name)) if folder else (natural_key(name),)


@lru_cache(maxsize=4096)
def _folder_key(folder: str) -> tuple[tuple[str, str], ...]:
    return tuple(map(natural_key, folder.split("/")))


def is_system_file(name: str) -> bool:
    """Tell whether a system leaves such things about: hidden ones, `Thumbs.db`, `__MACOSX`, `@eaDir`."""
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def clean(name: str) -> str:
    """Return a name as a path below the archive: no leading slash, no `.` and `..`, `/` between the parts."""
    if "/" not in name and "\\" in name:  # of a zip that was made on Windows
        name = name.replace("\\", "/")
    if name.startswith("/") or "//" in name or "./" in name or name.endswith("."):
        return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
    return name


class UniqueNames:
    """Names of one archive, each given once: a second `cat/1.jpg` is `cat/1 (2).jpg`, for both are in it."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}  # the number that a further one of this name gets, by the hash of the name

    def __call__(self, name: str) -> str:
        """Return the name, or one like it that is free."""
        if hash(name) not in self._seen:
            if len(self._seen) < _REMEMBERED:
                self._seen[hash(name)] = 2
            return name
        ending = image_ending(name)
        stem, number = name[: len(name) - len(ending)], self._seen[hash(name)]
        while hash(new := f"{stem} ({number}){ending}") in self._seen:
            number += 1
        self._seen[hash(name)] = number + 1
        return self(new)


def without_archives(id: str) -> str:
    """Return the path by which an image is labelled, its id without names of archives: `cat/1.jpg` of `a.tar/cat/1.jpg`."""
    return _ARCHIVE.sub("", id)
