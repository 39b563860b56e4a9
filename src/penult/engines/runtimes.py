"""The runtimes that are installed, to run any ONNX graph in float32 on the processor: what an exported model is proved with.

In: the bytes of a graph, the name of one of its outputs. Out: a function from inputs by name to that output.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import store
from penult.engines import openvino_engine

GraphFunction = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]


def runtimes() -> list[str]:
    """Return the names of the runtimes that are installed."""
    return [name for name in _OPENED if importlib.util.find_spec(name)]


def open_graph(runtime: str, graph: bytes, output: str) -> tuple[GraphFunction, str]:
    """Return the function that a runtime makes of a graph's output, and the version of the runtime."""
    return _OPENED[runtime](graph, output)


def _onnxruntime(graph: bytes, output: str) -> tuple[GraphFunction, str]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda inputs: np.asarray(session.run([output], dict(inputs))[0]), str(onnxruntime.__version__)


def _openvino(graph: bytes, output: str) -> tuple[GraphFunction, str]:
    openvino = openvino_engine.load()
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return lambda inputs: np.array(compiled(dict(inputs))[output]), str(openvino.__version__).split("-")[0]


_OPENED: dict[str, Callable[[bytes, str], tuple[GraphFunction, str]]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
}


def save_openvino(graph: bytes, folder: Path) -> tuple[Path, ...]:
    """Write a graph as OpenVINO's IR into a folder: `model.xml` and `model.bin`, whole or not at all."""
    openvino = openvino_engine.load()
    written = []
    with tempfile.TemporaryDirectory() as place:
        openvino.save_model(openvino.Core().read_model(graph), Path(place) / "model.xml", compress_to_fp16=False)
        for name in ("model.bin", "model.xml"):  # who finds the second has the first
            with store.atomic_write(folder / name) as file, (Path(place) / name).open("rb") as made:
                shutil.copyfileobj(made, file)
            written.append(folder / name)
    return tuple(written)
