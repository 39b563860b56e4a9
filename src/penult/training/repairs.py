"""Act on what an audit found: move photos to other classes, or lay them aside. Nothing is deleted or overwritten.

In: a folder or table of labelled photos, and `findings.csv` with a column `decision` (keep, drop, move:CLASS; empty: nothing),
or a list of moves (file,to). Everything is checked before the first photo is moved. Photos that are dropped go to a folder
beside, TRAIN-dropped, under the same names; of a table of labels a corrected copy is written instead, TABLE-corrected.csv.
"""

from __future__ import annotations

import csv
import posixpath
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from penult import images, store
from penult.errors import InputError, OutputError, unknown
from penult.i18n import N_, _, ngettext
from penult.images import ImageSet, TableOptions
from penult.sources import kind_of
from penult.texts import count, printable
from penult.training.decisions import Decision, read_decisions

DROPPED, CORRECTED = "-dropped", "-corrected"


@dataclass(frozen=True, slots=True)
class Repairs:
    """How many photos were moved (or relabelled in a table), dropped and kept, and where the result is, if not in the folder.

    `places` are the folders of what was dropped, `table` the corrected copy of a table.
    """

    moved: int
    dropped: int = 0
    kept: int = 0
    places: tuple[str, ...] = ()
    table: str | None = None


def apply_repairs(source: str, listing: str, test: str | None = None, table: TableOptions | None = None) -> Repairs:
    """Do what a list says with the photos of `source`, and with test photos that are in training (leaks) of `test`.

    Raises `InputError` for a list or photo that cannot be used, `UnknownName` for a class that is not there, both before
    anything was moved; `OutputError` where a move fails.
    """
    table = table or TableOptions()
    with_table = images.read_as_table(source, table)
    if not with_table and kind_of(source) not in (None, "folder"):
        raise InputError(
            _(
                "{source} is an archive, and photos inside it cannot be moved; nothing was moved. Unpack it, and give the "
                "folder; the same list fits.",
                source=printable(source),
            )
        )
    if not with_table and not Path(source).is_dir():
        raise InputError(
            _(
                "{source} is not a folder; nothing was moved. Give the folder of class folders, or the table.",
                source=printable(source),
            )
        )
    decisions = read_decisions(listing)
    if any(one.action == "to" for one in decisions):
        if with_table:
            raise InputError(
                _(
                    "{source} is a table, and {listing} says to which file each photo goes; nothing was moved. Give a list "
                    "with a column `decision`, or the folder of the photos.",
                    source=printable(source),
                    listing=listing,
                )
            )
        _refuse_test(test, listing)
        return Repairs(_carried_out([_checked(Path(source), one.file, one.value, listing) for one in decisions], listing))
    labelled = images.scan_labelled(source, table=table)
    if not with_table and any(one.member is not None for one in labelled.images):
        raise InputError(
            _(
                "the photos of {source} are in archives, and cannot be moved; nothing was moved. Unpack them, and audit the "
                "folder.",
                source=printable(source),
            )
        )
    if with_table:
        _refuse_test(test, source)
        return _correct(source, labelled, decisions, table)
    return _Planned(Path(source), labelled, None if test is None else Path(test), listing).of(decisions)


def _refuse_test(test: str | None, given: str) -> None:
    if test is not None:
        raise InputError(
            _(
                "{given} tells nothing of the test photos in {test}; nothing was moved. Leave --test out; leaks are repaired "
                "where TRAIN is a folder and the list has a column `decision`.",
                given=printable(given),
                test=printable(test),
            )
        )


