"""What names of files and objects say: how they sort, and which ones a system leaves about.

Names are as the operating system gives them: bytes that are not UTF-8 are surrogates (PEP 383).
"""

from __future__ import annotations

import re
import sys
from functools import lru_cache

_DIGITS = re.compile(r"[0-9]+")
_SYSTEM_NAMES = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}  # Windows, macOS
    | {"__macosx", "@eadir", "$recycle.bin", "system volume information"}  # folders: zip, Synology, Windows
)


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
