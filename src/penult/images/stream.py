"""The images of a folder or archive one by one, for whoever needs no list: millions of names are hundreds of megabytes.

In: a folder, an archive, an address. Out: `ImageStream`: how many images there are, and they, each time it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from penult.images.class_folders import has_own_label
from penult.images.columns import NO_OPTIONS, TableOptions
from penult.images.records import Image, ImageSet
from penult.images.table import read_as_table
from penult.images.to_predict import are_classes, not_read_as_labels, nothing_in, scan_unlabelled, source_paths
from penult.images.walk import ScanLog, walk
from penult.sources import ParquetColumns, kind_of


@dataclass(frozen=True)
class ImageStream:
    """The images of a source, which is walked anew for each iteration; what else a scan says (see `ImageSet`) is known."""

    root: str
    columns: ParquetColumns
    ignored: Mapping[str, int]
    notes: tuple[str, ...]
    number: int

    def __len__(self) -> int:
        return self.number

    def __iter__(self) -> Iterator[Image]:
        """Yield the images in natural order, a folder at a time, without labels; at most as many as were counted."""
        for _, image in zip(range(self.number), walk(self.root, ScanLog(), columns=self.columns), strict=False):
            yield replace(image, label=None)


def stream_unlabelled(
    paths: str | Sequence[str], classes: Sequence[str] = (), table: TableOptions = NO_OPTIONS
) -> ImageSet | ImageStream:
    """Return the images of a source without labels: of one folder or archive as a stream, else as `scan_unlabelled` does.

    Raises InputError if something does not exist or there is no image.
    """
    names = source_paths(paths)
    if len(names) != 1 or kind_of(names[0]) in (None, "table") or read_as_table(names[0], table):
        return scan_unlabelled(names, classes, table)
    columns = table.refuse_for(names[0])
    log = ScanLog()
    number, folders, own = 0, set(), False
    for image in walk(names[0], log, columns=columns):
        number += 1
        folders.add(image.label)
        own = own or has_own_label(image)
    if not number:
        raise nothing_in(names, log)
    if not are_classes(folders, classes):
        log.add_notes(not_read_as_labels(names[0], folders, classes if own else None))
    return ImageStream(names[0], columns, log.ignored, log.notes, number)
