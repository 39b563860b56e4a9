"""From features to a model: measure, fit on everything, predict the test part, write all results but `metrics.json`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import bundle, heads
from penult.audit import COLUMNS
from penult.bundle import Bundle
from penult.embed import Embedding, Settings, embed
from penult.evaluate import Evaluation
from penult.plots import Artist
from penult.predict import Predictor
from penult.train import outputs
from penult.train.auditing import look_over, summary
from penult.train.job import Job
from penult.train.material import Material
from penult.train.measuring import Measured, Measurer, make_head, unseen


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of it: `test` are the scores on a labelled test part, `path` what the head tried, `figures` names."""

    material: Material
    measured: Measured
    test: Evaluation | None
    model: Bundle
    choice: dict[str, Any]
    path: dict[str, Any]
    skipped: int
    figures: list[str]
    audit: dict[str, Any] | None = None


def learn(job: Job, material: Material, measurer: Measurer, done: Embedding | None) -> Learnt:
    """Do all that follows the features; `done` is None where they came from files."""
    skipped = outputs.write_skipped(job.run, material)
    with Artist(job.run / "figures") as artist:
        head = make_head(job.options, material)
        measured = measurer.measure(head, job.options.head, material, job.options.seed, job.say)
        artist.draw(evaluation=measured.chosen, others=measured.others, curve=measured.curve)
        outputs.write_oof(job.run, material, measured)
        job.clock.lap("evaluation")
        head.fit(material.train.X, material.train.ok_y, groups=material.groups)
        history = _history(head, material, job.options.seed)
        artist.draw(path=head.path_, chosen=head.choice_.get("C"), history=history)
        outputs.write_history(job.run, history)
        job.clock.lap("head")
        model = _bundle(material, head, measured, done)
        proba = _test_proba(material, model)
        outputs.write_predictions(job.run, material, proba, job.sheet)
        bundle.save(job.run / "model.penult", model)
        job.clock.lap("model and tables")
        figures = sorted(path.name for path in artist.finish())
        job.clock.lap("figures")
    test = None if proba is None else unseen(proba, material)
    looked = _audit(job, material, measured, proba, done)
    return Learnt(material, measured, test, model, head.choice_, dict(head.path_), skipped, figures, looked)


def _audit(
    job: Job, material: Material, measured: Measured, proba: NDArray[np.float64] | None, done: Embedding | None
) -> dict[str, Any] | None:
    """Write `findings.csv` and return its summary; None, and no file, where there are no photos to look at."""
    if done is None:
        job.run.drop("findings.csv")
        return None
    found = look_over(material, done, measured.chosen)
    job.run.write_table("findings.csv", COLUMNS, (one.row() for one in found))
    job.clock.lap("audit")
    return summary(found, material, proba)


def _history(head: Any, material: Material, seed: int) -> dict[str, list[float]]:
    """Return the seed's training curves: of the dense head, fitted beside the chosen one if it is another."""
    if head.history_ is None:
        head = heads.make("dense", blocks=sum(material.parts, ()), random_state=seed)
        head.fit(material.train.X, material.train.ok_y, groups=material.groups)
    return dict(head.history_)


def _bundle(material: Material, head: Any, measured: Measured, done: Embedding | None) -> Bundle:
    counts = np.bincount(material.train.ok_y, minlength=len(material.classes))
    state = head.to_arrays()
    return Bundle(
        classes=material.classes,
        backbones=done.backbones if done else (),
        blocks=material.blocks,
        head=state,
        prior=counts / counts.sum(),
        engine=done.engine if done else "none",
        precision=done.precision if done else "none",
        selftest=_selftest(done, heads.scorer(state.kind, state.arrays, state.facts)) if done else {},
        facts={
            "penult": version("penult"),
            "trained_on": int(counts.sum()),
            "scores": measured.chosen.to_dict()["scores"],
            "choice": head.choice_,
        },
    )


def _selftest(done: Embedding, score: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> dict[str, Any]:
    """Return three drawn pictures (never the user's photos) and what this model says of them on this machine."""
    rows, columns = np.mgrid[0:96, 0:128]
    waves = [np.sin(rows / (4 + 3 * i) + columns / (5 + 7 * c)) for i in range(3) for c in range(3)]
    drawn = np.stack(waves).reshape(3, 3, 96, 128).transpose(0, 2, 3, 1)  # (3, h, w, 3)
    pictures = ((drawn + 1) * 127.5).astype(np.uint8)
    probe = embed(list(pictures), done.backbones, Settings(done.device, done.precision, done.settings.cache))
    return {"images": pictures, "proba": score(probe.features())}


def _test_proba(material: Material, model: Bundle) -> NDArray[np.float64] | None:
    """Return probabilities for every test image, the class prior for the unreadable ones: (m, k)."""
    test = material.test
    if test is None:
        return None
    proba = np.tile(model.prior, (len(test.files), 1))  # (m, k)
    if test.ok.any():
        proba[test.ok] = Predictor(model, check=False).score(test.X)
    return proba