@dataclass
class _Planned:
    """What becomes of the photos of a folder; nothing is moved until all of it is known to be possible."""

    root: Path
    labelled: ImageSet
    test: Path | None
    listing: str
    moves: list[tuple[Path, Path]] = field(default_factory=list)
    taken: set[Path] = field(default_factory=set)

    def of(self, decisions: Sequence[Decision]) -> Repairs:
        """Check all decisions, then carry them out."""
        classes = {str(one.label): one.id.partition("/")[0] for one in self.labelled.images}
        flat = all("/" not in one.id for one in self.labelled.images)  # the class is in the name: cat.1.jpg
        folders = {path.name for path in self.root.iterdir() if path.is_dir()}
        labels = {one.id: str(one.label) for one in self.labelled.images}
        counts: Counter[str] = Counter()
        places = []
        for one in decisions:
            root = self._root_of(one)
            action = "keep" if one.action == "move" and labels.get(one.file) == one.value else one.action
            counts[action] += 1
            if action == "drop":
                place = _beside(root, DROPPED)
                _check_writable(place)
                places += [str(place)]
                self._plan(root, one.file, place, one.file)
            elif action == "move":
                folder = one.value if one.value in folders else classes.get(one.value)
                if folder is None:
                    raise unknown(_("class"), one.value, classes)
                name = self._renamed(root, one.file, one.value) if flat else _in_folder(one.file, folder)
                self._plan(root, one.file, root, name)
        _carried_out(self.moves, self.listing)
        return Repairs(counts["move"], counts["drop"], counts["keep"], tuple(dict.fromkeys(places)))

    def _renamed(self, root: Path, file: str, label: str) -> str:
        """Return `dog.12.jpg` for `cat.12.jpg`, or the next number that is free."""
        _checked(root, file, None, self.listing)
        parts = file.split(".")
        if len(parts) != 3 or not parts[1].isdecimal():
            raise InputError(
                _(
                    "{listing}: {file} is not named like cat.12.jpg; nothing was moved. Fix the list.",
                    listing=self.listing,
                    file=printable(file),
                )
            )
        number, ending = parts[1:]
        free = int(number)
        while (new := root / f"{label}.{free}.{ending}") in self.taken or store.is_taken(new):
            free += 1
        return new.name

    def _root_of(self, one: Decision) -> Path:
        """Return the folder in which a photo lies: that of the test photos for one that is in training, too."""
        if one.kind == "leak" and one.action != "keep":
            if self.test is None or one.action == "move":
                told = {"listing": self.listing, "file": printable(one.file)}
                if self.test is None:
                    raise InputError(
                        _("{listing}: {file} is a test photo; nothing was moved. Give the folder with --test DIR.", **told)
                    )
                raise InputError(_("{listing}: {file} is a test photo; nothing was moved. Drop it, or keep it.", **told))
            return self.test
        if self.test is not None and not (self.root / one.file).is_file() and (self.test / one.file).is_file():
            return self.test
        return self.root

    def _plan(self, root: Path, file: str, place: Path, name: str) -> None:
        """Plan one move to a name that nobody has; the file must be there, and lie in the folder."""
        old, _other = _checked(root, file, None, self.listing)
        new, again = place / name, 2
        if not new.parent.resolve().is_relative_to(place.resolve()):
            raise InputError(
                _(
                    "{listing}: {new} is outside {place}; nothing was moved. Fix the list.",
                    listing=self.listing,
                    new=printable(new),
                    place=printable(place),
                )
            )
        while new in self.taken or store.is_taken(new):
            new, again = (place / name).with_stem(f"{Path(name).stem}-{again}"), again + 1
        self.taken.add(new)
        self.moves.append((old, new))


def _in_folder(file: str, folder: str) -> str:
    """Return the file's name in another class folder: what lies below the old one stays."""
    _, _, below = file.partition("/")
    return f"{folder}/{below or file}"


def _beside(path: Path, ending: str) -> Path:
    """Return the path with an ending behind its name, before the suffix of a file."""
    whole = path.absolute()
    return whole.with_name(f"{whole.stem}{ending}{whole.suffix}") if whole.is_file() else whole.with_name(whole.name + ending)


def _check_writable(place: Path) -> None:
    if place.is_symlink() or not store.can_be_written(place):
        raise OutputError(
            _(
                "{place}, where photos that are dropped go, cannot be written, or is a link; nothing was moved. Change that, "
                "or copy the photos to another folder.",
                place=printable(place),
            )
        )


def _checked(root: Path, file: str, to: str | None, listing: str) -> tuple[Path, Path]:
    """Return the photo's path and its new one (itself without `to`), both inside `root`."""
    old, new = root / file, root / (file if to is None else to)
    try:
        return _inside(root, old, new, to, listing)
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long, a zero byte, links in a ring
        if isinstance(error, InputError):
            raise
        told = {"listing": listing, "file": printable(file[:200]), "error": str(error)[:200]}
        if to is None:
            raise InputError(
                _("{listing}: {file} cannot be moved ({error}); nothing was moved. Fix the list.", **told)
            ) from error
        raise InputError(
            _(
                "{listing}: {file} to {to} cannot be moved ({error}); nothing was moved. Fix the list.",
                to=printable(to[:200]),
                **told,
            )
        ) from error


