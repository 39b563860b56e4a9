"""Read feature files: ours, the seed's `data_*.h5`, and `gap_*.h5` of the same layout.

In: a path. Out: a `FeatureFile` whose parts agree with each other, or one sentence.
It must not know which network made the vectors. Ours carry a sha256 of each array, and it is compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from penult.errors import DamagedFile, InputError
from penult.store.h5child import FORMAT, begin
from penult.store.h5guard import Array, Guarded, opened
from penult.store.refusals import shown

_NAMES = ("train_files", "test_files", "classes")
_NO_FACTS: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FeatureFile:
    """What one feature file holds; the seed's files have no names, no classes and no facts."""

    path: Path
    train: npt.NDArray[np.float32]  # (n, d)
    test: npt.NDArray[np.float32] | None  # (m, d)
    label: npt.NDArray[np.int64] | None  # (n,)
    train_files: tuple[str, ...] | None
    test_files: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The block's name: what follows `data_` or `gap_` in the file's name."""
        return self.path.stem.removeprefix("data_").removeprefix("gap_")


def read_h5(path: Path | str) -> FeatureFile:
    """Return a feature file with every row, after all checks.

    Raises `InputError` (not such a file, shapes that disagree, values that are not finite) and `DamagedFile`
    (a checksum fails, the file is cut off, or it was written by a newer version).
    """
    path = Path(path)
    with opened(path) as file:
        content = _content(file)
        raw = {name: _raw(file, name) for name in ("train", "test", "label", *_NAMES) if file.has(name)}
    if "train" not in raw:
        raise InputError(
            f"{shown(path)} has no data set 'train'; give a feature file with train, test and label."
        )
    _compare(path, content, raw)
    names = {name: _names(raw[name]) if name in raw else None for name in _NAMES}
    result = FeatureFile(
        path=path,
        train=_features(path, "train", raw["train"]),
        test=_features(path, "test", raw["test"]) if "test" in raw else None,
        label=_labels(path, raw["label"]) if "label" in raw else None,
        train_files=names["train_files"],
        test_files=names["test_files"],
        classes=names["classes"],
        facts=_NO_FACTS if content is None else content["facts"],
    )
    _agree(result)
    return result


def _raw(file: Guarded, name: str) -> Array:
    if name in _NAMES:
        return file.read(name, (1,), "SO")
    return file.read(name, (1, 2), "iubf") if name == "label" else file.read(name, (2,), "f")


def _content(file: Guarded) -> dict[str, Any] | None:
    """Return our own record of the file, or None for a file of another hand."""
    text = file.attribute("penult")
    if text is None:
        return None
    if hashlib.sha256(text).hexdigest().encode() != file.attribute("penult_sha256"):
        raise DamagedFile(f"the facts in {shown(file.path)} fail their checksum; write the file again.")
    content: dict[str, Any] = json.loads(text)
    if content["format"] > FORMAT:
        raise DamagedFile(
            f"{shown(file.path)} is of format {content['format']}, newer than this version reads; "
            "update penult."
        )
    return content


def _compare(path: Path, content: dict[str, Any] | None, raw: dict[str, Array]) -> None:
    """Hold a file of ours against its own sha256 sums."""
    if content is None:
        return
    expected = content["sha256"]
    bad = [name for name in raw if _sum(raw[name]) != expected.get(name)]
    bad += [name for name in expected if name not in raw and name in ("train", "test", "label", *_NAMES)]
    if bad:
        raise DamagedFile(
            f"{', '.join(sorted(bad))} in {shown(path)} fail their checksum; write the file again."
        )


def _sum(values: Array) -> str:
    content = begin(values.dtype.str, values.shape)
    content.update(np.ascontiguousarray(values).data)
    return str(content.hexdigest())


def _features(path: Path, name: str, values: Array) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # a double that is too large becomes infinite, and is refused below
        vectors = values.astype(np.float32, copy=False)
    bad = int((~np.isfinite(vectors).all(axis=1)).sum())
    if bad:
        raise InputError(
            f"{bad} of {len(vectors)} rows of {name!r} in {shown(path)} are not finite; write it again."
        )
    return np.ascontiguousarray(vectors)


def _labels(path: Path, values: Array) -> npt.NDArray[np.int64]:
    if values.ndim == 2 and values.shape[1] != 1:
        raise InputError(
            f"'label' in {shown(path)} has the shape {values.shape}; give one class number for each row."
        )
    flat = values.reshape(-1)
    labels = np.trunc(np.where(np.abs(flat) < 2**31, flat, -1)).astype(np.int64)
    if not np.array_equal(labels, flat) or (labels < 0).any():
        raise InputError(
            f"'label' in {shown(path)} holds values that are no class numbers 0, 1, 2, ...; renumber."
        )
    return labels


def _names(values: Array) -> tuple[str, ...]:
    """Return names as text; bytes that are no UTF-8 come back as they do from `os.fsdecode` on Linux."""
    return tuple(
        v if isinstance(v, str) else bytes(v).decode("utf-8", "surrogateescape") for v in values.tolist()
    )


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
    if (
        file.label is not None
        and file.classes is not None
        and int(file.label.max(initial=-1)) >= len(file.classes)
    ):
        wrong.append(f"label goes up to {file.label.max()}, but there are {len(file.classes)} classes")
    if wrong:
        raise InputError(
            f"{shown(file.path)} does not agree with itself: {'; '.join(wrong)}. Write it again."
        )
