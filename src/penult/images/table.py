"""A CSV that lists images: which image, and where wanted a label and a group.

In: a CSV whose first line names its columns. Out: `Image` records in the order of its rows. What a row names
counts as an image, whatever its extension: nothing that was listed on purpose drops out in silence. All that is
wrong with a table is said at once.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

from penult import untrusted
from penult.errors import InputError
from penult.images.columns import FILE, LABEL, NO_OPTIONS, Columns, TableOptions, binary, find_columns, written_by_penult
from penult.images.labels import LabelNormalizer, decode_surrogates, is_missing, normalize_label
from penult.images.matching import Finder, Matches, Votes
from penult.images.records import Image, quoted
from penult.images.walk import REPEATED, ScanLog, path_kind
from penult.sources import kind_of
from penult.sources.names import TABLES
from penult.texts import printable

_MOST_FAULTS = 10_000  # rows; who has more of them has given another file
_SAMPLE = 1_000  # rows by which columns are chosen
_STREAMED = 5_000  # rows that are read at once where a table is streamed
_WORKBOOKS = (b"PK\3\4", b"\xd0\xcf\x11\xe0")  # Excel's files begin so
_ROUNDED = re.compile(r"\d(\.\d+)?e\+\d+", re.IGNORECASE)

_NO_FILE = "these rows name no file"
_NO_LABEL = "these rows have no label"
_NAN = "these rows have '{}' for a label, which is how pandas and others write that there is none"
_NO_GROUP = "these rows have no group"
_LONG = "these rows have more cells than the first line has columns"
_AMBIGUOUS = "these names fit more than one file"
_CONTRADICTORY = "these files are listed more than once, with different labels or groups"
_NO_ONE = "these rows have no 1 in any class column"
_TWO_ONES = "these rows have a 1 in more than one class column, and penult gives a photo one class"
_NOT_BINARY = "these rows have other cells than 0 and 1 in their class columns"


def is_table(path: str) -> bool:
    """Tell whether a path is that of a CSV file."""
    return path.lower().endswith(TABLES) and path_kind(path) == "file"


class Table:
    """The rows of a CSV, separated by commas, semicolons or tabs, in any encoding that can be told or was given."""

    def __init__(self, path: str, options: TableOptions = NO_OPTIONS) -> None:
        self.path = path
        self.options = options
        self.root = str(Path(path).parent)
        if options.image_dir is not None and kind_of(options.image_dir) not in (None, "table"):
            self.root = options.image_dir
        self.encoding = self._find_encoding()
        first = next(self._all_rows(), None)
        if first is None:
            raise InputError(f"'{printable(path)}' is empty; write the columns' names into its first line, such as file,label")
        self.header = [name.strip() for name in first[1]]
        self.rows = 0  # below the header, once they were read
        self.label_columns: tuple[int, ...] = ()  # once they were read
        self.one_hot = False
        self._files: list[str] = []  # of each row
        self._ways: Counter[frozenset[str]] = Counter()

    def images(
        self,
        log: ScanLog,
        labels: LabelNormalizer,
        group: str | None = None,
        accept: Callable[[Table, Columns, set[str]], bool] | None = None,
        finder: Finder | None = None,
    ) -> list[Image]:
        """Return the images listed, with the labels that are meant.

        With `accept` labels are not needed, and dropped unless it says yes to the columns and all labels, empty ones too.
        `finder` knows the images where they are not files beside the table.
        Raises InputError once for everything that is wrong, each kind with its offenders.
        """
        need = accept is None
        finder = finder or Finder(self.root, Path(self.path).stem)
        columns = self._columns(finder, group, need)
        faults: dict[str, list[str]] = defaultdict(list)
        images, matches = self._images(self._rows(), columns, labels, finder, need, faults)
        if accept is not None and columns.labels and not accept(self, columns, {image.label or "" for image in images}):
            columns.labels, labels = (), LabelNormalizer()
            images = [replace(image, label=None) for image in images]
        self._files = [image.path for image in images]
        self.label_columns, self.one_hot = columns.labels, columns.one_hot
        kept = self._once(images, faults, log)
        self._look_over(kept, columns, need, faults)
        self._refuse(columns, matches, faults, finder)
        self._tell(columns, matches, labels, log)
        return kept

    def stream(self, log: ScanLog, labels: LabelNormalizer) -> Iterator[Image]:
        """Yield the images listed, some thousand rows at a time, so that a table may be larger than the memory.

        A cell without a label is no mistake; a file that is listed twice comes twice.
        Raises InputError for the first rows that are wrong.
        """
        finder = Finder(self.root, Path(self.path).stem)
        columns = self._columns(finder, None, need=False)
        rows = self._rows()
        # All rows choose one folder together: they are read once more for that, where a name is no path as it stands.
        votes = cache(lambda: finder.votes(_cell(cells, columns.image) for _, cells in self._rows()))
        folders: dict[str, None] = {}
        while batch := list(islice(rows, _STREAMED)):
            faults: dict[str, list[str]] = defaultdict(list)
            images, matches = self._images(iter(batch), columns, labels, finder, False, faults, votes)
            self._refuse(columns, matches, faults, finder)
            folders.update(dict.fromkeys(matches.folders))
            for image in images:
                unsure = not image.label or (is_missing(image.label) and not labels.knows(image.label))
                yield replace(image, label=None) if unsure else image
        self._tell(columns, Matches([], folders=list(folders)), labels, log)

    def _columns(self, finder: Finder, group: str | None, need: bool) -> Columns:
        sample = [cells for _, cells in islice(self._rows(), _SAMPLE)]
        columns = find_columns(self.header, sample, self.options, group, finder, need)
        if self.options.image_dir is not None and self.root != self.options.image_dir:
            columns.problems.insert(0, f"the folder '{printable(self.options.image_dir)}' of --image-dir does not exist")
            columns.cures.append("give a folder that does with --image-dir")
        return columns

    def listed(self) -> Iterator[tuple[str, list[str]]]:
        """Yield the file and the cells of each row of a table whose `images` were read."""
        for file, (_, cells) in zip(self._files, self._rows(), strict=True):
            yield file, cells

    def _images(
        self,
        rows: Iterator[tuple[int, list[str]]],
        columns: Columns,
        labels: LabelNormalizer,
        finder: Finder,
        need: bool,
        faults: dict[str, list[str]],
        votes: Callable[[], Votes] | None = None,
    ) -> tuple[list[Image], Matches]:
        """Return an image for each row that names a file; the others are counted among the faults."""
        images: list[Image | None] = []
        loose: dict[int, str] = {}  # cells that are not the path of a file as they stand
        for line, fields in rows:
            if sum(map(len, faults.values())) >= _MOST_FAULTS:
                break
            self.rows += 1
            cell, label, group, wrong = self._cells(fields, columns, labels, need)
            exact = None if columns.image is None else finder.at(cell)
            name = cell.replace(os.sep, "/")
            if exact is None and not name.strip() and columns.image is not None:
                wrong = _NO_FILE
            if wrong is not None:
                faults[wrong].append(name.strip() or f"line {line}")
            if wrong == _NO_FILE or columns.image is None:
                continue
            if exact is not None:
                self._ways[exact.ways] += 1
                images.append(Image(exact.inside or name, exact.path, label, group))
                continue
            loose[len(images)] = cell
            images.append(Image(name, os.path.join(self.root, cell), label, group))  # noqa: PTH118 - a Path costs 5 us a row
            if len(loose) == _MOST_FAULTS and finder.hits(loose.values()) < _MOST_FAULTS // 100:
                break
        matches = finder.all(list(loose.values()), len(images) - len(loose), votes() if votes and loose else None)
        return self._found(images, loose, matches, finder, faults), matches

    def _found(
        self,
        images: list[Image | None],
        loose: dict[int, str],
        matches: Matches,
        finder: Finder,
        faults: dict[str, list[str]],
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
                faults[_AMBIGUOUS if cell in matches.ambiguous else finder.missing].append(cell.replace(os.sep, "/"))
        return [image for image in images if image is not None]

    def _cells(
        self, fields: list[str], columns: Columns, labels: LabelNormalizer, need: bool
    ) -> tuple[str, str | None, str | None, str | None]:
        """Return what a row says: image, label, group, and what is wrong with the last two."""
        label, wrong = self._label(fields, columns, labels)
        group = None if columns.group is None else decode_surrogates(_cell(fields, columns.group)).strip()
        if not need:
            wrong = None
        elif len(fields) > len(self.header) and any(cell.strip() for cell in fields[len(self.header) :]):
            wrong = _LONG
        return _cell(fields, columns.image), label, group, _NO_GROUP if group == "" and wrong is None else wrong

    def _label(self, fields: list[str], columns: Columns, labels: LabelNormalizer) -> tuple[str | None, str | None]:
        """Return the label of a row and what is wrong with it."""
        if not columns.labels:
            return None, None
        if columns.one_hot:
            return self._by_one(fields, columns, labels)
        written = _cell(fields, columns.labels[0])
        label = labels(written)
        if not label:
            return label, _NO_LABEL
        if not is_missing(label) or labels.knows(label):
            return label, None
        return label, _NAN.format(printable(label))

    def _by_one(self, fields: list[str], columns: Columns, labels: LabelNormalizer) -> tuple[str | None, str | None]:
        values = [binary(_cell(fields, at)) for at in columns.labels]
        ones = [at for at, value in zip(columns.labels, values, strict=True) if value]
        if None in values:
            return "", _NOT_BINARY
        if len(ones) != 1:
            return "", _TWO_ONES if ones else _NO_ONE
        return labels(self.header[ones[0]]), None

    def _once(self, images: list[Image], faults: dict[str, list[str]], log: ScanLog) -> list[Image]:
        """Return each file once; a file with two labels is a fault."""
        seen: dict[str, Image] = {}
        for image in images:
            first = seen.setdefault(os.path.normpath(image.path), image)
            if first is image or image.label == "":  # the row is complained of already
                continue
            if (first.label, first.group) == (image.label, image.group):
                log.ignore(REPEATED, image.id)
            else:
                faults[_CONTRADICTORY].append(image.id)
        return list(seen.values())

    def _look_over(self, images: list[Image], columns: Columns, need: bool, faults: dict[str, list[str]]) -> None:
        """Complain of labels that are measured values: numbers with decimals, mostly different ones."""
        if not need or len(columns.labels) != 1 or faults.get(_CONTRADICTORY):
            return
        counts = Counter(image.label for image in images if image.label)
        if len(counts) > 2 and 2 * len(counts) > counts.total() and _look_measured(counts):
            columns.complain(
                f"the cells of its column '{printable(self.header[columns.labels[0]])}' look like numbers, not classes "
                f"({quoted(list(islice(counts, 3)))}), and penult classifies",
                "give a column of classes with --label-column NAME, or write classes instead",
            )

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and fields of each row below the header, read anew: no file is too large for the memory."""
        return islice(self._all_rows(), 1, None)

    def _all_rows(self) -> Iterator[tuple[int, list[str]]]:
        lenient = self.encoding == "cp1252" and self.options.encoding is None  # cell by cell: file names are bytes
        with _reading(self.path):
            yield from untrusted.read_csv(self.path, ",;\t|", FILE, untrusted.UTF8 if lenient else self.encoding)

    def _find_encoding(self) -> str:
        with _reading(self.path):
            with untrusted.open_file(self.path) as file:
                head = file.read(4)
            if head in _WORKBOOKS:
                raise ValueError("it is a workbook of Excel or an archive, not a CSV; save it as 'CSV UTF-8'")
            given = self.options.encoding
            if given is None or self.options.hints:
                return untrusted.guess_encoding(self.path)
        try:
            "".encode(given)
        except (LookupError, ValueError) as error:
            raise InputError(f"unknown encoding {given!r}; give --encoding a name such as utf-8, cp1252 or gb18030") from error
        return given

    def _refuse(self, columns: Columns, matches: Matches, faults: dict[str, list[str]], finder: Finder) -> None:
        problems, cures = list(columns.problems), list(dict.fromkeys(columns.cures))
        if matches.rivals:
            problems.append(f"more than one folder holds its images: {quoted(matches.rivals)}")
            cures.append("give the one that is meant with --image-dir DIR")
        for fault, names in faults.items():
            problems.append(f"{fault}: {self._named(fault, list(dict.fromkeys(names)), matches, finder)}")
        if not problems:
            return
        if missing := faults.get(finder.missing):
            own = "" if self.options.image_dir else "the CSV's own folder, "
            where = f"(files are looked for in {own}'{printable(self.root)}', and below it)"
            also = "" if self.options.image_dir else ", or give the folder of the images with --image-dir DIR"
            cures.append(f"correct these rows{also} {where}" if finder.on_disk else "correct or remove these rows")
            if any("://" in name for name in missing):
                cures.append("download what is listed by its address, and list the files")
            if any("\n" in name.strip() for name in missing):
                cures.append("look for a quotation mark without its pair")
            if any(map(_ROUNDED.fullmatch, missing)):
                cures.append("a spreadsheet rounded the numbers written like 1.2E+09: format their column as text there")
        elif faults:
            cures.append("correct these rows")
        if any(fault.endswith(_NAN[-20:]) for fault in faults):
            cures.append("remove those that have no label; if the word is meant as a class, write it in another way")
        if _LONG in faults:
            cures.append("put each cell that has a separator in it into quotation marks, or name all columns")
        if _AMBIGUOUS in faults:
            cures.append("write the whole name of the file")
        raise InputError(f"'{printable(self.path)}' cannot be used: {'; '.join(problems)}; {'; '.join(cures)}")

    def _named(self, fault: str, names: list[str], matches: Matches, finder: Finder) -> str:
        shown = quoted(names)
        if fault == _AMBIGUOUS:
            first = names[0]
            return f"{shown} ({quoted(matches.ambiguous.get(first, []))})"
        if fault == finder.missing and (near := finder.suggestion(names[0])):
            return f"{shown} (did you mean '{printable(near)}'?)"
        return shown

    def _tell(self, columns: Columns, matches: Matches, labels: LabelNormalizer, log: ScanLog) -> None:
        """Say what was found out about the table, in one sentence, and what was made of its labels."""
        said = []
        image = "" if columns.image is None else self.header[columns.image]
        label = "" if len(columns.labels) != 1 else self.header[columns.labels[0]]
        if normalize_label(image).lower() != FILE or (label and normalize_label(label).lower() != LABEL) or columns.one_hot:
            said.append(f"images by its column '{printable(image)}'")
            if columns.one_hot:
                said.append(f"labels by its {len(columns.labels)} columns of 0 and 1")
            elif label:
                said.append(f"labels by '{printable(label)}'")
        folders = [f"'{printable(name)}'" for name in matches.folders if name != "."]
        if folders:
            more = f" and {len(folders) - 3:,} more folders" if len(folders) > 3 else ""
            said.append(f"photos found in {', '.join(folders[:3])}{more}")
        for ways, count in self._ways.most_common():
            if ways:
                said.append(f"{count:,} {'name' if count == 1 else 'names'} matched {' and '.join(sorted(ways))}")
        if len(columns.labels) == 1 and self._stands_twice(columns.labels[0]):
            said.append(f"its column '{printable(label)}' stands there twice, with the same labels")
        notes = [f"'{printable(self.path)}': {'; '.join(said)}"] if said else []
        if guessed := self._guessed_encoding(labels):
            notes.append(
                f"'{printable(self.path)}' is not UTF-8 and was read as {guessed}; if letters look wrong, save it as "
                "'CSV UTF-8', or give its encoding with --encoding NAME"
            )
        log.add_notes([*notes, *(note for note in labels.notes("labels") if "Windows-1252" not in note)])

    def _guessed_encoding(self, labels: LabelNormalizer) -> str:
        """Return the encoding that was guessed, where that made a difference."""
        if self.options.encoding is not None:
            return ""
        if self.encoding == "gb18030":
            return "GB 18030 (Chinese)"
        written = [*self.header, *(form for forms in labels.forms.values() for form in forms)]
        odd = self.encoding == "cp1252" and any(decode_surrogates(text) != text for text in written)
        return "Windows-1252" if odd else ""

    def _stands_twice(self, at: int) -> bool:
        names = [normalize_label(name).lower() for name in self.header]
        return not written_by_penult(names) and (names.count(names[at]) > 1 or f"{names[at]}.1" in names)


def _cell(fields: list[str], at: int | None) -> str:
    return fields[at] if at is not None and at < len(fields) else ""


def _look_measured(labels: Iterable[str]) -> bool:
    """Tell whether labels are numbers, and some of them have decimals."""
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return False
    return not all(number.is_integer() for number in numbers)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Say of a table that cannot be read which it is, and what to do."""
    try:
        yield
    except OSError as error:
        raise InputError(f"'{printable(path)}' cannot be read ({error.strerror}); check its permissions") from error
    except ValueError as error:
        raise InputError(f"'{printable(path)}' cannot be used: {error}") from error
