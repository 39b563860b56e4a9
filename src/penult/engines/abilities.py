"""What computes here, in words for a person: the engine's library, its devices, precisions, an NVIDIA GPU.

In: nothing. Out: plain values. It must not know networks.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from penult.engines import opening, openvino_engine, torch_devices

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
    """Return "none", "no torch", "no cuda" (a torch without it), "unseen" (by torch), or the GPU's name; may import torch."""
    if not torch_devices._driver():
        return "none"
    if importlib.util.find_spec("torch") is None:
        return "no torch"
    if not torch_devices._built_for_cuda():
        return "no cuda"
    return str(torch_devices._torch().cuda.get_device_name(0)) if torch_devices.gpu() else "unseen"
