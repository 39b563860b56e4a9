"""Which photos a project has, and what is known of them: from a folder, a table, a finished run, or a server's review folder.

In: `StudioOptions`. Out: `FoundPhotos`, quickly, since nothing is decoded. A project folder is opened by its own name, too: it
remembers where its photos are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penult import images, runs, store, untrusted
from penult.audit import Finding
from penult.errors import InputError
from penult.i18n import _
from penult.images import Image
from penult.sources import kind_of
from penult.studio.options import StudioOptions
from penult.texts import printable

RECORD = "project.json"  # in the project folder: what was opened
RUN = "run"  # below it: the training; former ones are run.1, run.2 ...


@dataclass(frozen=True, slots=True)
class FoundPhotos:
    """The files of a project, before anything is read of them.

    `images` have ids relative to `root`, an absolute path. `guesses` are by id what a server's model answered, with its
    probability; `findings` a run's.
    """

    kind: str
    name: str
    source: str
    root: str
    folder: Path
    images: tuple[Image, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    guesses: Mapping[str, tuple[str, float]] | None = None


def find_photos(options: StudioOptions) -> FoundPhotos:
    """Return the photos to be labelled. Raises `InputError` where there are none, `DamagedFile` for a damaged run."""
    options = _reopened(options)
    parts = []
    if options.source is not None:
        parts.append(_of_source(options.source, options))
    if options.review is not None:
        parts.append(_of_review(options.review))
    first = parts[0]
    out = options.out or Path(f"{first.name}-studio")
    store.check_output_folder(out, "--out")
    whole = first if len(parts) == 1 else _together(parts)
    every = _outside(whole.images, _absolute(out))
    if not every:
        raise InputError(
            _("{source} has no photos but those in the project itself; give the folder of the photos.", source=whole.source)
        )
    return replace(whole, folder=_absolute(out), images=every)


def remember(found: FoundPhotos, options: StudioOptions) -> None:
    """Write down what was opened, so that the project can be opened by its own folder. Raises `OutputError`."""
    options = _reopened(options)
    record = {
        "penult_project": 1,
        "source": None if options.source is None else os.path.abspath(options.source),  # noqa: PTH100 - surrogates
        "review": None if options.review is None else os.path.abspath(options.review),  # noqa: PTH100
        "backbones": list(options.backbones),
        "unlabelled": options.unlabelled,
        "seed": options.seed,
    }
    store.write_json(found.folder / RECORD, record)


def _reopened(options: StudioOptions) -> StudioOptions:
    """Return the options with which a project was opened before, where its folder, or the run in it, is the source."""
    if options.source is None:
        return options
    folder = _absolute(options.source)
    if runs.read_metrics(folder) is not None and (folder.parent / RECORD).is_file():
        folder = folder.parent
    record = _record(folder)
    if record is None:
        return options
    source, review = (Path(value) if isinstance(value := record.get(name), str) else None for name in ("source", "review"))
    networks = record.get("backbones")
    known = tuple(networks) if isinstance(networks, list) and all(isinstance(n, str) for n in networks) else options.backbones
    return replace(
        options,
        source=source,
        review=options.review or review,
        out=options.out or folder,
        backbones=known,
        unlabelled=record.get("unlabelled") is True,
        seed=seed if isinstance(seed := record.get("seed"), int) else 0,
    )


def _record(folder: Path) -> Mapping[str, Any] | None:
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        found = untrusted.parse_json(untrusted.read_bytes(path, untrusted.MOST_JSON))
    except (OSError, ValueError) as error:
        raise InputError(
            _("{path} cannot be read ({error}); give the folder of the photos, and --out.", path=printable(path), error=error)
        ) from error
    return found if isinstance(found, dict) and "penult_project" in found else None


def _of_source(source: Path, options: StudioOptions) -> FoundPhotos:
    name = _name(source)
    if runs.read_metrics(source) is not None:
        return _of_run(source, name)
    found = images.scan_to_label(source, options.table, options.unlabelled)
    kind = "folder" if source.is_dir() else "table"
    return _found(kind, name, source, found.root, found.images, found.classes, found.notes)


def _of_run(folder: Path, name: str) -> FoundPhotos:
    """Return the training photos of a run with their labels, and what its audit found."""
    results = runs.read_run(folder)
    if results.metrics.get("task") == "labels":
        raise InputError(
            _(
                "the photos of the run {folder} have several labels each, and the studio gives a photo one class; "
                "correct the labels in their table, and train again.",
                folder=printable(folder),
            )
        )
    roots = results.metrics.get("sources")
    root = roots.get("train") if isinstance(roots, dict) else None
    if not isinstance(root, str):
        raise InputError(
            _(
                "the run {folder} was made from feature files, not photos; give the folder of its photos.",
                folder=printable(folder),
            )
        )
    if kind_of(root) not in (None, "folder"):
        raise InputError(
            _(
                "the photos of the run {folder} are in the archive {root}, and labels are given to files; unpack it, "
                "and give the folder.",
                folder=printable(folder),
                root=printable(root),
            )
        )
    files = [*results.rows.files, *(row["file"] for row in results.skipped if row["part"] == "train")]
    labels: list[str | None] = [results.classes[y] for y in results.rows.y.tolist()]
    labels += [None] * (len(files) - len(labels))
    every = [Image(file, os.path.join(root, file), label) for file, label in zip(files, labels, strict=True)]  # noqa: PTH118
    found = _found("run", name, folder, root, every, results.classes, ())
    return replace(found, findings=results.findings)


def _of_review(folder: Path) -> FoundPhotos:
    """Return the photos that a server put aside, and what its model said of each in the `.json` beside it."""
    found = images.scan_to_label(folder, unlabelled=True)
    guesses: dict[str, tuple[str, float]] = {}
    classes: dict[str, None] = {}
    for image in found.images:
        said = _answer(Path(image.path).with_suffix(".json"))
        if said is not None:
            label, share, names = said
            guesses[image.id] = label, share
            classes |= dict.fromkeys((*names, label))
    known = sorted(classes, key=images.natural_key)
    return replace(_found("review", _name(folder), folder, found.root, found.images, known, found.notes), guesses=guesses)


def _answer(path: Path) -> tuple[str, float, list[str]] | None:
    """Return the label, its probability and the classes that a server wrote; None where nothing readable is there."""
    try:
        said = untrusted.parse_json(untrusted.read_bytes(path, 1 << 20))
        label, share, every = said["label"], float(said["confidence"]), said["probabilities"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(label, str) or not 0 <= share <= 1 or not isinstance(every, dict):
        return None
    return label, share, [name for name in every if isinstance(name, str)]


def _together(parts: Sequence[FoundPhotos]) -> FoundPhotos:
    """Return two sources as one: ids are relative to the folder that both lie in."""
    root = os.path.commonpath([part.root for part in parts])
    every: list[Image] = []
    guesses: dict[str, tuple[str, float]] = {}
    for part in parts:
        start = os.path.relpath(part.root, root).replace(os.sep, "/")
        before = "" if start == "." else f"{start}/"
        every += [replace(image, id=before + image.id) for image in part.images]
        guesses |= {before + file: said for file, said in (part.guesses or {}).items()}
    first = parts[0]
    start = os.path.relpath(first.root, root).replace(os.sep, "/")
    before = "" if start == "." else f"{start}/"
    findings = [
        one if one.about == "class" else replace(one, file=before + one.file, related=one.related and before + one.related)
        for one in first.findings
    ]
    classes = sorted({name for part in parts for name in part.classes}, key=images.natural_key)
    notes = tuple(note for part in parts for note in part.notes)
    source = " + ".join(part.source for part in parts)
    return replace(
        first, source=source, root=root, images=tuple(every), classes=tuple(classes), notes=notes,
        findings=tuple(findings), guesses=guesses,
    )  # fmt: skip


def _found(
    kind: str, name: str, source: Path, root: str, every: Sequence[Image], classes: Sequence[str], notes: Sequence[str]
) -> FoundPhotos:
    whole = os.path.abspath(root)  # noqa: PTH100 - surrogates
    paths = [replace(image, path=os.path.abspath(image.path)) for image in every]  # noqa: PTH100
    return FoundPhotos(kind, name, str(source), whole, Path(), tuple(paths), tuple(classes), tuple(notes))


def _outside(every: Sequence[Image], folder: Path) -> tuple[Image, ...]:
    """Return the images that do not lie in the project folder itself: its class folders and figures are no new photos."""
    own = os.path.join(folder, "")  # noqa: PTH118 - with the separator at its end
    return tuple(image for image in every if not image.path.startswith(own))


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` follows links, and `absolute` keeps `..`


def _name(path: Path) -> str:
    """Return a name for the project after a folder or a table."""
    whole = _absolute(path)
    name = whole.stem if whole.suffix.lower() in (".csv", ".tsv") else whole.name
    return name or "photos"
