"""What a contestant's process tells about itself: one line of JSON at its end.

In: the moments when it was ready, when a batch was out, when the array was there. Out: seconds and image counts. The moment
when the process was started comes from its parent. This module needs the standard library alone: it runs in every
environment.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

BEGAN = "BENCH_BEGAN"  # time.time() of the parent just before it started this process


class Clock:
    """Stopwatch of one extraction; `ready`, then `batch` as often as batches come out, then `done`, then `tell`."""

    def __init__(self) -> None:
        self._began = float(os.environ.get(BEGAN, time.time()))
        self._marks: list[tuple[float, int]] = []
        self._ready = self._start = self._seconds = 0.0

    def ready(self) -> None:
        """Note that the network is loaded and that the extraction is called now."""
        self._ready = time.time() - self._began
        self._start = time.perf_counter()

    def batch(self, images: int) -> None:
        """Note that `images` in all are out."""
        self._marks.append((time.perf_counter() - self._start, images))

    def done(self) -> None:
        """Note that the array of all features is there."""
        self._seconds = time.perf_counter() - self._start

    def facts(self, images: int, rounds: int = 1) -> dict[str, Any]:
        """Return the seconds of the extraction and its rate; for a single round that of its second half, when all is warm."""
        first = self._marks[0][0] if self._marks else self._seconds
        when, count = next((mark for mark in self._marks if 2 * mark[1] >= images), (self._seconds, images))
        return {
            "images": images,
            "ready_s": self._ready,
            "first_s": self._ready + first,
            "seconds": self._seconds,
            "rate": images / self._seconds,
            "steady": (images - count) / (self._seconds - when) if rounds == 1 and count < images else None,
        }


def tell(*libraries: str, **facts: Any) -> None:
    """Print the facts, the versions of the libraries and the process's peak memory (MB) as the last line of output."""
    versions = {name: v for name in libraries if (v := installed(name))} | {"Python": platform.python_version()}
    print("\n" + json.dumps({**facts, "peak_mb": peak(), "versions": versions}), flush=True)


def peak() -> float:
    """Return the most memory (MB) that this process had so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB here
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def installed(library: str) -> str | None:
    """Return the version of an installed library, None where it is not."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None