def _inside(root: Path, old: Path, new: Path, to: str | None, listing: str) -> tuple[Path, Path]:
    if to is not None and (to.endswith("/") or new.is_dir()):
        new = new / old.name
    for path in (old, new):
        if not path.resolve().is_relative_to(root.resolve()):
            raise InputError(
                _(
                    "{listing}: {path} is outside {root}; nothing was moved. Fix the list.",
                    listing=listing,
                    path=printable(path),
                    root=printable(root),
                )
            )
    if not old.is_file():
        raise InputError(
            _("{listing}: {old} was not found; nothing was moved. Fix the list.", listing=listing, old=printable(old))
        )
    if to is not None and new.exists():
        raise InputError(
            _(
                "{listing}: {new} exists already; nothing was moved. Give another name.",
                listing=listing,
                new=printable(new),
            )
        )
    return old, new


def _carried_out(moves: Sequence[tuple[Path, Path]], listing: str) -> int:
    """Move the photos; return how many."""
    doubles = (
        N_("{listing}: {file} would be moved twice; nothing was moved. Fix the list."),
        N_("{listing}: {file} would be the place of two photos; nothing was moved. Fix the list."),
    )
    for column, what in enumerate(doubles):
        # a link is a photo of its own, beside the one that it leads to
        times = Counter(move[column].parent.resolve() / move[column].name for move in moves)
        twice = next((place for place, number in times.items() if number > 1), None)
        if twice is not None:
            raise InputError(_(what, listing=listing, file=printable(twice)))
    for done, (old, new) in enumerate(moves):
        store.make_folder(new.parent)
        try:
            shutil.move(old, new)
        except OSError as error:
            raise OutputError(
                _(
                    "{old} cannot be moved ({error}); {done} before it were. Take those off the list and run it again.",
                    old=printable(old),
                    error=_(str(error.strerror)),
                    done=done,
                )
            ) from error
    return len(moves)


# --- a table of labels ---


def _correct(source: str, labelled: ImageSet, decisions: Sequence[Decision], table: TableOptions) -> Repairs:
    """Write a corrected copy of a table beside it, as CSV."""
    if labelled.task == "labels" and any(one.action == "move" for one in decisions):
        raise InputError(
            _(
                "the photos of {source} have several labels each, and a move gives one class; nothing was moved. Correct the "
                "labels in the table, or drop these photos.",
                source=printable(source),
            )
        )
    paths = {posixpath.normpath(one.id): one for one in labelled.images}
    labels: dict[str, str | None] = {}
    counts: Counter[str] = Counter()
    for one in decisions:
        if one.kind == "leak":  # about the test photo, which may have the name of a training photo
            if one.action != "keep":
                raise InputError(
                    _(
                        "{file} is a test photo, and {source} lists those for training; nothing was moved. Drop it from the "
                        "test table, and leave its decision empty.",
                        file=printable(one.file),
                        source=printable(source),
                    )
                )
            counts["keep"] += 1
            continue
        image = paths.get(one.file)
        if image is None:
            raise InputError(
                _(
                    "{source} has no photo {file}; nothing was moved. Fix the list.",
                    source=printable(source),
                    file=printable(one.file),
                )
            )
        if one.action == "move" and one.value not in labelled.classes:
            raise unknown(_("class"), one.value, labelled.classes)
        action = "keep" if one.action == "move" and one.value == image.label else one.action
        counts[action] += 1
        if action != "keep":
            labels[image.path] = one.value if action == "move" else None
    place, again = _beside(Path(source), CORRECTED).with_suffix(".csv"), 2
    while store.is_taken(place):
        place, again = _beside(Path(source), f"{CORRECTED}-{again}").with_suffix(".csv"), again + 1
    with store.atomic_write_text(place) as file:
        csv.writer(file).writerows(images.corrected_rows(source, table, labels))
    return Repairs(counts["move"], counts["drop"], counts["keep"], table=str(place))


def tell(done: Repairs) -> Iterator[str]:
    """Yield what was done, line by line."""
    if done.table is not None:
        yield ngettext(
            "{n:,} label changed, {left} left out; written to {table}",
            "{n:,} labels changed, {left} left out; written to {table}",
            done.moved,
            left=count(done.dropped, "photo"),
            table=printable(done.table),
        )
        return
    if done.places:
        yield ngettext(
            "{n:,} photo moved, {dropped:,} dropped",
            "{n:,} photos moved, {dropped:,} dropped",
            done.moved,
            dropped=done.dropped,
        )
    else:
        yield ngettext("{n:,} photo moved", "{n:,} photos moved", done.moved)
    yield from (_("dropped photos are in {place}", place=printable(place)) for place in done.places)
