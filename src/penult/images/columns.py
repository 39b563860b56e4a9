"""Which column of a table names the images, and which their labels.

In: the names of the columns, some rows, and what the user said. Out: `Columns`, with what stands in the way as sentences.
It must not read a table, and asks a `Finder` alone what is on the disk.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from penult.errors import InputError
from penult.i18n import N_, _, ngettext
from penult.images.label_cells import binary
from penult.images.labels import normalize_label
from penult.images.matching import Finder, Match
from penult.images.records import quoted
from penult.signatures import image_ending
from penult.sources import kind_of
from penult.sources.names import archive_kind
from penult.sources.parquet_images import ANY_COLUMNS, LABEL_NAMES, ParquetColumns
from penult.texts import printable

FILE, LABEL = "file", "label"

# Usual names, the surest first; compared without blanks, underscores and capitals.
_IMAGE_NAMES = """
    file filename filepath imagefile imagefilename imagefilepath imagepath imagename image images img imgpath imgname imgfile
    photo photopath picture picturepath path fname imageid imgid photoid pictureid imageidx id uid uuid key name
""".split()  # noqa: SIM905
_INDEX = re.compile(r"(unnamed:? ?\d*|index|level_0)?", re.IGNORECASE)
_FOLD_NAMES = ("fold", "folds", "kfold", "foldid", "cvfold")
_GROUP_NAMES = """
    patient patientid subject subjectid person personid individual individualid group groups groupid scene sceneid sequence
    sequenceid session sessionid video videoid lesionid caseid studyid
""".split()  # noqa: SIM905
_NO_LABELS = (
    *_FOLD_NAMES, *_GROUP_NAMES, "weight", "sampleweight", "width", "height", "url", "source", "split", "md5", "sha256",
)  # fmt: skip
_NAMED = 40  # columns of 0 and 1 that are named to be copied into the next command
_HITS = 0.5  # share of a column's cells that must be images for it to be theirs
_LOOKED_AT = 200  # rows


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What a user says of a table where it is not found out: names of columns, the folder of the photos, the encoding.

    `label_column` may name several columns of 0 and 1, with commas between them. `folds` and `weights` name the columns of the
    parts of a cross-validation and of how much photos count. `task` says whether a photo has one of the classes or any
    number of labels ("auto": the cells tell). `photos` are those that the table is about where they are no folder; with
    `all_photos` those that it does not list have no label, otherwise they are none of its photos.
    With `hints` they were given for another table, and are used where they fit this one.
    """

    image_column: str | None = None
    label_column: str | None = None
    image_dir: str | None = None
    encoding: str | None = None
    folds: str | None = None
    weights: str | None = None
    task: Literal["auto", "classes", "labels"] = "auto"
    photos: tuple[str, ...] = ()
    all_photos: bool = False
    hints: bool = False

    def for_classes(self, classes: Sequence[str]) -> TableOptions:
        """Return how a table is read whose labels must be those of a model: cells do not tell what it answers."""
        return replace(self, task="classes") if classes and self.task == "auto" else self

    def refuse_for(self, source: str) -> ParquetColumns:
        """Return the columns named, for Parquet files. Raises `InputError` for options that are not about the source."""
        if self.hints:
            return ANY_COLUMNS
        columns = ParquetColumns(self.image_column, self.label_column)
        values = {"--image-dir": self.image_dir, "--encoding": self.encoding, "--folds": self.folds, "--weights": self.weights}
        if columns != ANY_COLUMNS and not _may_have_parquet(source):
            values = {"--image-column": self.image_column, "--label-column": self.label_column, **values}
        given = [option for option, value in values.items() if value is not None]
        if given:
            kinds = {"folder": N_("a folder"), "objects": N_("an address"), None: N_("a file")}
            raise InputError(
                ngettext(
                    "{options} is about a table, and '{source}' is {what}; leave it out, or give a table that lists its "
                    "images with --labels FILE",
                    "{options} are about a table, and '{source}' is {what}; leave it out, or give a table that lists its "
                    "images with --labels FILE",
                    len(given),
                    options=", ".join(given),
                    source=printable(source),
                    what=_(kinds.get(kind_of(source), N_("an archive"))),
                )
            )
        return columns


NO_OPTIONS = TableOptions()


@dataclass(slots=True)
class Columns:
    """Places of the columns: of the image, of the label (several where each class has one), of group, fold and weight.

    `headless`: the first line is a row. `problems` say what is missing, one sentence part each; `cures` what to do about it.
    """

    image: int | None = None
    labels: tuple[int, ...] = ()
    group: int | None = None
    fold: int | None = None
    weight: int | None = None
    headless: bool = False
    problems: list[str] = field(default_factory=list)
    cures: list[str] = field(default_factory=list)

    def complain(self, problem: str, cure: str) -> None:
        """Add what is wrong, and what to do about it."""
        self.problems.append(problem)
        self.cures.append(cure)


