"""A connection to another process of ours: things go in on one side and come out on the other, in order.

In: a descriptor of a socket, things that pickle. Out: the things. As `multiprocessing.connection.Connection`, whose import
takes as long as the start of Python.
"""

from __future__ import annotations

import os
import pickle
from typing import Any

_LENGTH = 4  # bytes before each thing that say how long it is


class Link:
    """One end; `fileno` makes it something to poll."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def send(self, thing: Any) -> None:
        """Send one thing; raises OSError where the other end is gone."""
        data = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        left = memoryview(len(data).to_bytes(_LENGTH, "big") + data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def recv(self) -> Any:
        """Wait for one thing; raises EOFError where the other end is gone."""
        return pickle.loads(self._read(int.from_bytes(self._read(_LENGTH), "big")))  # noqa: S301 - from a process of ours

    def close(self) -> None:
        """Hang up."""
        os.close(self._descriptor)

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            if not (piece := os.read(self._descriptor, size)):
                raise EOFError
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)
