"""Measure what was learnt: the chosen head, what each backbone gives alone, the other heads tried, the learning curve.

The model that is kept is measured here, what it is compared with in a process beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate, heads
from penult.errors import ProgressCallback
from penult.evaluate import Evaluation, LearningCurve, Trial, TrialData, TrialProcess, run_trials
from penult.heads.task import class_weights
from penult.training.material import TrainingData
from penult.training.options import TrainOptions

MANY = 5000  # images above which there is no learning curve, and a copy of X for another process is too dear


@dataclass(frozen=True, slots=True)
class Measured:
    """All evaluations of one run: `chosen` is the model that is kept, `others` what it is compared with."""

    chosen: Evaluation
    others: tuple[Evaluation, ...]
    curve: LearningCurve | None


def measure(
    process: TrialProcess, head: Any, name: str, data: TrainingData, seed: int, progress: ProgressCallback
) -> Measured:
    """Cross-validate the head on all backbones, on each alone, and beside the other heads; same folds throughout."""
    X, y = data.train.X, data.train.ok_y
    rows = TrialData((X,), y, data.classes, data.groups, seed)
    trials = _trials(head, name, data)
    beside = process.running and len(trials) > 1 and len(y) <= MANY
    theirs = trials[:-1] if beside else []  # the last is made here meanwhile: about as much work on each side
    process.send(rows, theirs)
    total, step = len(trials) + 2, 0

    def made() -> None:
        nonlocal step
        step += 1
        progress("measuring", step, total)

    found: dict[int, Evaluation] = {}
    with process.sharing() if beside else nullcontext():
        chosen = evaluate.cross_validate(head, X, y, data.classes, groups=data.groups, seed=seed, name=_title(name, data))
        made()
        curve = evaluate.learning_curve(head, X, chosen, seed=seed) if len(y) <= MANY else None
        made()
        for i, evaluation in run_trials(rows, trials[len(theirs) :]):
            found[len(theirs) + i] = evaluation
            made()
    for i, evaluation in process.collect():
        found[i] = evaluation
        made()
    return Measured(chosen, tuple(found[i] for i in sorted(found)), curve)


def _title(head: str, material: TrainingData) -> str:
    names = material.names
    return f"{head} on {names[0]}" if len(names) == 1 else f"{head} on all {len(names)} backbones"


def _trials(head: Any, name: str, material: TrainingData) -> list[Trial]:
    """Return each backbone alone where there are several, and the other heads: the seed's, and all that `auto` tries."""
    trials = []
    if len(material.names) > 1:
        params = head.get_params(deep=False)
        for i, backbone in enumerate(material.names):
            alone = {**params, "blocks": material.network_blocks[i]}
            trials.append(Trial(name, alone, ((0, material.columns(i)),), f"{name} on {backbone} alone"))
    for other in [*heads.CANDIDATES, "dense"] if name == "auto" else ["dense"]:
        if other != name:
            same = {"random_state": head.random_state, "class_weight": head.class_weight}
            params = {"blocks": material.blocks, **same}
            trials.append(Trial(other, params, ((0, slice(None)),), _title(other, material)))
    return trials


def make_head(options: TrainOptions, material: TrainingData) -> Any:
    """Return the unfitted head of a run, for all blocks of its material."""
    extra: dict[str, Any] = {"clip": options.clip_for(len(material.classes)), "random_state": options.seed}
    if options.protocol == "blog2017":
        extra["calibrate"] = False
    return heads.make(options.head, blocks=material.blocks, class_weight=weights(options, material.classes), **extra)


def weights(options: TrainOptions, classes: Sequence[str]) -> Any:
    """Return the class weights of a run by class number. Raises `InputError` for a class that is not there."""
    wanted = options.class_weight
    if not isinstance(wanted, Mapping):
        return wanted
    found = class_weights(wanted, np.asarray(classes), np.arange(len(classes)))
    return dict(enumerate(found.tolist()))


def unseen(proba: NDArray[np.float64], material: TrainingData) -> Evaluation | None:
    """Return the scores on the test part where its folders tell the classes, else None."""
    test = material.test
    if test is None or test.y is None:
        return None
    return evaluate.score(test.y, proba, material.classes, name="test images")
