"""A graph as a LiteRT file (once TensorFlow Lite), for phones and small boards: by onnx2tf, in a process of its own.

In: the graph that takes pixels, and pictures to try it on. Out: the file, and what LiteRT answers to these pictures.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult.errors import InputError, MissingExtra, PenultError
from penult.export.parity import OUTPUTS
from penult.i18n import _
from penult.worker import Crashed, Worker

WORK = "penult.export.litert:work"
OLDEST = (3, 12)  # before it, onnx2tf takes TensorFlow along (2.6 GB) and downloads photos while it converts

Inputs = Mapping[str, NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class LiteRTRequest:
    """A graph of batches of one, and the inputs to try it with."""

    graph: bytes
    inputs: Sequence[Inputs]


@dataclass(frozen=True, slots=True)
class LiteRTFile:
    """The file, the version of the interpreter, and for each input the probabilities (k,) and the novelty (1,)."""

    data: bytes
    version: str
    answers: Sequence[tuple[NDArray[np.float32], ...]]


def check_converter() -> None:
    """Raise `InputError` or `MissingExtra` where the converter does not run."""
    if sys.version_info < OLDEST:
        here, needed = (".".join(map(str, version[:2])) for version in (sys.version_info, OLDEST))
        raise InputError(
            _(
                "exporting to LiteRT needs Python {needed} or later, this is {here}; use a newer Python, or --to network.",
                needed=needed,
                here=here,
            )
        )
    if any(importlib.util.find_spec(module) is None for module in ("onnx2tf", "ai_edge_litert")):
        raise MissingExtra(_("exporting to LiteRT needs onnx2tf: pip install 'penult[litert]', in an environment of its own."))


def convert(graph: bytes, inputs: Sequence[Inputs]) -> LiteRTFile:
    """Return the graph as a LiteRT file for one photo at a time. Raises `PenultError` where the converter fails."""
    request = LiteRTRequest(batch_of_one(graph), inputs)
    with Worker(WORK, threads=1) as child:
        child.send(request)
        try:
            found: LiteRTFile = next(iter(child.answers()))
        except (Crashed, StopIteration) as error:
            raise PenultError(
                _(
                    "converting to LiteRT ended without an answer ({error}), most often for lack of memory; close other "
                    "programs, or use --to network.",
                    error=error,
                )
            ) from error
    return found


def batch_of_one(graph: bytes) -> bytes:
    """Return the graph with batches of one photo: LiteRT has fixed shapes."""
    import onnx

    model = onnx.load_model_from_string(graph)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return bytes(model.SerializeToString())


def work(sent: Iterator[LiteRTRequest]) -> Iterator[LiteRTFile]:
    """Answer the requests: the other side of `convert`."""
    for request in sent:
        try:
            data = _converted(request.graph, list(request.inputs[0]))
            yield _tried(data, request.inputs)
        except Exception as error:  # a library's own failure: never a traceback
            text = " ".join(str(error).split())[:400]
            raise PenultError(
                _(
                    "onnx2tf cannot convert this model: {name}: {text}; use --to network, and a converter of your device's.",
                    name=type(error).__name__,
                    text=text,
                )
            ) from error


def _converted(graph: bytes, names: list[str]) -> bytes:
    import onnx2tf

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "model.onnx"
        source.write_bytes(graph)
        onnx2tf.convert(
            input_onnx_file_path=str(source),
            output_folder_path=folder,
            copy_onnx_input_output_names_to_tflite=True,
            keep_shape_absolutely_input_names=names,  # it would take (1, s, s, 3) for channels first
            non_verbose=True,
        )
        return (Path(folder) / "model_float32.tflite").read_bytes()


def _tried(data: bytes, inputs: Sequence[Inputs]) -> LiteRTFile:
    from importlib.metadata import version

    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_content=data)
    run.allocate_tensors()
    takes, gives = (
        {end["name"]: end["index"] for end in ends} for ends in (run.get_input_details(), run.get_output_details())
    )
    answers = []
    for one in inputs:
        for name, values in one.items():
            run.set_tensor(takes[name], values)
        run.invoke()
        answers.append(tuple(run.get_tensor(gives[name]).reshape(-1) for name in OUTPUTS))
    return LiteRTFile(data, version("ai-edge-litert"), answers)
