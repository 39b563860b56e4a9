"""Measure what was learnt of photos with several labels: the head on all networks, and on each alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from penult import evaluate
from penult.errors import InputError, ProgressCallback
from penult.evaluate import LabelEvaluation
from penult.fit import head_for_labels
from penult.i18n import N_, _
from penult.training.data import TrainingData
from penult.training.measuring import title_alone, title_on_all
from penult.training.options import TrainOptions


def check_label_options(options: TrainOptions) -> None:
    """Raise `InputError` where something is asked for that only photos with one class have."""
    head_for_labels(options.head, (1,), options.class_weight)
    decision = options.decision
    asked = {
        "protocol": options.protocol, "review": options.review, "cost": decision.costs or None, "target": decision.target,
        "coverage": decision.coverage,
    }  # fmt: skip
    for name, given in asked.items():
        if given is not None:
            raise InputError(
                _("--{name} is for one class a photo, and these photos have several labels each; leave it out.", name=name)
            )


def label_head(options: TrainOptions, data: TrainingData, columns: slice = slice(None)) -> Any:
    """Return the unfitted head of a run, for all blocks of its features, or for those in some columns."""
    edges = np.cumsum((0, *data.blocks))  # (b + 1,)
    start, stop, _ = columns.indices(int(edges[-1]))
    blocks = tuple(w for w, at in zip(data.blocks, edges[:-1].tolist(), strict=True) if start <= at < stop)
    return head_for_labels(options.head, blocks, options.class_weight, options.seed, options.clip)


def measure_labels(
    head: Any, options: TrainOptions, data: TrainingData, progress: ProgressCallback, alone: bool = True
) -> tuple[LabelEvaluation, tuple[LabelEvaluation, ...]]:
    """Cross-validate the head on all backbones, and (`alone`) on each where there are several, on the same folds."""
    X, Y, names = data.train.X, data.train.ok_Y, data.names
    title = title_on_all("logistic", names)
    folds: Any = 5 if data.folds is None else data.folds
    how: dict[str, Any] = {"groups": data.groups, "seed": options.seed, "sample_weight": data.weights}
    chosen = evaluate.cross_validate_labels(head, X, Y, data.classes, folds=folds, name=title, **how)
    each = names if alone and len(names) > 1 else ()
    others, total = [], 1 + len(each)
    progress(N_("measuring"), 1, total)
    for i, name in enumerate(each):
        at = data.columns(i)
        found = evaluate.cross_validate_labels(
            label_head(options, data, at),
            X[:, at],
            Y,
            data.classes,
            folds=chosen.fold,
            name=title_alone("logistic", name),
            **how,
        )
        others.append(found)
        progress(N_("measuring"), i + 2, total)
    return chosen, tuple(others)
