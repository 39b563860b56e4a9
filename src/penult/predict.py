"""A model and images in, one `Prediction` per image out; loads neither scikit-learn nor torch.

The road is the one that training took (`embed`), so what is served is what was measured. An unreadable image gets
the class prior and its reason; it never gets another image's answer.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import bundle, engines, evaluate, store
from penult.bundle import Bundle
from penult.embed import Embedding, Engines, Settings, embed
from penult.errors import DamagedFile, InputError
from penult.heads import scorer
from penult.pixels import Failure
from penult.progress import Say, quiet

log = logging.getLogger(__name__)

SAME = 1e-3  # how far a self-test probability may be off at the precision of training
NEAR = 5e-2  # and at another precision than that of training


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one image: its most probable class, and the probability of each."""

    id: str
    label: str
    confidence: float
    probabilities: dict[str, float]
    failure: Failure | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        values: dict[str, Any] = {
            "file": self.id,
            "label": self.label,
            "confidence": self.confidence,
            "probabilities": self.probabilities,
        }
        if self.failure is not None:
            values["unreadable"] = self.failure.reason
        return values


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers for n images in the order that was asked; iterating gives a `Prediction` each."""

    ids: tuple[str, ...]
    classes: tuple[str, ...]
    proba: NDArray[np.float64]  # (n, k)
    failures: dict[int, Failure]

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Prediction]:
        best = self.proba.argmax(axis=1)  # (n,)
        for i, name in enumerate(self.ids):
            row = [float(p) for p in self.proba[i]]
            yield Prediction(
                name,
                self.classes[best[i]],
                row[best[i]],
                dict(zip(self.classes, row, strict=True)),
                self.failures.get(i),
            )

    def write_csv(self, path: str | Path) -> None:
        """Write `file,label,confidence` and one column per class, whole or not at all."""
        with store.whole_text(path) as file:
            rows = csv.writer(file)
            rows.writerow(["file", "label", "confidence", *self.classes])
            for p in self:
                rows.writerow([p.id, p.label, f"{p.confidence:.6g}", *(f"{v:.6g}" for v in p.probabilities.values())])


class Predictor:
    """A loaded model at work. Raises `DamagedFile` when this machine does not reproduce the model's self-test."""

    def __init__(self, model: Bundle, settings: Settings | None = None, check: bool = True):
        self.bundle = model
        self.settings = _served(model, settings or Settings())
        self._score = scorer(model.head.kind, model.head.arrays, model.head.facts)
        self._checked = not check
        self._opened: Engines | None = None

    def predict(self, sources: Sequence[Any], ids: Sequence[str] | None = None, progress: Say = quiet) -> Predictions:
        """Return the answers for paths, arrays or Pillow images, one row each, in order."""
        if not self.bundle.backbones:
            raise InputError(
                "this model was trained from feature files and has no network in it; give it features of the widths "
                f"{list(self.bundle.blocks)} (penult predict MODEL --features FILE.h5), or train from images."
            )
        done = embed(sources, self.bundle.backbones, self.settings, progress, self._engines())
        return self.from_embedding(done, [str(s) for s in sources] if ids is None else ids)

    def predict_features(self, paths: Sequence[str]) -> Predictions:
        """Return the answers for the rows of feature files: of `test` where there is one, else of `train`."""
        read = store.read_features(paths)
        X, files = (read.X, read.files) if read.X_test is None else (read.X_test, read.test_files)
        ids = tuple(files) if files else tuple(str(i) for i in range(len(X)))
        return Predictions(ids, self.bundle.classes, self.score(X), {})

    def from_embedding(self, done: Embedding, ids: Sequence[str]) -> Predictions:
        """Return the answers for images that are embedded already, the class prior where there are no features."""
        self.check(done.engine, done.precision)
        proba = np.tile(self.bundle.prior, (len(ids), 1))  # (n, k)
        if done.ok.any():
            proba[done.ok] = self.score(done.features())
        return Predictions(tuple(ids), self.bundle.classes, proba, dict(done.failures))

    def score(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities (n, k) of feature rows (n, d). Raises `InputError` for another width."""
        width = sum(self.bundle.blocks)
        if X.ndim != 2 or X.shape[1] != width:
            raise InputError(f"these features have the shape {X.shape}, the model needs (n, {width}).")
        return self._score(X)

    def _engines(self) -> Engines:
        """Return the engines, which stay open as long as this predictor does."""
        if self._opened is None:
            device, precision = engines.resolve(self.settings.device, self.settings.precision, self.bundle.backbones)
            self._opened = Engines(device, precision, self.settings.folder)
        return self._opened

    def close(self) -> None:
        """Give the engines back."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def check(self, engine: str, precision: str) -> None:
        """Run the samples that came with the model, once, and compare with what they gave where it was trained."""
        pictures = self.unchecked()
        if pictures:
            settings = Settings(self.settings.device, precision, cache=False, workers=0)
            done = embed(pictures, self.bundle.backbones, settings, opened=self._engines())
            self.compare(self.score(done.features()), engine, precision)

    def unchecked(self) -> list[NDArray[np.uint8]]:
        """Return the samples that came with the model, uint8 (h, w, 3) each; none where they were compared already."""
        samples = self.bundle.selftest
        return [] if self._checked or not samples or not self.bundle.backbones else list(samples["images"])

    def compare(self, proba: NDArray[np.float64], engine: str, precision: str, rounding: float = SAME) -> None:
        """Hold the probabilities (m, k) that the samples have here against those at training. Raises `DamagedFile`.

        `rounding`: how far off they may be on the machine of training.
        """
        self._checked = True
        off = float(np.abs(proba - self.bundle.selftest["proba"]).max())
        here, there = f"{engine}, {precision}", f"{self.bundle.engine}, {self.bundle.precision}"
        # In f32 all engines agree; below it two engines do not, and neither do two kinds of GPU.
        same = precision == self.bundle.precision == "f32" or (here == there and engine != "torch")
        say = log.info if here == there else log.warning
        say("self-test (%s; trained with %s): probabilities within %.2g of those at training", here, there, off)
        if off > (rounding if same else NEAR):
            raise DamagedFile(
                f"the model's own samples give other answers on this machine than where it was trained (off by {off:.2g} "
                f"with {here}; it was trained with {there}); {_cure(self.bundle)}train again here."
            )


def _served(model: Bundle, settings: Settings) -> Settings:
    """Return the settings with `auto` precision made that of training, or f32 where this machine does not have it."""
    if model.precision == "int8" or not model.backbones:
        return settings  # the networks say it
    if settings.precision == "int8":
        raise InputError(
            f"this model was trained in {model.precision} and has no networks in int8; leave --precision out, or train again "
            "with --precision int8."
        )
    if settings.precision != "auto" or model.precision == "f32":
        return replace(settings, precision="f32") if settings.precision == "auto" else settings
    here = engines.precisions(settings.device)
    return replace(settings, precision=model.precision if model.precision in here else "f32")


def _cure(model: Bundle) -> str:
    return "" if model.precision == "int8" else "run `penult predict` with `--precision f32`, or "


def load(path: str | Path, **settings: Any) -> Predictor:
    """Open a model file; `predict(images)` of what this returns gives one `Prediction` per image.

    `settings`: device, precision, cache, workers. Raises `InputError` when there is no such file, `DamagedFile` when
    it is not as it was saved.
    """
    return Predictor(bundle.load(path), Settings(**settings) if settings else None)


def judge(answers: Predictions, labels: Sequence[str]) -> evaluate.Evaluation:
    """Return the scores of these answers against the true labels, one for each; they must be classes of the model."""
    index = {c: i for i, c in enumerate(answers.classes)}
    y = np.array([index[label] for label in labels], np.intp)  # (n,)
    return evaluate.score(y, answers.proba, answers.classes, name="new images")
