"""The main deed: folders of photos (or feature files) in, a run folder out.

Scan, embed, fit, evaluate, predict, save; each step is another room's, this one only knows their order.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import backbones, bundle, evaluate, heads, images, predict
from penult.bundle import Bundle
from penult.embed import Embedding, Settings, embed
from penult.evaluate import Evaluation
from penult.images import ImageSet
from penult.train import outputs
from penult.train.material import Material, from_features, from_images
from penult.train.measure import Measured, make_head, measure, unseen
from penult.train.options import Options
from penult.train.run_folder import RunFolder
from penult.train.submission import Sheet

__all__ = ["Options", "Run", "train", "train_features", "train_sets"]

Say = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Run:
    """What a run made: where it is, the model, and everything that was measured (as in `metrics.json`)."""

    folder: Path
    model: Bundle
    measured: Measured
    test: Evaluation | None
    metrics: Mapping[str, Any]
    embedding: Embedding | None


def quiet(step: str, done: int, total: int) -> None:
    """Show nothing."""


class _Clock:
    """Seconds per stage, in the order in which the stages ended."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage] = round(now - self._last, 3)
        self._last = now


def train(source: str, test: str | None = None, options: Options | None = None, say: Say = quiet) -> Run:
    """Train on folders of images, or a CSV, and write the run folder.

    Raises `InputError` for images that cannot be used, `UnknownName` for a backbone or head, `OutputError` when the
    run cannot be written.
    """
    options = options or Options()
    labelled = images.scan_labelled(source, groups=options.groups)
    other = None if test is None else images.scan_unlabelled(test, classes=labelled.classes)
    return train_sets(labelled, other, options, say)


def train_sets(labelled: ImageSet, test: ImageSet | None, options: Options, say: Say = quiet) -> Run:
    """Train on images that are scanned already."""
    clock = _Clock()
    networks = [backbones.find(name, **options.changes()) for name in options.backbones]
    heads.check(options.head)
    sheet = _sheet(options, labelled.classes, test.ids if test is not None else None)
    run = RunFolder(options.out)
    sources = [image.path for s in (labelled, test) if s is not None for image in s.images]
    done = embed(sources, networks, options.settings, say)
    clock.lap("features")
    material = from_images(labelled, test, done)
    with outputs.start_features(run, material, done):
        result = _learn(run, material, options, sheet, say, clock, done)
    return _finish(run, result, options, clock, done)


def train_features(paths: Sequence[str], options: Options, say: Say = quiet) -> Run:
    """Train on feature files of the seed's layout; the model then predicts from features, not from images."""
    clock = _Clock()
    heads.check(options.head)
    material = from_features(paths, options.files)
    sheet = _sheet(options, material.classes, material.test.files if material.test else None)
    run = RunFolder(options.out)
    clock.lap("features")
    return _finish(run, _learn(run, material, options, sheet, say, clock, None), options, clock, None)


@dataclass(frozen=True, slots=True)
class _Learnt:
    material: Material
    measured: Measured
    test: Evaluation | None
    model: Bundle
    head: Any
    skipped: int
    figures: list[str]


def _learn(
    run: RunFolder,
    material: Material,
    options: Options,
    sheet: Sheet | None,
    say: Say,
    clock: _Clock,
    done: Embedding | None,
) -> _Learnt:
    """Measure, fit on everything, predict the test part, and write all results but `metrics.json`."""
    skipped = outputs.write_skipped(run, material)
    head = make_head(options.head, material, options.clip, options.seed)
    measured = measure(head, options.head, material, options.seed, say)
    clock.lap("evaluation")
    X, y = material.train.X, material.train.ok_y
    head.fit(X, y, groups=material.groups)
    history = _history(head, material, options.seed)
    clock.lap("head")
    model = _bundle(material, head, done, measured, options.settings.cache)
    proba = _test_proba(material, model)
    seen = None if proba is None else unseen(proba, material)
    outputs.write_oof(run, material, measured)
    outputs.write_history(run, history)
    outputs.write_predictions(run, material, proba, sheet)
    bundle.save(run / "model.penult", model)
    clock.lap("model and tables")
    figures = outputs.draw(run, measured, head, history)
    clock.lap("figures")
    return _Learnt(material, measured, seen, model, head, skipped, figures)


