"""What a model file holds, as one record.

In: nothing. Out: `Bundle`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines
from penult.backbones import Backbone
from penult.errors import InputError
from penult.heads import HeadState
from penult.heads.novelty import NoveltyReference

FORMAT = 1
SUMS, ABOUT = "SHA256SUMS", "bundle.json"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained classifier, complete: what it looks through, how it decides, and what it measured.

    `backbones` is empty for a model trained from feature files; it then predicts from features of the `widths`.
    `prior` (k,) is what an unreadable image gets; `selftest` has sample images and their expected probabilities; `novelty`
    tells how unlike the training photos an image is, `seen` (m,) are the beginnings of their digests: None in a model
    that was saved without them, or trained from feature files.
    """

    classes: tuple[str, ...]
    backbones: tuple[Backbone, ...]
    widths: tuple[int, ...]
    head: HeadState
    prior: NDArray[np.float64]  # (k,)
    engine: str = "none"
    precision: str = "none"
    selftest: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    novelty: NoveltyReference | None = None
    seen: NDArray[np.uint64] | None = None  # (m,)


def precision_here(model: Bundle, asked: str, device: str) -> str:
    """Return the precision to compute in: where `auto` is asked that of training, or f32 where this machine lacks it.

    Raises `InputError` where int8 is asked of a model without networks in int8.
    """
    if model.precision == "int8" or not model.backbones:
        return asked  # the networks say it
    if asked == "int8":
        raise InputError(
            f"this model was trained in {model.precision} and has no networks in int8; leave --precision out, or train again "
            "with --precision int8."
        )
    if asked != "auto" or model.precision == "f32":
        return "f32" if asked == "auto" else asked
    return model.precision if model.precision in engines.precisions(device) else "f32"
