"""Make a plan of a source, or add what is new in the source to one: streamed, in bounded memory.

In: a folder, a CSV, an archive, an address, and the facts of the vectors. Out: one Parquet file, the same for the same source.
Of each image that is in the plan already 24 bytes are held, of each in an archive or a table 8; nothing is decoded.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import IO

import numpy as np

from penult import images, sources
from penult.errors import InputError, ProgressCallback, quiet
from penult.i18n import N_, _
from penult.parquet import ParquetWriter
from penult.shards.facts import PlanFacts
from penult.shards.known_rows import KnownRows, hash_of
from penult.shards.output import whole_file
from penult.shards.plan import ABOUT, FACTS, GROUP_ROWS, KINDS, NAMES, Plan, PlanNotes, columns_of, shard_name, take_note
from penult.sources import Member
from penult.sources.entries import NEARLY_ALL
from penult.texts import count, enumeration, printable


@dataclass(frozen=True)
class PlanSummary:
    """What a plan holds: its shards and images; of an addition, how many are new, replaced by new ones, or gone."""

    path: str
    shards: int
    rows: int
    new: int
    replaced: int = 0
    gone: int = 0
    notes: tuple[str, ...] = ()


class _NothingNew(Exception):
    """The plan would be the old one: the file stays."""


class _Repeated(Exception):
    """A table lists these images more than once, each time with the same label: the plan is made anew with each once."""

    def __init__(self, ids: set[str]) -> None:
        super().__init__()
        self.ids = ids


def make_plan(
    source: str,
    out: str,
    facts: PlanFacts | None,
    *,
    table: images.TableOptions | None = None,
    add: bool = False,
    progress: ProgressCallback = quiet,
) -> PlanSummary:
    """Write the plan of a source to a file or an address.

    With `add` what is new in the source is appended to the plan that is there, in new shards: images that are in it keep
    their shards, and so the shards their names. A file that changed is a new image, and its old row counts no more
    (`Plan.replaced`). `facts` may be None then; others than the plan's are refused. Where nothing is new the file stays.

    Raises InputError for a source without images, with one id twice, or of another plan; OutputError.
    """
    check_plan_name(out)
    source = source.rstrip("/") if "://" in source else os.path.abspath(source)  # noqa: PTH100 - surrogates
    old = Plan.open(out) if add else None
    if old is not None:
        _refuse_other(old, source, facts)
        facts = old.facts
    if facts is None:
        raise TypeError("a new plan needs facts")
    how = source, replace(facts, source=source), old, table or images.TableOptions()
    making = _Making(*how)
    try:
        try:
            _write(making, out, progress)
        except _Repeated as found:
            making = _Making(*how, found.ids)
            _write(making, out, progress)
    except _NothingNew:
        pass
    return making.summary(out)


def check_plan_name(out: str) -> None:
    """Raise `InputError` for a file that commands would not take for a plan."""
    if not out.lower().endswith(".parquet"):
        raise InputError(
            _("--out '{out}' is no name of a plan, which is a Parquet file; give it the ending .parquet", out=printable(out))
        )


def _write(making: _Making, out: str, progress: ProgressCallback) -> None:
    with whole_file(out) as file:
        making.write(file, progress)


def _refuse_other(old: Plan, source: str, facts: PlanFacts | None) -> None:
    if old.facts.source != source:
        raise InputError(
            _(
                "'{path}' is a plan of '{source}', not of '{asked}'; make a plan of its own for another source",
                path=printable(old.path),
                source=printable(old.facts.source),
                asked=printable(source),
            )
        )
    if facts is not None and facts.key != old.facts.key:
        raise InputError(
            _(
                "'{path}' was made with other networks, another precision or another version of penult; leave the "
                "networks out to keep the plan's, or make a new plan",
                path=printable(old.path),
            )
        )


class _Making:
    """One plan under way."""

    def __init__(
        self,
        source: str,
        facts: PlanFacts,
        old: Plan | None,
        table: images.TableOptions,
        repeated: set[str] | frozenset[str] = frozenset(),
    ) -> None:
        self._source, self._facts, self._table, self._old, self._repeated = source, facts, table, old, repeated
        self._known = None if old is None else KnownRows(old)
        self._notes = PlanNotes(named=True)
        if old is not None:
            self._notes = replace(old.notes, ignored={}, classes=[*old.notes.classes], replaced=dict(old.notes.replaced))
        self._ignored: Counter[str] = Counter()
        self._said: tuple[str, ...] = ()
        self._folders: set[str] = set(self._notes.first)
        self._stated = False  # whether labels are in a column, and not beside images
        self._new = 0
        self._hashes = array("Q")  # of new ids that may come twice
        self._names: list[str] = []
        self._rows = 0
        self._replaced = 0

    def write(self, file: IO[bytes], progress: ProgressCallback) -> None:
        """Write the whole file. Raises _NothingNew where it would be the old one."""
        with ParquetWriter(file, KINDS, {FACTS: self._facts.to_json()}) as writer:
            if self._old is not None:
                self._old.copy_to(writer)
                self._names = [task.name for task in self._old.tasks()]
                self._rows = self._old.rows
            found = self._members()
            new = found if self._known is None else self._known.new_ones(found)
            while shard := list(islice(new, self._facts.rows)):
                columns = columns_of(shard)
                writer.append_to_group(columns, GROUP_ROWS)
                self._names.append(shard_name(self._facts.key, columns))
                self._rows += len(shard)
                self._take_note(shard)
                progress(N_("plan"), self._rows, self._rows)
            self._refuse()
            self._finish_notes()
            writer.add_metadata({NAMES: "".join(self._names), ABOUT: self._notes.to_json()})

    def summary(self, out: str) -> PlanSummary:
        """Return what was done."""
        gone = 0 if self._known is None else self._known.gone
        said = list(self._said)
        unsaid = sorted(kind for kind in self._ignored if not any(text.startswith((kind, _(kind))) for text in said))
        if unsaid:
            kinds = enumeration(f"{self._ignored[kind]:,} {_(kind)}" for kind in unsaid)
            said.append(_("ignored: {kinds}", kinds=kinds))
        if gone:
            said.append(_("no longer in the source, but still in the plan: {images}", images=count(gone, "image")))
        if self._notes.class_folders and self._notes.outside:
            outside = count(self._notes.outside, "image")
            said.append(_("in no class folder, so without a label: {images}", images=outside))
        return PlanSummary(out, len(self._names), self._rows, self._new, self._replaced, gone, tuple(said))

    def _members(self) -> Iterator[Member]:
        self._ignored.clear()
        if sources.kind_of(self._source) == "table":
            yield from self._listed()
        else:
            columns = self._table.refuse_for(self._source)
            yield from sources.members(self._source, lambda kind, name: self._ignored.update((kind,)), columns)

    def _listed(self) -> Iterator[Member]:
        """Yield the images that a CSV lists."""
        log = images.ScanLog()
        table = images.Table(self._source, self._table)
        seen: set[str] = set()
        for image in table.stream(log, images.LabelNormalizer()):
            if image.id in seen:
                log.ignore(images.REPEATED, image.id)
                continue
            if image.id in self._repeated:
                seen.add(image.id)
            yield _file_member(image, table.root)
        self._ignored.update(log.ignored)
        self._said = log.notes

    def _take_note(self, shard: list[Member]) -> None:
        # A folder has each name once, and so has a store; tables and archives may say one twice.
        listed = sources.kind_of(self._source) == "table"
        self._hashes.extend(hash_of(one.id) for one in shard if listed or one.packing not in ("file", "object"))
        self._new += len(shard)
        take_note((one.id for one in shard), self._folders, self._notes)
        labelled = [one for one in shard if one.label is not None]
        self._notes.labelled += len(labelled)
        self._stated = self._stated or any(listed or one.packing == "parquet" for one in labelled)

    def _refuse(self) -> None:
        """Raise InputError for no image at all, or for one id twice."""
        if not self._new and self._rows:
            raise _NothingNew
        if not self._new:
            passed = enumeration(f"{number:,} {_(kind)}" for kind, number in sorted(self._ignored.items()))
            source = printable(self._source)
            if passed:
                raise InputError(
                    _("no images in '{source}' (ignored: {kinds}); give a source that has some", source=source, kinds=passed)
                )
            raise InputError(_("no images in '{source}'; give a source that has some", source=source))
        hashes = np.sort(np.frombuffer(self._hashes, np.uint64))
        if not (equal := set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())):
            return
        # Two names may have one hash: names decide, and for these few the source is read once more.
        meant: dict[str, list[Member]] = defaultdict(list)
        for one in self._members():
            if hash_of(one.id) in equal:
                meant[one.id].append(one)
        repeated = {id for id, found in meant.items() if len(found) > 1}
        listed = sources.kind_of(self._source) == "table"
        if twice := [id for id in repeated if not listed or len(set(meant[id])) > 1]:
            raise InputError(
                _(
                    "'{source}' has these names more than once: {twice}; remove or rename one of each, since results "
                    "are told apart by their names",
                    source=printable(self._source),
                    twice=images.quoted(sorted(twice)),
                )
            )
        if repeated:
            raise _Repeated(repeated)

    def _finish_notes(self) -> None:
        notes = self._notes
        notes.folders = max(notes.folders, len(self._folders))
        few = 0 < notes.labelled < NEARLY_ALL * self._rows and not self._stated
        if few and notes.folders > 1 and not notes.outside:  # as `images.scan_labelled` has it
            said = _(
                "labels come from the class folders: only {labelled:,} of {n:,} images have a label in a .cls or .json",
                labelled=notes.labelled,
                n=self._rows,
            )
            self._said = (*self._said, said)
            notes.labelled = 0
        notes.parts = notes.parts and all(map(images.is_part, self._folders))
        notes.first = sorted(self._folders)[:2]
        notes.ignored = dict(sorted(self._ignored.items()))
        if self._known is not None:
            for number, rows in self._known.replaced().items():
                notes.replaced[number] = sorted({*notes.replaced.get(number, ()), *rows})
                self._replaced += len(rows)


def _file_member(image: images.Image, root: str) -> Member:
    """Return a file that a CSV lists, or a member of an archive; one that is gone meanwhile cannot be read later."""
    if image.member is not None:
        return replace(image.member, id=image.id, label=image.label)
    try:
        found = os.stat(image.path)  # noqa: PTH116 - asked for every row
    except OSError:
        return Member(image.id, root, image.path, label=image.label)
    tag = f"{found.st_size}-{found.st_mtime_ns}"
    inside = image.path.startswith(root + os.sep)
    key = image.path[len(root) + 1 :] if inside else image.path
    return Member(image.id, root, key, size=found.st_size, tag=tag, label=image.label)
