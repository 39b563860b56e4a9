"""What stands in a cache folder, what of it is damaged, and what may go: the engine of `penult cache`.

`scan` lists a folder as an `Inventory` of `CacheItem`s; `verify` reads all of it and yields `Damage`s; `plan` and `of_damage`
give `Removal`s; `carry_out` removes. Only names that penult gives count as penult's; links are not followed
below the kinds, and a file that a living process is writing is not touched. Others may use the cache meanwhile: what is
removed under them is computed again.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.errors import DamagedFile, InputError, unknown
from penult.i18n import N_, _, pgettext
from penult.store.atomic import Identity, identity, is_temporary, remove, stale
from penult.store.blobs import BlobShards, blobs_by_head, read_blob_table
from penult.store.entry import KINDS, OLD_INDEX, RECORD, key, read_record
from penult.store.shard_cache import folder_of
from penult.store.shards import VectorShards, read_shard, rows_by_size, width_of
from penult.texts import printable, system_words

_FOLDER = r"[0-9a-f]{32}|[A-Za-z0-9_.-]+-[0-9a-f]{12}"  # an entry's name
_OLD_FILES = {"compiled": r"[0-9a-f]{32}\.blob", "speeds": r"[0-9a-f]{32}\.json"}  # earlier versions, without a folder
# In these the least recently used go first. Converted networks and networks in 8 bits go only by name or with all: making
# them again may need the network, or an extra that is not installed any more.
BY_AGE = ("features", "thumbnails", "similar", "compiled")
SHARDS = ("features", "thumbnails")  # kinds without a record: each file stands for itself
_DAY = 86_400.0
_SUM = 32  # bytes of the SHA-256 in front of the rest


@dataclass(frozen=True, slots=True)
class CacheItem:
    """One thing that can go without the others: the rows of a network, a converted network, a compiled graph, an index.

    `facts` are what its JSON file says, empty where it has none or that cannot be read. `used` is when it was used last
    (seconds since 1970). `rows` (or thumbnails) and `odd`, the files that are no whole shards, are those of shards. `whole` is
    False where the record is not there (yet).
    """

    kind: str
    path: Path  # its folder, or its one file
    files: tuple[Path, ...]
    bytes: int
    used: float
    facts: dict[str, Any] = field(default_factory=dict)
    sums: dict[str, str] = field(default_factory=dict)  # sha256 of its files
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
        return sum(path.suffix in {VectorShards.suffix, BlobShards.suffix} for path in self.files)


@dataclass(frozen=True, slots=True)
class Inventory:
    """A cache folder: its items, temporary files of dead processes and of others, names that are not penult's."""

    folder: Path
    items: tuple[CacheItem, ...] = ()
    leftovers: tuple[Path, ...] = ()
    writing: tuple[Path, ...] = ()
    strange: tuple[Path, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes of everything that is penult's, leftovers among them."""
        return sum(item.bytes for item in self.items) + sum(map(_size, self.leftovers))

    def of(self, kind: str) -> list[CacheItem]:
        """Return the items of one kind."""
        return [item for item in self.items if item.kind == kind]


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


@dataclass(frozen=True, slots=True)
class Removal:
    """Files that go, and why; `seen` is what the first of them must still be, None for anything."""

    path: Path
    why: str
    files: tuple[Path, ...]
    bytes: int
    seen: Identity | None = None


# --- what is there ---


def scan(folder: Path) -> Inventory:
    """Return what stands in a cache folder; nothing stands in one that does not exist.

    Raises `InputError` for a folder that holds things, but nothing that penult keeps in a cache.
    """
    try:
        if not folder.is_dir():
            if folder.exists():
                raise InputError(
                    _("{folder} is a file, not a cache folder; give the folder with --cache DIR.", folder=printable(folder))
                )
            return Inventory(folder)
        tops = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            _(
                "the cache folder {folder} cannot be listed: {reason}; choose another with --cache DIR.",
                folder=printable(folder),
                reason=system_words(error),
            )
        ) from error
    items = tuple(item for kind in KINDS for item in _items(folder, kind))
    folders = [folder, *(folder / kind for kind in KINDS), *(item.path for item in items if item.path not in item.files)]
    ours = {*(folder / kind for kind in KINDS), *(path for item in items for path in (item.path, *item.files))}
    within = [path for one in folders[1:] for path in _listed(one)]
    strange = [path for path in (*tops, *within) if path not in ours and not is_temporary(path.name)]
    if not items and strange:
        raise InputError(
            _(
                "{folder} holds nothing that penult keeps in a cache, and other things ({name}); nothing was "
                "touched. Give the cache folder with --cache DIR.",
                folder=printable(folder),
                name=printable(strange[0].name),
            )
        )
    left = tuple(path for one in folders for path in stale(one))
    temporary = tuple(path for path in (*tops, *within) if is_temporary(path.name) and path not in left)
    return Inventory(folder, items, left, temporary, tuple(strange))


