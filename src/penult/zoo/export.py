"""Turn a torch network into ONNX, and prove that the two agree.

In: a `Loaded`. Out: the bytes of the finished graph.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines
from penult.backbones import Backbone
from penult.errors import InputError
from penult.zoo import onnx_edit
from penult.zoo.dress import dress
from penult.zoo.wish import Loaded

RTOL, ATOL = 1e-3, 1e-4  # of one number; ATOL in units of the features' own size where that is above 1
OVERALL = 1e-3  # of the whole, as a relative L2 error: small features could hide behind ATOL
_OPSET = 18


def export(loaded: Loaded, name: str) -> bytes:
    """Return the graph: uint8 `pixels` (n, s, s, 3) to `features` (n, d) and, where there are some, `maps` (n, d, h, w).

    Raises `InputError` where torch cannot write the network as ONNX.
    """
    return dress(_body(loaded, name), loaded.recipe)


def _body(loaded: Loaded, name: str) -> bytes:
    import torch

    size = loaded.recipe.size
    outputs = ["features", "maps"] if loaded.pooling == "mean" else ["features"]
    example = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))  # (2, 3, s, s)
    try:
        with torch.no_grad(), _quietly():
            program = torch.onnx.export(
                loaded.module,
                (example,),
                input_names=["x"],
                output_names=outputs,
                dynamic_shapes=({0: torch.export.Dim("n")},),
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # whatever torch and onnxscript raise: the user has one question, which network
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{name}: torch cannot write this network as ONNX ({first[:300]}); take another network.") from error
    return onnx_edit.to_bytes(program.model_proto)


@contextlib.contextmanager
def _quietly() -> Any:
    """Keep what the exporter says for developers away from a user's terminal."""
    loggers = [logging.getLogger(n) for n in ("torch.onnx", "onnxscript", "onnx_ir", "torch.export")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)


def prove(loaded: Loaded, backbone: Backbone) -> None:
    """Raise `InputError` unless the engine, given the graph, and torch say the same of random images.

    Features and maps are both held against torch; so the recipe's nodes are proved as well as the network.
    """
    size = loaded.recipe.size
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), dtype=np.uint8)  # (2, s, s, 3)
    wanted = _torch(loaded, pixels)
    for output, values in zip(("features", "maps"), wanted, strict=False):
        engine = engines.open_engine(backbone, "cpu", "f32", output=output)
        got = engine(pixels)
        engine.close()
        _compare(backbone.name, output, got, values)


def _torch(loaded: Loaded, pixels: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return what torch makes of the pixels, by the recipe done in numpy."""
    import torch

    r = loaded.recipe
    seen = pixels[..., ::-1] if r.channels == "bgr" else pixels
    x = (seen.astype(np.float64) / 255 - np.array(r.mean)) / np.array(r.std)  # (n, s, s, 3)
    with torch.no_grad():
        outputs = loaded.module(torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)))
    return [np.asarray(o.detach(), np.float32) for o in outputs]


def _compare(name: str, output: str, got: NDArray[np.float32], wanted: NDArray[np.float32]) -> None:
    if not np.isfinite(wanted).all():
        raise InputError(f"{name}: this network gives numbers that are not finite; its weights are damaged, or none.")
    if got.shape != wanted.shape:
        raise InputError(
            f"{name}: its {output} as ONNX are {got.shape} where torch's are {wanted.shape}; take another network."
        )
    size = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    error = np.abs(got.astype(np.float64) - wanted)
    near = bool((error <= RTOL * np.abs(wanted) + ATOL * max(1.0, size)).all())
    if not near or np.linalg.norm(error) > OVERALL * np.linalg.norm(wanted):
        raise InputError(
            f"{name}: its {output} as ONNX differ from torch's by {error.max():.2g} (their size is {size:.2g}); "
            "penult does not use a conversion that it cannot prove. Take another network."
        )
