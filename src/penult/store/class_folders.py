"""Files laid into one folder for each class: names that are safe on every system, and nothing is ever written over.

In: names of classes, files or their bytes. Out: copies or links, each whole or not there.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from penult.store.atomic import temporary

_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps for devices
_NO_NAME = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]')
_LONGEST = 120  # letters of a folder's name
_MOST_BYTES = 240  # with a number it has fewer than the 255 that most disks take


def folder_names(classes: Sequence[str]) -> list[str]:
    """Return a folder's name for each class: one name on every system, that leads nowhere else, and each another one."""
    found: list[str] = []
    taken: set[str] = set()
    for name in classes:
        plain = _NO_NAME.sub("_", unicodedata.normalize("NFC", name))[:_LONGEST]
        plain = plain.encode()[:_MOST_BYTES].decode(errors="ignore").strip().rstrip(".") or "_"
        if _RESERVED.fullmatch(plain) or plain.startswith("."):
            plain = f"_{plain}"
        tried, number = plain, 1
        while folded(tried) in taken:
            number += 1
            tried = f"{plain}-{number}"
        taken.add(folded(tried))
        found.append(tried)
    return found


def folded(name: str) -> str:
    """Return a name as a disk compares it that tells neither letter case nor Unicode forms apart."""
    return unicodedata.normalize("NFD", name).casefold()


def lay_file(source: str | bytes, target: Path, link: bool = False, symbolic: bool = False) -> bool | None:
    """Put a file, or the bytes of one, under a name that is free; return whether it was linked, None where it cannot be read.

    With `link` it is a hard link; where the system has none, or the file lies on another disk, a symbolic link if that will
    do, else a copy. Raises `FileExistsError` where the name is taken, any other OSError where the disk refuses: no half file
    stays.
    """
    if link and isinstance(source, str):
        real = os.path.realpath(source)
        for make in (os.link, os.symlink) if symbolic and os.path.isfile(real) else (os.link,):  # noqa: PTH113 - surrogates
            try:
                make(real, target)
                return True
            except FileExistsError:
                raise
            except OSError:  # another disk, or one without links
                pass
    try:
        file = BytesIO(source) if isinstance(source, bytes) else open(source, "rb")  # noqa: PTH123, SIM115 - surrogates
    except OSError:
        return None
    draft = temporary(target.parent)
    with file:
        try:
            with draft.open("xb") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
            _name(draft, target)
        finally:
            with suppress(OSError):
                draft.unlink()
    return False


def _name(draft: Path, target: Path) -> None:
    """Give a whole file its name, unless that is taken."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise
    except OSError:  # a disk without links: the name is taken first
        target.open("xb").close()
        draft.replace(target)
