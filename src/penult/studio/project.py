"""A project: photos by content, their features in few directions, families of copies, the map, and what is odd about them.

In: `FoundPhotos`. Out: `Project`, whose arrays have a row for each distinct picture. `prepare_project` computes what is not
known yet, with progress; it can be stopped and goes on where it was, since features are in the cache.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import audit, pixels
from penult.audit.pairs import UnionFind
from penult.embed import PhotoThumbnails
from penult.errors import InputError, ProgressCallback, quiet
from penult.fit import group_copies
from penult.i18n import N_, _
from penult.pixels import Failure
from penult.studio import prepared
from penult.studio.embedded import PhotoFeatures
from penult.studio.options import StudioOptions
from penult.studio.photo_findings import find_problems
from penult.studio.photos import FoundPhotos
from penult.studio.projection import project as projected
from penult.texts import printable
from penult.worker import Worker

STEP = 2048  # photos whose whole features are in memory at a time
_KEPT = ("Z", "families", "quality", "alike", "depth")


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file that cannot be read as a photo, why, and what to do about it."""

    file: str
    reason: str
    advice: str


@dataclass(eq=False)
class Project:
    """The photos of a project, numbered 0..N-1 by their distinct contents; see the fields.

    `files` and `paths` (N,) are of each photo the ids and paths of its files, the first is the one shown; ids are relative to
    `root`. `Z` (N, r) is what the quick model learns from; `families` (N,) number the copies of one picture alike. `labels`
    are those that the photos came with, `guesses` what a server's model said, `findings` plain values, ready for the page;
    `depth` is how many bits of photos in 16-bit files are used. `places` (N, 2) come later, see `find_places`.
    """

    folder: Path
    name: str
    kind: str
    source: str
    root: str
    files: tuple[tuple[str, ...], ...]
    paths: tuple[tuple[str, ...], ...]
    digests: tuple[str, ...]
    Z: NDArray[np.float32]
    families: NDArray[np.intp]
    unreadable: tuple[UnreadableFile, ...]
    classes: tuple[str, ...]
    labels: tuple[str | None, ...]
    guesses: Mapping[int, tuple[str, float]]
    findings: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    embedded: PhotoFeatures
    thumbnails: PhotoThumbnails
    facts: Mapping[str, Any]
    depth: int
    places: NDArray[np.float64] | None = None
    _sizes: dict[int, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.digests)

    @cached_property
    def order(self) -> str:
        """What tells whether numbers mean the same photos as before: 16 hex digits."""
        return hashlib.sha256("".join(self.digests).encode()).hexdigest()[:16]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {file: n for n, files in enumerate(self.files) for file in files}

    def number(self, file: str) -> int | None:
        """Return the number of the photo in a file, None for a file that is not in the project or cannot be read."""
        return self._numbers.get(file)

    @property
    def blocks(self) -> tuple[int, ...]:
        """The widths of the runs of columns of `features` that are scaled together."""
        return self.embedded.blocks

    def features(self, numbers: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the whole features of some photos, (m, d)."""
        return self.embedded.rows(np.asarray(numbers, np.intp))

    def size(self, number: int) -> tuple[int, int]:
        """Return width and height of a photo as it is shown, 0 where that cannot be read."""
        if number not in self._sizes:
            self._sizes[number] = pixels.image_size(self.paths[number][0], upright=True) or (0, 0)
        return self._sizes[number]

    def csv_name(self, number: int) -> list[str]:
        """Return what a table in the project folder calls the files of a photo: relative to it where they lie near it."""
        near = os.path.dirname(self.folder)  # noqa: PTH120 - surrogates
        own = os.path.join(near, "")  # noqa: PTH118
        return [os.path.relpath(path, self.folder) if path.startswith(own) else path for path in self.paths[number]]


def prepare_project(found: FoundPhotos, options: StudioOptions, progress: ProgressCallback = quiet) -> Project:
    """Return the project, computing what is not kept in its folder. Raises `InputError` where no photo can be read."""
    files, every = [image.id for image in found.images], [image.path for image in found.images]
    stats = prepared.file_stats(every)
    progress(N_("files"), len(files), len(files))
    known, failures = prepared.read_digests(found.folder, files, stats), dict[int, Failure]()
    if not known.any(axis=1).all():
        known, failures = _read(every, known, options, progress)
        prepared.write_digests(found.folder, files, stats, known)
    readable = np.asarray(known.any(axis=1))
    if not readable.any():
        reasons = pixels.summarize_failures(failures.values())
        raise InputError(
            _(
                "none of the {n} photos in {source} can be read. {reasons}.",
                n=len(files),
                source=printable(found.source),
                reasons=reasons,
            )
        )
    photo, first = _by_content(known, readable)
    digests = known[first]
    embedded = PhotoFeatures([every[i] for i in first.tolist()], digests, options)
    facts = facts_of(digests, options)
    arrays = prepared.read_arrays(found.folder, facts, _KEPT)
    if arrays is None:
        arrays = _computed(embedded, digests, options, progress)
        prepared.write_arrays(found.folder, facts, arrays)
    return _assembled(found, options, failures, photo, embedded, arrays)


def find_places(project: Project, started: Callable[[Worker], None]) -> None:
    """Give a project its map: as it was kept, or computed in a child process, since that takes longest and can wait.

    `started` gets the process, so that it can be ended. Raises `Crashed` then, and `OutputError` where it cannot be kept.
    """
    facts = {**project.facts, "what": "map"}
    kept = prepared.read_arrays(project.folder, facts, ("places",))
    if new := kept is None:
        with Worker("penult.studio.embedded:place") as worker:
            started(worker)
            own = project.embedded
            worker.send((own.paths, own.digests, own.options))
            kept = {"places": next(iter(worker.answers()))}
    project.places = kept["places"]
    if new:
        prepared.write_arrays(project.folder, facts, kept)


def _read(
    every: Sequence[str], known: NDArray[np.uint8], options: StudioOptions, progress: ProgressCallback
) -> tuple[NDArray[np.uint8], dict[int, Failure]]:
    """Return the digests of all files, and why some have none; those without one are read, and their features computed."""
    new = np.flatnonzero(~known.any(axis=1))
    done = PhotoFeatures.of_files([every[i] for i in new.tolist()], every, options, progress)
    digests = known.copy()
    digests[new[done.ok]] = done.digests[done.ok]
    return digests, {int(new[i]): failure for i, failure in sorted(done.failures.items())}


def _by_content(digests: NDArray[np.uint8], readable: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the photo number of each file (n,), -1 for an unreadable one, and the first file of each photo (N,)."""
    rows = np.flatnonzero(readable)
    groups = audit.copy_groups(digests[rows])
    start = np.unique(groups, return_index=True)[1]
    order = np.argsort(np.argsort(start))  # numbers in the order in which the photos appear
    photo = np.full(len(digests), -1, np.intp)
    photo[rows] = order[groups]
    return photo, rows[np.sort(start)]


def facts_of(digests: NDArray[np.uint8], options: StudioOptions) -> dict[str, Any]:
    """Return what everything that is computed depends on."""
    return {
        "version": 1,
        "photos": hashlib.sha256(digests.tobytes()).hexdigest(),
        "backbones": list(options.backbones),
        "pixels": pixels.preprocessing_version(),
        "device": options.settings.device,
        "precision": options.settings.precision,
        "seed": options.seed,
    }


def _computed(
    embedded: PhotoFeatures, digests: NDArray[np.uint8], options: StudioOptions, progress: ProgressCallback
) -> dict[str, NDArray[Any]]:
    """Compute what a project keeps, from the features of its N photos."""
    n = len(digests)
    with embedded.whole(progress) as X:
        progress(N_("copies"), 0, n)
        thumbnails, quality = embedded.thumbnails(), embedded.quality()
        pairs = group_copies(digests, X, embedded.widths, thumbnails=thumbnails, pictures=embedded.large_thumbnails)[1].pairs
        same = pairs.select(np.zeros(len(pairs), bool) if pairs.one_picture is None else pairs.one_picture)
        ties = UnionFind(n)
        ties.link(same)
        progress(N_("copies"), n, n)
        progress(N_("directions"), 0, n)

        def parts() -> Any:
            return (X[start : start + STEP] for start in range(0, n, STEP))

        Z = projected(parts, n, embedded.blocks, options.seed)
        progress(N_("directions"), n, n)
    return {
        "Z": Z,
        "families": ties.numbers().astype(np.int64),
        "quality": quality,
        "alike": np.stack([same.first, same.second], axis=1).astype(np.int64).reshape(-1, 2),
        "depth": np.array([embedded.depth]),
    }


def _assembled(
    found: FoundPhotos,
    options: StudioOptions,
    failures: Mapping[int, Failure],
    photo: NDArray[np.intp],
    embedded: PhotoFeatures,
    arrays: Mapping[str, NDArray[Any]],
) -> Project:
    n = len(embedded.digests)
    members: list[list[int]] = [[] for _ in range(n)]
    for i, number in enumerate(photo.tolist()):
        if number >= 0:
            members[number].append(i)
    files = tuple(tuple(found.images[i].id for i in own) for own in members)
    said = [{found.images[i].label for i in own} - {None} for own in members]
    labels = tuple(next(iter(names)) if len(names) == 1 else None for names in said)
    number = {found.images[i].id: int(p) for i, p in enumerate(photo.tolist()) if p >= 0}
    paths = tuple(tuple(found.images[i].path for i in own) for own in members)
    first, bad, depth = [own[0] for own in paths], failures.items(), int(arrays["depth"][0])
    return Project(
        folder=found.folder,
        name=found.name,
        kind=found.kind,
        source=found.source,
        root=found.root,
        files=files,
        paths=paths,
        digests=tuple(row.tobytes().hex() for row in embedded.digests),
        Z=arrays["Z"],
        families=arrays["families"].astype(np.intp),
        unreadable=tuple(UnreadableFile(found.images[i].id, pixels.reason_of(f), pixels.advice(f)) for i, f in bad),
        classes=found.classes,
        labels=labels,
        guesses={number[file]: answer for file, answer in (found.guesses or {}).items() if file in number},
        findings=tuple(find_problems(found, files, [sorted(map(str, own)) for own in said], embedded.digests, number, arrays)),
        notes=found.notes,
        embedded=embedded,
        thumbnails=PhotoThumbnails(first, embedded.digests, options.settings, depth),
        facts=facts_of(embedded.digests, options),
        depth=depth,
    )
