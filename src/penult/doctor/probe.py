"""The work that may crash, done in a process of its own: load the engine, compile, compute; look for a GPU; try a model.

In: what is asked for. Out: plain values, as soon as each is known.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from penult import backbones, bundle, engines
from penult.doctor import known
from penult.embed import EmbedOptions
from penult.engines import devices, openvino_engine
from penult.predict import Predictor

SECONDS = 240  # the kernel ends what hangs


def compute(sent: Iterator[Any]) -> Iterator[Any]:
    """Yield what the engine says of itself, then of the picture: how far off in f32, the cosine beside f32 at `auto`."""
    _bounded()
    about = openvino_engine.describe()
    yield about
    backbone = backbones.find_builtin(known.NETWORK)
    picture = known.picture(backbone.recipe.size)
    vectors = {}
    for precision in dict.fromkeys(("f32", about["auto"])):
        engine = engines.open_engine(backbone, "cpu", precision)
        vectors[precision] = engine(picture)[0].astype(np.float64)  # (d,)
        engine.close()
    exact, here = vectors["f32"], vectors[about["auto"]]
    cosine = float(exact @ here / (np.linalg.norm(exact) * np.linalg.norm(here)))
    yield known.off(exact.astype(np.float32), backbone.blocks), cosine


def gpu(sent: Iterator[Any]) -> Iterator[Any]:
    """Yield what `gpu_status` says."""
    _bounded()
    yield devices.gpu_status()


def model(sent: Iterator[Any]) -> Iterator[Any]:
    """Yield for each run folder how many samples its model was tried on; raises what `Predictor.check` raises."""
    _bounded()
    for folder in sent:
        loaded = bundle.load(folder)
        predictor = Predictor(loaded, EmbedOptions(cache=False, workers=0))
        count = len(predictor.unchecked())
        device, precision = engines.resolve(predictor.settings.device, predictor.settings.precision, loaded.backbones)
        if count:
            predictor.check(engines.engine_of(loaded.backbones, device), precision)
        predictor.close()
        yield count


def _bounded() -> None:
    if hasattr(signal, "alarm") and threading.current_thread() is threading.main_thread():  # no process of its own: no bound
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
