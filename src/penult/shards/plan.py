"""A plan: which images there are, in which shards, and with what their vectors are computed. One Parquet file.

A row is one image (`sources.Member`), `facts.rows` of them are a shard. A row group holds many shards, of which only the last
may be smaller: so the end of the file, which every process reads, stays small. The file's metadata has the facts that every
machine must keep (`penult`), the names of the shards, and what is known of the whole (`penult.plan`). It must not know pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, overload

import numpy as np

from penult import untrusted
from penult.errors import DamagedFile, InputError
from penult.i18n import _
from penult.images import kaggle_label
from penult.objects import is_url
from penult.parquet import ParquetReader, ParquetWriter
from penult.shards.facts import PlanFacts
from penult.sources import Member
from penult.sources.member import PACKINGS
from penult.sources.names import without_archives
from penult.sources.remote_file import open_binary
from penult.texts import printable

KINDS = {
    "id": "string", "container": "string", "key": "string", "offset": "int64", "size": "int64", "packing": "string",
    "tag": "string", "label": "string",
}  # fmt: skip
FACTS, NAMES, ABOUT = "penult", "penult.shards", "penult.plan"
NAME = 20  # hexadecimal digits of a shard's name
GROUP_ROWS = 50_000  # images of a row group, at least one shard
FORMAT = 1
MOST_FOLDERS = 50_000  # that are classes; more are an archive by date or number


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard of a plan: the plan's path or address, its place in the plan, the shard's name, its rows."""

    plan: str
    number: int
    name: str
    rows: int


@dataclass
class PlanNotes:
    """What is known of all images of a plan together.

    `outside`: images in no folder; `folders`: first-level folders, of which `first` names two; `parts`: all are named like
    parts of a data set (train, test); `labelled`: images whose label the container itself says; `named`: all names are like
    cat.123.jpg, of which `classes` has two classes. `replaced` has, by the number of a shard, the rows of it that later shards
    replace, because the file changed; `ignored` what was passed over, by kind.
    """

    format: int = FORMAT
    outside: int = 0
    folders: int = 0
    first: list[str] = field(default_factory=list)
    parts: bool = True
    labelled: int = 0
    named: bool = False
    classes: list[str] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)
    replaced: dict[int, list[int]] = field(default_factory=dict)

    @property
    def class_folders(self) -> bool:
        """Whether first folders are surely classes; what lies in none has no label then."""
        return not (self.labelled or self.parts) and 2 <= self.folders <= MOST_FOLDERS

    @property
    def class_names(self) -> bool:
        """Whether names say the classes, as Kaggle has them: `cat.123.jpg`."""
        return self.named and not (self.labelled or self.folders) and len(self.classes) > 1

    def to_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> PlanNotes:
        """Return what `to_json` wrote. Raises ValueError, KeyError or TypeError."""
        found = untrusted.parse_json(text.encode())
        if found["format"] > FORMAT:
            raise ValueError(_("it is of a newer penult"))
        replaced = {int(number): [int(row) for row in rows] for number, rows in found.pop("replaced").items()}
        return cls(**found, replaced=replaced)


