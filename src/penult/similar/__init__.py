"""Which photos of a run are most like a given one, by the very features that the model decides with.

In: a run folder, photos. Out: `Neighbors`. The photo is embedded as in training: by the model's networks, in its precision.
It must not know how results are shown.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from penult import bundle, html, pixels, runs, store
from penult.arrays import default_errors
from penult.bundle import Bundle
from penult.embed import EmbedOptions, embed
from penult.errors import InputError, ProgressCallback, quiet
from penult.i18n import _
from penult.pixels import Failure
from penult.similar import search
from penult.similar.search import Found
from penult.store import RowReader
from penult.texts import printable

__all__ = ["Neighbor", "Neighbors", "similar", "write_csv"]


@dataclass(frozen=True, slots=True)
class Neighbor:
    """A photo of the run: `similarity` is 1 for the same features; `same` says that it is the query photo itself.

    `part` is "train" or "test", `label` the class it was given for training, None in the test part.
    """

    file: str
    part: str
    label: str | None
    similarity: float
    same: bool


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The photos most like one, the most similar first; none where it could not be read."""

    photo: str
    found: tuple[Neighbor, ...]
    failure: Failure | None = None

    def _repr_html_(self) -> str:
        rows = [(o.file, o.part, o.label or "", f"{o.similarity:.3f}", _("same photo") if o.same else "") for o in self.found]
        lead = _("most like {photo}", photo=self.photo)
        if self.failure is not None:
            lead = _("{photo}: unreadable, {reason}", photo=self.photo, reason=_(self.failure.reason))
        header = (_("file"), _("part"), _("class"), _("similarity"), "")
        return html.result(lead, html.table(header, rows) if rows else None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values: dict[str, Any] = {"photo": self.photo, "similar": [asdict(one) for one in self.found]}
        if self.failure is not None:
            values["unreadable"] = self.failure.reason
        return values


@default_errors
def similar(
    run: str | Path,
    photos: Any,
    n: int = 10,
    settings: EmbedOptions | None = None,
    progress: ProgressCallback = quiet,
    ids: Sequence[str] | None = None,
) -> list[Neighbors]:
    """Return the n photos of a run that are most like each of `photos` (paths, arrays or Pillow images), exactly.

    Raises `InputError` for a folder that is no run or has no features in it, `DamagedFile` for a file that is not as it was
    saved. An unreadable photo raises nothing.
    """
    if n < 1:
        raise InputError(_("{n} similar photos cannot be shown; give -n 1 or more.", n=n))
    model, paths = _run(Path(run))
    photos = pixels.image_list(photos)
    names = [pixels.image_name(i, p) for i, p in enumerate(photos)] if ids is None else ids
    asked = settings or EmbedOptions()
    asked = replace(asked, precision=bundle.precision_here(model, asked.precision, asked.device), cache_optional=True)
    runs.check_features(paths)
    with RowReader(paths) as files:
        widths, blocks = tuple(header.width for header in files.headers), _blocks(files)
        if widths != model.widths:
            raise InputError(
                _(
                    "the feature files in {run} have {widths} columns, its model {model}; train again.",
                    run=run,
                    widths=widths,
                    model=model.widths,
                )
            )
        done = embed(photos, model.backbones, asked, progress)
        found = iter(search.search(files, done.features(), n, blocks, done.settings.folder, progress) if done.ok.any() else [])
        return [
            Neighbors(name, _named(files, next(found), model.classes) if ok else (), done.failures.get(i))
            for i, (name, ok) in enumerate(zip(names, done.ok, strict=True))
        ]


def write_csv(path: str | Path, several: Sequence[Neighbors]) -> None:
    """Write `photo,rank,file,part,label,similarity,same_photo`, whole or not at all."""
    with store.atomic_write_text(path) as file:
        rows = csv.writer(file)
        rows.writerow(["photo", "rank", "file", "part", "label", "similarity", "same_photo"])
        for one in several:
            for rank, other in enumerate(one.found, 1):
                same = "yes" if other.same else "no"
                rows.writerow([one.photo, rank, other.file, other.part, other.label, f"{other.similarity:.6f}", same])


def _run(folder: Path) -> tuple[Bundle, list[Path]]:
    """Return the model of a run and its feature files, in the order of the networks."""
    if not (folder / "model.penult").is_file():
        raise InputError(
            _(
                "{folder} is not a run folder with a model; give the folder that `penult train` wrote.",
                folder=printable(folder),
            )
        )
    model = bundle.load_bundle(folder)
    paths = [folder / f"data_{slug}.h5" for slug in store.slugs([(b.name, b.digest) for b in model.backbones])]
    missing = [p.name for p in paths if not p.is_file()]
    if missing or not paths:
        said = _("{folder} has no {files}; train from images again with --out {folder}.")
        if not missing:
            said = _(
                "{folder} has no feature files of its own (it was trained from --features); train from images again with "
                "--out {folder}."
            )
        raise InputError(said.format(folder=printable(folder), files=", ".join(missing)))
    return model, paths


def _blocks(files: RowReader) -> tuple[int, ...]:
    return tuple(int(w) for header in files.headers for w in header.facts.get("parts") or (header.width,))


def _named(files: RowReader, found: Found, classes: Sequence[str]) -> tuple[Neighbor, ...]:
    head = files.headers[0]
    out = []
    for i, near, same in zip(*(column.tolist() for column in found), strict=True):
        training = i < head.train
        at, names = (i, head.train_files) if training else (i - head.train, head.test_files)
        label = classes[int(head.label[at])] if training and head.label is not None else None
        out.append(Neighbor(names[at] if names else str(at), "train" if training else "test", label, near, same))
    return tuple(out)
