"""Groups of photos (patients, scenes) that file names show: `person124_virus_247.jpeg` is one of several of `person124`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError
from penult.i18n import _
from penult.images.records import Image
from penult.texts import printable

FEW_GROUPS = 5  # of several photos each; fewer are no pattern
LEAST, MOST = 0.1, 0.2  # share of the photos that are in such groups, at least; that a single one may have, at most
_PLAIN = re.compile(r"[\w -]*")  # words that mean themselves in a pattern
_NUMBERED = re.compile(r"([^\d/]*)\d+(?=[_\-. (])")  # words and a number, with more behind it


@dataclass(frozen=True, slots=True)
class NameGroups:
    """`pattern` is a regular expression whose match is a photo's group, `example` one of them, `groups` (n,) their numbers.

    A photo that the pattern does not match is a group of its own.
    """

    pattern: str
    example: str
    groups: NDArray[np.intp]


def name_groups(files: Sequence[str], y: NDArray[np.intp]) -> NameGroups | None:
    """Return the groups that files (n,) of classes y (n,) show: folders inside the class folders, or a number in front.

    None where names show none: most groups are single photos, or a few hold nearly all.
    """
    for pattern in (r"^[^/]+/.+(?=/)", _leading(files)):
        if pattern is None:
            continue
        names = [_match(pattern, file) for file in files]
        sizes = Counter(name for name in names if name is not None)
        several = {name: size for name, size in sizes.items() if size > 1}
        within = Counter((name, int(c)) for name, c in zip(names, y, strict=True) if name in several)
        inside = sum(size for size in within.values() if size > 1)  # several files of one class
        if len(several) >= FEW_GROUPS and inside >= LEAST * len(files) and max(several.values()) <= MOST * len(files):
            example = max(several, key=lambda name: (several[name], name))
            return NameGroups(pattern, example, _numbers(names))
    return None


def _leading(files: Sequence[str]) -> str | None:
    """Return the pattern of the commonest words before a first number, such as `person\\d+`; None where they are many."""
    found = [m for file in files if (m := _NUMBERED.match(file.rpartition("/")[2]))]
    sizes = Counter(m[0] for m in found)
    several = Counter(m[1] for m in found if sizes[m[0]] > 1)
    repeated = [w for w, number in several.most_common(3) if number >= LEAST * len(files) and _PLAIN.fullmatch(w)]
    if not repeated:
        return None
    if "" in repeated:  # the number comes first: no other number in the path may be taken for it
        return r"(?<![^/])\d+(?=[_\-. (])"
    return rf"{repeated[0]}\d+" if len(repeated) == 1 else rf"(?:{'|'.join(repeated)})\d+"


def _match(pattern: str, file: str) -> str | None:
    found = re.search(pattern, file)
    return None if found is None or not found[0] else found[0]


def _numbers(names: Sequence[str | None]) -> NDArray[np.intp]:
    index: dict[object, int] = {}
    return np.array([index.setdefault((i,) if name is None else name, len(index)) for i, name in enumerate(names)], np.intp)


def group_pattern(pattern: str) -> re.Pattern[str]:
    """Return the regular expression whose match in a name is the group. Raises `InputError` for what is none."""
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(
            _(
                "the groups '{pattern}' are no regular expression ({error}); for a folder give one that matches what "
                "the names of a group have in common, such as 'person\\d+'.",
                pattern=printable(pattern),
                error=error,
            )
        ) from error


def with_groups(images: Sequence[Image], pattern: str, folder: str) -> list[Image]:
    """Return the images of a folder with the groups that a regular expression finds in their names. Raises `InputError`."""
    group_pattern(pattern)
    names = [_match(pattern, image.id) for image in images]
    if not any(names):
        raise InputError(
            _(
                "the groups '{pattern}' match the name of no image in '{folder}'; give a regular expression that "
                "does, such as 'person\\d+', or list the images in a CSV with a column of groups.",
                pattern=printable(pattern),
                folder=printable(folder),
            )
        )
    alone = (image.id for image in images)
    return [replace(image, group=name or one) for image, name, one in zip(images, names, alone, strict=True)]
