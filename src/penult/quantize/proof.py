"""Hold a quantised network against the original: what 8 bits do to the features of some images.

In: both backbones, pixels. Out: nothing, or the sentence that says it is too much.
"""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from penult import engines
from penult.backbones import Backbone
from penult.errors import InputError

log = logging.getLogger(__name__)

LEAST = 0.9  # the middle cosine of features and their originals; a sound network has more than 0.98
IMAGES = 16


def prove(original: Backbone, quantized: Backbone, pixels: NDArray[np.uint8]) -> None:
    """Raise `InputError` where the features of these pixels (m, s, s, 3) do not keep their direction."""
    exact, ours = (_features(*one, pixels[:IMAGES]) for one in ((original, "f32"), (quantized, "int8")))  # (m, d) each
    lengths = np.linalg.norm(exact, axis=1) * np.linalg.norm(ours, axis=1)
    cosine = float(np.median((exact * ours).sum(axis=1) / np.maximum(lengths, 1e-12)))
    log.info("%s in int8: features keep a cosine of %.4f", original.name, cosine)
    if not cosine >= LEAST:
        raise InputError(
            f"{original.name} does not stand 8 bits: its features keep a cosine of {cosine:.2f} only; use --precision auto."
        )


def _features(backbone: Backbone, precision: str, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    engine = engines.open_engine(backbone, "cpu", precision)
    try:
        return engine(pixels)
    finally:
        engine.close()
