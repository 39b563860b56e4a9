"""Several feature files of the same images side by side, as one matrix.

In: paths. Out: `Features`, the files' columns next to each other, or one error that names every file that disagrees.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penult.errors import InputError
from penult.i18n import _
from penult.store.h5read import FeatureFile, read_h5
from penult.texts import printable


@dataclass(frozen=True, slots=True)
class Features:
    """Rows of one or more feature files, d = the sum of their widths."""

    X: npt.NDArray[np.float32]  # (n, d)
    y: npt.NDArray[np.int64] | None  # (n,)
    X_test: npt.NDArray[np.float32] | None  # (m, d)
    files: tuple[str, ...] | None  # of the training rows
    test_files: tuple[str, ...] | None
    classes: tuple[str, ...] | None
    names: tuple[str, ...]  # of each feature file, in column order
    widths: tuple[int, ...]  # of each, in columns
    facts: tuple[dict[str, Any], ...]  # of each
    notes: tuple[str, ...] = ()  # how labels became class numbers


def read_features(paths: Sequence[Path | str]) -> Features:
    """Return the files' rows with their columns side by side, in the order of the paths.

    Raises `InputError` where row counts, labels, names or classes differ, and what `read_h5` raises.
    """
    if not paths:
        raise InputError(_("no feature file was given; give at least one .h5 file."))
    files = [read_h5(path) for path in paths]
    wrong = [sentence for file in files[1:] for sentence in _differences(files[0], file)]
    if wrong:
        raise InputError(
            _("the feature files do not belong together: {wrong}. Give files of one set of images.", wrong="; ".join(wrong))
        )
    tests = [file.test for file in files if file.test is not None]
    return Features(
        X=np.hstack([file.train for file in files]),
        y=_first(file.label for file in files),
        X_test=np.hstack(tests) if tests else None,
        files=_first(file.train_files for file in files),
        test_files=_first(file.test_files for file in files),
        classes=_first(file.classes for file in files),
        names=tuple(file.name for file in files),
        widths=tuple(file.train.shape[1] for file in files),
        facts=tuple(dict(file.facts) for file in files),
        notes=tuple(file.note for file in files if file.note)[:1],
    )


def row_digests(X: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Return the sha256 of each row (n, d), (n, 32): what stands for the picture where there is none."""
    rows = np.ascontiguousarray(X, "<f4")
    text = b"".join(hashlib.sha256(row).digest() for row in rows)
    return np.frombuffer(text, np.uint8).reshape(-1, 32)


def _differences(first: FeatureFile, file: FeatureFile) -> list[str]:
    """Return a sentence for each thing in which a file differs from the first; a thing must be in both."""
    here, there = printable(file.path), printable(first.path)
    wrong = []
    if len(file.train) != len(first.train):
        wrong.append(
            _("{one} has {n} training rows and {other} {m}", one=here, n=len(file.train), other=there, m=len(first.train))
        )
    if (file.test is None) != (first.test is None):
        wrong.append(_("only one of {one} and {other} has test rows", one=here, other=there))
    elif file.test is not None and first.test is not None and len(file.test) != len(first.test):
        wrong.append(_("{one} has {n} test rows and {other} {m}", one=here, n=len(file.test), other=there, m=len(first.test)))
    if wrong:
        return wrong
    for name in ("label", "train_files", "test_files", "classes"):
        mine, its = getattr(file, name), getattr(first, name)
        if mine is not None and its is not None and not np.array_equal(mine, its):
            wrong.append(_("{name} differs between {one} and {other}", name=name, one=here, other=there))
    return wrong


def _first(values: Any) -> Any:
    """Return the first value that a file has, or None."""
    return next((value for value in values if value is not None), None)
