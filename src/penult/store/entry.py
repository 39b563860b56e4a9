"""One thing that the cache folder keeps under a key: a converted network, an int8 graph, a compiled graph, a speed, an index.

On disk `<cache>/<kind>/<key>/`: its files and, written last, `record.json` with the facts that the key is made of, the sha256
of each file and whatever else is to be known of it. Without a readable record there is no entry.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.errors import DamagedFile, OutputError
from penult.i18n import _
from penult.store.atomic import atomic_write, drop, make_folder, sweep, write_json
from penult.store.cache_folder import CURE
from penult.store.paths import is_folder
from penult.texts import printable

log = logging.getLogger(__name__)

RECORD = "record.json"
# Each kind of thing in a cache folder, and what its files are called, those of earlier versions among them. Features and
# thumbnails have no entries, but shards: see `shard_cache`.
KINDS = {
    "features": r"key\.json|shard-[0-9a-f]{16}\.npz",
    "thumbnails": r"key\.json|shard-[0-9a-f]{16}\.bin",
    "backbones": r"record\.json|graph\.onnx",
    "int8": r"record\.json|graph\.onnx|[0-9a-f]{16}\.int8",
    "compiled": r"record\.json|graph\.bin",
    "similar": r"record\.json|index\.json|(rows|coarse|rest|basis)\.npy",
    "speeds": r"record\.json",
    "demo": r"record\.json|photos\.whl",
    "runtimes": r"record\.json|glue\.mjs|runtime\.wasm",
}
OLD_INDEX = "index.json"  # the record of an index of similar photos, before all entries had the same one
_MOST_RECORD = 1 << 20  # bytes; the largest has 10 kB


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """The entry in one folder, there or not; `facts` are what its key is made of, and needed only to write it."""

    folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @classmethod
    def of(cls, cache: Path, kind: str, facts: Mapping[str, Any], label: str = "") -> CacheEntry:
        """Return the entry of these facts (JSON values); a label makes its folder readable."""
        digits = key(facts)
        return cls(cache / kind / (f"{label}-{digits[:12]}" if label else digits), facts)

    def values(self) -> dict[str, Any] | None:
        """Return what was written beside the files, `facts` among it; None where the entry is not there, or not readable."""
        try:
            return read_record(self.folder)[0]
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning(_("{path} cannot be used ({error}) and is made again", path=printable(self.folder), error=error))
            return None

    def read(self, name: str, most: int | None = None) -> bytes:
        """Return one of the files, compared with its sha256, and count it as used now.

        Raises `DamagedFile` for one that is gone, larger than `most`, or changed; the entry is forgotten then.
        """
        path = self.folder / name
        try:
            wanted = read_record(self.folder)[1].get(name)
            data = untrusted.read_bytes(path, most)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise DamagedFile(
                _("{path} cannot be read ({why}); run again, it will be made again.", path=printable(path), why=why)
            ) from error
        if hashlib.sha256(data).hexdigest() != wanted:
            with contextlib.suppress(OutputError):  # another user's folder, perhaps
                self.forget()
            raise DamagedFile(
                _("{path} was changed after it was written; run again, it will be made again.", path=printable(path))
            )
        self.touch()
        return data

    def touch(self) -> None:
        """Count the entry as used now: the least recently used go first."""
        with contextlib.suppress(OSError):  # another user's folder, perhaps
            os.utime(self.folder / RECORD)

    def put(self, files: Mapping[str, bytes], **values: Any) -> None:
        """Write the entry: its files, and last the record with `values`. Raises `OutputError`."""
        with self.writing(**values) as begin:
            for name, data in files.items():
                begin(name)(data)

    @contextlib.contextmanager
    def writing(self, **values: Any) -> Iterator[Callable[[str], Callable[[Any], None]]]:
        """Yield a function that begins a file and returns what appends bytes to it; the record is written at the end."""
        make_folder(self.folder, CURE)
        sweep(self.folder)
        sums: dict[str, Any] = {}
        with contextlib.ExitStack() as stack:

            def begin(name: str) -> Callable[[Any], None]:
                file = stack.enter_context(atomic_write(self.folder / name, cure=CURE))
                sums[name] = hashlib.sha256()

                def append(data: Any) -> None:
                    sums[name].update(data)
                    file.write(data)

                return append

            yield begin
        digests = {name: one.hexdigest() for name, one in sums.items()}
        write_json(self.folder / RECORD, {**values, "facts": self.facts, "sha256": digests}, cure=CURE)

    def forget(self) -> None:
        """Remove the record, without which the entry is none. Raises `OutputError`."""
        for name in (RECORD, OLD_INDEX):
            drop(self.folder / name)


def key(facts: Mapping[str, Any]) -> str:
    """Return the key of an entry: 32 hex digits of the sha256 of its facts."""
    return hashlib.sha256(json.dumps(dict(facts), sort_keys=True).encode()).hexdigest()[:32]


def entries(cache: Path, kind: str) -> list[CacheEntry]:
    """Return the entries of one kind that have a record, by their folders' names."""
    folder = cache / kind
    return [CacheEntry(path.parent) for path in sorted(folder.glob(f"*/{RECORD}"))] if is_folder(folder) else []


def read_record(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the record of an entry, and the sha256 of each of its files; also as earlier versions wrote them.

    Raises `OSError`, or `ValueError` where it is not as penult writes it.
    """
    try:
        found = _json(folder / RECORD)
    except FileNotFoundError:
        facts = _json(folder / OLD_INDEX)
        sums = facts.pop("sha256", None)
        found = {"facts": facts, "sha256": {f"{k}.npy": v for k, v in sums.items()} if isinstance(sums, dict) else sums}
    if "graph" in found and "sha256" not in found:  # a network that was converted earlier
        found["sha256"] = {"graph.onnx": found.pop("graph")}
    sums = found.pop("sha256", None)
    if not (isinstance(sums, dict) and isinstance(found.get("facts", {}), dict)):
        raise ValueError(_("it does not say what its files are"))
    return found, sums


def _json(path: Path) -> dict[str, Any]:
    found = untrusted.parse_json(untrusted.read_bytes(path, _MOST_RECORD))
    if not isinstance(found, dict):
        raise ValueError(_("it holds no object"))
    return found
