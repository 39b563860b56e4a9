"""Measure what was learnt: the chosen head, what each backbone gives alone, the other heads tried, the learning curve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult import evaluate, heads
from penult.evaluate import Evaluation, LearningCurve
from penult.train.material import Material

Say = Callable[[str, int, int], None]
MANY = 5000  # images; above, the extra measurements (heads compared, learning curve) are left out of the default


@dataclass(frozen=True, slots=True)
class Measured:
    """All evaluations of one run: `chosen` is the model that is kept, `others` what it is compared with."""

    chosen: Evaluation
    others: tuple[Evaluation, ...]
    curve: LearningCurve | None


def make_head(name: str, material: Material, clip: float | str, seed: int) -> Any:
    """Return an unfitted head for all blocks of this material."""
    extra = {} if clip == "auto" else {"clip": clip}
    return heads.make(name, blocks=sum(material.parts, ()), random_state=seed, **extra)


def measure(head: Any, name: str, material: Material, seed: int, say: Say) -> Measured:
    """Cross-validate the head on all blocks, on each block alone, and beside the other heads; same folds throughout."""
    X, y, groups = material.train.X, material.train.ok_y, material.groups
    several = len(material.blocks) > 1
    compared = [h for h in _compared(name) if h != name]
    total = 1 + several * len(material.blocks) + len(compared) + 1
    step = 0

    def run(who: Any, label: str, columns: Any) -> Evaluation:
        nonlocal step
        found = evaluate.cross_validate(
            who, X[:, columns], y, material.classes, groups=groups, seed=seed, name=label
        )
        step += 1
        say("measuring", step, total)
        return found

    everything = slice(None)
    title = " + ".join(material.names)
    chosen = run(head, f"{name} on {title}", everything)
    others = []
    if several:
        for i, backbone in enumerate(material.names):
            alone = heads.make(
                name, **{**head.get_params(deep=False), "blocks": material.parts[i]}
            )
            others.append(run(alone, f"{name} on {backbone} alone", material.columns(i)))
    for other in compared:
        others.append(run(make_head(other, material, "auto", seed), f"{other} on {title}", everything))
    curve = None
    if len(y) <= MANY:
        curve = evaluate.learning_curve(head, X, chosen, seed=seed)
    say("measuring", total, total)
    return Measured(chosen, tuple(others), curve)


def _compared(name: str) -> list[str]:
    """Return the heads to measure beside the chosen one: the seed's dense head, and for `auto` all that it tries."""
    return heads.CANDIDATES + ["dense"] if name == "auto" else ["dense"]


def unseen(proba: np.ndarray, material: Material) -> Evaluation | None:
    """Return the scores on the test part where its folders tell the classes, else None."""
    test = material.test
    if test is None or test.y is None:
        return None
    return evaluate.score(test.y, proba, material.classes, name="test images")
