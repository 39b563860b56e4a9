"""File names for backbones: `data_<slug>.h5`.

In: a backbone's name. Out: the part of a file name that stands for it, the seed's own where there is one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_LONGEST = 100


def slug(name: str) -> str:
    """Return a name with letters, digits, `_`, `-`, `.` only; `keras:ResNet50@my.h5` is the seed's `ResNet50`."""
    bare = name.removeprefix("keras:").partition("@")[0] or name
    return re.sub(r"[^A-Za-z0-9_.-]", "_", bare)[:_LONGEST]


def slugs(backbones: Sequence[tuple[str, str]]) -> list[str]:
    """Return a slug for each (name, digest); those that clash, case apart, get six digits of their digest."""
    plain = [slug(name) for name, _ in backbones]
    count = Counter(text.casefold() for text in plain)
    return [
        f"{text}-{digest[:6]}" if count[text.casefold()] > 1 else text
        for text, (_, digest) in zip(plain, backbones, strict=True)
    ]
