"""The main deed: folders of photos (or feature files) in, a run folder out.

Scan, embed, fit, evaluate, predict, save; each step is another room's, this one only knows their order.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from penult import evaluate, heads, images, report
from penult.arrays import default_errors
from penult.backbones import Backbone
from penult.bundle import Bundle
from penult.embed import Embedding, at_depth, depth_notes, embed
from penult.errors import InternalError, PenultError, ProgressCallback, quiet
from penult.evaluate import Evaluation, TrialProcess
from penult.evaluate.evaluation import jsonable
from penult.images import ImageSet
from penult.runs import RunFolder
from penult.texts import printable
from penult.training import outputs
from penult.training.environment import circumstances, digests, ignored, sources, versions
from penult.training.job import Job
from penult.training.learning import Fitted, learn
from penult.training.mapping import write_map
from penult.training.material import from_features, from_images
from penult.training.measuring import Measured, weights
from penult.training.networks import networks
from penult.training.options import TrainOptions
from penult.training.precision import PrecisionCheck, compare_with_f32
from penult.training.sample_submission import SampleSubmission
from penult.training.shown import run_html

__all__ = ["Run", "TrainOptions", "train", "train_features", "train_sets"]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run made: where it is, the model, and everything that was measured (as in `metrics.json`)."""

    folder: Path
    model: Bundle
    measured: Measured
    test: Evaluation | None
    metrics: Mapping[str, Any]
    embedding: Embedding | None

    def _repr_html_(self) -> str:
        return run_html(self.folder, self.metrics)


def train(
    source: str, test: str | None = None, options: TrainOptions | None = None, progress: ProgressCallback = quiet
) -> Run:
    """Train on folders of images, or a CSV, and write the run folder.

    Raises `InputError` for images that cannot be used, `UnknownName` for a backbone or head, `OutputError` when the
    run cannot be written.
    """
    options = options or TrainOptions()
    labelled, other = images.scan_train_and_test(source, test, options.groups, options.table)
    return train_sets(labelled, other, options, progress)


@default_errors
def train_sets(labelled: ImageSet, test: ImageSet | None, options: TrainOptions, progress: ProgressCallback = quiet) -> Run:
    """Train on images that are scanned already; the order of the training images is of no account, that of `test` is kept."""
    _check(options)
    labelled = labelled.in_order()
    _check_classes(options, labelled.classes)
    sheet = _sheet(options, labelled.classes, () if test is None else test.ids)
    chosen = networks(options, progress)
    options.settings.tolerance.check_scan(labelled, test)
    with RunFolder(options.out) as run:
        return _run(Job(run, options, sheet, progress), labelled, test, chosen)


def _run(job: Job, labelled: ImageSet, test: ImageSet | None, chosen: Sequence[Backbone]) -> Run:
    """Do all of a training on images once its folder is claimed."""
    options, progress = job.options, job.progress
    paths = [image.path for s in (labelled, test) if s is not None for image in s.images]
    with TrialProcess(len(paths)) as process:
        chosen = at_depth(chosen, paths[: len(labelled)], options.settings, progress)
        job.clock.lap("networks")
        done = embed(paths, chosen, options.settings, progress, thumbnails=True, calibration=paths[: len(labelled)])
        job.clock.lap("features")
        outputs.write_skipped(job.run, labelled, test, done)
        material = from_images(labelled, test, done, options.near_duplicates == "group")
        with outputs.start_features(job.run, material, done):
            learnt = learn(job, material, process, done)
    outputs.drop_stale(job.run, done, learnt.figures)
    job.clock.lap("feature files")
    beside = compare_with_f32(job, material, done, chosen)
    job.clock.lap("precision")
    return _finish(job, learnt, done, beside, where={"sources": sources(labelled, test), "ignored": ignored(labelled, test)})


@default_errors
def train_features(paths: Sequence[str], options: TrainOptions, progress: ProgressCallback = quiet) -> Run:
    """Train on feature files of the seed's layout; the model then predicts from features, not from images."""
    _check(options)
    material = from_features(paths, options.files, options.near_duplicates == "group")
    _check_classes(options, material.classes)
    sheet = _sheet(options, material.classes, material.test.files if material.test else ())
    with RunFolder(options.out) as run, TrialProcess(len(material.train.files)) as process:
        job = Job(run, options, sheet, progress)
        run.drop(outputs.SKIPPED)
        return _finish(job, learn(job, material, process, None), None, None, where={"sources": {}, "ignored": {}})


