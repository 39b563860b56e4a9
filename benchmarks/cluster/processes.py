"""Processes of a measurement: what a script or a command takes, and how a process group is ended at once."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil


class MemoryWatch:
    """The anonymous memory of a process and of all below it, looked at fifty times a second until `end`."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most, self._over = pid, anonymous(pid), threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self._most = max(self._most, anonymous(self._pid))

    def end(self) -> float:
        """Return the most that was seen, in MB."""
        self._over.set()
        self._watcher.join()
        return self._most / 1e6


def anonymous(pid: int) -> int:
    """Return the anonymous bytes of a process and of all below it; files that are mapped do not count."""
    total = 0
    try:
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
            total += next((1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("RssAnon")), 0)
    except (OSError, psutil.Error):  # it has ended
        pass
    return total


@dataclass(frozen=True)
class Measured:
    """What a command took, with all processes below it, and what it printed."""

    memory: float  # anonymous, at its height, in MB
    cpu: float  # seconds
    wall: float  # seconds
    output: str


def measured(*words: object) -> Measured:
    """Run a command of penult; return what it took. Ends this process where it fails."""
    command = [sys.executable, "-m", "penult", *map(str, words)]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said)
        watch = MemoryWatch(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        memory = watch.end()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        said.seek(0)
        return Measured(memory, used.ru_utime + used.ru_stime, time.perf_counter() - began, said.read())


def cpu_of(script: str, *words: str) -> float:
    """Run a script in a process of its own; return the processor time (s) of it and its children. Raises where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", script, *words], check=True, stdout=subprocess.DEVNULL)
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
