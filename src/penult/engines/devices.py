"""What this machine computes on: its processor, and the accelerators that ONNX Runtime could use.

It is found out without importing ONNX Runtime where that is not installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import io
import logging
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from penult import system
from penult.errors import InputError, MissingExtra
from penult.i18n import N_, _

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Accelerator:
    """How ONNX Runtime reaches a device: its provider, where the provider's arrays lie, and how it is asked for.

    `precisions` are those that it computes in, the fastest first; `batch` is how many images it takes at once.
    """

    provider: str
    cure: str  # what to install
    batch: int
    memory: str = "cpu"
    precisions: tuple[str, ...] = ("f16", "f32")
    options: Mapping[str, str] = field(default_factory=dict)


_CLEAN = "pip uninstall -y onnxruntime onnxruntime-gpu onnxruntime-directml"  # they overwrite each other's files
ACCELERATORS = {
    "cuda": Accelerator(
        "CUDAExecutionProvider",
        "pip install 'penult[gpu]'",
        256,
        "cuda",
        options={
            "use_tf32": "0",  # f32 is to be f32
            "cudnn_conv_algo_search": "HEURISTIC",  # measuring takes seconds, and rounds differently each time
            "arena_extend_strategy": "kSameAsRequested",  # several networks share the memory
        },
    ),
    "coreml": Accelerator(
        "CoreMLExecutionProvider",
        N_("pip install 'penult[gpu]' on a Mac"),
        32,
        options={"ModelFormat": "MLProgram", "RequireStaticInputShapes": "1"},
    ),
    "dml": Accelerator("DmlExecutionProvider", N_("pip install onnxruntime-directml on Windows"), 32),
    # ONNX Runtime on the processor: for tests, OpenVINO is faster.
    "onnxruntime-cpu": Accelerator("CPUExecutionProvider", "pip install onnxruntime", 4, precisions=("f32", "f16")),
}


@functools.cache
def load() -> Any:
    """Import onnxruntime so that it reports nothing to its makers, and finds the CUDA and cuDNN that pip installed."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; else it reports each use, and keeps a device id
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # where another part of this program imported it before
    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()) as said:  # it prints what it misses
            onnxruntime.preload_dlls()
        if said.getvalue():
            log.info("onnxruntime: %s", one_line(said.getvalue()))
    return onnxruntime


def one_line(error: Exception | str) -> str:
    """Return what a library said, on one line."""
    return " ".join(str(error).split())[:300]


def driver() -> bool:
    """Return whether a driver of NVIDIA's is loaded: its device on Linux (and in WSL), its library on Windows."""
    if system.WINDOWS:
        return Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32", "nvcuda.dll").exists()
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def installed() -> bool:
    """Return whether an onnxruntime, for whatever devices, is installed; imports nothing."""
    return importlib.util.find_spec("onnxruntime") is not None


def cuda_library() -> Path | None:
    """Return the library by which the onnxruntime that is installed computes on CUDA, if it has one; imports nothing."""
    spec = importlib.util.find_spec("onnxruntime")  # finds the folder
    if spec is None or spec.origin is None:
        return None
    name = "onnxruntime_providers_cuda.dll" if system.WINDOWS else "libonnxruntime_providers_cuda.so"
    path = Path(spec.origin).with_name("capi") / name
    return path if path.exists() else None


@functools.cache
def gpu() -> bool:
    """Return whether ONNX Runtime has an NVIDIA GPU that works; imports it only where a driver and its CUDA library are."""
    if not driver() or cuda_library() is None:
        return False
    why = cuda_failure()
    if why:
        log.warning("%s", _("an NVIDIA GPU was found but cannot be used, so the processor is used: {why}", why=why))
    return not why


