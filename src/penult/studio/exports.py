"""What a project gives away: a training into its run folder, class folders, the model as a web page.

In: photos with their labels as plain values. Out: files below the project folder, never over one that is there. `WORK` has
what runs as a job in a child process.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import images, store
from penult.errors import InputError, OutputError, ProgressCallback
from penult.i18n import N_, _
from penult.images import Image, ImageSet
from penult.studio.project import Project
from penult.studio.view import LabelView
from penult.texts import printable, system_words
from penult.training import TrainOptions, train_sets

FOLDERS, PAGE = "labelled", "model.html"
NEARLY_ALL = 0.95  # of the photos labelled: then nothing is chosen any more, and the exam's photos are trained on, too
LEAST = 2  # photos of a class to train on

Training = tuple[ImageSet, ImageSet | None]
Ints = NDArray[np.intp]


def training_sets(
    project: Project, view: LabelView, reserved: NDArray[np.bool_], sample: Ints, classes: Sequence[str]
) -> Training:
    """Return what the model is trained on, none of the photos `reserved` (N,) for the exam, and the labelled test part.

    That is the exam's `sample` (m,), those answered in the order of the lot, so that nobody chooses what the score is of.

    Where at least 95% of the photos that belong to a class have their label, and of classes that have hardly any photo
    outside the exam, the exam's photos are trained on. Raises `InputError` where there are not two classes of two photos.
    """
    usable = view.labelled
    exam = usable & reserved
    open_photos = int((~view.decided).sum())
    if usable.sum() >= NEARLY_ALL * (usable.sum() + open_photos):
        exam = np.zeros_like(exam)
    counts = np.bincount(view.labels[usable & ~exam], minlength=len(classes))
    many = np.r_[counts >= LEAST, False]  # the last is that of photos without a label
    exam &= many[view.labels]
    train, tested = usable & ~exam, exam & np.isin(np.arange(len(exam)), sample)
    _check(view.labels[train], classes)
    return _set(project, view, classes, train), _set(project, view, classes, tested) if tested.any() else None


def _check(labels: NDArray[np.int32], classes: Sequence[str]) -> None:
    counts = np.bincount(labels, minlength=len(classes))
    there = [name for name, count in zip(classes, counts.tolist(), strict=True) if count]
    if len(there) < 2:
        raise InputError(_("a model needs two classes, and fewer have labelled photos; label photos of another class."))
    few = [name for name, count in zip(classes, counts.tolist(), strict=True) if 0 < count < LEAST]
    if few:
        raise InputError(
            _("classes of one labelled photo: {names}; label more of them, or remove the class.", names=images.quoted(few))
        )


def _set(project: Project, view: LabelView, classes: Sequence[str], which: NDArray[np.bool_]) -> ImageSet:
    """Return the photos of a mask (N,) as images with labels: of equal files the first."""
    numbers = np.flatnonzero(which).tolist()
    found = [Image(project.files[n][0], project.paths[n][0], classes[view.labels[n]]) for n in numbers]
    used = sorted({str(image.label) for image in found}, key=images.natural_key)
    return ImageSet(project.root, tuple(found), tuple(used), {}, ())


def train_model(asked: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Train as `penult train` does, and say how well it went; `asked` has `train`, `test` and `options`."""
    options: TrainOptions = asked["options"]
    done = train_sets(asked["train"], asked["test"], options, progress)
    test = done.metrics.get("test")
    return {
        "run": str(done.folder),
        "verdict": done.metrics["verdict"],
        "scores": done.evaluation.to_dict()["scores"],
        "test": test["scores"] if isinstance(test, dict) and "scores" in test else None,
        "photos": {"train": len(asked["train"]), "test": 0 if asked["test"] is None else len(asked["test"])},
        "findings": len(done.findings),
    }


def write_page(asked: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Write the model as one web page beside its run; `asked` has `run` and `out`."""
    from penult.export import export_model

    done = export_model(asked["run"], "html", asked["out"], progress=progress)
    return {"path": str(done.paths[0]), "bytes": done.nbytes, "parity": [one.to_dict() for one in done.parity]}


def write_folders(asked: Mapping[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Lay the labelled files into one folder for each class, as copies or hard links; `asked` has `files`, `out` and `how`.

    `files` are (path, class). The folder is a new one: where `labelled` is there, `labelled-2` is made. A file that cannot be
    linked, since it lies on another disk, is copied.

    Raises `OutputError` where the disk is full or may not be written; what was laid there until then stays.
    """
    files: Sequence[tuple[str, str]] = asked["files"]
    place = _new_folder(Path(asked["out"]))
    folders = dict(zip(classes := sorted({name for _, name in files}), store.folder_names(classes), strict=True))
    linked, taken = 0, Counter[str]()
    gone: list[str] = []
    for done, (path, name) in enumerate(files, 1):
        target = place / folders[name] / _free_name(os.path.basename(path), folders[name], taken)  # noqa: PTH119 - surrogates
        try:
            target.parent.mkdir(exist_ok=True)
            was_linked = store.lay_file(path, target, asked["how"] == "link")
        except OSError as error:
            raise OutputError(
                _(
                    "{target} cannot be written ({reason}); {done} of {count} files are there. Make room, and export again.",
                    target=printable(target),
                    reason=system_words(error),
                    done=done - 1 - len(gone),
                    count=len(files),
                )
            ) from error
        linked += was_linked is True
        gone += [path] if was_linked is None else []
        progress(N_("writing files"), done, len(files))
    return {"path": str(place), "files": len(files) - len(gone), "linked": linked, "gone": gone[:20]}


def _free_name(name: str, folder: str, taken: Counter[str]) -> str:
    """Return a file's name, with a number where the folder has one of that name, however it is written."""
    stem, ending = os.path.splitext(name)  # noqa: PTH122
    tried, number = name, 1
    while taken[f"{folder}/{store.folded(tried)}"]:
        number += 1
        tried = f"{stem}-{number}{ending}"
    taken[f"{folder}/{store.folded(tried)}"] += 1
    return tried


def _new_folder(wanted: Path) -> Path:
    """Make a folder that was not there. Raises `OutputError`."""
    for number in range(1, 1000):
        place = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        try:
            store.make_folder(place.parent)
            place.mkdir()
            return place
        except FileExistsError:
            continue
        except OSError as error:
            raise OutputError(
                _("{place} cannot be made ({reason}); make room there.", place=printable(place), reason=system_words(error))
            ) from error
    raise OutputError(_("there are a thousand folders like {wanted}; remove some of them.", wanted=printable(wanted)))


Work = Callable[[Mapping[str, Any], ProgressCallback], dict[str, Any]]
WORK: Mapping[str, Work] = {"train": train_model, "page": write_page, "folders": write_folders}
