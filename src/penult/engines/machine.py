"""What the speed and the compiled form of a network depend on besides the network.

In: nothing. Out: the processor, in words.
"""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path


@functools.cache
def machine() -> str:
    """Return the processor's name and how many of its cores may be used."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores"
