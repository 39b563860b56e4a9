"""Does a model fit itself? Its classes, networks, head, prior and self-test, each by what it says and beside the others.

In: a `Bundle` as a file had it. Out: nothing, or one sentence. A checksum tells of damage; this tells of a file that was
made to be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.bundle import training_photos
from penult.bundle.model import Bundle
from penult.heads import novelty, scorer

_SAMPLES, _SIDE = 16, 4096  # pictures of a self-test, and their sides
_PRECISIONS = {"none", "f32", "bf16", "f16", "tf32", "int8"}
_CLOSE = 1e-6  # what the numbers of a distribution may add up to beside 1


def check(model: Bundle) -> None:
    """Raise `ValueError` or `DamagedFile` for a model of which a part cannot be or does not fit another."""
    _names(model)
    widths = tuple(backbone.width for backbone in model.backbones)
    if any(type(width) is not int or width < 1 for width in model.widths) or (widths and widths != model.widths):
        raise ValueError(f"its blocks {model.widths[:10]} are not the widths of its networks {widths[:10]}")
    facts = model.head.facts
    if not _fits(facts["blocks"], model.widths) or facts["classes"] != len(model.classes):
        raise ValueError("its head is one of other networks or other classes")
    scorer(model.head.kind, model.head.arrays, facts)
    _distribution("prior", model.prior[None], len(model.classes))
    if model.selftest:
        _selftest(model.selftest, len(model.classes))
    if model.novelty is not None:
        if not _fits(model.novelty.facts["blocks"], model.widths):
            raise ValueError("its measure of novelty is one of other networks")
        novelty.reference(model.novelty.arrays, model.novelty.facts)
    if model.seen is not None:
        training_photos.check(model.seen)


def _fits(blocks: Any, widths: tuple[int, ...]) -> bool:
    """Whether blocks, of which a network may have several, make up all the columns."""
    return isinstance(blocks, list) and all(type(w) is int and w > 0 for w in blocks) and sum(blocks) == sum(widths)


def _names(model: Bundle) -> None:
    classes = model.classes
    if len(classes) < 2 or not all(isinstance(name, str) and name for name in classes) or len(set(classes)) != len(classes):
        raise ValueError("its classes are not two or more different names")
    if not isinstance(model.engine, str) or model.precision not in _PRECISIONS or not isinstance(model.facts, Mapping):
        raise ValueError("its engine, precision or facts cannot be")


def _distribution(name: str, proba: NDArray[Any], k: int) -> None:
    """Raise `ValueError` unless proba (m, k) are probabilities."""
    fine = proba.ndim == 2 and proba.shape[1] == k and proba.dtype.kind == "f" and np.isfinite(proba).all()
    if not fine or (proba < 0).any() or (np.abs(proba.sum(axis=1) - 1) > _CLOSE).any():
        raise ValueError(f"its {name} is no distribution over its {k} classes")


def _selftest(samples: Mapping[str, NDArray[Any]], k: int) -> None:
    if set(samples) != {"images", "proba"}:
        raise ValueError("its self-test is not pictures and their answers")
    images, proba = samples["images"], samples["proba"]
    sides = images.shape[1:3]
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not all(1 <= s <= _SIDE for s in sides):
        raise ValueError(f"the pictures of its self-test are {images.dtype} {images.shape}, which are no pictures")
    if not 1 <= len(images) <= _SAMPLES or len(proba) != len(images):
        raise ValueError(f"its self-test has {len(images)} pictures and {len(proba)} answers")
    _distribution("self-test", proba, k)
