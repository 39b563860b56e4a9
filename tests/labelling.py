"""A small project without photos, for tests of the studio: points in a few clusters, one for each class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from penult.store import LabelStore
from penult.studio.questions import Questions
from penult.studio.quick_model import QuickModel
from penult.studio.session import Session


@dataclass(frozen=True, eq=False)
class Drawn:
    """What `Session` asks of a project."""

    folder: Path
    digests: Sequence[str]
    files: Sequence[Sequence[str]]
    families: NDArray[np.intp]
    classes: Sequence[str] = ()
    labels: Sequence[str | None] = ()
    guesses: Mapping[int, tuple[str, float]] = field(default_factory=dict)
    findings: Sequence[Mapping[str, Any]] = ()

    @property
    def order(self) -> str:
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()[:16]

    def size(self, number: int) -> tuple[int, int]:
        return 4, 3

    def csv_name(self, number: int) -> list[str]:
        return [f"../photos/{file}" for file in self.files[number]]


def digest(i: int) -> str:
    return hashlib.sha256(str(i).encode()).hexdigest()


def drawn(folder: Path, n: int = 60, copies: int = 4, **fields: Any) -> Drawn:
    """Return a project of n photos; the first `copies` pairs are one family each."""
    families = np.arange(n)
    families[1 : 2 * copies : 2] = families[0 : 2 * copies : 2]
    given: dict[str, Any] = {"labels": [None] * n, "files": [[f"{i}.jpg"] for i in range(n)], **fields}
    return Drawn(folder, [digest(i) for i in range(n)], families=families, **given)


def opened(project: Drawn, kinds: int = 3, background: Any = None) -> Session:
    """Return a session; photo n is of the cluster n // 2 % kinds."""
    rng = np.random.default_rng(0)
    n = len(project.digests)
    Z = (np.eye(8)[np.arange(n) // 2 % kinds] * 3 + rng.normal(size=(n, 8))).astype(np.float32)
    with mock.patch("penult.store.label_file.secrets.randbits", lambda _: 0):  # the same lot each time
        store = LabelStore(project.folder / "labels.db", project.digests)
    model = QuickModel(Z, project.families, seed=store.seed)
    return Session(project, store, model, Questions(model, project.families, store.seed, project.digests), background)