class Plan:
    """A plan that was made, read a shard at a time."""

    def __init__(self, path: str, reader: ParquetReader) -> None:
        self.path = path
        self._reader = reader
        try:
            self._names = reader.metadata[NAMES]
            self.notes = PlanNotes.from_json(reader.metadata[ABOUT])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise InputError(
                _(
                    "'{path}' is no plan that this penult reads ({error}); make one with `penult plan SOURCE --out PLAN`",
                    path=printable(path),
                    error=printable(str(error)[:100]),
                )
            ) from error
        self.facts = PlanFacts.from_json(reader.metadata[FACTS], path)
        shards = [-(-rows // self.facts.rows) for rows in reader.group_rows]
        self._shards = np.cumsum([0, *shards])  # the first shard of each row group
        if len(self._names) != NAME * self._shards[-1]:
            raise DamagedFile(
                _("'{path}' names other shards than it has; make it again with `penult plan`.", path=printable(path))
            )

    @classmethod
    def open(cls, path: str) -> Plan:
        """Open the plan at a path or an address. Raises InputError where there is none, DamagedFile."""
        try:
            return cls(path, _reader(path))
        except OSError as error:
            raise InputError(
                _(
                    "the plan '{path}' cannot be opened ({error}); check its path",
                    path=printable(path),
                    error=_(str(error.strerror)),
                )
            ) from error

    def __len__(self) -> int:
        return len(self._names) // NAME

    @property
    def rows(self) -> int:
        """The number of images, n."""
        return self._reader.rows

    def tasks(self) -> Sequence[ShardTask]:
        """Return the shards in order; each is made when it is asked for."""
        return _Tasks(self)

    def task(self, number: int) -> ShardTask:
        """Return one shard."""
        _, start, stop = self._place(number)
        return ShardTask(self.path, number, self._names[NAME * number : NAME * (number + 1)], stop - start)

    def members(self, number: int) -> list[Member]:
        """Return the images of a shard, in order."""
        found = self._read(number, list(KINDS))
        if not set(found["packing"]) <= set(PACKINGS):
            raise DamagedFile(
                _("'{path}' has images of an unknown kind; make it again with `penult plan`.", path=printable(self.path))
            )
        rows = zip(*(found[name] for name in KINDS), strict=True)
        return [
            Member(decoded(id), decoded(container), decoded(id if key is None else key), offset, size, packing, tag, label)
            for id, container, key, offset, size, packing, tag, label in rows
        ]

    def labels(self, number: int) -> list[str | None]:
        """Return the labels of a shard's images: what a column or the container says, else the class folder; None: unknown."""
        found = self._read(number, ["id", "label"])
        if not (self.notes.class_folders or self.notes.class_names):
            return found["label"]
        names = (without_archives(decoded(id)) for id in found["id"])
        if self.notes.class_names:
            return [kaggle_label(name) for name in names]
        return [folder if slash else None for folder, slash, _ in (name.partition("/") for name in names)]

    def replaced(self, number: int) -> tuple[int, ...]:
        """Return the rows of a shard that a later shard replaces: they count no more."""
        return tuple(self.notes.replaced.get(number, ()))

    def tags(self, number: int) -> Iterator[tuple[str, str]]:
        """Yield id and tag of a shard's images."""
        found = self._read(number, ["id", "tag"])
        return zip(map(decoded, found["id"]), found["tag"], strict=True)

    def copy_to(self, writer: ParquetWriter) -> None:
        """Append all rows to another plan, as they are."""
        for group in range(len(self._reader.group_rows)):
            writer.copy(self._reader, group)

    def _place(self, number: int) -> tuple[int, int, int]:
        """Return the row group of a shard, and its first and last row in it: only the last shard of a group may be smaller."""
        group = int(np.searchsorted(self._shards, number, "right")) - 1
        start = (number - int(self._shards[group])) * self.facts.rows
        return group, start, min(start + self.facts.rows, self._reader.group_rows[group])

    def _read(self, number: int, columns: Sequence[str]) -> dict[str, list[Any]]:
        return self._reader.slice_rows(columns, *self._place(number))


def is_plan(path: str) -> bool:
    """Tell whether a path or an address is that of a plan, and not of images."""
    if not path.lower().endswith(".parquet"):
        return False
    try:
        return ABOUT in _reader(path).metadata
    except (OSError, DamagedFile):
        return False


def _reader(path: str) -> ParquetReader:
    return ParquetReader(open_binary(path) if is_url(path) else path, path)


class _Tasks(Sequence[ShardTask]):
    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan)

    @overload
    def __getitem__(self, at: int) -> ShardTask: ...
    @overload
    def __getitem__(self, at: slice) -> list[ShardTask]: ...
    def __getitem__(self, at: int | slice) -> ShardTask | list[ShardTask]:
        numbers = range(len(self._plan))[at]
        return [self._plan.task(number) for number in numbers] if isinstance(numbers, range) else self._plan.task(numbers)


def columns_of(members: Sequence[Member]) -> dict[str, list[Any]]:
    """Return the columns of a row group; a key that is the id is not written again."""
    return {
        "id": [encoded(one.id) for one in members],
        "container": [encoded(one.container) for one in members],
        "key": [None if one.key == one.id else encoded(one.key) for one in members],
        "offset": [one.offset for one in members],
        "size": [one.size for one in members],
        "packing": [one.packing for one in members],
        "tag": [one.tag for one in members],
        "label": [None if one.label is None else one.label.encode("utf-8", "backslashreplace").decode() for one in members],
    }


def shard_name(key: str, columns: dict[str, list[Any]]) -> str:
    """Return the name of a shard: of the plan's facts (`key`) and of its rows, not of where this machine has the source."""
    content = hashlib.sha256(key.encode())
    for name, values in columns.items():
        if name != "container":
            content.update(f"{name}\0".encode())
            content.update("\0".join(map(str, values)).encode())
    return content.hexdigest()[:NAME]


def encoded(name: str) -> str:
    """Return a name as the plan has it, for `decoded`: one that UTF-8 cannot have as NUL and the hexadecimal of its bytes.

    Results are for people, and have such names as `readable` writes them.
    """
    if name.isascii() and not name.startswith("\0"):
        return name
    raw = name.encode("utf-8", "surrogateescape")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "\0" + raw.hex()
    return "\0" + raw.hex() if name.startswith("\0") else name


def decoded(text: str) -> str:
    """Return the name that `encoded` was given."""
    return bytes.fromhex(text[1:]).decode("utf-8", "surrogateescape") if text.startswith("\0") else text


def take_note(ids: Iterable[str], folders: set[str], notes: PlanNotes) -> None:
    """Take note of what ids say: the first folder of each (in a set, up to one more than may be classes), or its name."""
    for id in ids:
        name = without_archives(id)
        folder, slash, _ = name.partition("/")
        if slash:
            notes.named = False
            if len(folders) <= MOST_FOLDERS:
                folders.add(folder)
            continue
        notes.outside += 1
        if notes.named:
            label = kaggle_label(name)
            notes.named = label is not None
            if label is not None and len(notes.classes) < 2 and label not in notes.classes:
                notes.classes.append(label)
