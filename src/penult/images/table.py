"""A table that lists images: which image, and where wanted its label or labels, group, fold and weight.

In: a table whose first line names its columns, or is a row of one or two. Out: `Image` records in the order of its rows. What
a row names counts as an image, whatever its extension: nothing that was listed on purpose drops out in silence. All that is
wrong with a table is said at once.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from penult.errors import InputError
from penult.i18n import _
from penult.images.columns import FILE, LABEL, NO_OPTIONS, Columns, TableOptions, find_columns, is_header, unused_columns
from penult.images.given import PhotoFinder, given_images
from penult.images.label_cells import NOTHING, LabelCells
from penult.images.labels import LabelNormalizer, decode_surrogates, is_missing
from penult.images.matching import Finder, Matches, Votes
from penult.images.records import Image, quoted
from penult.images.table_faults import (
    AMBIGUOUS,
    CONTRADICTORY,
    LONG,
    MOST_FAULTS,
    NO_FILE,
    NO_FOLD,
    NO_GROUP,
    NO_WEIGHT,
    TableFaults,
)
from penult.images.table_files import TableFile
from penult.images.table_notes import table_notes
from penult.images.walk import REPEATED, ScanLog, path_kind, walk
from penult.sources import kind_of
from penult.texts import printable

_SAMPLE = 1_000  # rows by which columns are chosen
_STREAMED = 5_000  # rows that are read at once where a table is streamed
_MANY_VALUES = 10  # different numbers with decimals that are no classes, however often each stands there


def is_table(path: str) -> bool:
    """Tell whether a path is that of a table: CSV and the like, a workbook, a Parquet file without images in it."""
    return kind_of(path) == "table"


def read_as_table(path: str, options: TableOptions) -> bool:
    """Tell whether a path is a table: by what it is, or because it is a file of any name that is said to list other photos."""
    about = bool(options.photos) or options.image_dir is not None
    return is_table(path) or (about and path_kind(path) == "file" and kind_of(path) in (None, "parquet"))


class Table:
    """The rows of a table of any kind (see `TableFile`), with what its columns mean."""

    def __init__(self, path: str, options: TableOptions = NO_OPTIONS) -> None:
        self.path = path
        self.options = options
        self.root = str(Path(path).parent)
        if options.image_dir is not None and kind_of(options.image_dir) not in (None, "table"):
            self.root = options.image_dir
        self._file = TableFile(path, options.encoding, options.hints, FILE, is_header)
        first = next(self._file.rows(), None)
        if first is None:
            raise InputError(
                _("'{path}' is empty; write the columns' names into its first line, such as file,label", path=printable(path))
            )
        self.header = [name.strip() for name in first[1]]
        self.rows = 0  # below the header, once they were read
        self.columns = Columns()  # once they were looked for
        self.cells = LabelCells((), (), (), "classes")
        self.headless = False
        self._files: list[str] = []  # of each row
        self._ways: Counter[frozenset[str]] = Counter()

    def images(
        self,
        log: ScanLog,
        labels: LabelNormalizer,
        group: str | None = None,
        accept: Callable[[Table, set[str]], bool] | None = None,
        finder: Finder | None = None,
    ) -> list[Image]:
        """Return the images listed, with the labels that are meant; without one where the table has none for them.

        With `accept` labels are not needed, and dropped unless it says yes to all of them, empty ones too.
        `finder` knows the images where they are not files beside the table.
        Raises InputError once for everything that is wrong, each kind with its offenders.
        """
        need = accept is None
        finder = finder or self._finder()
        columns = self._find_columns(finder, group, need)
        names = [self.header[at] for at in columns.labels]
        self.cells = LabelCells(names, columns.labels, (cells for _, cells in self._rows()), self.options.task)
        faults = TableFaults()
        images, matches = self._images(self._rows(), labels, finder, need, faults)
        rest: list[Image] = []
        if self.options.all_photos:
            rest = list(self._unlisted({os.path.normpath(image.path) for image in images}, log))
        if accept is not None and columns.labels and not accept(self, _labels_of([*images, *rest])):
            self.cells, columns.labels, labels = LabelCells((), (), (), "classes"), (), LabelNormalizer()
            images = [replace(image, label=None, labels=None, unknown=()) for image in images]
        self._files = [image.path for image in images]
        kept = self._once(images, faults, log) + rest
        if need and CONTRADICTORY not in faults:
            self._look_over(kept)
        faults.refuse(self.path, self.root, self.options, columns, matches, finder)
        self._tell(matches, labels, log)
        return kept

    def stream(self, log: ScanLog, labels: LabelNormalizer) -> Iterator[Image]:
        """Yield the images listed, some thousand rows at a time, so that a table may be larger than the memory.

        A cell without a label is no mistake; a file that is listed twice comes twice.
        Raises InputError for the first rows that are wrong.
        """
        finder = self._finder()
        columns = self._find_columns(finder, None, need=False)
        self.cells = LabelCells([self.header[at] for at in columns.labels], columns.labels, (), "classes")
        self._drop_label_sets(labels, log)
        rows = self._rows()
        # All rows choose one folder together: they are read once more for that, where a name is no path as it stands.
        votes = cache(lambda: finder.votes(_cell(cells, columns.image) for _, cells in self._rows()))
        folders: dict[str, None] = {}
        known: set[str] = set()
        while batch := list(islice(rows, _STREAMED)):
            faults = TableFaults()
            images, matches = self._images(iter(batch), labels, finder, False, faults, votes)
            faults.refuse(self.path, self.root, self.options, columns, matches, finder)
            folders.update(dict.fromkeys(matches.folders))
            known.update(os.path.normpath(image.path) for image in images if self.options.all_photos)
            for image in images:
                unsure = not image.label or (is_missing(image.label) and not labels.knows(image.label))
                yield replace(image, label=None) if unsure else image
        if self.options.all_photos:
            yield from self._unlisted(known, log)
        self._tell(Matches([], folders=list(folders)), labels, log)

    def _drop_label_sets(self, labels: LabelNormalizer, log: ScanLog) -> None:
        """Leave labels out where a photo has several, which a stream has no place for: those of one would be taken for all."""
        columns = self.columns.labels
        some = [cells for _, cells in islice(self._rows(), _SAMPLE)]
        if not columns or LabelCells(self.cells.names, columns, some, self.options.task).task == "classes":
            return
        self.columns.labels, self.cells = (), LabelCells((), (), (), "classes")
        if not labels.of_model:
            told = _(
                "'{path}': its photos have several labels each, which are not kept with features; give the table with "
                "--labels to learn",
                path=printable(self.path),
            )
            log.add_notes([told])

    def unused(self) -> list[str]:
        """Return a sentence about columns that may be folds or groups, of a table whose `images` were read."""
        said = unused_columns(self.header, self.columns, [cells for _, cells in islice(self._rows(), _SAMPLE)])
        return [_("'{path}': {said}", path=printable(self.path), said=_("; ").join(said))] if said else []

    def listed(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the file and the cells of each row of a table whose `images` were read."""
        for file, (_line, cells) in zip(self._files, self._rows(), strict=True):
            yield file, cells

    def _finder(self) -> Finder:
        """Return what knows the photos: those below the folder, or those that were given."""
        likely = Path(self.path).stem
        if not self.options.photos:
            return Finder(self.root, likely)
        self.root = ""
        return PhotoFinder(given_images(self.options.photos, ScanLog()), likely)

    def _find_columns(self, finder: Finder, group: str | None, need: bool) -> Columns:
        sample = [cells for _, cells in islice(self._rows(), _SAMPLE)]
        columns = find_columns(self.header, sample, self.options, group, finder, need)
        if columns.headless and len(self.header) <= 2 and group is None and self.options.label_column is None:
            places = range(len(self.header))
            hits = [finder.hits(_cell(row, at) for row in (self.header, *sample)) for at in places]
            self.headless = True
            self.header = [FILE if at == hits.index(max(hits)) else LABEL for at in places]
            columns = find_columns(self.header, sample, self.options, group, finder, need)
        if self.options.image_dir is not None and self.root != self.options.image_dir:
            columns.problems.insert(
                0, _("the folder '{path}' of --image-dir does not exist", path=printable(self.options.image_dir))
            )
            columns.cures.append(_("give a folder that does with --image-dir"))
        self.columns = columns
        return columns

    def _images(
        self,
        rows: Iterator[tuple[int, list[str]]],
        labels: LabelNormalizer,
        finder: Finder,
        need: bool,
        faults: TableFaults,
        votes: Callable[[], Votes] | None = None,
    ) -> tuple[list[Image], Matches]:
        """Return an image for each row that names a file; the others are counted among the faults."""
        images: list[Image | None] = []
        loose: dict[int, str] = {}  # cells that are not the path of a file as they stand
        for line, fields in rows:
            if faults.many:
                break
            self.rows += 1
            about, wrong = self._about(fields, labels, need)
            cell = _cell(fields, self.columns.image)
            exact = None if self.columns.image is None else finder.at(cell)
            name = cell.replace(os.sep, "/")
            if exact is None and not name.strip() and self.columns.image is not None:
                wrong = NO_FILE
            if wrong is not None:
                faults.add(wrong, name.strip() or _("line {n}", n=line))
            if wrong == NO_FILE or self.columns.image is None:
                continue
            if exact is not None:
                self._ways[exact.ways] += 1
                images.append(Image(exact.inside or name, exact.path, member=exact.member, **about))
                continue
            loose[len(images)] = cell
            images.append(Image(name, os.path.join(self.root, cell), **about))  # noqa: PTH118 - a Path costs 5 us a row
            if len(loose) == MOST_FAULTS and finder.hits(loose.values()) < MOST_FAULTS // 100:
                break
        matches = finder.all(list(loose.values()), len(images) - len(loose), votes() if votes and loose else None)
        return self._found(images, loose, matches, finder, faults), matches

    def _found(
        self, images: list[Image | None], loose: dict[int, str], matches: Matches, finder: Finder, faults: TableFaults
    ) -> list[Image]:
        """Put the files in that the cells mean which are no paths as they stand; those that mean none are faults."""
        for (at, cell), match in zip(loose.items(), matches.found, strict=True):
            image = images[at]
            if image is not None and match is not None:
                self._ways[match.ways] += 1
                images[at] = replace(image, id=match.inside or image.id, path=match.path, member=match.member)
                continue
            images[at] = None
            if not matches.rivals:
                faults.add(AMBIGUOUS if cell in matches.ambiguous else finder.missing, cell.replace(os.sep, "/"))
        return [image for image in images if image is not None]

    def _about(self, fields: list[str], labels: LabelNormalizer, need: bool) -> tuple[dict[str, Any], str | None]:
        """Return what a row says of its image, and what is wrong with it where labels are needed."""
        columns = self.columns
        said = self.cells(fields, labels)
        about: dict[str, Any] = {"label": said.label, "labels": said.labels, "unknown": said.unknown}
        if not need:
            if columns.labels and self.cells.task == "classes":
                about["label"] = said.label or ""
            return about, None
        wrong = said.fault
        if len(fields) > len(self.header) and any(cell.strip() for cell in fields[len(self.header) :]):
            wrong = wrong or LONG
        learnt = said is not NOTHING  # what is not learnt needs no group
        if columns.group is not None:
            about["group"] = decode_surrogates(_cell(fields, columns.group)).strip() or None
            wrong = wrong or (NO_GROUP if learnt and about["group"] is None else None)
        if columns.fold is not None:
            about["fold"] = decode_surrogates(_cell(fields, columns.fold)).strip() or None
            wrong = wrong or (NO_FOLD if learnt and about["fold"] is None else None)
        if columns.weight is not None:
            about["weight"] = _weight(_cell(fields, columns.weight))
            wrong = wrong or (NO_WEIGHT if learnt and about["weight"] is None else None)
        return about, wrong

    def _once(self, images: list[Image], faults: TableFaults, log: ScanLog) -> list[Image]:
        """Return each file once; a file with two labels is a fault, unless photos may have several."""
        seen: dict[str, Image] = {}
        for image in images:
            key = os.path.normpath(image.path)
            first = seen.setdefault(key, image)
            if first is image:
                continue
            if self.options.task == "labels" and image.labels and first.labels is not None:
                seen[key] = replace(first, labels=tuple(dict.fromkeys(first.labels + image.labels)))
            elif _meaning(first) == _meaning(image) or (image.label is None and image.labels is None):
                log.ignore(REPEATED, image.id)
            elif first.label is None and first.labels is None:
                seen[key] = image
            else:
                faults.add(CONTRADICTORY, image.id)
        return list(seen.values())

    def _unlisted(self, known: set[str], log: ScanLog) -> Iterator[Image]:
        """Yield the photos that were given and that the table does not list: without a label."""
        photos = given_images(self.options.photos, log) if self.options.photos else walk(self.root, log)
        return (replace(one, label=None) for one in photos if os.path.normpath(one.path) not in known)

    def _look_over(self, images: list[Image]) -> None:
        """Complain of labels that are measured values, numbers with decimals, and of weights that are all 0."""
        if self.columns.weight is not None and not any(image.weight for image in images):
            self.columns.complain(_("all of its weights are 0"), _("give photos that count a weight above 0"))
        if len(self.columns.labels) != 1 or self.cells.task == "labels":
            return
        counts = Counter(image.label for image in images if image.label)
        many = 2 * len(counts) > counts.total() or len(counts) > _MANY_VALUES
        if len(counts) > 2 and many and _look_measured(counts):
            self.columns.complain(
                _(
                    "the cells of its column '{name}' look like numbers, not classes ({cells}), and penult classifies",
                    name=printable(self.header[self.columns.labels[0]]),
                    cells=quoted(list(islice(counts, 3))),
                ),
                _("give a column of classes with --label-column NAME, or write classes instead, such as low and high"),
            )

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and fields of each row below the header, read anew: no file is too large for the memory."""
        return islice(self._file.rows(), 0 if self.headless else 1, None)

    def _tell(self, matches: Matches, labels: LabelNormalizer, log: ScanLog) -> None:
        log.add_notes([*self._file.notes, *table_notes(self, matches.folders, self._ways, self._file.encoding, labels)])


def _cell(fields: list[str], at: int | None) -> str:
    return fields[at] if at is not None and at < len(fields) else ""


def _meaning(image: Image) -> tuple[Any, ...]:
    return image.label, image.labels and set(image.labels), image.group, image.fold, image.weight


def _labels_of(images: Iterable[Image]) -> set[str]:
    """Return all labels, and empty text where an image has none."""
    return {label for one in images for label in ((one.label or "",) if one.labels is None else one.labels)}


def _weight(cell: str) -> float | None:
    """Return a number of 0 or more, None for anything else."""
    try:
        weight = float(cell)
    except ValueError:
        return None
    return weight if 0 <= weight < math.inf else None


def _look_measured(labels: Iterable[str]) -> bool:
    """Tell whether labels are numbers, and some of them have decimals."""
    try:
        numbers = [float(label.replace(",", ".")) for label in labels]
    except ValueError:
        return False
    return not all(number.is_integer() for number in numbers)
