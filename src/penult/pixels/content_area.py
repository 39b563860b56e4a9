"""Contents of image files in a piece of shared memory, for processes that decode them; nothing is ever written to a disk.

In: bytes. Out: where they lie until they are given back.
"""

from __future__ import annotations

from mmap import mmap

_FULL = 64 << 20  # bytes from which on contents wait, unless there is no other


class ContentArea:
    """Some memory from `start` on. The first place that fits is taken, so that as little as possible is ever touched."""

    def __init__(self, memory: mmap, start: int, size: int) -> None:
        self._memory = memory
        self._free = [(start, start + size)]  # in order; two never touch
        self._used = 0

    def put(self, data: bytes) -> tuple[int, int] | None:
        """Return the place (start, end) of a copy of `data`; None where there is none until some is given back."""
        if self._used and self._used + len(data) > _FULL:
            return None
        for i, (start, end) in enumerate(self._free):
            if end - start >= len(data):
                self._free[i] = (start + len(data), end)
                self._memory[start : start + len(data)] = data
                self._used += len(data)
                return start, start + len(data)
        return None

    def give_back(self, place: tuple[int, int]) -> None:
        """Let a place be taken by others."""
        self._used -= place[1] - place[0]
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*self._free, place]):
            if merged and merged[-1][1] == start:
                merged[-1] = (merged[-1][0], end)
            else:
                merged.append((start, end))
        self._free = merged
