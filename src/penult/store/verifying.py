"""Read everything in a cache folder with every check that there is, and say what is damaged.

In: `Look`. Out: `Damage`, one after another. It must not remove anything, nor know what networks are.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.errors import DamagedFile
from penult.store.cache import folder_of
from penult.store.files import Identity, identity
from penult.store.looking import Entry, Look
from penult.store.shards import read_shard, width_of

_SUM = 32  # bytes of the SHA-256 in front of the rest
_SPEED = ("backbone_digest", "engine", "device", "precision", "machine")  # what a speed's name is made of
ProgressCallback = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that is not as it was written: why, and `files`, what is of no use any more (the file itself among them).

    `seen` is what the file was when it was read, so that a good one that was put there since is not removed; None where it
    could not be read, which may pass.
    """

    path: Path
    reason: str
    files: tuple[Path, ...]
    seen: Identity | None


def verify(found: Look, progress: ProgressCallback = lambda done, total: None) -> Iterator[Damage]:
    """Yield what is damaged; `say` is told the bytes that were read, and all bytes."""
    total, done = sum(entry.bytes for entry in found.entries), 0
    for entry in found.entries:
        for path in entry.files:
            if (damage := _checked(entry, path)) is not None:
                yield damage
            progress(done := done + _size(path), total)


def _checked(entry: Entry, path: Path) -> Damage | None:
    """Return what is wrong with one file of an entry."""
    seen = None
    try:
        seen = identity(path)
        _CHECKS[entry.part](entry, path)
    except FileNotFoundError:  # it went away meanwhile
        return None
    except OSError as error:
        return Damage(path, f"it cannot be read ({error.strerror})", (), None)
    except (ValueError, KeyError, TypeError, DamagedFile) as error:
        cause = error.__cause__ if isinstance(error, DamagedFile) else error
        reason = f"{cause} is missing" if isinstance(cause, KeyError) else str(cause)
        return Damage(path, reason, entry.files if entry.part in {"backbones", "similar"} else (path,), seen)
    return None


def _features(entry: Entry, path: Path) -> None:
    if path.suffix == ".npz":
        read_shard(path, width_of(path))
        return
    facts = _json(path)
    if folder_of(facts) != entry.path.name:
        raise ValueError("what it says is not what its folder is named by")


def _backbones(entry: Entry, path: Path) -> None:
    if path.suffix == ".json":
        _json(path)["graph"]
    elif "graph" in entry.facts and untrusted.sha256(path) != entry.facts["graph"]:
        raise ValueError("its sha256 is not that in record.json")


def _similar(entry: Entry, path: Path) -> None:
    if path.suffix == ".json":
        about = {name: value for name, value in _json(path).items() if name != "sha256"}
        if hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32] != entry.path.name:
            raise ValueError("what it says is not what its folder is named by")
    elif entry.facts and untrusted.sha256(path) != entry.facts["sha256"][path.stem]:
        raise ValueError("its sha256 is not that in index.json")


def _summed(entry: Entry, path: Path) -> None:
    """Compare a file that begins with the SHA-256 of its rest."""
    with untrusted.opened(path) as file:
        wanted = file.read(_SUM)
        if hashlib.file_digest(file, "sha256").digest() != wanted:
            raise ValueError("its sha256 differs")


def _speeds(entry: Entry, path: Path) -> None:
    seen = _json(path)
    facts = {name: seen[name] for name in _SPEED}
    if hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32] != path.stem:
        raise ValueError("what it says is not what it is named by")
    if not seen["images_per_second"] > 0:
        raise ValueError("a speed that cannot be")


_CHECKS: dict[str, Callable[[Entry, Path], None]] = {
    "features": _features,
    "backbones": _backbones,
    "int8": _summed,
    "compiled": _summed,
    "similar": _similar,
    "speeds": _speeds,
}


def _json(path: Path) -> dict[str, Any]:
    found = untrusted.loads(untrusted.content(path, untrusted.MOST_JSON))
    if not isinstance(found, dict):
        raise ValueError("it holds no object")
    return found


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - beside `_checked`, which may just have said that it is gone
    except OSError:
        return 0
