"""The images of a folder one by one, for whoever needs no list of them: millions of names are hundreds of megabytes.

In: a folder. Out: `ImageStream`: how many images there are, and the images each time it is asked for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from penult.images.columns import NO_OPTIONS, TableOptions
from penult.images.records import Image, ImageSet
from penult.images.scan import are_classes, not_read_as_labels, nothing_in, scan_unlabelled
from penult.images.walk import ScanLog, path_kind, walk


@dataclass(frozen=True)
class ImageStream:
    """The images below a folder, which is walked anew for each iteration; what else a scan says (see `ImageSet`) is known."""

    root: str
    ignored: Mapping[str, int]
    notes: tuple[str, ...]
    number: int

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Image]:
        """Yield the images in natural order, a folder at a time, without labels; at most as many as were counted."""
        for _, image in zip(range(self.number), walk(self.root, ScanLog()), strict=False):
            yield Image(image.id, image.path)


def stream_unlabelled(
    paths: Sequence[str], classes: Sequence[str] = (), table: TableOptions = NO_OPTIONS
) -> ImageSet | ImageStream:
    """Return the images of a source without labels: of one folder as a stream, else as `scan_unlabelled` does.

    Raises InputError if something does not exist or there is no image.
    """
    names = [os.fsdecode(path) for path in paths]
    if len(names) != 1 or path_kind(names[0]) != "folder":
        return scan_unlabelled(names, classes, table)
    table.refuse_for(names[0])
    log = ScanLog()
    number, folders = 0, set()
    for image in walk(names[0], log):
        number += 1
        folders.add(image.label)
    if not number:
        raise nothing_in(names, log)
    if not are_classes(folders, classes):
        log.add_notes(not_read_as_labels(names[0], folders))
    return ImageStream(names[0], log.ignored, log.notes, number)
