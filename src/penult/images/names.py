"""Names of files and classes: their order, how a person reads them, what they give away.

In: names as the operating system gives them (bytes that are not UTF-8 are surrogates, PEP 383). Out: sort
keys, printable text, the label that a name carries. It must not touch the disk.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from penult.texts import printable

LONGEST = 400  # characters of a name in a message
MENTIONED = 10  # names that a message lists before it says "and N more"

_DIGITS = re.compile(r"[0-9]+")
_KAGGLE = re.compile(r"([^.]+)\.[0-9]+\.[^.]+")


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


def listing(names: Sequence[str], total: int | None = None) -> str:
    """Return `'a', 'b' and 3 more`: the first names, quoted, and how many of `total` are left out."""
    shown = ", ".join(f"'{printable(name[:LONGEST])}'" for name in names[:MENTIONED])
    left = (len(names) if total is None else total) - min(len(names), MENTIONED)
    return f"{shown} and {left:,} more" if left > 0 else shown


def kaggle_label(name: str) -> str | None:
    """Return `cat` for `cat.123.jpg` (label.number.extension, Kaggle's way), None for any other name."""
    match = _KAGGLE.fullmatch(name)
    return match[1] if match else None
