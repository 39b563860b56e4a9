"""Make a cache folder smaller: what may go, and removing it.

In: `Look`, `Damage`s, wishes. Out: `Removal`s, then the bytes that are free. It must not touch a name that is not penult's,
nor a file that a living process is writing. Others may use the cache meanwhile: what is removed under them is computed again.

Converted networks (`backbones`) and networks in 8 bits go only by name or with all: making them again may need the network,
or an extra that is not installed any more.
"""

from __future__ import annotations

import contextlib
import fnmatch
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from penult.errors import unknown
from penult.store.files import Identity, identity, remove
from penult.store.looking import Entry, Look, size_of
from penult.store.verifying import Damage

DAY = 86_400.0
BY_AGE = ("features", "similar", "compiled")  # in which the least used go first


@dataclass(frozen=True, slots=True)
class Removal:
    """Files that go, and why; `seen` is what the first of them must still be, None for anything."""

    path: Path
    why: str
    files: tuple[Path, ...]
    bytes: int
    seen: Identity | None = None


def of_damage(damages: Iterable[Damage]) -> list[Removal]:
    """Return what is of no use because it is damaged; what could not be read stays."""
    found: dict[Path, Removal] = {}
    for one in damages:
        if one.seen is not None and one.files and not any(path in found for path in one.files):
            files = (one.path, *(path for path in one.files if path != one.path))
            removal = Removal(one.path, f"damaged: {one.reason}", files, sum(map(size_of, files)), one.seen)
            found |= dict.fromkeys(files, removal)
    return list(dict.fromkeys(found.values()))


def plan(
    look: Look,
    *,
    older: float | None = None,
    most: int | None = None,
    backbones: Collection[str] = (),
    digests: Mapping[str, Collection[str]] | None = None,
    everything: bool = False,
    now: float | None = None,
) -> list[Removal]:
    """Return what goes: always leftovers and what is visibly of no use, and what is wished for.

    `older`: days without use; `most`: bytes that the folder may have, the least recently used go first; `backbones`: names or
    patterns, each with the `digests` (of backbones in f32) that it is known to have; `everything`: all that is penult's.
    Raises `UnknownName` for a name that nothing here has.
    """
    now = time.time() if now is None else now
    gone: dict[Path, Removal] = {p: Removal(p, "left by a killed process", (p,), size_of(p)) for p in look.leftovers}
    for entry in look.entries:
        why = _useless(entry, now) or ("all" if everything else _old(entry, older, now))
        if why is not None:
            gone[entry.path] = _whole(entry, why)
        elif entry.odd:
            gone |= {p: Removal(p, "damaged: a size that cannot be", (p,), size_of(p)) for p in entry.odd}
    for entry, name in _named(look, backbones, digests or {}):
        gone[entry.path] = _whole(entry, f"of {name}")
    if most is not None:
        left = look.bytes - sum(one.bytes for one in gone.values())
        for entry in sorted(look.entries, key=lambda e: e.used):
            if left <= most:
                break
            if entry.part in BY_AGE and entry.path not in gone:
                gone[entry.path] = _whole(entry, "least recently used")
                left -= entry.bytes
    return list(gone.values())


def carry_out(removals: Iterable[Removal], root: Path) -> tuple[int, list[Path]]:
    """Remove the files; return the bytes that are free and the files that could not be removed."""
    free, kept, folders = 0, [], set()
    for one in removals:
        if one.seen is not None and _identity(one.path) != one.seen:
            continue  # another process has put a good file there
        for path in sorted(one.files, key=lambda p: p.suffix != ".json"):  # the record first: half of a thing is none
            size = size_of(path)
            if remove(path):
                free += size
                folders.add(path.parent)
            elif path.exists():
                kept.append(path)
    for folder in folders:
        if folder.parent.parent == root:  # of an entry; those of the parts stay, others may be about to write there
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
    return free, kept


def _useless(entry: Entry, now: float) -> str | None:
    """Return why an entry is of no use to anyone: it was not finished, and nobody is at it any more; or there is nothing."""
    if not entry.whole and now - entry.used > DAY:
        return "never finished"
    if entry.part == "features" and not entry.shards and now - entry.used > DAY:
        return "empty"
    return None


def _old(entry: Entry, older: float | None, now: float) -> str | None:
    days = (now - entry.used) / DAY
    return f"not used for {days:.0f} days" if older is not None and entry.part in BY_AGE and days > older else None


def _named(look: Look, names: Collection[str], digests: Mapping[str, Collection[str]]) -> Iterator[tuple[Entry, str]]:
    """Yield the entries of the networks of these names; 8-bit ones have the digest of the network that they were made of."""
    known = sorted({entry.name for entry in look.entries if entry.name})
    for name in names:
        matching = {k for k in known if fnmatch.fnmatchcase(k, name)}
        mine = [entry for entry in look.entries if entry.name and entry.name in matching]
        every = {*digests.get(name, ()), *(str(entry.facts.get("backbone_digest", "")) for entry in mine)}
        in_8_bits = [e for e in look.of("int8") if any(digest[:32] == e.path.name for digest in every)]
        if not mine and not in_8_bits:
            raise unknown("cached backbone", name, known)
        yield from ((entry, name) for entry in (*mine, *in_8_bits))


def _whole(entry: Entry, why: str) -> Removal:
    return Removal(entry.path, why, entry.files, entry.bytes)


def _identity(path: Path) -> Identity | None:
    with contextlib.suppress(OSError):
        return identity(path)
    return None
