"""From features to a model: measure, fit on everything, predict the test part, write all results but `metrics.json`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import bundle, evaluate, heads
from penult.audit import COLUMNS
from penult.bundle import Bundle
from penult.embed import Embedding, EmbedOptions, embed
from penult.errors import DamagedFile, InternalError
from penult.evaluate import Evaluation, Review, TrialProcess
from penult.heads import novelty
from penult.heads.task import plain_weights
from penult.plots import FigureWorker
from penult.predict import Predictions, Predictor
from penult.training import outputs
from penult.training.auditing import look_over, summary
from penult.training.job import Job
from penult.training.material import TrainingData
from penult.training.measuring import Measured, make_head, measure, unseen

MODEL = "model.penult"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What came of it: `test` are the scores on a labelled test part, `path` what the head tried, `figures` names.

    `submitted` says what `submission.csv` holds, None where there is none.
    `audit` is the summary of the findings, None without photos; `review` is what a look at the doubtful photos buys,
    `to_review` how many of the test part they are, where that was asked. `fault` is why the model could not be saved.
    """

    material: TrainingData
    measured: Measured
    test: Evaluation | None
    model: Bundle
    choice: dict[str, Any]
    path: dict[str, Any]
    figures: list[str]
    audit: dict[str, Any] | None
    review: Review
    to_review: int | None
    submitted: str | None
    fault: InternalError | None


def learn(job: Job, material: TrainingData, process: TrialProcess, done: Embedding | None) -> Fitted:
    """Do all that follows the features; `done` is None where they came from files."""
    with FigureWorker(job.run / "figures") as drawing:
        head = make_head(job.options, material)
        measured = measure(process, head, job.options.head, material, job.options.seed, job.progress)
        drawing.draw(evaluation=measured.chosen, others=measured.others, curve=measured.curve)
        outputs.write_oof(job.run, material, measured)
        job.clock.lap("evaluation")
        head.fit(material.train.X, material.train.ok_y, groups=material.groups)
        history = _history(head, material)
        drawing.draw(path=head.path_, chosen=head.choice_.get("C"), history=history)
        outputs.write_history(job.run, history)
        job.clock.lap("head")
        unlike, scores = novelty.fit(material.train.X, material.train.ok_y, measured.chosen.fold, material.blocks)
        model = replace(_bundle(material, head, measured, done, job.options.class_weight), novelty=unlike)
        answers, fault = _saved(job, material, model)
        submitted = outputs.write_predictions(job.run, material, answers, job.sheet, job.options.submit)
        to_review = outputs.write_review(job.run, answers, job.options.review)
        job.clock.lap("model and tables")
        figures = sorted(path.name for path in drawing.finish())
        job.clock.lap("figures")
    test = None if answers is None else unseen(answers.proba, material)
    looked = _audit(job, material, measured, None if answers is None else answers.proba, done)
    review = evaluate.review(measured.chosen, job.options.review or evaluate.LEVEL, scores > 1)
    return Fitted(
        material,
        measured,
        test,
        model,
        dict(model.facts["choice"]),
        dict(head.path_),
        figures,
        looked,
        review,
        to_review,
        submitted,
        fault,
    )


def _saved(job: Job, material: TrainingData, model: Bundle) -> tuple[Predictions | None, InternalError | None]:
    """Write the model and return its answers for the test part; or what is wrong with it, and no model: a bug of penult.

    All that was measured is still worth having, so the run goes on.
    """
    try:
        bundle.save(job.run / MODEL, model)
        return _answers(material, model), None
    except InternalError as error:
        fault = error
    except DamagedFile:  # not of the file: it was just read back
        fault = InternalError(
            "the model that was made gives answers that are no numbers. This is a bug of penult and no fault of the data: "
            "report it, please."
        )
    job.run.drop(MODEL)
    return None, fault


def _audit(
    job: Job, material: TrainingData, measured: Measured, proba: NDArray[np.float64] | None, done: Embedding | None
) -> dict[str, Any] | None:
    """Write `findings.csv` and return its summary; None, and no file, where there are no photos to look at."""
    if done is None:
        job.run.drop("findings.csv")
        return None
    found = look_over(material, done, measured.chosen)
    job.run.write_table("findings.csv", COLUMNS, (one.row() for one in found))
    job.clock.lap("audit")
    return summary(found, material, proba)


def _history(head: Any, material: TrainingData) -> dict[str, list[float]]:
    """Return the seed's training curves: of the dense head, fitted beside the chosen one if it is another."""
    if head.history_ is None:
        same = {"random_state": head.random_state, "class_weight": head.class_weight}
        head = heads.make("dense", blocks=material.blocks, **same)
        head.fit(material.train.X, material.train.ok_y, groups=material.groups)
    return dict(head.history_)


def _bundle(material: TrainingData, head: Any, measured: Measured, done: Embedding | None, weights: Any) -> Bundle:
    counts = np.bincount(material.train.ok_y, minlength=len(material.classes))
    state = head.to_arrays()
    return Bundle(
        classes=material.classes,
        backbones=done.backbones if done else (),
        widths=material.widths,
        head=state,
        prior=counts / counts.sum(),
        engine=done.engine if done else "none",
        precision=done.compute.precision if done else "none",
        selftest=_selftest(done, heads.scorer(state.kind, state.arrays, state.facts)) if done else {},
        facts={
            "penult": version("penult"),
            "trained_on": int(counts.sum()),
            "scores": measured.chosen.to_dict()["scores"],
            "choice": head.choice_ if weights is None else {**head.choice_, "class_weight": plain_weights(weights)},
        },
        seen=bundle.seen_digests(done.digests[: len(material.train.ok)][material.train.ok]) if done else None,
    )


def _selftest(done: Embedding, score: Callable[[NDArray[np.float32]], NDArray[np.float64]]) -> dict[str, Any]:
    """Return three drawn pictures (never the user's photos) and what this model says of them on this machine."""
    rows, columns = np.mgrid[0:96, 0:128]
    waves = [np.sin(rows / (4 + 3 * i) + columns / (5 + 7 * c)) for i in range(3) for c in range(3)]
    drawn = np.stack(waves).reshape(3, 3, 96, 128).transpose(0, 2, 3, 1)  # (3, h, w, 3)
    pictures = ((drawn + 1) * 127.5).astype(np.uint8)
    probe = embed(list(pictures), done.backbones, EmbedOptions(cache=done.settings.cache), compute=done.compute)
    return {"images": pictures, "proba": score(probe.features())}


def _answers(material: TrainingData, model: Bundle) -> Predictions | None:
    """Return the answers for every test image, the class prior for the unreadable ones; None without a test part."""
    test = material.test
    if test is None:
        return None
    proba = np.tile(model.prior, (len(test.files), 1))  # (m, k)
    unlike = np.full(len(test.files), np.nan)  # (m,)
    if test.ok.any():
        at_work = Predictor(model, check=False)
        proba[test.ok], unlike[test.ok] = at_work.score(test.X), at_work.novelty(test.X)
    return Predictions(test.files, material.classes, proba, test.failures, unlike)