def _check(options: TrainOptions) -> None:
    """Raise what can be known to be wrong before anything is computed."""
    heads.check(options.head)
    if options.review is not None:
        evaluate.check_level(options.review)


def _check_classes(options: TrainOptions, classes: Sequence[str]) -> None:
    """Raise what can be known to be wrong once the classes are known."""
    options.clip_for(len(classes))
    weights(options, classes)


def _sheet(options: TrainOptions, classes: Sequence[str], test_ids: Sequence[str]) -> SampleSubmission | None:
    """Return the sample submission, after holding its ids against the test images: before anything is computed."""
    if options.submission is None:
        return None
    sheet = SampleSubmission.read(options.submission, classes, options.submit)
    sheet.rows_of(test_ids)
    return sheet


def _finish(job: Job, learnt: Fitted, done: Embedding | None, beside: PrecisionCheck | None, where: Mapping[str, Any]) -> Run:
    """Write the map, the page and `metrics.json`, the last file of a run."""
    material, measured = learnt.material, learnt.measured
    write_map(job, material)
    job.clock.lap("map")
    counts = np.bincount(material.train.ok_y, minlength=len(material.classes))
    metrics: dict[str, Any] = {
        "penult": version("penult"),
        "command": sys.argv,
        **circumstances(job.clock),
        **where,
        "digests": digests(material, done),
        "options": job.options.to_dict(),
        "classes": dict(zip(material.classes, (int(c) for c in counts), strict=True)),
        "images": _counts(learnt, done),
        "scores": measured.chosen.to_dict(),
        "compared": evaluate.summary_rows([measured.chosen, *measured.others]),
        "audit": learnt.audit,
        "learning_curve": measured.curve.to_dict() if measured.curve else None,
        "test": learnt.test.to_dict() if learnt.test else None,
        "verdict": evaluate.verdict(measured.chosen),
        "review": {**learnt.review.to_dict(), "written": learnt.to_review},
        "choice": learnt.choice,
        "head_path": jsonable(learnt.path),
        "notes": [
            *material.notes,
            *job.options.clip_notes(len(material.classes)),
            *_of_files(done),
            *depth_notes(done.backbones if done else ()),
            *([learnt.submitted] if learnt.submitted else []),
        ],
        "backbones": [b.to_dict() for b in done.backbones] if done else [],
        "engine": _engine(done) if done else None,
        "precision": beside.to_dict() if beside else None,
        "seconds": job.clock.stages,
        "figures": learnt.figures,
        "versions": versions(done),
    }
    report.write_report(job.run.path, metrics, job.progress)
    job.clock.lap("report")
    whole = job.run.finish(metrics, None if learnt.fault is None else str(learnt.fault))
    if learnt.fault is not None:
        raise InternalError(
            f"there is no model, but what was measured is in {printable(job.run.path)}, and the features are in the cache: "
            f"{learnt.fault}"
        ) from learnt.fault
    return Run(job.run.path, learnt.model, measured, learnt.test, whole, done)


def _engine(done: Embedding) -> dict[str, Any]:
    """Return what computed the features; images/s are those of this run, None where all were in the cache."""
    rate = round(done.embedded / done.seconds, 1) if done.embedded and done.seconds else None
    return {"name": done.engine, "device": done.compute.device, "precision": done.compute.precision, "images_per_second": rate}


def _of_files(done: Embedding | None) -> list[str]:
    """Return for each ONNX file what its features are: it was found out, and the user should see it."""
    return [f"{b.name}: {b.source}" for b in done.backbones if ".onnx" in b.name] if done else []


def _counts(learnt: Fitted, done: Embedding | None) -> dict[str, int]:
    parts = [part for part in (learnt.material.train, learnt.material.test) if part is not None]
    sizes = {"train": len(parts[0].files), "test": sum(len(part.files) for part in parts[1:])}
    if done is None:
        return {"rows": sum(sizes.values()), **sizes}
    how = {"embedded": done.embedded, "reused": done.reused, "failed": sum(len(part.failures) for part in parts)}
    if sum(how.values()) != sum(sizes.values()):
        raise PenultError(
            f"of {sum(sizes.values())} images {sum(how.values())} are accounted for ({how}): a bug; report it, please."
        )
    return {"scanned": sum(sizes.values()), **how, **sizes}