def _items(cache: Path, kind: str) -> Iterator[CacheItem]:
    """Yield the items of one kind."""
    for path in _listed(cache / kind):
        if path.is_symlink():
            continue
        if path.is_dir() and re.fullmatch(_FOLDER, path.name):
            files = [one for one in _listed(path) if re.fullmatch(KINDS[kind], one.name) and not one.is_symlink()]
        elif not path.is_dir() and kind in _OLD_FILES and re.fullmatch(_OLD_FILES[kind], path.name):
            files = [path]
        else:
            continue
        states = dict(_states(files))
        used = max((when for _, when in states.values()), default=_time(path))
        whole = kind in SHARDS or any(one.name in {RECORD, OLD_INDEX} or _is_sealed(one) for one in states)
        facts, sums = _record(kind, path)
        rows, odd = _counted(states, facts) if kind in SHARDS else (0, ())
        size = sum(size for size, _ in states.values())
        yield CacheItem(kind, path, tuple(states), size, used, facts, sums, rows, odd, whole or path in states)


def _record(kind: str, path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    with contextlib.suppress(OSError, ValueError):
        return (_json(path / "key.json"), {}) if kind in SHARDS else read_record(path)
    return {}, {}


def _listed(folder: Path) -> list[Path]:
    """Return what is in a folder; nothing where it went away meanwhile or may not be read."""
    with contextlib.suppress(OSError):
        return sorted(folder.iterdir())
    return []


def _states(files: list[Path]) -> Iterator[tuple[Path, tuple[int, float]]]:
    for path in files:
        with contextlib.suppress(OSError):  # it went away meanwhile
            state = path.stat()
            yield path, (state.st_size, state.st_mtime)


def _counted(states: dict[Path, tuple[int, float]], facts: dict[str, Any]) -> tuple[int, tuple[Path, ...]]:
    """Return the rows of the shards, as far as that is seen without reading them, and those that cannot be whole; no rows of
    vectors where the width is not known.
    """
    width = str(facts.get("width", ""))
    counts = {
        path: rows_by_size(size, int(width))
        for path, (size, _) in states.items()
        if path.suffix == VectorShards.suffix and width.isdecimal()
    }
    counts |= {path: blobs_by_head(path) for path in states if path.suffix == BlobShards.suffix}
    return sum(rows or 0 for rows in counts.values()), tuple(path for path, rows in counts.items() if rows is None)


def _is_sealed(path: Path) -> bool:
    """Return whether a file of an earlier version begins with the SHA-256 of its rest."""
    return path.suffix in {".int8", ".blob"}


def _json(path: Path) -> dict[str, Any]:
    found = untrusted.parse_json(untrusted.read_bytes(path, untrusted.MOST_JSON))
    if not isinstance(found, dict):
        raise ValueError(_("it holds no object"))
    return found


def _time(path: Path) -> float:
    with contextlib.suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.lstat().st_size
    return 0


# --- what is damaged ---


def verify(found: Inventory, progress: Callable[[int, int], object] = lambda done, total: None) -> Iterator[Damage]:
    """Read everything with every check that there is and yield what is damaged; `progress` gets bytes read, and all bytes."""
    total, done = sum(item.bytes for item in found.items), 0
    for item in found.items:
        for path in item.files:
            if (damage := _checked(item, path)) is not None:
                yield damage
            progress(done := done + _size(path), total)


def _checked(item: CacheItem, path: Path) -> Damage | None:
    """Return what is wrong with one file of an item."""
    seen = None
    try:
        seen = identity(path)
        _check(item, path)
    except FileNotFoundError:  # it went away meanwhile
        return None
    except OSError as error:
        return Damage(path, _("it cannot be read ({reason})", reason=system_words(error)), (), None)
    except (ValueError, DamagedFile) as error:
        reason = str(error.__cause__ if isinstance(error, DamagedFile) else error)
        alone = item.kind in SHARDS or _is_sealed(path)  # else a part of it is no use without the others
        return Damage(path, reason, (path,) if alone else item.files, seen)
    return None


def _check(item: CacheItem, path: Path) -> None:
    """Raise `ValueError` or `DamagedFile` for a file that is not as it was written, `OSError` where it cannot be read."""
    if path.suffix == VectorShards.suffix:
        read_shard(path, width_of(path))
    elif path.suffix == BlobShards.suffix and item.kind in SHARDS:
        read_blob_table(path, whole=True)
    elif path.name == "key.json":
        if folder_of(_json(path)) != item.path.name:
            raise ValueError(_("what it says is not what its folder is named by"))
    elif _is_sealed(path):
        with untrusted.open_file(path) as file:
            wanted = file.read(_SUM)
            if hashlib.file_digest(file, "sha256").digest() != wanted:
                raise ValueError(_("its sha256 differs"))
    elif path.suffix == ".json":
        facts = read_record(path.parent)[0].get("facts") if path != item.path else _json(path) and None
        if facts is not None and not key(facts).startswith(item.path.name.rpartition("-")[2]):
            raise ValueError(_("what it says is not what its folder is named by"))
    elif item.sums and untrusted.sha256(path) != item.sums.get(path.name):
        raise ValueError(_("its sha256 is not that in {file}", file=RECORD))


# --- what goes ---


def of_damage(damages: Iterable[Damage]) -> list[Removal]:
    """Return what is of no use because it is damaged; what could not be read stays."""
    found: dict[Path, Removal] = {}
    for one in damages:
        if one.seen is not None and one.files and not any(path in found for path in one.files):
            files = (one.path, *(path for path in one.files if path != one.path))
            removal = Removal(one.path, _("damaged: {reason}", reason=one.reason), files, sum(map(_size, files)), one.seen)
            found |= dict.fromkeys(files, removal)
    return list(dict.fromkeys(found.values()))


def plan(
    found: Inventory,
    *,
    older: float | None = None,
    most: int | None = None,
    backbones: Collection[str] = (),
    everything: bool = False,
    now: float | None = None,
) -> list[Removal]:
    """Return what goes: always leftovers and what is visibly of no use, and what is asked for.

    `older`: days without use; `most`: bytes that the folder may have, the least recently used go first; `backbones`: names or
    patterns; `everything`: all that is penult's. Raises `UnknownName` for a name that nothing here has.
    """
    now = time.time() if now is None else now
    gone: dict[Path, Removal] = {p: Removal(p, _("left by a killed process"), (p,), _size(p)) for p in found.leftovers}
    for item in found.items:
        why = _useless(item, now) or (pgettext("of what a cache loses", "all") if everything else _old(item, older, now))
        if why is not None:
            gone[item.path] = _whole(item, why)
        elif item.odd:
            gone |= {p: Removal(p, _("damaged: a size that cannot be"), (p,), _size(p)) for p in item.odd}
    for item, name in _named(found, backbones):
        gone[item.path] = _whole(item, _("of {name}", name=name))
    if most is not None:
        left = found.bytes - sum(one.bytes for one in gone.values())
        for item in sorted(found.items, key=lambda item: item.used):
            if left <= most:
                break
            if item.kind in BY_AGE and item.path not in gone:
                gone[item.path] = _whole(item, _("least recently used"))
                left -= item.bytes
    return list(gone.values())


def carry_out(removals: Iterable[Removal], cache: Path) -> tuple[int, list[Path]]:
    """Remove the files; return the bytes that are free and the files that could not be removed."""
    free, kept, folders = 0, [], set()
    for one in removals:
        if one.seen is not None and _identity(one.path) != one.seen:
            continue  # another process has put a good file there
        for path in sorted(one.files, key=lambda p: p.suffix != ".json"):  # the record first: half of a thing is none
            size = _size(path)
            if remove(path):
                free += size
                folders.add(path.parent)
            elif path.exists():
                kept.append(path)
    for folder in folders:
        if folder.parent.parent == cache:  # of an item; those of the kinds stay, others may be about to write there
            with contextlib.suppress(OSError):  # it is not empty
                folder.rmdir()
    return free, kept


def keep_below(cache: Path, kind: str, most: int) -> None:
    """Remove the least recently used items of one kind until they have no more than `most` bytes."""
    items = sorted(_items(cache, kind), key=lambda item: item.used)
    total = sum(item.bytes for item in items)
    for item in items:
        if total <= most:
            return
        carry_out([_whole(item, _("least recently used"))], cache)
        total -= item.bytes


def _useless(item: CacheItem, now: float) -> str | None:
    """Return why an item is of no use to anyone: it was not finished, and nobody is at it any more; or there is nothing."""
    if now - item.used <= _DAY:
        return None
    if not item.whole:
        return _("never finished")
    return pgettext("of what a cache loses", "empty") if item.kind in SHARDS and not item.shards else None


def _old(item: CacheItem, older: float | None, now: float) -> str | None:
    days = (now - item.used) / _DAY
    return _("not used for {days:.0f} days", days=days) if older is not None and item.kind in BY_AGE and days > older else None


def _named(found: Inventory, names: Collection[str]) -> Iterator[tuple[CacheItem, str]]:
    """Yield the items of the networks of these names; earlier 8-bit ones have only the digest of the network they are of."""
    known = sorted({item.name for item in found.items if item.name})
    for name in names:
        mine = [item for item in found.items if item.name and fnmatch.fnmatchcase(item.name, name)]
        if not mine:
            raise unknown(N_("cached backbone"), name, known)
        digests = {str(item.facts.get("backbone_digest", ""))[:32] for item in mine}
        yield from ((item, name) for item in (*mine, *(e for e in found.of("int8") if e.path.name in digests)))


def _whole(item: CacheItem, why: str) -> Removal:
    return Removal(item.path, why, item.files, item.bytes)


def _identity(path: Path) -> Identity | None:
    with contextlib.suppress(OSError):
        return identity(path)
    return None
