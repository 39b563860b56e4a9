"""When, where, of what and on what a run was made: what its page and its `metrics.json` say beside the numbers.

In: the images, the clock. Out: plain JSON values. Who has the same images, versions, options and kind of machine gets the
same files, byte for byte.
"""

from __future__ import annotations

import hashlib
import math
import os
import platform
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from penult import pixels, store
from penult.embed import Embedding
from penult.engines import cpu_name
from penult.images import ImageSet
from penult.training.data import Split, TrainingData

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pillow", "openvino", "onnx", "h5py", "matplotlib")
# where they are installed
OF_NETWORKS = ("torch", "timm", "keras", "nncf", "onnxruntime", "onnxruntime-gpu", "onnxruntime-directml")


class Clock:
    """Seconds per stage, in the order in which the stages ended."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self.began = datetime.now(UTC)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        self.stages[stage] = round(now - self._last, 3)
        self._last = now


def sources(labelled: ImageSet, test: ImageSet | None) -> dict[str, str]:
    """Return the whole paths of the folders (or archives) that file names are relative to, by which photos are found again."""
    parts = {"train": labelled, "test": test}
    roots = {part: images.root for part, images in parts.items() if images is not None}
    return {part: root if "://" in root else os.path.abspath(root) for part, root in roots.items()}  # noqa: PTH100 - surrogates


def ignored(labelled: ImageSet, test: ImageSet | None) -> dict[str, dict[str, int]]:
    """Return how many things each scan passed over, by kind: what is in a folder and is no image."""
    parts = {"train": labelled, "test": test}
    return {part: dict(images.ignored) for part, images in parts.items() if images is not None}


def environment(clock: Clock) -> dict[str, Any]:
    """Return when the run began and ended (UTC), the folder it was started in, and the machine."""
    times = {"began": clock.began, "ended": datetime.now(UTC)}
    return {
        "when": {name: time.strftime("%Y-%m-%d %H:%M:%S UTC") for name, time in times.items()},
        "folder": _here(),
        "machine": _about(),
    }


def _here() -> str:
    """Return the folder we are in, or nothing where it has been removed: no reason to lose a run."""
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def digests(data: TrainingData, done: Embedding | None) -> dict[str, str]:
    """Return one sha256 for each part: of the sorted lines `<sha256 of the file> <label>`, so neither order nor names count.

    A photo that cannot be read is not in it; of features that came from files the rows stand for the photos. Of a sample of
    stored features there is none: `features` says which they are.
    """
    if data.every is not None:
        return {}
    if data.digests is not None:
        return {"train": _digest(data.digests, data.train, data.classes)}
    parts = {"train": data.train, "test": data.test}
    if done is None:
        return {n: _digest(store.row_digests(p.X), p, data.classes) for n, p in parts.items() if p is not None}
    n = len(data.train.files)
    halves = {"train": slice(0, n), "test": slice(n, None)}
    return {
        name: _digest(done.digests[halves[name]][part.ok], part, data.classes)
        for name, part in parts.items()
        if part is not None
    }


def _digest(rows: Iterable[Any], part: Split, classes: tuple[str, ...]) -> str:
    labels = [""] * int(part.ok.sum()) if part.y is None else [classes[y] for y in part.ok_y]
    if part.Y is not None:  # a sign a label: 1, 0, or - where it is not known
        labels = ["".join("-" if math.isnan(one) else str(int(one)) for one in row) for row in part.ok_Y.tolist()]
    lines = sorted(f"{bytes(row).hex()} {label}\n" for row, label in zip(rows, labels, strict=True))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def versions(done: Embedding | None) -> dict[str, str]:
    """Return the versions of all that computes, and of decoding and resizing where photos were decoded."""
    found = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    for name in OF_NETWORKS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    decoding = {} if done is None else {"pixels": pixels.preprocessing_version()}
    return {**found, **decoding, "machine": platform.machine()}


def _about() -> dict[str, Any]:
    """Return processor, memory and system, as far as the system tells."""
    found: dict[str, Any] = {"processor": cpu_name()}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found["memory"] = f"{size / 2**30:.0f} GiB"
    return {**found, "system": platform.platform(terse=True)}