def find_columns(
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    options: TableOptions,
    group: str | None,
    finder: Finder,
    need: bool,
) -> Columns:
    """Find the columns; labels are looked for in any case, and complained of where they are needed."""
    found = Columns()
    choice = _ColumnFinder(header, sample, options, finder, found)
    found.group, found.fold, found.weight = (
        None if name is None or (options.hints and name not in header) else choice.named(name)
        for name in (group, options.folds, options.weights)
    )
    told = () if options.label_column is None else choice.several(options.label_column)
    found.image = choice.image({found.group, found.fold, found.weight, *told})
    if not found.headless:
        found.labels = told or (() if options.label_column and not options.hints else choice.labels(need))
    choice.refuse_row_as_header()
    if found.problems and not found.headless:
        found.problems.append(_("its first line names {names}", names=quoted(list(header))))
    if len(found.labels) == 1 and (alike := choice.doubled(found.labels[0])):
        what = _(
            "its column '{name}' stands there twice, with different labels: {rows}",
            name=printable(header[found.labels[0]]),
            rows=alike,
        )
        found.complain(what, _("remove one of them"))
    return found


def is_header(cells: Sequence[str]) -> bool:
    """Tell whether cells are the first of a table: names of columns, or an image and what it is."""
    usual = any(_norm(cell) in (*_IMAGE_NAMES, *LABEL_NAMES) for cell in cells)
    return usual or (bool(image_ending(cells[0])) and not image_ending(cells[-1]))


def unused_columns(header: Sequence[str], found: Columns, rows: Sequence[Sequence[str]]) -> list[str]:
    """Return sentences about columns whose names say that they are folds or groups, and that were not named as such."""
    said = []
    for at, name in enumerate(header):
        filled = [cell for row in rows if at < len(row) and (cell := row[at].strip())]
        repeated = 1 < len(set(filled)) < len(filled)
        if at in (found.image, found.group, found.fold, *found.labels) or not repeated:
            continue
        if _norm(name) in _FOLD_NAMES and found.fold is None:
            said.append(_("its column '{name}' was not used; if it has your folds, give --folds {name}", name=printable(name)))
        if _norm(name) in _GROUP_NAMES and found.group is None:
            said.append(
                _(
                    "its column '{name}' was not used; if photos with the same value there belong together, give "
                    "--groups {name}, or the score may be too good",
                    name=printable(name),
                )
            )
    return said


def _may_have_parquet(source: str) -> bool:
    """Tell whether a source is, or may have its images in, Parquet files; a folder is walked for it."""
    kind = kind_of(source)
    if kind != "folder":
        return kind in ("parquet", "objects")
    return any(archive_kind(name) == "parquet" for _, _, names in os.walk(source) for name in names)


def written_by_penult(names: Sequence[str]) -> bool:
    """Tell whether penult wrote a table: there a column of any name may follow, for a class that is called so."""
    return list(names[:3]) in (["file", "label", "confidence"], ["file", "label", "fold"])


def _norm(name: str) -> str:
    return re.sub(r"[\s_\-]+", "", normalize_label(name).lower())


