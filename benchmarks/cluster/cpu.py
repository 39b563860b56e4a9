"""Processor time of a script and of all its children, and how a process group is ended at once."""

from __future__ import annotations

import os
import resource
import subprocess
import sys


def cpu_of(script: str, *words: str) -> float:
    """Run a script in a process of its own; return the processor time (s) of it and its children. Raises where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script, *words], check=True, stdout=subprocess.DEVNULL, env=dict(os.environ))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_group(script: str, *words: str) -> subprocess.Popen[bytes]:
    """Start a script in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
