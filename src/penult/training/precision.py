"""What computing in few bits did to this model: the same images once more in f32, judged on the same folds.

In: what was embedded, and the networks as they were. Out: `Beside`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import evaluate
from penult.arrays import median_cosine, stratified_rows
from penult.backbones import Backbone
from penult.embed import Embedding, embed
from penult.errors import InputError
from penult.evaluate import Difference
from penult.training.job import Job
from penult.training.material import TrainingData
from penult.training.measuring import make_head

IMAGES = 200  # of the training part, computed in f32 as well


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


def compare_with_f32(job: Job, material: TrainingData, done: Embedding, before: Sequence[Backbone]) -> PrecisionCheck | None:
    """Return what the precision of a run did to the log loss on a sample, `before` being the networks unquantised.

    None where the run was in f32 anyway, or where the sample is too small for folds.
    """
    if done.compute.precision == "f32":
        return None
    rows = _sample(material.train.ok_y, job.options.seed)
    sources = [done.sources[i] for i in np.flatnonzero(material.train.ok)[rows]]
    exact = embed(sources, before, done.settings, job.progress, compute=done.compute._replace(precision="f32"))
    if not exact.ok.all():  # a file that changed meanwhile
        return None
    y, groups = material.train.ok_y[rows], None if material.groups is None else material.groups[rows]
    ours, theirs = material.train.X[rows], exact.features()  # (m, d) each
    head, names = make_head(job.options, material), (done.compute.precision, "f32")
    try:
        own, reference = (
            evaluate.cross_validate(head, X, y, material.classes, groups=groups, seed=job.options.seed, name=name)
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
