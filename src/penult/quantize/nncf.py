"""Quantise graphs: the job of the child process, which alone loads NNCF.

Weights and activations are in 8 bits where that pays. Post-training quantisation (Jacob et
al. 2018): the range of each activation is read off the images, weights get a scale for each channel, and the shift that
rounding gives to each layer's mean is taken out of its bias (Nagel et al. 2019).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from penult.errors import InputError
from penult.i18n import _

OPSET = 13  # the least version of ONNX's operators that has a scale for each channel


@dataclass(frozen=True, slots=True)
class QuantizeRequest:
    """One graph and the pixels to quantise it with."""

    label: str
    graph: bytes
    pixels: Any  # (m, s, s, 3) uint8


def work(sent: Iterator[QuantizeRequest]) -> Iterator[bytes]:
    """Answer the requests: the other side of `penult.quantize.in_int8`."""
    nncf = load()
    for request in sent:
        try:
            yield quantize(nncf, request)
        except InputError:
            raise
        except Exception as error:  # a library's own failure: name the network, never show a traceback
            text = " ".join(str(error).split())[:400]
            raise InputError(
                _(
                    "{label} cannot be quantised: {type}: {text}; use --precision auto, or another network.",
                    label=request.label,
                    type=type(error).__name__,
                    text=text,
                )
            ) from error


def load() -> Any:
    """Import NNCF so that it sends nothing: by default it reports each use, and so does ONNX Runtime, which it runs on."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import logging

    import nncf

    nncf.set_log_level(logging.ERROR)
    return nncf


def quantize(nncf: Any, request: QuantizeRequest) -> bytes:
    """Return the graph with QuantizeLinear and DequantizeLinear in it."""
    import onnx

    model = onnx.load_model_from_string(request.graph)
    opset = next((one.version for one in model.opset_import if one.domain in {"", "ai.onnx"}), 0)
    if opset < OPSET:
        raise InputError(
            _(
                "{label} is written in version {opset} of ONNX's operators, and int8 needs {needed}; export it again "
                "with opset 17, or use --precision auto.",
                label=request.label,
                opset=opset,
                needed=OPSET,
            )
        )
    name = model.graph.input[0].name
    images = nncf.Dataset([{name: one[None]} for one in request.pixels])
    done = nncf.quantize(model, images, subset_size=len(request.pixels))
    return bytes(done.SerializeToString())
