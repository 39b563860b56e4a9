"""What a child process does for the doctor, for it may crash: load the engine, compile, compute; look for a GPU; try a model.

In: what is asked for. Out: plain values, as soon as each is known. The engine is tried on a drawn picture; what
`efficientnet_lite0` says of it in f32 is that of `tests/golden`, which was held against timm; a test compares the two.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import backbones, bundle, engines, system
from penult.arrays import drawn_picture
from penult.embed import EmbedOptions
from penult.engines import devices, openvino_engine
from penult.predict import Predictor

NETWORK = "efficientnet_lite0"
FIRST = 6
# For each part of the features its first six numbers and its length.
EXPECTED = (
    (1.4762, -0.6212, 0.1488, -3.5084, 1.7173, -1.9199, 44.8846),
    (0.9218, 3.3874, 2.7507, 2.4724, -1.4485, 2.9983, 38.2850),
    (0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 22.6188),
    (7.1632, 16.5851, 5.5009, 1.1522, 12.2205, 2.3741, 120.4018),
    (2.9914, 6.6621, 5.4408, 5.4107, 2.2429, 6.7949, 60.5900),
    (0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000, 72.2693),
)
MAX_ERROR = 2e-3  # of a number, or of 1 where that is larger: two engines in f32 differ by less
MIN_COSINE = 0.998  # between a vector at lower precision and that in f32; bf16 keeps 0.999


def max_error(vector: NDArray[np.float32], blocks: tuple[int, ...]) -> float:
    """Return the largest error of a vector (d,) beside the known one, each relative to its number or to 1."""
    pieces = np.split(vector.astype(np.float64), np.cumsum(blocks)[:-1])
    seen = np.array([[*piece[:FIRST], np.linalg.norm(piece)] for piece in pieces])  # (blocks, 7)
    wanted = np.array(EXPECTED)
    if seen.shape != wanted.shape or not np.isfinite(seen).all():
        return float("inf")
    return float((np.abs(seen - wanted) / np.maximum(np.abs(wanted), 1)).max())


SECONDS = 240  # the kernel ends what hangs


def compute(sent: Iterator[Any]) -> Iterator[Any]:
    """Yield what the engine says of itself, then of the picture: how far off in f32, the cosine beside f32 at `auto`."""
    _bounded()
    about = openvino_engine.describe()
    yield about
    backbone = backbones.find_builtin(NETWORK)
    picture = drawn_picture(backbone.recipe.size)
    vectors = {}
    for precision in dict.fromkeys(("f32", about["auto"])):
        engine = engines.open_engine(backbone, "cpu", precision)
        vectors[precision] = engine(picture)[0].astype(np.float64)  # (d,)
        engine.close()
    exact, here = vectors["f32"], vectors[about["auto"]]
    cosine = float(exact @ here / (np.linalg.norm(exact) * np.linalg.norm(here)))
    yield max_error(exact.astype(np.float32), backbone.blocks), cosine


def gpu(sent: Iterator[Any]) -> Iterator[Any]:
    """Yield what `gpu_status` says."""
    _bounded()
    yield devices.gpu_status()


def model(sent: Iterator[Any]) -> Iterator[Any]:
    """Yield for each run folder how many samples its model was tried on; raises what `Predictor.check` raises."""
    _bounded()
    for folder in sent:
        loaded = bundle.load_bundle(folder)
        predictor = Predictor(loaded, EmbedOptions(cache=False, workers=0))
        count = len(predictor.unchecked())
        device, precision = engines.resolve(predictor.settings.device, predictor.settings.precision, loaded.backbones)
        if count:
            predictor.check(engines.engine_of(loaded.backbones, device), precision)
        predictor.close()
        yield count


def _bounded() -> None:
    if threading.current_thread() is threading.main_thread():  # no process of its own: no bound
        system.take_alarms()
        system.alarm(SECONDS)
