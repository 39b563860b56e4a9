"""How often a shard was begun and not ended: an image that ends the process must not be tried for ever.

In: names of shards, or of parts of them. Out: how often each was begun before without an end, by whatever process or machine.
"""

from __future__ import annotations

import secrets
from collections import Counter
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
    """Counts the processes that died at a shard: each has one file below OUT/attempts, with what it is at.

    What others died of is read once, at the first `begin`.
    """

    def __init__(self, output: Output) -> None:
        self._output, self._mine = output, secrets.token_hex(8)
        self._begun: Counter[str] | None = None

    def begin(self, key: str) -> int:
        """Return how often a shard, or a part of one, was begun before without an end; it is begun once more now."""
        if self._begun is None:
            files = self._output.read_many([f"{FOLDER}/{name}" for name in self._output.list(FOLDER)])
            self._begun = Counter(data.decode() for _, data in files if not isinstance(data, OSError))
        parts = f"{key}." if "." not in key else None  # who died at a part of a shard died at the shard
        before = sum(n for one, n in self._begun.items() if one == key or (parts and one.startswith(parts)))
        self._begun[key] += 1
        self._output.write(f"{FOLDER}/{self._mine}", key.encode())
        return before

    def end(self, key: str) -> None:
        """Forget a shard, with all its parts, that has ended; or one part."""
        begun = self._begun or Counter()
        for one in [one for one in begun if one == key or one.startswith(f"{key}.")]:
            del begun[one]

    def close(self) -> None:
        """Say that this process is at nothing any more."""
        if self._begun is not None:
            self._output.delete(f"{FOLDER}/{self._mine}")


def forget_attempts(output: Output) -> None:
    """Remove the files of all processes, once all shards are done."""
    for name in list(output.list(FOLDER)):
        output.delete(f"{FOLDER}/{name}")
    output.delete(FOLDER)


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
                attempts.end(key)  # else who dies at a later part makes this one look like the cause
                break
        if result is not None or single:
            done.append((start, stop, result))
        else:
            middle = (start + stop) // 2
            waiting += [(middle, stop), (start, middle)]
    return done
