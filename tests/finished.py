"""A finished run with two mistakes in it, made once a session; each test gets a copy of its own to spoil."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import draw
from penult.training import TrainOptions, train_images
from sealing import seal

HOSTILE = "<img src=x onerror=document.title='owned'>.png"  # a warm photo among the cold ones
MOVED = "moved.png"  # a cold photo among the warm ones
FINDINGS = ("kind", "file", "related", "score", "reason", "suggestion")


@dataclass(frozen=True, slots=True)
class Finished:
    """The folder of a run beside its photos, `train` and `test`."""

    base: Path

    @property
    def folder(self) -> Path:
        return self.base / "run"

    @property
    def metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "metrics.json").read_text())
        return found

    def change(self, metrics: dict[str, Any]) -> None:
        """Let `metrics.json` say something else."""
        (self.folder / "metrics.json").write_text(json.dumps(metrics))

    def findings(self, *rows: tuple[str, ...]) -> None:
        """Let `findings.csv` have these rows."""
        with (self.folder / "findings.csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            csv.writer(file).writerows([FINDINGS, *rows])
        seal(self.folder)

    def copy(self, base: Path) -> Finished:
        """Return a copy, whose photos are its own."""
        shutil.copytree(self.base, base, dirs_exist_ok=True)
        made = Finished(base)
        folders = {part: str(base / part) for part, folder in self.metrics["sources"].items() if folder}
        made.change({**self.metrics, "sources": folders})
        return made


def lay_out(folder: Path, first: int = 0, **counts: int) -> None:
    """Draw photos into class folders."""
    for label, count in counts.items():
        (folder / label).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + count):
            Image.fromarray(draw(label, i)).save(folder / label / f"{label}.{i}.png")


def finish(base: Path, test: bool = True, **options: object) -> Finished:
    """Train on `base/train` with a cache of its own, so that a fixture of any scope can call it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_CACHE", str(base.parent / "cache"))
        asked = TrainOptions(**{"out": str(base / "run"), "backbones": ("colour_histogram",), **options})
        train_images(str(base / "train"), str(base / "test") if test else None, asked)
    return Finished(base)
