"""Measure what was learnt: the chosen head, what each backbone gives alone, the heads that `auto` tries, the learning curve.

The model that is kept is measured here, what it is compared with in a process beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, heads
from penult.arrays import median_cosine, stratified_rows
from penult.backbones import Backbone
from penult.embed import Embedding, embed
from penult.errors import InputError, ProgressCallback
from penult.evaluate import Difference, Evaluation, Folds, LearningCurve, Trial, TrialData, TrialProcess, run_trials
from penult.evaluate.evaluation import build
from penult.fit import build_head
from penult.i18n import N_
from penult.pixels.preparing import memory_bytes
from penult.training.data import EveryRow, TrainingData
from penult.training.options import TrainOptions

SOME = 2000  # images above which two folds tell the learning curve well enough
MANY = 5000  # images above which there is no learning curve, and a copy of X for another process is too dear
COMPARED = 5000  # rows of a sample on which each network alone is measured


def measure(
    process: TrialProcess, head: Any, options: TrainOptions, data: TrainingData, progress: ProgressCallback
) -> tuple[Evaluation, tuple[Evaluation, ...], LearningCurve | None]:
    """Cross-validate the head on all backbones, on each alone, and beside the other heads; same folds throughout.

    Return the evaluation of the model that is kept, those that it is compared with, and its learning curve.
    """
    if data.every is not None:
        return _measure_sample(head, options, data, data.every, progress)
    name, seed = options.head, options.seed
    X, y = data.train.X, data.train.ok_y
    rows = TrialData((X,), y, data.classes, data.groups, seed, data.folds, data.weights)
    how: dict[str, Any] = {"folds": 5 if data.folds is None else data.folds, "sample_weight": data.weights}
    trials = _trials(head, name, data)
    beside = process.running and len(trials) > 0 and len(y) <= MANY
    if beside:
        process.send(rows, trials)  # the curve is made here meanwhile: about as much work on each side
    total, step = len(trials) + 2, 0

    def made() -> None:
        nonlocal step
        step += 1
        progress(N_("measuring"), step, total)

    found: dict[int, Evaluation] = {}
    with process.sharing() if beside else nullcontext():
        title = title_on_all(name, data.names)
        chosen = evaluate.cross_validate(head, X, y, data.classes, data.groups, seed=seed, name=title, **how)
        made()
        repeats = 3 if len(y) <= SOME else 2
        curve = None
        if len(y) <= MANY:
            curve = evaluate.learning_curve(head, X, chosen, repeats=repeats, seed=seed, sample_weight=data.weights)
        chosen = evaluate.carry(chosen, curve) if curve else chosen
        made()
    if len(y) > MANY:
        trials = [_with_C(trial, chosen, data) for trial in trials]
    for i, evaluation in process.collect() if beside else run_trials(rows, trials):
        found[i] = evaluation
        made()
    return chosen, tuple(found[i] for i in sorted(found)), curve


def _measure_sample(
    head: Any, options: TrainOptions, data: TrainingData, every: EveryRow, progress: ProgressCallback
) -> tuple[Evaluation, tuple[Evaluation, ...], LearningCurve | None]:
    """Hold out the rows of the sample alone, each with its copies; compare networks on some of these, there is no curve."""
    y, classes, groups, m = data.train.ok_y, data.classes, data.groups, len(every.sample)
    fold = evaluate.outer_folds(y, classes, groups, seed=options.seed)  # (m,)
    # a copy outside the sample is held out with its original, and is neither read nor measured
    held = np.full(len(every.y), -1, np.int8)
    held[every.copies] = fold[every.originals]
    proba, choices = head.cross_fit(every.X, every.y, fold, every.sample, held)  # (m, k)
    progress(N_("measuring"), 1, 2)
    parts = np.unique(fold[fold >= 0])
    n, out = len(every.y), np.mean([np.sum(held == part) + np.sum(fold == part) for part in parts])
    how = Folds(len(parts), float(n / (n - out)), each=n / len(classes))
    name = title_on_all(options.head, data.names)
    chosen = build(name, classes, y, proba, fold, groups, choices, how)
    others: list[Evaluation] = []
    if len(data.names) > 1:
        some = stratified_rows(y, np.ceil(np.bincount(y) * min(1.0, COMPARED / m)).astype(int), options.seed)
        few = TrialData((data.train.X[some],), y[some], classes, None if groups is None else groups[some], options.seed)
        whole = Trial(options.head, head.get_params(deep=False), ((0, slice(None)),), name)
        trials = [whole, *_trials(head, options.head, data)]
        sample = N_("{title}, of {n:,} images")
        trials = [
            replace(one, params={**one.params, "memory": None}, title=sample.format(title=one.title, n=len(some)))
            for one in trials
        ]
        others = [evaluation for _, evaluation in run_trials(few, trials)]
    progress(N_("measuring"), 2, 2)
    return chosen, tuple(others), None


def title_on_all(head: str, names: Sequence[str]) -> str:
    """Return what the evaluation of a head on the features of all networks is called: a key of `metrics.json`, so English."""
    if len(names) == 1:
        return N_("{head} on {backbone}").format(head=head, backbone=names[0])
    return N_("{head} on all {n} backbones").format(head=head, n=len(names))


def title_alone(head: str, backbone: str) -> str:
    """Return what the evaluation of a head on the features of one of several networks is called."""
    return N_("{head} on {backbone} alone").format(head=head, backbone=backbone)


def _trials(head: Any, name: str, data: TrainingData) -> list[Trial]:
    """Return each backbone alone where there are several, and the heads that `auto` tries."""
    trials = []
    if len(data.names) > 1:
        params = head.get_params(deep=False)
        for i, backbone in enumerate(data.names):
            alone = {**params, "blocks": data.network_blocks[i]}
            trials.append(Trial(name, alone, ((0, data.columns(i)),), title_alone(name, backbone)))
    for other in heads.CANDIDATES if name == "auto" else ():
        params = {"blocks": data.blocks, "random_state": head.random_state, "class_weight": head.class_weight}
        trials.append(Trial(other, params, ((0, slice(None)),), title_on_all(other, data.names)))
    return trials


def _with_C(trial: Trial, chosen: Evaluation, data: TrainingData) -> Trial:
    """Return the trial of a network alone with the C that was chosen for all: of fewer blocks, rows are shorter."""
    values = [choice["C"] for choice in chosen.choices if choice.get("C")]
    blocks = trial.params.get("blocks")
    if trial.params.get("C", 0) is not None or not values or not blocks:
        return trial
    C = float(np.median(values)) * len(data.blocks) / len(blocks)
    return replace(trial, params={**trial.params, "C": C})


def head_for(options: TrainOptions, data: TrainingData) -> Any:
    """Return the unfitted head of a run, for all blocks of its features."""
    extra: dict[str, Any] = {"calibrate": False} if options.protocol == "blog2017" else {}
    extra["clip"] = options.clip_for(len(data.classes))
    if data.every is not None:
        # the other half is for the sample, what is computed of it, and the program itself
        extra["memory"] = (memory_bytes() if options.memory is None else options.memory) // 2
    return build_head(options.head, np.array(data.classes), data.blocks, options.class_weight, options.seed, **extra)


IMAGES = 100  # of the training part, computed in f32 as well


@dataclass(frozen=True, slots=True)
class PrecisionCheck:
    """Out-of-fold log loss in the precision of the run and in f32, on the same images and folds.

    `difference` is the first minus the second, paired; `cosine` how well features keep their direction, the middle image.
    """

    precision: str
    images: int
    log_loss: float
    log_loss_f32: float
    difference: Difference
    cosine: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def compare_with_f32(
    options: TrainOptions, data: TrainingData, done: Embedding, before: Sequence[Backbone], progress: ProgressCallback
) -> PrecisionCheck | None:
    """Return what the precision of a run did to the log loss on a sample, `before` being the networks unquantised.

    Both choose their settings in one search that the folds share, so what that gains is in both and not in the difference.
    None where the run was in f32 anyway, or where the sample is too small for folds.
    """
    if done.compute.precision == "f32":
        return None
    rows = _sample(data.train.ok_y, options.seed)
    sources = [done.sources[i] for i in np.flatnonzero(data.train.ok)[rows]]
    exact = embed(sources, before, done.settings, progress, compute=done.compute._replace(precision="f32"))
    if not exact.ok.all():  # a file that changed meanwhile
        return None
    y, groups = data.train.ok_y[rows], None if data.groups is None else data.groups[rows]
    ours, theirs = data.train.X[rows], exact.features()  # (m, d) each
    head, names = head_for(options, data), (done.compute.precision, "f32")
    try:
        own, reference = (
            evaluate.cross_validate(head, X, y, data.classes, groups=groups, seed=options.seed, nested=0, name=name)
            for X, name in zip((ours, theirs), names, strict=True)
        )
        difference = evaluate.paired_difference(own, reference)
    except InputError:
        return None
    losses = [float(one.scores["log_loss"].value or 0.0) for one in (own, reference)]
    return PrecisionCheck(done.compute.precision, len(rows), losses[0], losses[1], difference, median_cosine(ours, theirs))


def _sample(y: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Return up to `IMAGES` rows, ascending, every class by its share and with three at least where it has them."""
    counts = np.bincount(y)
    wanted = np.minimum(counts, np.maximum(3, np.round(IMAGES * counts / len(y)))).astype(int)  # (k,)
    return stratified_rows(y, wanted, seed)
