"""What names of members inside an archive come to: ids that are paths and unique; labels that stand beside images.

In: names as an archive has them, whoever made it. Out: ids, labels. Nothing is ever written to a path made of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from penult import signatures
from penult.sources.folder import HIDDEN, NOT_IMAGE
from penult.sources.member import Member
from penult.sources.names import is_system_file

CUT = "archives that end too early"
DAMAGED = "archives with damaged places"
Skip = Callable[[str, str], None]

_REMEMBERED = 1_000_000  # names of one archive among which each is made unique
_LABEL_FILES = (".cls", ".json", ".txt")  # of a webdataset sample, the surest first
LABEL_KEYS = ("label", "cls", "class", "class_name", "category", "target")  # in its JSON
MOST_LABEL_BYTES = 64 << 10
_LONGEST_LABEL = 200  # characters
_PENDING = 32  # images of one sample


def clean(name: str) -> str:
    """Return a name as a path below the archive: no leading slash, no `.` and `..`, `/` between the parts."""
    if "/" not in name and "\\" in name:  # of a zip that was made on Windows
        name = name.replace("\\", "/")
    if name.startswith("/") or "//" in name or "./" in name or name.endswith("."):
        return "/".join(part for part in name.split("/") if part not in ("", ".", ".."))
    return name


def kind_by_name(name: str) -> str | None:
    """Return the kind under which a member is passed over; "" for an image, None where only its first bytes can tell."""
    if any(map(is_system_file, name.split("/"))):
        return HIDDEN
    told = signatures.named_like_image(name)
    return None if told is None else "" if told else NOT_IMAGE


class UniqueNames:
    """Names of one archive, each given once: a second `cat/1.jpg` is `cat/1 (2).jpg`, for both are in it."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def __call__(self, name: str) -> str:
        """Return the name, or one like it that is free."""
        if hash(name) not in self._seen:
            if len(self._seen) < _REMEMBERED:
                self._seen.add(hash(name))
            return name
        ending = signatures.image_ending(name)
        stem, number = name[: len(name) - len(ending)], 2
        while hash(new := f"{stem} ({number}){ending}") in self._seen:
            number += 1
        return self(new)


# --- labels beside images, as webdataset has them: 0001.jpg and 0001.cls, one after the other ---


def is_label_file(name: str, size: int) -> bool:
    """Tell whether a member may say what the image beside it shows."""
    return name.lower().endswith(_LABEL_FILES) and 0 < size <= MOST_LABEL_BYTES


@dataclass
class _Sample:
    """The members whose names are equal up to the first dot of the last part, which stand in a row."""

    key: str = ""
    images: list[Member] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)  # by the name of the label file

    def labelled(self) -> Iterator[Member]:
        for image in self.images:
            name = image.id[: len(image.id) - len(signatures.image_ending(image.id))]
            beside = (f"{stem}{ending}" for ending in _LABEL_FILES for stem in (name, self.key))
            label = next((self.labels[one] for one in beside if one in self.labels), None) if self.labels else None
            yield image if label is None else replace(image, label=label)
        self.images.clear()


def with_labels(found: Iterator[Member | tuple[str, bytes]]) -> Iterator[Member]:
    """Yield the images among members and label files (name, content), each with the label that stands beside it.

    Images are never grouped: `cat.1.jpg` and `cat.2.jpg` are two.
    """
    sample = _Sample()
    for one in found:
        name = one.id if isinstance(one, Member) else one[0]
        folder, slash, last = name.rpartition("/")
        key = folder + slash + last.partition(".")[0]
        if key != sample.key or len(sample.images) >= _PENDING:
            yield from sample.labelled()
            if key != sample.key:
                sample = _Sample(key)
        if isinstance(one, Member):
            sample.images.append(one)
        elif (label := read_label(name, one[1])) is not None:
            stem, dot, ending = name.rpartition(".")
            sample.labels[stem + dot + ending.lower()] = label
    yield from sample.labelled()


def read_label(name: str, content: bytes) -> str | None:
    """Return the label in a `.cls`, `.txt` or `.json` file; None where there is none: nothing, several lines, no text."""
    try:
        text = content.decode("utf-8").strip()
        value = json.loads(text) if name.lower().endswith(".json") else text
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict):
        value = next((value[key] for key in LABEL_KEYS if key in value), None)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    label = str(value).strip()
    return label if label and len(label) <= _LONGEST_LABEL and "\n" not in label else None
