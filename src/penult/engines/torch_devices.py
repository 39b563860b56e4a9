"""Which devices torch could compute on here, found out without importing torch where there is none.

In: nothing. Out: what can be used, or a sentence that says why not. It must not know networks.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

from penult.errors import InputError, MissingExtra

DEVICES = ("cuda", "mps", "torch-cpu")  # the last is torch on the processor: for tests, OpenVINO is faster


@functools.cache
def gpu() -> bool:
    """Return whether torch has an NVIDIA GPU to compute on; imports torch only where a driver and its CUDA build are there."""
    if not (_driver() and _built_for_cuda()):
        return False
    return bool(_torch().cuda.is_available())


def _driver() -> bool:
    """Return whether a driver of NVIDIA's is loaded: its device on Linux (and in WSL), its library on Windows."""
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32", "nvcuda.dll").exists()
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/dxg"))


def _built_for_cuda() -> bool:
    """Return whether the torch that is installed was built for CUDA, which its own version.py says."""
    spec = importlib.util.find_spec("torch")  # finds the folder, imports nothing
    if spec is None or spec.origin is None:
        return False
    try:
        said = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return True  # another layout than we know: let torch itself say
    return re.search(r"^cuda\b[^=]*=\s*['\"]", said, re.MULTILINE) is not None


def check(device: str) -> None:
    """Raise `MissingExtra` without torch, `InputError` where it cannot compute on this device."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtra(f"device {device} needs torch: pip install 'penult[timm]'; or use --device cpu (or auto).")
    if device == "cuda" and not gpu():
        why = (
            "torch sees no NVIDIA GPU here (no driver, or one that is too old)"
            if _built_for_cuda()
            else "the torch that is installed was built without CUDA (https://pytorch.org/get-started)"
        )
        raise InputError(f"device cuda: {why}; use --device cpu (or auto).")
    if device == "mps" and not _torch().backends.mps.is_available():
        raise InputError("device mps: torch sees no Apple GPU here; use --device cpu (or auto).")


@functools.cache
def native(device: str) -> tuple[str, ...]:
    """Return the precisions that a device computes in by itself, the fastest first."""
    if device == "cuda" and _torch().cuda.is_bf16_supported(including_emulation=False):
        return ("bf16", "f32")
    return ("f32", "bf16") if device == "torch-cpu" else ("f32",)


def _torch() -> Any:
    import torch

    return torch
