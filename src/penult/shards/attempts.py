"""How often a shard was begun and not ended: an image that ends the process must not be tried for ever.

In: names of shards, or of parts of them. Out: how often each was begun before without an end. Each beginning is a small file
below OUT/attempts that its end removes, so that the count outlives every process and machine.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Protocol, TypeVar

from penult.shards.output import Output

FOLDER = "attempts"
DEATHS = 3  # of the process that worked on it, until a shard is done in parts, or an image is given up

Part = TypeVar("Part")


class AttemptCounter(Protocol):
    """Counts beginnings without an end."""

    def begin(self, key: str) -> int:
        """Return how often a shard, or a part of one, was begun before without an end; it is begun once more now."""

    def end(self, key: str) -> None:
        """Forget a shard, with all its parts, that has ended; or one part."""


class AttemptFiles:
    """Counts beginnings by files in the place of the shards."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def begin(self, key: str) -> int:
        """Return how often a shard, or a part of one, was begun before without an end; it is begun once more now."""
        before = sum(name.rpartition("-")[0] == key for name in self._output.list(FOLDER))
        self._output.write(f"{FOLDER}/{key}-{secrets.token_hex(4)}", b"begun\n")  # some stores wait for an empty body
        return before

    def end(self, key: str) -> None:
        """Forget a shard, with all its parts, that has ended; or one part."""
        for name in list(self._output.list(FOLDER)):
            begun = name.rpartition("-")[0]
            if begun == key or begun.startswith(f"{key}."):
                self._output.delete(f"{FOLDER}/{name}")


def in_halves(
    name: str, n: int, attempts: AttemptCounter, run: Callable[[int, int], Part | None]
) -> list[tuple[int, int, Part | None]]:
    """Run n images in parts, halved until each part ends; return the parts (start, stop, result) in order.

    `run(start, stop)` returns None where its process died. The result is None for a single image that died `DEATHS` times.
    """
    done: list[tuple[int, int, Part | None]] = []
    waiting = [(0, n)]
    while waiting:
        start, stop = waiting.pop()
        single, key = stop - start == 1, f"{name}.{start}.{stop}"
        result = None
        while attempts.begin(key) < (DEATHS if single else 1):
            result = run(start, stop)
            if result is not None:
                break
        if result is not None or single:
            done.append((start, stop, result))
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
    return done
