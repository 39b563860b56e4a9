"""Entries of archives: which are images, and the labels that stand beside images, as webdataset has them.

In: names, contents of label files. Out: kinds, members with labels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from penult import signatures
from penult.i18n import N_
from penult.sources.folder import HIDDEN, NOT_IMAGE
from penult.sources.member import Member
from penult.sources.names import is_system_file

CUT = N_("archives that end too early")
DAMAGED = N_("archives with damaged places")
Skip = Callable[[str, str], None]

_LABEL_FILES = (".cls", ".json")  # of a webdataset sample, the surest first; its .txt is a caption
NEARLY_ALL = 0.9  # of the images of an archive: if fewer have a label beside them, and all lie in class folders, these count
_LABEL_KEYS = ("label", "cls", "class", "class_name", "category", "target")  # in its JSON
_MOST_LABEL_BYTES = 64 << 10
_LONGEST_LABEL = 200  # characters
_PENDING = 32  # images of one sample


def kind_by_name(name: str) -> str | None:
    """Return the kind under which a member is passed over; "" for an image, None where only its first bytes can tell."""
    if any(map(is_system_file, name.split("/"))):
        return HIDDEN
    told = signatures.named_like_image(name)
    return None if told is None else "" if told else NOT_IMAGE


# --- labels beside images, as webdataset has them: 0001.jpg and 0001.cls, one after the other ---


def is_label_file(name: str, size: int) -> bool:
    """Tell whether a member may say what the image beside it shows."""
    return name.lower().endswith(_LABEL_FILES) and 0 < size <= _MOST_LABEL_BYTES


@dataclass
class _Sample:
    """The members whose names are equal up to the first dot of the last part, which stand in a row."""

    key: str = ""
    images: list[Member] = field(default_factory=list)
    labels: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # by the name, its ending in small letters
    used: set[str] = field(default_factory=set)

    def add(self, one: Member | tuple[str, bytes]) -> None:
        if isinstance(one, Member):
            self.images.append(one)
        else:
            stem, dot, ending = one[0].rpartition(".")
            self.labels[stem + dot + ending.lower()] = one[0], read_label(*one)

    def labelled(self) -> Iterator[Member]:
        for image in self.images:
            stem = image.id[: len(image.id) - len(signatures.image_ending(image.id))]
            beside = (name + ending for ending in _LABEL_FILES for name in (stem, self.key))
            found = next((one for one in beside if self.labels.get(one, ("", None))[1] is not None), None)
            yield image if found is None else replace(image, label=self.labels[found][1])
            self.used |= {found} if found else set()
        self.images.clear()

    def end(self, unused: Callable[[str], None], more: bool = False) -> Iterator[Member]:
        """Yield the images that are here; with `more` others follow, to which the label of the whole sample belongs, too."""
        yield from self.labelled()
        kept = {name: one for name, one in self.labels.items() if more and name.rpartition(".")[0] == self.key}
        for name, (written, _) in self.labels.items():
            if name not in self.used and name not in kept:
                unused(written)
        self.labels = kept


def with_labels(found: Iterator[Member | tuple[str, bytes]], unused: Callable[[str], None]) -> Iterator[Member]:
    """Yield the images among members and label files (name, content), each with the label that stands beside it.

    Images are never grouped: `cat.1.jpg` and `cat.2.jpg` are two. `unused` is told of label files that gave no label.
    """
    sample = _Sample()
    for one in found:
        name = one.id if isinstance(one, Member) else one[0]
        folder, slash, last = name.rpartition("/")
        key = folder + slash + last.partition(".")[0]
        if key != sample.key or len(sample.images) + len(sample.labels) >= _PENDING:
            yield from sample.end(unused, more=key == sample.key)
            if key != sample.key:
                sample = _Sample(key)
        sample.add(one)
    yield from sample.end(unused)


def read_label(name: str, content: bytes) -> str | None:
    """Return the label in a `.cls` or `.json` file; None where there is none: nothing, several lines, no text."""
    try:
        text = content.decode("utf-8").strip()
        value = json.loads(text) if name.lower().endswith(".json") else text
        if isinstance(value, dict):
            value = next((value[key] for key in _LABEL_KEYS if key in value), None)
        label = "" if isinstance(value, bool) or not isinstance(value, str | int) else str(value).strip()
        label.encode()  # JSON can write half a character
    except (ValueError, RecursionError):
        return None
    return label if label and len(label) <= _LONGEST_LABEL and "\n" not in label else None
