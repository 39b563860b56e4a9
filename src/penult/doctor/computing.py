"""What computes: the processor, the weights, the engine and what it answers, a GPU.

In: nothing. Out: `Check`s. What may crash runs in another process (`probe`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from penult import engines
from penult.backbones.efficientnet_lite import LITE
from penult.doctor import known
from penult.doctor.check import FAIL, NOTE, OK, WARN, Check
from penult.engines import devices
from penult.worker import Crashed, Worker

AGAIN = "pip install --force-reinstall openvino, and if it stays so, report it with this line"


def processor() -> Check:
    """Return what the processor is and which of its instructions matter."""
    has = devices.cpu_flags()
    said = f"{engines.cpu_name()}; {', '.join(has) or 'its instructions are not told'}"
    if has and not {"avx2", "asimd"} & set(has):
        return Check("processor", NOTE, said, "without avx2 networks are slow here: take one network, -b efficientnet_lite0")
    return Check("processor", OK, said)


def weights() -> Check:
    """Return whether the weights that come by pip are there, to the byte."""
    for lite in LITE.values():
        lite.tensors()  # raises MissingExtra or DamagedFile, with the pip line
    return Check("weights", OK, f"{', '.join(LITE)}: there, as they were published (sha256)")


def computed() -> list[Check]:
    """Return whether the engine loads, what it can do, and whether it answers rightly."""
    answers: list[Any] = []
    try:
        with Worker("penult.doctor.probe:compute") as child:
            answers.extend(child.answers())
    except Crashed as error:
        step = "while it was loaded" if not answers else "while it compiled and ran a network"
        return [*_about(answers), Check("engine", FAIL, f"OpenVINO crashed {step} ({error})", AGAIN)]
    if len(answers) < 2:
        return [*_about(answers), Check("engine", FAIL, "OpenVINO gave no answer", AGAIN)]
    return [*_about(answers), *_answer(answers[0]["auto"], *answers[1])]


def _about(answers: list[Any]) -> Iterator[Check]:
    if not answers:
        return
    about = answers[0]
    yield Check(
        "engine", OK, f"OpenVINO {about['version'].partition('-')[0]}, devices {', '.join(about['devices'])}; penult uses CPU"
    )
    here = ", ".join(about["precisions"])
    missing = [p for p in ("bf16", "int8") if p not in about["precisions"]]
    said = f"this processor computes in {here}; auto takes {about['auto']}"
    yield Check("precision", OK, f"{said}, {' and '.join(missing)} cannot be asked for" if missing else said)


def _answer(precision: str, off: float, cosine: float) -> Iterator[Check]:
    exact = f"{known.NETWORK} on a drawn picture in f32: within {off:.1g} of what is recorded"
    if not off <= known.OFF:
        said = f"{exact}; {known.OFF:g} would do" if math.isfinite(off) else f"{known.NETWORK} in f32 gives no finite numbers"
        yield Check("self-test", FAIL, said, AGAIN)
    elif not cosine >= known.COSINE:
        yield Check(
            "self-test", FAIL, f"in {precision} its features have a cosine of {cosine:.4f} to f32", "use --precision f32"
        )
    else:
        beside = "" if precision == "f32" else f"; in {precision} a cosine of {cosine:.5f} to f32"
        yield Check("self-test", OK, exact + beside)


def gpu() -> Check:
    """Return whether an NVIDIA GPU is used, and if one is here and is not, why."""
    try:
        with Worker("penult.doctor.probe:gpu") as child:
            found = next(child.answers())
    except Crashed as error:
        return Check(
            "gpu", WARN, f"ONNX Runtime crashed while it was loaded ({error})", f"{_AGAIN} {_GET}, or use --device cpu"
        )
    if found in _WITHOUT:
        return _WITHOUT[found]
    why = found.removeprefix("unused: ")
    if why != found:
        return Check(
            "gpu", WARN, f"an NVIDIA GPU is here, ONNX Runtime cannot use it ({why})", f"{_GET}, or update its driver"
        )
    return Check("gpu", OK, f"{found}: --device auto takes it")


_AGAIN = "pip uninstall -y onnxruntime onnxruntime-gpu;"
_GET = "pip install 'penult[gpu]'"
_WITHOUT = {
    "none": Check("gpu", OK, "no NVIDIA GPU; the processor computes"),
    "no onnxruntime": Check("gpu", NOTE, "an NVIDIA GPU is here, onnxruntime-gpu is not", f"to compute on it: {_GET}"),
    "no cuda": Check("gpu", NOTE, "an NVIDIA GPU is here, onnxruntime has no CUDA", f"to compute on it: {_AGAIN} {_GET}"),
}
