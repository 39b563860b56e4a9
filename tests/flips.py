"""Flipped bits in what penult writes: a shard, a model file, a feature file. Each is refused, or gives the very same values.

`TARGETS` makes the bytes of each and says how they are read; `tried` flips bits and counts what became of them.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hostile_files import WIDTH, good_shard
from hostile_models import good_bundle

Flip = tuple[int, int]  # which byte, which bit


@dataclass(frozen=True)
class Target:
    """One file: its `name` and bytes, and what `read` makes of it, as values that can be compared."""

    name: str
    data: bytes
    read: Callable[[Path], Any]


def shard(folder: Path) -> Target:
    path = good_shard(folder)
    return Target(path.name, path.read_bytes(), _read_shard)


def _read_shard(path: Path) -> Any:
    from penult.store import shards

    digests = shards.read_digests(path)
    return [digests.tolist(), *(part.tolist() for part in shards.read_shard(path, WIDTH))]


def model(folder: Path) -> Target:
    """A small model with everything in it that a model can have."""
    from penult import bundle

    samples = {"images": np.arange(48, dtype=np.uint8).reshape(1, 4, 4, 3), "proba": np.array([[0.25, 0.75]])}
    path = folder / "m.penult"
    bundle.save_bundle(path, replace(good_bundle(), selftest=samples, facts={"trained_on": 7}))
    return Target(path.name, path.read_bytes(), _read_model)


def _read_model(path: Path) -> Any:
    from penult import bundle

    got = bundle.load_bundle(path)
    arrays = {**got.head.arrays, **got.selftest, **({} if got.novelty is None else got.novelty.arrays)}
    plain = [got.classes, got.widths, got.head.kind, got.head.facts, got.engine, got.precision, got.facts, got.prior.tolist()]
    networks = [(backbone.to_dict(), backbone.graph().hex()) for backbone in got.backbones]
    return plain, networks, got.novelty and got.novelty.facts, {n: (str(a.dtype), a.tolist()) for n, a in arrays.items()}


def features(folder: Path) -> Target:
    from penult.store import write_h5

    path = folder / "data_x.h5"
    rows = np.random.default_rng(0).random((6, 3), np.float32)
    parts = {"train_files": ["a", "b", "c", "d"], "test_files": ["e", "f"], "classes": ["x", "y"], "facts": {"size": 224}}
    write_h5(path, train=rows[:4], test=rows[4:], label=np.arange(4) % 2, **parts)
    return Target(path.name, path.read_bytes(), _read_features)


def _read_features(path: Path) -> Any:
    """Our facts can be gone with their attribute: then the file is as one of another hand. Values never are others."""
    from penult.store.h5read import load

    got = load(path)
    arrays = [None if a is None else a.tolist() for a in (got.train, got.test, got.label)]
    return arrays, got.train_files, got.test_files, got.classes, dict(got.facts) or {"size": 224}


TARGETS = {"shard": shard, "model": model, "features": features}


def places(data: bytes) -> dict[str, list[int]]:
    """Return the bytes of a zip by what they are; those of any other file as one kind."""
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return {"file": list(range(len(data)))}
    found: dict[str, list[int]] = {"local header": [], "name": []}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            at = entry.header_offset
            name, body = at + 30, at + 30 + len(entry.filename)
            found["local header"] += range(at, name)
            found["name"] += range(name, body)
            inside = entry.filename.rpartition(".")[2]
            header = body + 128 if inside == "npy" else body
            found.setdefault("array header", []).extend(range(body, header))
            found.setdefault({"npy": "array"}.get(inside, inside), []).extend(range(header, body + entry.file_size))
        start = archive.start_dir
    end = data.rindex(b"PK\5\6")
    return {**found, "directory": list(range(start, end)), "end": list(range(end, len(data)))}


def value_of(target: Target, folder: Path) -> str:
    """Return what the unchanged file says."""
    path = folder / target.name
    path.write_bytes(target.data)
    return json.dumps(target.read(path), sort_keys=True)


def tried(target: Target, flips: Iterable[Flip], folder: Path, good: str | None = None) -> Counter[str]:
    """Return how many flips were `refused`, `harmless`, and `wrong`; what is wrong is also named by place and bit.

    `good` is what the unchanged file says, where that is known already.
    """
    from penult.errors import PenultError

    path = folder / target.name
    good = good or value_of(target, folder)
    counts: Counter[str] = Counter()
    for place, bit in flips:
        bad = bytearray(target.data)
        bad[place] ^= 1 << bit
        path.write_bytes(bad)
        try:
            same = json.dumps(target.read(path), sort_keys=True) == good
        except PenultError:
            counts["refused"] += 1
        except Exception as error:
            counts[f"{type(error).__name__} at {place} bit {bit}"] += 1
            counts["wrong"] += 1
        else:
            counts["harmless" if same else "wrong"] += 1
            if not same:
                counts[f"other values at {place} bit {bit}"] += 1
    return counts
