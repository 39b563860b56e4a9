"""Which file is meant by a name in a table: in which folder, and in which form of the name.

In: names that are no paths of files as they stand, and a folder. Out: for each the file, if exactly one fits, and in what the
two names differ; else why not. Nothing outside the folder is taken, except in the very folder that a name gives.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from typing import ClassVar

from penult.errors import InputError
from penult.i18n import N_
from penult.images.labels import decode_surrogates, strip_bytes_literal
from penult.images.walk import ScanLog, path_kind, walk
from penult.signatures import image_ending
from penult.sources import Member
from penult.sources.names import is_system_file

NEARLY_ALL = 0.9  # share of the names that one folder must hold to be the folder of the photos
OWN = 0.1  # share of names that are paths as they stand from which on the others are taken to be relative to the same folder
MOST_FILES = 1_000_000  # that are looked at below the folder
HINTED = 20_000  # files among which similar names are looked for: that takes time

ENDING, OTHER_ENDING, RESPELT = (
    N_("by adding the file ending"),
    N_("with another file ending"),
    N_("with the ending spelled otherwise"),
)
CASE, UNICODE = N_("ignoring letter case"), N_("in another Unicode form")
SLASHES, BLANKS, ZEROS = N_("reading \\ as /"), N_("without the blanks around them"), N_("adding zeros in front")
BYTES, CODE_PAGE = N_("without the b''"), N_("read as Windows-1252")
WHOLE = N_("as whole numbers")
_COST = {ZEROS: 64, OTHER_ENDING: 32, RESPELT: 16, ENDING: 8, CASE: 4, UNICODE: 2}  # what rather not to differ in

_SAME_ENDINGS = ({".jpg", ".jpeg", ".jpe", ".jfif"}, {".tif", ".tiff"}, {".heic", ".heif"}, {".jp2", ".j2k", ".jpx"})
_DECIMAL = re.compile(r"(\d+)\.0+")  # what pandas makes of a column of whole numbers with a gap in it
_BETWEEN = re.compile(r"[/\\]" if os.sep == "\\" else "/")


@dataclass(frozen=True, slots=True)
class Match:
    """The file that a name means, relative to the folder where `inside`, and in what their names differ."""

    path: str
    inside: str | None
    ways: frozenset[str]
    member: Member | None = None  # where it is in an archive


@dataclass
class Matches:
    """What came of a list of names: for each a `Match` or None; `ambiguous` has the files that fit a name equally well.

    `folders`: the folders, relative to the one that was searched, in which the files are; `rivals`: two or more folders of
    which each holds all the names, so nobody can tell which is meant.
    """

    found: list[Match | None]
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    rivals: list[str] = field(default_factory=list)


@dataclass
class Votes:
    """In which folders names lie that are no paths as they stand: all of a table choose one folder together.

    `exact`: how many other names are paths as they stand; `asked`: names; `alone`: those that fit files of one folder only;
    `stray`: those without a file in the very folder that they give; `held`: names by the folder that holds them.
    """

    exact: int = 0
    asked: int = 0
    found: int = 0
    alone: int = 0
    stray: int = 0
    held: Counter[str] = field(default_factory=Counter)

    def add(self, fits: Iterable[str], beside: bool) -> None:
        """Count one name, which fits files of these folders."""
        folders = set(fits)
        self.asked += 1
        self.found += bool(folders)
        self.alone += len(folders) == 1
        self.stray += not beside
        self.held.update(folders)


Spellings = tuple[tuple[str, frozenset[str]], ...]


def spellings(cell: str) -> Spellings:
    """Return a cell as it is written, then as it may be meant, the surest last, and in what each differs."""
    found = [(cell, frozenset[str]())]
    if (number := _DECIMAL.fullmatch(cell)) is not None:
        return (*found, (number[1], frozenset({WHOLE})))
    if cell.isascii() and "\\" not in cell and "'" not in cell and '"' not in cell and cell == cell.strip():
        return tuple(found)
    ways, text = set(), cell
    for way, change in (
        (CODE_PAGE, decode_surrogates),
        (BLANKS, str.strip),
        (BYTES, strip_bytes_literal),
        (SLASHES, lambda name: name.replace("\\", "/")),
    ):
        changed = change(text)
        if changed != text and changed:
            ways.add(way)
            text = changed
            found.append((text, frozenset(ways)))
    return tuple(found)


class Finder:
    """The files below one folder, or in an archive, listed when a name is first looked for."""

    on_disk: ClassVar[bool] = True
    missing: ClassVar[str] = N_("these files do not exist, or are no regular files")

    def __init__(self, root: str, likely: str = "") -> None:
        self.root = root
        self._likely = likely.lower()  # the name of the table: of two folders, `train` belongs to `train.csv`
        self._above = [part for part in _BETWEEN.split(os.path.abspath(root)) if part]  # noqa: PTH100 - surrogates
        self._index: dict[str, list[str]] | None = None
        self._members: dict[str, Member] = {}
        self._plain: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}  # parts of each folder, and their loosest forms
        self._listings: dict[str, dict[str, list[str]]] = {}

    def at(self, cell: str) -> Match | None:
        """Return the file that a cell names as it stands, or with blanks, slashes and bytes put right."""
        for text, ways in spellings(cell):
            path = os.path.join(self.root, text)  # noqa: PTH118 - a Path costs 5 us a row
            if path_kind(path) == "file":
                return Match(path, None if os.path.isabs(text) else text.replace(os.sep, "/"), ways)  # noqa: PTH117
        return None

    def votes(self, cells: Iterable[str]) -> Votes:
        """Return how the names of a whole table lie, for `all` of its parts to take the same folder."""
        votes = Votes()
        for cell in cells:
            if self.at(cell) is not None:
                votes.exact += 1
            elif cell.strip():
                text = _meant(cell)
                votes.add(self._fits(text), bool(self._beside(text)))
        return votes

    def all(self, cells: Sequence[str], exact: int = 0, votes: Votes | None = None) -> Matches:
        """Return which files the cells mean that `at` finds none for; `exact` is how many others it finds one for.

        `votes` are those of the whole table, where the cells are a part of it.
        """
        meant = [spellings(cell)[-1] for cell in cells]
        asked = [text for text, _ in meant]
        result = Matches([None] * len(cells))
        fits = near = [self._beside(text) for text in asked]
        if (votes.stray if votes else not all(near)) and self._tree():
            by_folder = [self._fits(text) for text in asked]
            if votes is None:
                votes = Votes(exact)
                for folders, beside in zip(by_folder, near, strict=True):
                    votes.add(folders, bool(beside))
            fits = self._in_folder(by_folder, near, result, votes)
        for i, (text, ways) in enumerate(meant):
            best = _best(text, fits[i])
            if len(best) > 1:
                result.ambiguous[cells[i]] = best
            elif best:
                path = best[0]
                inside = None if os.path.isabs(path) else path  # noqa: PTH117 - asked for every row
                where = os.path.join(self.root, path)  # noqa: PTH118
                result.found[i] = Match(where, inside, ways | _ways(text, path), self._members.get(path))
        return result

    def hits(self, cells: Iterable[str]) -> int:
        """Return how many of the cells name a file, in any form and any folder."""
        count = 0
        for cell in cells:
            if cell.strip():
                text = _meant(cell)
                count += bool(self.at(cell) or self._beside(text) or self._fits(text))
        return count

    def suggestion(self, cell: str) -> str | None:
        """Return the name of a file that may be meant."""
        tree = self._tree()
        key = _key(_meant(cell).rpartition("/")[2])
        if tree.get(key):
            return tree[key][0]
        near = get_close_matches(key, tree, n=1, cutoff=0.8) if len(tree) <= HINTED and len(key) < 100 else []
        return tree[near[0]][0] if near else None

    def _beside(self, text: str) -> list[str]:
        """Return the files in the very folder that a name gives whose names are another form of it."""
        folder, _, name = text.rpartition("/")
        prefix = folder + "/" if "/" in text else ""
        if folder not in self._listings:
            self._listings[folder] = self._listed(prefix)
        return [prefix + other for other in self._listings[folder].get(_key(name), ())]

    def _tree(self) -> dict[str, list[str]]:
        """Return the photos below the folder by the loosest form of their names."""
        if self._index is None:
            self._index = defaultdict(list)
            for name in self._every():
                self._index[_key(name.rpartition("/")[2])].append(name)
            self._index = dict(self._index)
        return self._index

    def _every(self) -> Iterator[str]:
        """Yield the photos below the folder."""
        with suppress(InputError):  # the folder itself cannot be listed: then it holds nothing
            for image in islice(walk(self.root, ScanLog()), MOST_FILES):
                if image.member is not None:
                    self._members[image.id] = image.member
                yield image.id

    def _listed(self, prefix: str) -> dict[str, list[str]]:
        """Return the photos of one folder by the loosest form of their names."""
        return _listed(os.path.join(self.root, prefix))  # noqa: PTH118

    def _fits(self, text: str) -> dict[str, list[str]]:
        """Return the files that end like a name, by the folder that it then is relative to."""
        parts = [part for part in text.split("/") if part not in ("", ".")]
        if not parts or ".." in parts or text.startswith("/") or _drive(text):
            return {}
        fits: dict[str, list[str]] = defaultdict(list)
        up = len(parts) - 1
        wanted = tuple(map(_plain, parts[:-1]))
        for path in self._tree().get(_key(parts[-1]), ()):
            folder = path.rpartition("/")[0]
            if folder not in self._plain:
                whole = tuple([*self._above, *folder.split("/")] if folder else self._above)
                self._plain[folder] = whole, tuple(map(_plain, whole))
            whole, plain = self._plain[folder]
            if not up:
                fits["/".join(whole)].append(path)
            elif plain[-up:] == wanted:
                fits["/".join(whole[:-up])].append(path)
        return fits

    def _in_folder(
        self, fits: list[dict[str, list[str]]], beside: list[list[str]], result: Matches, votes: Votes
    ) -> list[list[str]]:
        """Choose the folder that the names are relative to; where they lie in several, each must be in one alone."""
        chosen = self._chosen(votes)
        if chosen is not None:
            result.folders = [self._shown(chosen)] if votes.held[chosen] else []
            return [by_folder.get(chosen, near) for by_folder, near in zip(fits, beside, strict=True)]
        if votes.alone >= NEARLY_ALL * votes.asked:
            result.folders = sorted({self._shown(next(iter(by_folder))) for by_folder in fits if len(by_folder) == 1})
            every = ([path for paths in by_folder.values() for path in paths] for by_folder in fits)
            return [paths or near for paths, near in zip(every, beside, strict=True)]
        rivals = [folder for folder, count in votes.held.items() if count >= NEARLY_ALL * votes.asked]
        result.rivals = sorted(self._shown(folder) for folder in rivals) if len(rivals) > 1 else []
        return beside

    def _chosen(self, votes: Votes) -> str | None:
        """Return the one folder that holds the names: all of them, or nearly all, or all that are found at all."""
        held, n, own = votes.held, votes.asked, "/".join(self._above)
        if votes.exact > OWN * (votes.exact + n):  # the names are relative to the folder itself
            return own
        whole = [folder for folder, count in held.items() if count == n]
        nearly = whole or [folder for folder, count in held.items() if count >= NEARLY_ALL * n]
        if own in nearly:
            return own
        if len(nearly) > 1:
            return self._by_name(nearly)
        if nearly:
            return nearly[0]
        return next((folder for folder, count in held.items() if count == votes.found >= n / 2), None)

    def _by_name(self, folders: Sequence[str]) -> str | None:
        """Return the one folder that is named like the table: `train` or `train_images` for `train.csv`, `train_v2.csv`."""
        names = {folder: folder.rpartition("/")[2].lower() for folder in folders}
        for named in (
            [folder for folder, name in names.items() if name == self._likely],
            [folder for folder, name in names.items() if self._likely and name.startswith(self._likely)],
            [folder for folder, name in names.items() if len(name) > 2 and self._likely.startswith(name)],
        ):
            if named:
                return named[0] if len(named) == 1 else None
        return None

    def _shown(self, folder: str) -> str:
        """Return a folder relative to the one that is searched, `.` for that itself."""
        own = "/".join(self._above)
        return "." if folder == own or not folder.startswith(own + "/") else folder[len(own) + 1 :]


def _listed(folder: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_system_file(entry.name) and image_ending(entry.name) and entry.is_file():
                    found[_key(entry.name)].append(entry.name)
    except (OSError, ValueError):
        return {}
    return {key: sorted(names) for key, names in found.items()}


def _meant(cell: str) -> str:
    """Return the last of the spellings: everything put right that can be."""
    return spellings(cell)[-1][0]


def _drive(text: str) -> bool:
    return len(text) > 1 and text[1] == ":" and text[0].isalpha()


def _plain(name: str) -> str:
    text = name.strip()
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


def _key(name: str) -> str:
    """Return the loosest form of a file's name: without ending, letter case, Unicode form, zeros in front."""
    text = name.strip()
    text = _plain(text[: len(text) - len(image_ending(text))])
    return (text.lstrip("0") or "0") if text.isdigit() else text