@functools.cache
def cuda_failure() -> str:
    """Return why ONNX Runtime cannot compute on the NVIDIA GPU, "" if it can: it is asked to compute one number there."""
    from onnx.parser import parse_model

    text = '<ir_version: 8, opset_import: ["": 17]> one (float[1] x) => (float[1] y) { y = Relu(x) }'
    providers = list(dict.fromkeys((ACCELERATORS["cuda"].provider, "CPUExecutionProvider")))
    try:
        ort = load()
        settings = ort.SessionOptions()
        settings.log_severity_level = 4
        ort.set_default_logger_severity(4)  # what it would print is in the sentence below
        try:
            graph = parse_model(text).SerializeToString()
            session = ort.InferenceSession(graph, settings, providers=providers, enable_fallback=0)
        finally:
            ort.set_default_logger_severity(2)
        if providers[0] not in session.get_providers():
            return _missing_library() or _("CUDA or cuDNN cannot be loaded")
        session.run(None, {"x": np.ones(1, np.float32)})
    except Exception as error:  # a library that is broken raises what it likes
        return one_line(error)
    return ""


def _missing_library() -> str:
    """Return what the system says when it loads ONNX Runtime's library for CUDA: the name of the one that it misses."""
    path = cuda_library()
    try:
        if path is not None:
            ctypes.CDLL(str(path))
    except OSError as error:
        return one_line(error)
    return ""


def check(device: str) -> None:
    """Raise `MissingExtra` without onnxruntime, `InputError` where it cannot compute on this device."""
    one = ACCELERATORS[device]
    if not installed():
        raise MissingExtra(
            _("device {device} needs ONNX Runtime: {cure}; or use --device cpu (or auto).", device=device, cure=_(one.cure))
        )
    try:
        ort = load()
    except ImportError as error:
        raise InputError(
            _(
                "device {device}: the installed onnxruntime cannot be imported ({error}); {clean}, then {cure}; or use "
                "--device cpu (or auto).",
                device=device,
                error=one_line(error),
                clean=_CLEAN,
                cure=_(one.cure),
            )
        ) from error
    if one.provider not in ort.get_available_providers():
        raise InputError(
            _(
                "device {device}: the installed onnxruntime {version} has no {provider}; {clean}, then {cure}; or use "
                "--device cpu (or auto).",
                device=device,
                version=ort.__version__,
                provider=one.provider,
                clean=_CLEAN,
                cure=_(one.cure),
            )
        )
    if device == "cuda" and not driver():
        raise InputError(_("device cuda: no NVIDIA driver is loaded; install it, or use --device cpu (or auto)."))
    if device == "cuda" and (why := cuda_failure()):
        raise InputError(
            _(
                "device cuda: ONNX Runtime cannot use the GPU ({why}); CUDA and cuDNN come with {cure}, a driver that "
                "is too old must be updated; or use --device cpu (or auto).",
                why=why,
                cure=one.cure,
            )
        )


def gpu_name() -> str:
    """Return the name of the NVIDIA GPU, as far as its driver tells."""
    for about in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in about.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return _("an NVIDIA GPU")


def gpu_status() -> str:
    """Return "none", "no onnxruntime", "no cuda" (one without it), "unused: " and why, or the GPU's name; may import it."""
    if not driver():
        return "none"
    if not installed():
        return "no onnxruntime"
    if cuda_library() is None:
        return "no cuda"
    why = cuda_failure()
    return f"unused: {why}" if why else gpu_name()


# The instructions of processors that decide how fast networks are: x86, then ARM.
CPU_FLAGS = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8",
    "asimd", "bf16", "i8mm", "sve",
)  # fmt: skip


@functools.cache
def cpu_name() -> str:
    """Return the processor's name and how many of its cores may be used."""
    names = [line.partition(":")[2].strip() for line in _cpu_info().splitlines() if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {system.core_count()} cores"


def cpu_flags(text: str | None = None) -> list[str]:
    """Return those of `CPU_FLAGS` that the processor has, as far as the system tells; `text` is that of /proc/cpuinfo."""
    lines = (_cpu_info() if text is None else text).splitlines()
    flags = [line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features"))]
    return [flag for flag in CPU_FLAGS if flags and flag in flags[0]]


def _cpu_info() -> str:
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
