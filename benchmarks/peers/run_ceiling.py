"""The machine's own ceiling: a large product of two matrices, by torch and by OpenVINO; the better one counts.

    python -m peers.run_ceiling [SECONDS]         each way runs for so long (default: 1)

Multiplying two n x n matrices is 2 n^3 operations. int8 is OpenVINO's, on numbers of 8 bits with float32 at both ends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from peers.clock import tell

SIDES = (1024, 2048, 4096)


def main(seconds: str = "1") -> None:
    """Tell the GFLOP/s of both libraries at each precision, the best of the sizes."""
    import numpy as np

    found: dict[str, dict[str, float]] = {"f32": {}, "bf16": {}, "int8": {}}
    for side in SIDES:
        a = np.random.default_rng(0).uniform(-1, 1, (side, side)).astype(np.float32)
        for precision, ways in found.items():
            for library, product in (("torch", by_torch), ("openvino", by_openvino)):
                run = product(a, precision)
                if run is not None:
                    ways[library] = max(ways.get(library, 0.0), 2 * side**3 / fastest(run, float(seconds) / len(SIDES)) / 1e9)
    tell("torch", "openvino", gflops={p: max(ways.values(), default=None) for p, ways in found.items()}, ways=found)


def fastest(run: Callable[[], Any], seconds: float) -> float:
    """Return the seconds that `run` takes, the mean of as many as fit, after a first one."""
    run()
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        run()
        count += 1
    return (time.perf_counter() - began) / count


def by_torch(a: Any, precision: str) -> Callable[[], Any] | None:
    """Return a product by torch; None for a precision that it has none for."""
    try:
        import torch
    except ImportError:
        return None
    if precision == "int8":
        return None
    one = torch.from_numpy(a).to(torch.bfloat16 if precision == "bf16" else torch.float32)
    return lambda: one @ one


def by_openvino(a: Any, precision: str) -> Callable[[], Any]:
    """Return a product by OpenVINO of `a` and a constant."""
    import numpy as np
    import openvino as ov
    from openvino import opset13 as ops

    left = ops.parameter(a.shape, np.float32)
    x, w = left, ops.constant(a)
    if precision == "int8":  # the marks by which OpenVINO knows that 256 steps are enough
        x = ops.fake_quantize(x, *map(np.float32, (-1, 1, -1, 1)), 256)
        w = ops.fake_quantize(w, *map(np.float32, (-1, 1, -1, 1)), 255)
    model = ov.Model([ops.matmul(x, w, False, False)], [left])
    hint = "bf16" if precision == "bf16" else "f32"
    request = ov.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint}).create_infer_request()
    request.set_input_tensor(ov.Tensor(a))
    return request.infer


if __name__ == "__main__":
    main(*sys.argv[1:])
