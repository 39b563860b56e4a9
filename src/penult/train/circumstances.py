"""When, where and on what a run was made: what its page and its `metrics.json` say beside the numbers.

In: the images, the clock. Out: plain JSON values. It must not know what was learnt.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from penult.engines.machine import machine
from penult.images import ImageSet
from penult.train.job import Clock


def sources(labelled: ImageSet, test: ImageSet | None) -> dict[str, str]:
    """Return the whole paths of the folders that file names are relative to, by which photos are found again."""
    parts = {"train": labelled, "test": test}
    return {part: os.path.abspath(images.root) for part, images in parts.items() if images is not None}  # noqa: PTH100 - surrogates


def ignored(labelled: ImageSet, test: ImageSet | None) -> dict[str, dict[str, int]]:
    """Return how many things each scan passed over, by kind: what is in a folder and is no image."""
    parts = {"train": labelled, "test": test}
    return {part: dict(images.ignored) for part, images in parts.items() if images is not None}


def circumstances(clock: Clock) -> dict[str, Any]:
    """Return when the run began and ended (UTC), the folder it was started in, and the machine."""
    times = {"began": clock.began, "ended": datetime.now(UTC)}
    return {
        "when": {name: time.strftime("%Y-%m-%d %H:%M:%S UTC") for name, time in times.items()},
        "folder": str(Path.cwd()),
        "machine": _about(),
    }


def _about() -> dict[str, Any]:
    """Return processor, memory and system, as far as the system tells."""
    found: dict[str, Any] = {"processor": machine()}
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found["memory"] = f"{size / 2**30:.0f} GiB"
    return {**found, "system": platform.platform(terse=True)}
