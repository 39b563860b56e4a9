"""Start the processes in which HDF5 runs: damage and full disks can crash it, and it takes its process along.

In: what Python is to run. Out: the process, with pipes to it. It must not know what they talk about.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from penult.errors import OutputError


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """Start this interpreter with this search path, deaf to the terminal's Ctrl-C.

    Raises `OutputError` where no process can be started.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "OMP_NUM_THREADS": "1",
    }
    group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        return subprocess.Popen(
            [sys.executable, "-P", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            **group,
        )
    except OSError as error:
        raise OutputError(f"could not start a process for HDF5 files: {error}; free some memory.") from error