def _history(head: Any, material: Material, seed: int) -> dict[str, list[float]]:
    """Return the seed's training curves: of the dense head, fitted beside the chosen one if it is another."""
    if getattr(head, "history_", None):
        return dict(head.history_)
    dense = make_head("dense", material, "auto", seed)
    dense.fit(material.train.X, material.train.ok_y, groups=material.groups)
    return dict(dense.history_)


def _bundle(
    material: Material, head: Any, done: Embedding | None, measured: Measured, cache: str | bool | None
) -> Bundle:
    counts = np.bincount(material.train.ok_y, minlength=len(material.classes))
    state = head.to_arrays()
    score = heads.scorer(state.kind, state.arrays, state.facts)
    return Bundle(
        classes=material.classes,
        backbones=done.backbones if done else (),
        blocks=material.blocks,
        head=state,
        prior=counts / counts.sum(),
        engine=done.engine if done else "none",
        precision=done.precision if done else "none",
        selftest=_selftest(done, score, cache) if done else {},
        facts={
            "penult": version("penult"),
            "trained_on": int(counts.sum()),
            "scores": measured.chosen.to_dict()["scores"],
            "choice": head.choice_,
        },
    )


def _selftest(
    done: Embedding,
    score: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    cache: str | bool | None,
) -> dict[str, Any]:
    """Return three drawn pictures (never the user's photos) and what this model says of them on this machine."""
    rows, columns = np.mgrid[0:96, 0:128]
    waves = [np.sin(rows / (4 + 3 * i) + columns / (5 + 7 * c)) for i in range(3) for c in range(3)]
    drawn = np.stack(waves).reshape(3, 3, 96, 128).transpose(0, 2, 3, 1)  # (3, h, w, 3)
    pictures = ((drawn + 1) * 127.5).astype(np.uint8)
    settings = Settings(done.device, done.precision, cache, workers=0)
    probe = embed(list(pictures), done.backbones, settings)
    return {"images": pictures, "proba": score(probe.features())}


def _test_proba(material: Material, model: Bundle) -> NDArray[np.float64] | None:
    """Return probabilities for every test image, the class prior for the unreadable ones: (m, k)."""
    test = material.test
    if test is None:
        return None
    proba = np.tile(model.prior, (len(test.files), 1))  # (m, k)
    if test.ok.any():
        proba[test.ok] = predict.Predictor(model, check=False).score(test.X)
    return proba


def _sheet(options: Options, classes: Sequence[str], test_ids: Sequence[str] | None) -> Sheet | None:
    if options.submission is None:
        return None
    sheet = Sheet.read(options.submission, classes)
    sheet.rows_of(test_ids or ())
    return sheet


def _finish(run: RunFolder, learnt: _Learnt, options: Options, clock: _Clock, done: Embedding | None) -> Run:
    """Write `metrics.json`, the last file of a run."""
    material, measured = learnt.material, learnt.measured
    counts = np.bincount(material.train.ok_y, minlength=len(material.classes))
    clock.lap("feature files")
    metrics: dict[str, Any] = {
        "penult": version("penult"),
        "command": sys.argv,
        "options": options.to_dict(),
        "classes": dict(zip(material.classes, (int(c) for c in counts), strict=True)),
        "images": _counts(material, learnt.skipped, done),
        "scores": measured.chosen.to_dict(),
        "compared": evaluate.summary_rows([measured.chosen, *measured.others]),
        "test": learnt.test.to_dict() if learnt.test else None,
        "choice": learnt.head.choice_,
        "notes": list(material.notes),
        "backbones": [
            {"name": n, "width": w} for n, w in zip(material.names, material.blocks, strict=True)
        ],
        "engine": {"name": done.engine, "device": done.device, "precision": done.precision} if done else None,
        "seconds": clock.stages,
        "figures": learnt.figures,
        "versions": _versions(),
    }
    whole = run.finish(metrics)
    return Run(run.path, learnt.model, measured, learnt.test, whole, done)


def _counts(material: Material, skipped: int, done: Embedding | None) -> dict[str, int]:
    test = len(material.test.files) if material.test else 0
    scanned = len(material.train.files) + test
    if done is None:
        return {"rows": scanned, "train": len(material.train.files), "test": test}
    return {
        "scanned": scanned,
        "embedded": done.embedded,
        "reused": done.reused,
        "failed": skipped,
        "train": len(material.train.files),
        "test": test,
    }


def _versions() -> dict[str, str]:
    names = ("numpy", "pillow", "scikit-learn", "openvino", "onnx", "h5py")
    return {"python": platform.python_version(), **{n: version(n) for n in names}, "machine": platform.machine()}
