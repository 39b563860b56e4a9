"""What computes here, in words for a person: the engine's library, its devices, precisions, an NVIDIA GPU.

In: nothing. Out: plain values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penult.engines import accelerators, opening, openvino_engine

# The instructions of processors that decide how fast networks are: x86, then ARM.
FLAGS = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8",
    "asimd", "bf16", "i8mm", "sve",
)  # fmt: skip


def openvino() -> dict[str, Any]:
    """Return version, devices, the precisions that the processor computes in, and the one that `auto` takes."""
    return {
        "version": str(openvino_engine.load().__version__),
        "devices": list(openvino_engine._core().available_devices),
        "precisions": [*openvino_engine.native(), *openvino_engine.whole()],
        "auto": opening.resolve("cpu")[1],
    }


def flags(text: str | None = None) -> list[str]:
    """Return those of `FLAGS` that the processor has, as far as the system tells; `text` is that of /proc/cpuinfo."""
    if text is None:
        try:
            text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        except OSError:
            text = ""
    lines = [line.partition(":")[2].split() for line in text.splitlines() if line.lower().startswith(("flags", "features"))]
    has = set(lines[0]) if lines else set()
    return [flag for flag in FLAGS if flag in has]


def gpu() -> str:
    """Return "none", "no onnxruntime", "no cuda" (one without it), "unused: " and why, or the GPU's name; may import it."""
    if not accelerators.driver():
        return "none"
    if not accelerators.installed():
        return "no onnxruntime"
    if accelerators.cuda_library() is None:
        return "no cuda"
    why = accelerators.cuda_failure()
    return f"unused: {why}" if why else accelerators.gpu_name()