def _best(text: str, paths: Sequence[str]) -> list[str]:
    """Return the files whose names differ least from the text; more than one where none is better."""
    if len(paths) < 2:
        return list(paths)
    costs = [sum(_COST[way] for way in _ways(text, path)) for path in paths]
    return [path for path, cost in zip(paths, costs, strict=True) if cost == min(costs)]


def _ways(text: str, path: str) -> frozenset[str]:
    """Return in what a name and the end of a path differ."""
    asked = [part for part in _BETWEEN.split(text) if part not in ("", ".")]
    there = path.split("/")[-len(asked) :]
    ways: set[str] = set()
    last, other = asked[-1], there[-1]
    ending, other_ending = image_ending(last), image_ending(other)
    if ending != other_ending:
        if not ending:
            ways.add(ENDING)
        elif ending.lower() == other_ending.lower():
            ways.add(CASE)
        else:
            same = any({ending.lower(), other_ending.lower()} <= group for group in _SAME_ENDINGS)
            ways.add(RESPELT if same else OTHER_ENDING)
    pairs = [
        *zip(asked[:-1], there[:-1], strict=False),
        (last[: len(last) - len(ending)], other[: len(other) - len(other_ending)]),
    ]
    for one, two in pairs:
        ways |= _stem_ways(one, two)
    return frozenset(ways)


def _stem_ways(one: str, two: str) -> set[str]:
    if one == two:
        return set()
    if one.isdigit() and two.isdigit() and one.lstrip("0") == two.lstrip("0"):
        return {ZEROS}
    a, b = (unicodedata.normalize("NFC", name) for name in (one, two))
    if a == b or unicodedata.normalize("NFKC", a) == unicodedata.normalize("NFKC", b):
        return {UNICODE}
    return {CASE} if one.casefold() == two.casefold() else {CASE, UNICODE}
