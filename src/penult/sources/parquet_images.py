"""Images in Parquet files: Hugging Face's image data sets (`{bytes, path}`), img2dataset's output, any column of bytes.

In: a file, perhaps the names of columns. Out: members, one a row, with their labels where a column has them. Images are not
read here, only names and labels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from penult.errors import DamagedFile, InputError, listed
from penult.i18n import _
from penult.sources.entries import DAMAGED, Skip
from penult.sources.member import Member
from penult.sources.names import UniqueNames, clean
from penult.texts import in_quotes, printable

if TYPE_CHECKING:
    from penult.parquet import ParquetReader

# Usual names of columns, the surest first; compared without blanks, underscores and capitals.
LABEL_NAMES = """
    label labels labelname class classes classname classlabel category categoryname target targets y breed species diagnosis dx
    groundtruth gt truth annotation tag tags
""".split()  # noqa: SIM905
_IMAGE_NAMES = "image img jpg jpeg png webp photo picture imagebytes imgbytes bytes content data".split()  # noqa: SIM905
_FILE_NAMES = "path filename filepath imagepath imagename file name key imageid id uid".split()  # noqa: SIM905
BINARY = ("binary", "large_binary", "binary_view")
_TEXT = ("string", "large_string", "string_view", "dictionary<values=string")
_CLASS = (*_TEXT, "int", "uint", "bool", "dictionary<")
_ROWS = 4096  # names and labels that are read at a time
_MOST_FACTS = 64 << 20  # characters of JSON


@dataclass(frozen=True, slots=True)
class ParquetColumns:
    """Where a user says so, the columns of a Parquet file that hold the images and their labels."""

    image: str | None = None
    label: str | None = None


ANY_COLUMNS = ParquetColumns()


def parquet_members(
    file: BinaryIO | str, container: str, tag: str, skip: Skip, prefix: str, wanted: ParquetColumns
) -> Iterator[Member]:
    """Yield the images of a Parquet file, row by row; ids begin with `prefix`.

    Raises InputError where no column holds images, or several may, MissingExtra without pyarrow.
    """
    from penult.parquet import ParquetReader

    try:
        reader = ParquetReader(file, container, by_page=True)
    except DamagedFile as error:
        raise InputError(str(error)) from error
    columns = _Columns(reader, container, wanted)
    names = [name for name in (columns.path, columns.label) if name is not None]
    unique, n = UniqueNames(), 0
    for group, rows in enumerate(reader.group_rows):
        row = 0
        try:
            for batch in reader.batches(names, group, _ROWS) if names else [{}]:
                count = len(batch[names[0]]) if names else rows
                paths = batch[columns.path] if columns.path is not None else [None] * count
                labels = batch[columns.label] if columns.label is not None else [None] * count
                for path, label in zip(paths, labels, strict=True):
                    name = clean(str(path)) if path else ""
                    id = prefix + unique(name or f"row-{n + row:08d}")
                    key = f"{group}:{row}:{columns.image}"
                    yield Member(id, container, key, packing="parquet", tag=tag, label=columns.class_of(label))
                    row += 1
        except DamagedFile:
            skip(DAMAGED, container)
            yield from (_lost(f"{prefix}row-{n + i:08d}", container, tag) for i in range(row, rows))
        n += rows


def _lost(id: str, container: str, tag: str) -> Member:
    return Member(id, container, _("the Parquet file is damaged in this row group"), packing="refused", tag=tag)


class _Columns:
    """Which columns hold images, their names and their labels, and what the numbers of classes mean."""

    def __init__(self, reader: ParquetReader, container: str, wanted: ParquetColumns) -> None:
        self._kinds = dict(reader.columns)
        self._features = _features(reader.metadata)
        self._is_plan = "penult.plan" in reader.metadata
        self._where = in_quotes(container)
        self.image = self._image(wanted.image)
        self.path = self._path()
        self.label = self._label(wanted.label)
        self._classes = class_names(reader.metadata).get(self.label or "")

    def class_of(self, value: Any) -> str | None:
        """Return the label that a cell means; None for none, and for the number of no class."""
        if self._classes is not None and isinstance(value, int):
            known = 0 <= value < len(self._classes)
            return self._classes[value] if known else None
        return None if value is None or value == "" else str(value)

    def _image(self, wanted: str | None) -> str:
        binary = [name for name, kind in self._kinds.items() if kind in BINARY]
        if wanted is not None:
            found = [name for name in binary if name in (wanted, f"{wanted}.bytes")]
            what = _("{where} has no column '{name}' of bytes", where=self._where, name=printable(wanted))
        else:
            cells = [name for name in binary if name.endswith(".bytes")]  # {bytes, path}
            found = _best(cells, _IMAGE_NAMES, ".bytes") or _best(binary, _IMAGE_NAMES) or cells or binary
            what = _(
                "{where} has no column that holds images (bytes, or {{bytes, path}} as Hugging Face data sets have)",
                where=self._where,
            )
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                _(
                    "{where} has several columns that may hold images: {names}; name one with --image-column NAME",
                    where=self._where,
                    names=listed(map(printable, found)),
                )
            )
        if self._is_plan:
            raise InputError(
                _(
                    "{where} is a plan of `penult plan`, which lists images and has none; `penult embed PLAN --out FOLDER` "
                    "takes it; otherwise give the source of the plan",
                    where=self._where,
                )
            )
        names = listed(printable(name) for name in self._kinds)
        raise InputError(_("{what}; its columns: {names}; give a file that has the images in it", what=what, names=names))

    def _path(self) -> str | None:
        beside = self.image.removesuffix("bytes") + "path"
        if self.image.endswith(".bytes") and self._kinds.get(beside, "").startswith(_TEXT):
            return beside
        text = [name for name, kind in self._kinds.items() if kind.startswith(_TEXT)]
        return next(iter(_best(text, _FILE_NAMES)), None)

    def _label(self, wanted: str | None) -> str | None:
        if wanted is not None:
            if wanted not in self._kinds:
                names = listed(printable(name) for name in self._kinds)
                raise InputError(
                    _(
                        "{where} has no column '{name}'; give one that it has: {names}",
                        where=self._where,
                        name=printable(wanted),
                        names=names,
                    )
                )
            return wanted
        may_be = [name for name, kind in self._kinds.items() if kind.startswith(_CLASS) and name != self.path]
        usual = _best(may_be, LABEL_NAMES)
        told = [name for name in may_be if isinstance(f := self._features.get(name), dict) and f.get("_type") == "ClassLabel"]
        return usual[0] if usual else told[0] if len(told) == 1 else None


def _best(names: Sequence[str], usual: Sequence[str], ending: str = "") -> list[str]:
    """Return the one of the columns whose name comes first among the usual ones; none where none has one."""
    norms = {name: re.sub(r"[\s_\-]+", "", name.removesuffix(ending).lower()) for name in names if name.endswith(ending)}
    known = sorted((name for name in norms if norms[name] in usual), key=lambda name: usual.index(norms[name]))
    return known[:1]


def class_names(metadata: Mapping[str, str]) -> dict[str, list[str]]:
    """Return what the numbers of classes mean, by column, where Hugging Face's `datasets` wrote the file and says it."""
    return {
        column: [str(name) for name in about["names"]]
        for column, about in _features(metadata).items()
        if isinstance(about, dict) and about.get("_type") == "ClassLabel" and isinstance(about.get("names"), list)
    }


def _features(metadata: Mapping[str, str]) -> Mapping[str, Any]:
    """Return what Hugging Face's `datasets` says of the columns, an empty dict where it says nothing that can be read."""
    text = metadata.get("huggingface", "")
    try:
        found = json.loads(text) if len(text) <= _MOST_FACTS else {}
        features = found["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}