class _ColumnFinder:
    def __init__(
        self, header: Sequence[str], sample: Sequence[Sequence[str]], options: TableOptions, finder: Finder, found: Columns
    ) -> None:
        self.header, self.sample, self.options, self.finder, self.found = header, sample, options, finder, found
        self.names = [normalize_label(name).lower() for name in header]
        self._shares: dict[int, float] = {}

    def column(self, at: int) -> list[str]:
        return [row[at] if at < len(row) else "" for row in self.sample]

    def share(self, at: int) -> float:
        """Return of the first filled cells of a column the share that names images."""
        if at not in self._shares:
            cells = [cell for cell in self.column(at) if cell.strip()][:_LOOKED_AT]
            self._shares[at] = self.finder.hits(cells) / len(cells) if cells else 0.0
        return self._shares[at]

    def named(self, name: str) -> int | None:
        """Return the place of the column of a name that the user gave."""
        for names, wanted in ((list(self.header), name), (self.names, normalize_label(name).lower())):
            if wanted in names:
                return names.index(wanted)
        if not self.options.hints:
            self.found.complain(_("it has no column '{name}'", name=printable(name)), _("give a column that it has"))
        return None

    def several(self, names: str) -> tuple[int, ...]:
        """Return the places of the columns that the user named, with commas between them where they are more than one."""
        if normalize_label(names).lower() not in self.names and "," in names:
            found = [self.named(name.strip()) for name in names.split(",") if name.strip()]
        else:
            found = [self.named(names)]
        return tuple(at for at in found if at is not None)

    def image(self, taken: set[int | None]) -> int | None:
        told = self.options.image_column
        if told is not None:
            at = self.named(told)
            if at is not None or not self.options.hints:
                return at
        free = [at for at in range(len(self.header)) if at not in taken and self.names[at] != LABEL]
        if FILE in self.names and self.names.index(FILE) in free:
            return self.names.index(FILE)
        if any(image_ending(name) for name in self.header):
            self._ask_for_header()
            return None
        return self._likely(free)

    def refuse_row_as_header(self) -> None:
        """Complain where the names of the columns found are an image and one of the labels: ids and no header."""
        image, labels = self.found.image, self.found.labels
        if image is None or self.options.image_column is not None or _norm(self.header[image]) in _IMAGE_NAMES:
            return
        if labels and (len(labels) > 1 or self.header[labels[0]] not in map(str.strip, self.column(labels[0]))):
            return
        if self.finder.hits([self.header[image]]):
            self._ask_for_header()

    def _ask_for_header(self) -> None:
        self.found.headless = True
        self.found.complain(_("its first line is a row, and no names of columns"), _("write file,label into a line above it"))

    def _likely(self, free: Sequence[int]) -> int | None:
        """Return the column of a usual name, else the one whose cells are images."""
        norms = {at: _norm(self.header[at]) for at in free}
        known = sorted((at for at in free if norms[at] in _IMAGE_NAMES), key=lambda at: _IMAGE_NAMES.index(norms[at]))
        if len(free) == 1 or (len(known) == 1 and (not self.sample or self.share(known[0]) >= _HITS)):
            return (known or free)[0]
        sure = [at for at in known if self.share(at) >= _HITS] or [at for at in free if self.share(at) >= _HITS]
        if len(sure) > 1 and not self._same_files(sure):
            self.found.complain(
                _("the columns {names} name different images", names=quoted([self.header[at] for at in sure])),
                _("give the one that is meant with --image-column NAME"),
            )
            return None
        if sure or known:  # where no file is found, they are said to be missing under the most usual name
            return (sure or known)[0]
        self.found.complain(
            _("none of its columns is known to name the images"), _("give the one that does with --image-column NAME")
        )
        return None

    def _same_files(self, columns: Sequence[int]) -> bool:
        """Tell whether the columns name the same files, such as `id` and `filename`."""
        rows = [[row[at] for at in columns] for row in self.sample[:_LOOKED_AT] if max(columns) < len(row)]
        paths = [
            [found.path if found else None for found in self._paths([row[i] for row in rows])] for i in range(len(columns))
        ]
        return all(len(set(one) - {None}) <= 1 for one in zip(*paths, strict=True))

    def _paths(self, cells: Sequence[str]) -> list[Match | None]:
        exact = [self.finder.at(cell) for cell in cells]
        loose = iter(self.finder.all([cell for cell, hit in zip(cells, exact, strict=True) if hit is None]).found)
        return [hit or next(loose) for hit in exact]

    def labels(self, need: bool) -> tuple[int, ...]:
        taken = {self.found.image, self.found.group, self.found.fold, self.found.weight}
        free = [
            at
            for at in range(len(self.header))
            if at not in taken and not _INDEX.fullmatch(self.names[at]) and (self.names[at] or any(self.column(at)))
        ]
        if LABEL in self.names and self.names.index(LABEL) in free:
            return (self.names.index(LABEL),)
        known = [at for at in free if _norm(self.header[at]) in LABEL_NAMES]
        known = [at for at in known if self.names[at] not in self.names[:at]]
        if len(known) == 1:
            return (known[0],)
        rest = known or free
        if not known:
            rest = [at for at in rest if _norm(self.header[at]) not in _NO_LABELS] or rest
            flags = [at for at in rest if self._flag(at)]
            if len(flags) > 1 and len(flags) == len(rest):
                return tuple(flags)
            if len(rest) > 1 and self.found.image is not None:
                rest = [at for at in rest if not any(map(image_ending, self.column(at))) or self.share(at) < _HITS]
            rest = [at for at in rest if any(cell.strip() for cell in self.column(at))] or rest
            if len(rest) == 1:
                return (rest[0],)
        if need:
            problem, cure = _("no column is left to be the label"), _("add one, or name it with --label-column NAME")
            if rest:
                problem = _("the columns {names} may all be the label", names=quoted([self.header[at] for at in rest]))
                cure = _("give the one that is with --label-column NAME")
            called = [self.header[at] for at in rest if self._flag(at)]
            names = ",".join(called if len(called) <= _NAMED else [*called[:3], "..."])
            if len(called) > 1:
                cure = _(
                    "{cure} (if each of those of 0 and 1 is a class, give --label-column '{names}')",
                    cure=cure,
                    names=printable(names),
                )
            self.found.complain(problem, cure)
        return ()

    def _flag(self, at: int) -> bool:
        """Tell whether all cells of a column are 0 or 1, and there are some: a column of a class."""
        cells = [cell for cell in self.column(at) if cell.strip()]
        return any(cell.strip() not in ("-1", "-1.0") for cell in cells) and all(map(binary, cells))

    def doubled(self, label: int) -> str | None:
        """Return rows in which a second column of the label's name says something else; pandas calls it `label.1`."""
        if written_by_penult(self.names):
            return None
        name = self.names[label]
        others = [at for at, other in enumerate(self.names) if at != label and other in (name, f"{name}.1")]
        image = self.found.image
        odd = [
            row[image] if image is not None and image < len(row) else ""
            for row in self.sample
            for at in others
            if at < len(row) and label < len(row) and normalize_label(row[at]) != normalize_label(row[label])
        ]
        return quoted(odd) if odd else None
