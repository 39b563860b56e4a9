"""What stands in a cache folder: its parts, their entries, what killed processes left, and what is not penult's.

In: a folder. Out: `Look`. Nothing is opened but the small JSON files; `verifying` reads everything, `pruning` removes. Only
names that penult gives count as penult's; links are not followed below the parts.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.errors import InputError
from penult.store.leftovers import is_temporary, stale
from penult.store.refusals import shown
from penult.store.shards import rows_by_size

_HEX = r"[0-9a-f]{32}"
# Of each part: what its folders are called (None: its files lie in it), its files, which of them is written last.
LAYOUT: dict[str, tuple[str | None, str, str | None]] = {
    "features": (_HEX, r"key\.json|shard-[0-9a-f]{16}\.npz", None),
    "backbones": (r"[A-Za-z0-9_.-]+-[0-9a-f]{12}", r"graph\.onnx|record\.json", "record.json"),
    "int8": (_HEX, r"[0-9a-f]{16}\.int8", None),
    "compiled": (None, rf"{_HEX}\.blob", None),
    "similar": (_HEX, r"index\.json|(rows|coarse|rest|basis)\.npy", "index.json"),
    "speeds": (None, rf"{_HEX}\.json", None),
}
_RECORDS = {"features": "key.json", "backbones": "record.json", "similar": "index.json"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can go without the others: the rows of a network, a converted network, a compiled graph, an index.

    `facts` are what its JSON file says, empty where it has none or that cannot be read. `used` is when it was used last
    (seconds since 1970). `rows` and `odd`, the files whose size no whole shard has, are those of features. `whole` is False
    where the file that is written last is not there (yet).
    """

    part: str
    path: Path  # its folder, or its one file
    files: tuple[Path, ...]
    bytes: int
    used: float
    facts: dict[str, Any] = field(default_factory=dict)
    rows: int = 0
    odd: tuple[Path, ...] = ()
    whole: bool = True

    @property
    def name(self) -> str:
        """The network's name, where it is known."""
        return str(self.facts.get("backbone") or self.facts.get("name") or "")

    @property
    def shards(self) -> int:
        """How many files hold its rows."""
        return sum(path.suffix == ".npz" for path in self.files)


@dataclass(frozen=True, slots=True)
class Look:
    """A cache folder: its entries by part, temporary files of dead processes and of others, names that are not penult's."""

    folder: Path
    entries: tuple[Entry, ...] = ()
    leftovers: tuple[Path, ...] = ()
    writing: tuple[Path, ...] = ()
    strange: tuple[Path, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of everything that is penult's, leftovers among them."""
        return sum(entry.bytes for entry in self.entries) + sum(size_of(path) for path in self.leftovers)

    def of(self, part: str) -> list[Entry]:
        """Return the entries of one part."""
        return [entry for entry in self.entries if entry.part == part]


def look(folder: Path) -> Look:
    """Return what stands in a cache folder; nothing stands in one that does not exist.

    Raises `InputError` for a folder that holds things, but nothing that penult keeps in a cache.
    """
    try:
        if not folder.is_dir():
            if folder.exists():
                raise InputError(f"{shown(folder)} is a file, not a cache folder; give the folder with --cache DIR.")
            return Look(folder)
        tops = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"the cache folder {shown(folder)} cannot be listed: {error.strerror}; choose another with --cache DIR."
        ) from error
    entries: list[Entry] = []
    folders, strange = [folder], [top for top in tops if top.name not in LAYOUT and not is_temporary(top.name)]
    for part in (part for part in LAYOUT if (folder / part).is_dir()):
        folders.append(folder / part)
        for inner in _listed(folder / part):
            if (found := _entry(part, inner)) is not None:
                entries.append(found)
                folders += [inner] if LAYOUT[part][0] else []
                strange += _strange(found)
            elif not is_temporary(inner.name):
                strange.append(inner)
    if not entries and strange:
        raise InputError(
            f"{shown(folder)} holds nothing that penult keeps in a cache, and other things ({shown(strange[0].name)}); "
            "nothing was touched. Give the cache folder with --cache DIR."
        )
    left = tuple(path for one in folders for path in stale(one) if is_temporary(path.name))
    temporary = [path for one in folders for path in _listed(one) if is_temporary(path.name) and path not in left]
    return Look(folder, tuple(entries), left, tuple(temporary), tuple(strange))


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it went away meanwhile or may not be read."""
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _entry(part: str, path: Path) -> Entry | None:
    """Return what stands at a place in a part, None where its name is not one that penult gives."""
    folders, names, last = LAYOUT[part]
    if path.is_symlink() or not re.fullmatch(folders or names, path.name) or path.is_dir() != (folders is not None):
        return None
    files = [p for p in _listed(path) if re.fullmatch(names, p.name) and not p.is_symlink()] if folders else [path]
    states = dict(_states(files))
    facts = _facts(path / _RECORDS[part]) if part in _RECORDS else _facts(path) if part == "speeds" else {}
    rows, odd = _counted(states, facts) if part == "features" else (0, ())
    return Entry(
        part,
        path,
        tuple(states),
        sum(size for size, _ in states.values()),
        max((time for _, time in states.values()), default=_time(path)),
        facts,
        rows,
        odd,
        last is None or path / last in states,
    )


def _states(files: list[Path]) -> Iterator[tuple[Path, tuple[int, float]]]:
    for path in files:
        with contextlib.suppress(OSError):  # it went away meanwhile
            state = path.stat()
            yield path, (state.st_size, state.st_mtime)


def _counted(states: dict[Path, tuple[int, float]], facts: dict[str, Any]) -> tuple[int, tuple[Path, ...]]:
    """Return the rows of the shards, by their sizes, and those whose size cannot be; nothing where the width is not known."""
    width = str(facts.get("width", ""))
    if not width.isdecimal():
        return 0, ()
    counts = {path: rows_by_size(size, int(width)) for path, (size, _) in states.items() if path.suffix == ".npz"}
    return sum(rows or 0 for rows in counts.values()), tuple(path for path, rows in counts.items() if rows is None)


def _facts(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = untrusted.loads(untrusted.content(path, untrusted.MOST_JSON))
        if isinstance(found, dict):
            return found
    return {}


def _strange(entry: Entry) -> list[Path]:
    """Return what lies in an entry's folder and is not penult's."""
    if entry.path in entry.files:
        return []
    ours = set(entry.files)
    return [p for p in _listed(entry.path) if p not in ours and not is_temporary(p.name) and os.path.lexists(p)]


def _time(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def size_of(path: Path) -> int:
    """Return the size of a file, 0 where it is gone."""
    with contextlib.suppress(OSError):
        return path.lstat().st_size
    return 0
