"""Read feature files: ours, the blog post's `data_*.h5`, and `gap_*.h5` of the same layout; all of one, or rows of several.

In: paths. Out: a `FeatureFile` whose parts agree with each other, or rows by a `RowReader`. A process of its own reads: a
damaged file can crash HDF5, and then only that process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from penult import untrusted
from penult.arrays import Array
from penult.errors import DamagedFile, InputError, listed
from penult.i18n import N_, _
from penult.store.h5guard import CheckedFile, opened
from penult.store.h5write import FORMAT, begin
from penult.texts import printable
from penult.worker import Crashed, Worker

Floats = npt.NDArray[np.float32]
BLOCK = 1 << 24  # bytes of one answer of a `RowReader`
_ARRAYS = ("train", "test", "label")
_NAMES = ("train_files", "test_files", "classes")
_LONGEST_LABEL = 500  # bytes


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """What one feature file holds; the blog post's files have no names, no classes and no facts.

    `label` counts the classes from 0; `note` says how the file's own labels became these, where they are others.
    """

    path: Path
    train: Floats  # (n, d)
    test: Floats | None  # (m, d)
    label: npt.NDArray[np.int64] | None  # (n,)
    train_files: tuple[str, ...] | None
    test_files: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    facts: Mapping[str, Any]
    note: str = ""

    @property
    def name(self) -> str:
        """The block's name: what follows `data_` or `gap_` in the file's name."""
        return self.path.stem.removeprefix("data_").removeprefix("gap_")


def read_h5(path: Path | str) -> FeatureFile:
    """Return a feature file with every row, after all checks.

    Raises `InputError` (not such a file, shapes that disagree, values that are not finite) and `DamagedFile`
    (a checksum fails, the file is cut off, or a newer version wrote it).
    """
    path = Path(path)
    with Worker(f"{__name__}:read_files") as worker:
        worker.send(path)
        try:
            file: FeatureFile = worker.answer()
        except Crashed as error:
            raise DamagedFile(
                _(
                    "{path} is damaged: HDF5 crashed while it read it; write it again, or get a fresh copy.",
                    path=printable(path),
                )
            ) from error
    return file


def read_files(sent: Iterator[Any]) -> Iterator[FeatureFile]:
    """Be the process that reads whole files."""
    for path in sent:
        yield load(path)


def load(path: Path) -> FeatureFile:
    """Return a feature file, read in this process; ours are held against their sha256. Raises as `read_h5` does."""
    with opened(path) as file:
        record = _own_record(file)
        raw = {name: _raw(file, name) for name in (*_ARRAYS, *_NAMES) if file.has(name)}
    if record is not None:
        expected = record["sha256"]
        bad = [name for name in raw if _sha256(raw[name]) != expected.get(name)]
        bad += [name for name in expected if name not in raw and name in (*_ARRAYS, *_NAMES)]
        if bad:
            raise DamagedFile(
                _(
                    "{bad} in {path} fail their checksum; write the file again.",
                    bad=", ".join(sorted(bad)),
                    path=printable(path),
                )
            )
    if "train" not in raw:
        raise InputError(
            _("{path} has no data set 'train'; give a feature file with train, test and label.", path=printable(path))
        )
    names = {name: _text(raw[name]) if name in raw else None for name in _NAMES}
    label, classes, note = _labels(path, raw["label"], names["classes"]) if "label" in raw else (None, names["classes"], "")
    result = FeatureFile(
        path=path,
        train=_features(path, "train", raw["train"]),
        test=_features(path, "test", raw["test"]) if "test" in raw else None,
        label=label,
        train_files=names["train_files"],
        test_files=names["test_files"],
        classes=classes,
        facts={} if record is None else record["facts"],
        note=note,
    )
    _agree(result)
    return result


def _own_record(file: CheckedFile) -> dict[str, Any] | None:
    """Return our own record of the file, or None for a file of another hand."""
    text = file.attribute("penult")
    if text is None:
        return None
    if hashlib.sha256(text).hexdigest().encode() != file.attribute("penult_sha256"):
        raise DamagedFile(_("the metadata in {path} fails its checksum; write the file again.", path=printable(file.path)))
    told: dict[str, Any] = untrusted.parse_json(text)
    if not isinstance(told, dict) or not isinstance(told.get("sha256"), dict) or not isinstance(told.get("facts"), dict):
        raise DamagedFile(
            _("the metadata in {path} is damaged or was edited; write the file again.", path=printable(file.path))
        )
    if type(told.get("format")) is not int or told["format"] > FORMAT:
        raise DamagedFile(
            _(
                "{path} is of format {version}, newer than this version reads; update penult.",
                path=printable(file.path),
                version=told["format"],
            )
        )
    return told


def _sha256(values: Array) -> str:
    content = begin(values.dtype.str, values.shape)
    content.update(np.ascontiguousarray(values).data)
    return str(content.hexdigest())


def _raw(file: CheckedFile, name: str) -> Array:
    """Return one data set of a feature file as it stands, after the checks for its name."""
    if name in _NAMES:
        return file.read(name, (1,), "SO")
    if name != "label":
        return file.read(name, (2,), "f")
    values = file.read(name, (1, 2), "iubfSO")
    if values.dtype.kind in "iubf":
        return values
    words = [word.encode() if isinstance(word, str) else bytes(word) for word in values.reshape(-1).tolist()]
    if max(map(len, words), default=0) > _LONGEST_LABEL:  # a long one would widen all others
        raise InputError(
            _(
                "'label' in {path} has texts of more than {most} bytes; name the classes.",
                path=printable(file.path),
                most=_LONGEST_LABEL,
            )
        )
    return np.array(words, "S").reshape(values.shape)


def _text(values: Array) -> tuple[str, ...]:
    """Return names as text; bytes that are no UTF-8 come back as they do from `os.fsdecode` on Linux."""
    return tuple(v if isinstance(v, str) else bytes(v).decode("utf-8", "surrogateescape") for v in values.tolist())


def _features(path: Path, name: str, values: Array) -> Floats:
    with np.errstate(over="ignore"):  # a double that is too large becomes infinite, and is refused below
        vectors = values.astype(np.float32, copy=False)
    bad = int((~np.isfinite(vectors).all(axis=1)).sum())
    if bad:
        raise InputError(
            _(
                "{bad} of {count} rows of {name!r} in {path} contain NaN or infinite values; write it again.",
                bad=bad,
                count=len(vectors),
                name=name,
                path=printable(path),
            )
        )
    return np.ascontiguousarray(vectors)


def _labels(
    path: Path, values: Array, classes: tuple[str, ...] | None
) -> tuple[npt.NDArray[np.int64], tuple[str, ...] | None, str]:
    """Return class numbers from 0 on (n,), the names of the classes, and how the file's labels became these.

    Labels 0 to k-1 are such numbers already. All others are names: 1 and 2 (MATLAB), 3 and 7, -1 and 1, texts. Where the file
    names k classes, labels 1 to k number them from 1 on.
    """
    if values.ndim == 2 and values.shape[1] != 1:
        raise InputError(
            _(
                "'label' in {path} has the shape {shape}; give one class number per row.",
                path=printable(path),
                shape=values.shape,
            )
        )
    flat = values.reshape(-1)
    if flat.dtype.kind in "SUO":
        return _named(path, np.array(_text(flat)), N_("the labels in {path} are texts ({names}), which name the classes"))
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(flat) & (np.abs(flat) < 2.0**53) & (np.rint(flat) == flat)
    if not whole.all():
        raise InputError(
            _("'label' in {path} holds values that are not whole numbers; give one class per row.", path=printable(path))
        )
    labels = flat.astype(np.int64)
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if classes is not None:
        if labels.size and labels.min() == 1 and high == len(classes):
            return (
                labels - 1,
                classes,
                _("the labels in {path} count from 1; they are taken to count from 0", path=printable(path)),
            )
        if low < 0:
            raise InputError(
                _(
                    "'label' in {path} goes down to {low}, and its classes begin at 0; write it again.",
                    path=printable(path),
                    low=low,
                )
            )
        return labels, classes, ""
    if low == 0 and len(np.unique(labels)) == high + 1:
        return labels, None, ""
    return _named(path, labels, N_("the labels in {path} are numbers ({names}), which name the classes"))


def _named(path: Path, labels: Array, note: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...], str]:
    """Return labels (n,) of any values as class numbers, in the order of the values, which name them; `note` says so."""
    found, codes = np.unique(labels, return_inverse=True)
    names = tuple(str(value) for value in found)
    if not all(name.strip() for name in names):
        raise InputError(_("'label' in {path} has rows without a name; give one class per row.", path=printable(path)))
    return codes.astype(np.int64).reshape(-1), names, _(note, path=printable(path), names=printable(listed(names)))


def _agree(file: FeatureFile) -> None:
    """Refuse a file whose parts do not fit each other; all that do not are named."""
    n, width = file.train.shape
    m = None if file.test is None else len(file.test)
    wrong = []
    if n == 0 or width == 0:
        wrong.append(_("train is empty {shape}", shape=file.train.shape))
    if file.test is not None and file.test.shape[1] != width:
        wrong.append(_("train has {n} columns and test {m}", n=width, m=file.test.shape[1]))
    counts = {"label": (file.label, n), "train_files": (file.train_files, n), "test_files": (file.test_files, m)}
    for name, (values, rows) in counts.items():
        if values is not None and len(values) != rows:
            wrong.append(f"{name} has {len(values)} entries for {rows or 'no'} rows")
    if file.label is not None and file.classes is not None and int(file.label.max(initial=-1)) >= len(file.classes):
        wrong.append(f"label goes up to {file.label.max()}, but there are {len(file.classes)} classes")
    if wrong:
        raise InputError(
            _("{path} is inconsistent: {wrong}. Write it again.", path=printable(file.path), wrong="; ".join(wrong))
        )


# --- rows of files that need not fit into memory ---


@dataclass(frozen=True, slots=True)
class FileHeader:
    """What one file says beside its rows; `test` is 0 where it has none."""

    train: int
    test: int
    width: int
    label: npt.NDArray[np.int64] | None  # (n,)
    train_files: tuple[str, ...] | None
    test_files: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    facts: dict[str, Any]
    digest: str  # of all rows; empty for a file of another hand
    note: str = ""  # how the file's own labels became class numbers


class RowReader:
    """Feature files of one set of images, held open as a `with` block; `headers` has one for each, in the order of the paths.

    Rows (b, d) have the files' columns side by side; training rows come first, then test rows. HDF5's checksums are compared.
    Raises `InputError` for files that do not belong together, and what `read_h5` raises.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._worker = Worker(f"{__name__}:read_rows")
        try:
            self.headers: tuple[FileHeader, ...] = tuple(self._ask(path) for path in paths)
            self._agree()
        except BaseException:
            self.__exit__(None, None, None)
            raise

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, training and test, and of columns."""
        return self.headers[0].train + self.headers[0].test, sum(header.width for header in self.headers)

    def scan(self, start: int = 0, stop: int | None = None) -> Iterator[Floats]:
        """Yield the rows from `start` to `stop` in blocks (b, d) of some megabytes; read to the end before anything else."""
        n, width = self.shape
        step = max(1, BLOCK // (4 * width))
        edges = [*range(start, n if stop is None else stop, step), n if stop is None else stop]
        self._worker.send(np.array(edges))
        for _block in edges[1:]:
            yield self._answer()

    def take(self, numbers: npt.NDArray[np.intp]) -> Floats:
        """Return the rows (m, d) of these numbers (m,), in their order."""
        order = np.argsort(numbers, kind="stable")
        width = self.shape[1]
        out = np.empty((len(numbers), width), np.float32)  # (m, d)
        step = max(1, BLOCK // (4 * width))
        for start in range(0, len(order), step):
            part = order[start : start + step]
            out[part] = self._ask([int(i) for i in numbers[part]])
        return out

    def _ask(self, thing: Any) -> Any:
        self._worker.send(thing)
        return self._answer()

    def _answer(self) -> Any:
        try:
            return self._worker.answer()
        except Crashed as error:
            names = ", ".join(printable(path) for path in self.paths)
            raise DamagedFile(
                _("{names}: HDF5 crashed while it read this; train again, or get a fresh copy.", names=names)
            ) from error

    def _agree(self) -> None:
        first = self.headers[0]
        for path, header in zip(self.paths, self.headers, strict=True):
            same = (header.train, header.test) == (first.train, first.test) and header.train_files == first.train_files
            if not same or header.test_files != first.test_files:
                raise InputError(
                    _(
                        "{path} has other rows than {first}; give files of one set of images.",
                        path=printable(path),
                        first=printable(self.paths[0]),
                    )
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._worker.__exit__(kind, error, trace)


def read_rows(sent: Iterator[Any]) -> Iterator[Any]:
    """Be the process that reads rows: a path opens a file, an array of edges asks for blocks, a list for single rows."""
    with ExitStack() as stack:
        files: list[CheckedFile] = []
        for asked in sent:
            if isinstance(asked, Path):
                files.append(stack.enter_context(opened(asked)))
                yield _header(files[-1])
            elif isinstance(asked, np.ndarray):
                for start, stop in zip(asked[:-1].tolist(), asked[1:].tolist(), strict=True):
                    yield np.hstack([np.concatenate(list(_pieces(file, start, stop))) for file in files])
            else:
                yield np.hstack([_single(file, asked) for file in files])


def _header(file: CheckedFile) -> FileHeader:
    record = _own_record(file)
    names = {name: _text(_raw(file, name)) if file.has(name) else None for name in _NAMES}
    train = file.data("train", (2,), "f").shape
    test = file.data("test", (2,), "f").shape if file.has("test") else (0, train[1])
    label, note = None, ""
    if file.has("label"):
        label, names["classes"], note = _labels(file.path, _raw(file, "label"), names["classes"])
    lengths = [("train_files", train[0]), ("test_files", test[0])]
    wrong = [name for name, n in lengths if names[name] is not None and len(names[name] or ()) != n]
    wrong += ["label"] if label is not None and len(label) != train[0] else []
    if wrong or test[1] != train[1] or not train[0]:
        raise InputError(
            _(
                "{path} is inconsistent ({wrong}); train again.",
                path=printable(file.path),
                wrong=", ".join(wrong) or "train, test",
            )
        )
    facts, sums = ({}, {}) if record is None else (record["facts"], record["sha256"])
    digest = " ".join(str(sums[name]) for name in ("train", "test") if name in sums)
    return FileHeader(train[0], test[0], train[1], label, **names, facts=facts, digest=digest, note=note)


def _pieces(file: CheckedFile, start: int, stop: int) -> Iterator[Floats]:
    """Yield the rows from `start` to `stop` of one file: training rows, then test rows."""
    n = file.data("train", (2,), "f").shape[0]
    for name, first, last in (("train", start, min(stop, n)), ("test", max(start - n, 0), stop - n)):
        if first < last:
            yield np.asarray(file.data(name, (2,), "f")[first:last], np.float32)


def _single(file: CheckedFile, numbers: Sequence[int]) -> Floats:
    """Return rows of ascending numbers, one HDF5 chunk at a time: it is read and checked as a whole in any case."""
    data = file.data("train", (2,), "f")
    chunk = data.chunks[0] if data.chunks else 1
    out: list[Floats] = []
    at = 0
    while at < len(numbers):
        start = numbers[at]
        upto = at
        while upto < len(numbers) and numbers[upto] < (start // chunk + 1) * chunk:
            upto += 1
        rows = np.concatenate(list(_pieces(file, start, numbers[upto - 1] + 1)))
        out.append(rows[np.array(numbers[at:upto]) - start])
        at = upto
    return np.concatenate(out)
