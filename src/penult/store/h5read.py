"""Read feature files: ours, the seed's `data_*.h5`, and `gap_*.h5` of the same layout.

In: a path. Out: a `FeatureFile` whose parts agree with each other, or one sentence.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penult.errors import DamagedFile, InputError, listed
from penult.store import h5reader
from penult.store.h5reader import NAMES
from penult.store.refusals import shown
from penult.worker import Here, start_or_here

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """What one feature file holds; the seed's files have no names, no classes and no facts.

    `label` counts the classes from 0; `note` says how the file's own labels became these, where they are others.
    """

    path: Path
    train: npt.NDArray[np.float32]  # (n, d)
    test: npt.NDArray[np.float32] | None  # (m, d)
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
    boot = ("-c", "from penult.store.h5reader import run; run()", str(path.absolute()))
    child = start_or_here(lambda _, out: h5reader.main(str(path.absolute()), out), *boot)
    try:
        raw, facts = _received(path, child)
    finally:
        child.kill()
        child.communicate()
    return checked(path, raw, facts)


def checked(path: Path, raw: Mapping[str, Array], facts: Mapping[str, Any]) -> FeatureFile:
    """Return the feature file that these data sets make, or raise `InputError`."""
    if "train" not in raw:
        raise InputError(f"{shown(path)} has no data set 'train'; give a feature file with train, test and label.")
    names = {name: text_of(raw[name]) if name in raw else None for name in NAMES}
    label, classes, note = _labels(path, raw["label"], names["classes"]) if "label" in raw else (None, names["classes"], "")
    result = FeatureFile(
        path=path,
        train=_features(path, "train", raw["train"]),
        test=_features(path, "test", raw["test"]) if "test" in raw else None,
        label=label,
        train_files=names["train_files"],
        test_files=names["test_files"],
        classes=classes,
        facts=facts,
        note=note,
    )
    _agree(result)
    return result


def _received(path: Path, child: subprocess.Popen[bytes] | Here) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the arrays and facts that the reading process sends."""
    source: Any = child.stdout
    size = int.from_bytes(source.read(8), "little")
    text = source.read(size)
    if not text or len(text) < size:
        raise _crashed(path)
    header = json.loads(text)
    if "error" in header:
        raise {"InputError": InputError}.get(header["error"], DamagedFile)(header["message"])
    raw: dict[str, Array] = {}
    for array in header["arrays"]:
        values = np.empty(array["shape"], array["dtype"])
        if source.readinto(values.reshape(-1).view(np.uint8).data) != values.nbytes:
            raise _crashed(path)
        raw[array["name"]] = values
    for name in set(raw) & set(NAMES):
        text, ends = raw[name].tobytes(), np.cumsum(raw.pop(f"{name} lengths"))
        raw[name] = np.array([text[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)], object)
    return raw, header["facts"]


def _crashed(path: Path) -> DamagedFile:
    return DamagedFile(f"{shown(path)} is damaged: HDF5 crashed while it read it; write it again, or get a fresh copy.")


def _features(path: Path, name: str, values: Array) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a double that is too large becomes infinite, and is refused below
        vectors = values.astype(np.float32, copy=False)
    bad = int((~np.isfinite(vectors).all(axis=1)).sum())
    if bad:
        raise InputError(f"{bad} of {len(vectors)} rows of {name!r} in {shown(path)} are not finite; write it again.")
    return np.ascontiguousarray(vectors)


def _labels(
    path: Path, values: Array, classes: tuple[str, ...] | None
) -> tuple[npt.NDArray[np.int64], tuple[str, ...] | None, str]:
    """Return class numbers from 0 on (n,), the names of the classes, and how the file's labels became these.

    Labels 0 to k-1 are such numbers already. All others are names: 1 and 2 (MATLAB), 3 and 7, -1 and 1, texts. Where the file
    names k classes, labels 1 to k number them from 1 on.
    """
    if values.ndim == 2 and values.shape[1] != 1:
        raise InputError(f"'label' in {shown(path)} has the shape {values.shape}; give one class number for each row.")
    flat = values.reshape(-1)
    if flat.dtype.kind in "SUO":
        return _named(path, np.array(text_of(flat)), "texts")
    with np.errstate(invalid="ignore"):
        whole = np.isfinite(flat) & (np.abs(flat) < 2.0**53) & (np.rint(flat) == flat)
    if not whole.all():
        raise InputError(f"'label' in {shown(path)} holds values that are no whole numbers; give one class for each row.")
    labels = flat.astype(np.int64)
    low, high = int(labels.min(initial=0)), int(labels.max(initial=0))
    if classes is not None:
        if labels.size and labels.min() == 1 and high == len(classes):
            return labels - 1, classes, f"the labels in {shown(path)} number its classes from 1 on"
        if low < 0:
            raise InputError(f"'label' in {shown(path)} goes down to {low}, and its classes begin at 0; write it again.")
        return labels, classes, ""
    if low == 0 and len(np.unique(labels)) == high + 1:
        return labels, None, ""
    return _named(path, labels, "numbers")


def _named(path: Path, labels: Array, kind: str) -> tuple[npt.NDArray[np.int64], tuple[str, ...], str]:
    """Return labels (n,) of any values as class numbers, in the order of the values, which name the classes."""
    found, codes = np.unique(labels, return_inverse=True)
    names = tuple(str(value) for value in found)
    if not all(name.strip() for name in names):
        raise InputError(f"'label' in {shown(path)} has rows without a name; give one class for each row.")
    note = f"the labels in {shown(path)} are the {kind} {shown(listed(names))}; the classes are called so"
    return codes.astype(np.int64).reshape(-1), names, note


def text_of(values: Array) -> tuple[str, ...]:
    """Return names as text; bytes that are no UTF-8 come back as they do from `os.fsdecode` on Linux."""
    return tuple(v if isinstance(v, str) else bytes(v).decode("utf-8", "surrogateescape") for v in values.tolist())


def _agree(file: FeatureFile) -> None:
    """Refuse a file whose parts do not fit each other; all that do not are named."""
    n, width = file.train.shape
    m = None if file.test is None else len(file.test)
    wrong = []
    if n == 0 or width == 0:
        wrong.append(f"train is empty {file.train.shape}")
    if file.test is not None and file.test.shape[1] != width:
        wrong.append(f"train has {width} columns and test {file.test.shape[1]}")
    counts = {
        "label": (file.label, n),
        "train_files": (file.train_files, n),
        "test_files": (file.test_files, m),
    }
    for name, (values, rows) in counts.items():
        if values is not None and len(values) != rows:
            wrong.append(f"{name} has {len(values)} entries for {rows or 'no'} rows")
    if file.label is not None and file.classes is not None and int(file.label.max(initial=-1)) >= len(file.classes):
        wrong.append(f"label goes up to {file.label.max()}, but there are {len(file.classes)} classes")
    if wrong:
        raise InputError(f"{shown(file.path)} does not agree with itself: {'; '.join(wrong)}. Write it again.")
