"""The runtimes that are installed, to run any ONNX graph in float32 on the processor: what an exported model is proved with.

In: the bytes of a graph, the names of outputs. Out: a function from inputs by name to these outputs, in their order.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.engines import openvino_engine

GraphFunction = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[np.float32]]]


def runtimes() -> list[str]:
    """Return the names of the runtimes that are installed."""
    return [name for name in _OPENED if importlib.util.find_spec(name)]


def open_graph(runtime: str, graph: bytes, outputs: Sequence[str]) -> tuple[GraphFunction, str]:
    """Return the function that a runtime makes of a graph, and the version of the runtime."""
    return _OPENED[runtime](graph, outputs)


def _onnxruntime(graph: bytes, outputs: Sequence[str]) -> tuple[GraphFunction, str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda inputs: list(session.run(list(outputs), dict(inputs))), str(onnxruntime.__version__)


def _openvino(graph: bytes, outputs: Sequence[str]) -> tuple[GraphFunction, str]:
    openvino = openvino_engine.load()
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(inputs: Mapping[str, NDArray[Any]]) -> list[NDArray[np.float32]]:
        found = compiled(dict(inputs))
        return [np.array(found[name]) for name in outputs]

    return run, str(openvino.__version__).split("-")[0]


_OPENED: dict[str, Callable[[bytes, Sequence[str]], tuple[GraphFunction, str]]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}


def openvino_files(graph: bytes) -> dict[str, bytes]:
    """Return a graph as OpenVINO's IR: the files `model.bin` and `model.xml`."""
    openvino = openvino_engine.load()
    with tempfile.TemporaryDirectory() as place:
        openvino.save_model(openvino.Core().read_model(graph), Path(place) / "model.xml", compress_to_fp16=False)
        return {name: (Path(place) / name).read_bytes() for name in ("model.bin", "model.xml")}
