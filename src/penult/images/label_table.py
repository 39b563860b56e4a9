"""A CSV of labels for images that are known by name and need not be files, such as those of stored features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from penult.errors import InputError
from penult.i18n import N_, _
from penult.images.columns import NO_OPTIONS, TableOptions
from penult.images.labels import LabelNormalizer
from penult.images.matching import Finder, Match, spellings
from penult.images.records import ImageSet
from penult.images.table import Table
from penult.images.walk import ScanLog, path_kind
from penult.sources.names import natural_key
from penult.texts import printable


class NameFinder(Finder):
    """Finds among `names` what `Finder` finds among the files of a folder."""

    on_disk = False
    missing = N_("there are no images of these names")

    def __init__(self, names: Iterable[str], likely: str = "") -> None:
        super().__init__("", likely)
        self._above = []
        self._names = dict.fromkeys(names)

    def at(self, cell: str) -> Match | None:
        """Return the image that a cell names as it stands, or with blanks, slashes and bytes put right."""
        return next((Match(text, text, ways) for text, ways in spellings(cell) if text in self._names), None)

    def _every(self) -> Iterator[str]:
        return iter(self._names)

    def _listed(self, prefix: str) -> dict[str, list[str]]:
        return {}  # other forms of a name are looked for among all


def read_label_table(
    path: str, names: Iterable[str], group: str | None = None, options: TableOptions = NO_OPTIONS
) -> ImageSet:
    """Return what a CSV says of images that are known by their `names`; ids are these names.

    `group` names a column. Raises InputError as for a table of files, also where it lists other images.
    """
    if path_kind(path) != "file":
        raise InputError(_("'{path}' is no file; give a table with the columns file and label", path=printable(path)))
    log, read = ScanLog(), Table(path, options)
    found = read.images(log, LabelNormalizer(), group, finder=NameFinder(names, Path(path).stem))
    labels = sorted({label for image in found for label in image.given}, key=natural_key)
    return log.image_set("", found, labels, read.cells.task)
