"""An object store that loses requests, stands still now and then, and lists what was written only after a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from simulated.clock import Clock

FIRST, LONGEST, TRIES = 0.1, 15.0, 10  # seconds before a lost request is sent again, twice as many each time, as obstore does
PAGE = 1000  # names in an answer to a listing
STALL = 60.0  # seconds


@dataclass(frozen=True)
class Weather:
    """What the store is like; times in seconds."""

    latency: float = 0.05  # of a request
    lost: float = 0.0  # share of the requests
    refused: float = 0.0  # share of the requests that fail for good, after all tries of the client
    stalls: float = 0.0  # between two stalls; 0: none
    late: float = 0.0  # until a listing shows what was written


@dataclass
class SimulatedStore:
    """Files by name: an `Output` of `penult.shards`, whose requests take simulated time."""

    clock: Clock
    weather: Weather
    rng: np.random.Generator
    address: str = "simulated"
    files: dict[str, dict[str, tuple[float, bytes]]] = field(default_factory=dict)  # folder -> name -> (since when, bytes)
    writes: Counter[str] = field(default_factory=Counter)  # by folder
    requests: int = 0
    lies: int = 0  # files of which somebody wrote other bytes under the same name

    def _request(self, count: int = 1) -> None:
        self.requests += count
        like, clock = self.weather, self.clock
        if like.stalls and (into := clock.now % like.stalls) < STALL:
            clock.spend(STALL - into)
        clock.spend(like.latency * count)
        pause, lost = FIRST, self.rng.binomial(count, like.lost) if like.lost else 0
        while lost:
            clock.spend(pause)
            pause, lost = min(2 * pause, LONGEST), self.rng.binomial(lost, like.lost)
        if like.refused and self.rng.random() < like.refused:
            raise OSError("the store does not answer")

    def _found(self, name: str) -> bytes | None:
        folder, _, last = name.rpartition("/")
        since, data = self.files.get(folder, {}).get(last, (np.inf, b""))
        return data if since <= self.clock.now else None

    def exists(self, name: str) -> bool:
        """Tell whether there is a file of this name."""
        self._request()
        return self._found(name) is not None

    def list(self, folder: str) -> Iterator[str]:
        """Yield the names of the files in a folder that a listing shows by now."""
        names = self.files.get(folder, {})
        self._request(1 + len(names) // PAGE)
        seen = self.clock.now - self.weather.late
        yield from [name for name, (since, _) in names.items() if since <= seen]

    def write(self, name: str, data: bytes) -> None:
        """Write a file."""
        self._request()
        folder, _, last = name.rpartition("/")
        names = self.files.setdefault(folder, {})
        since, known = names.get(last, (np.inf, data))
        self.lies += known != data and folder == "shards"
        names[last] = min(since, self.clock.now), data
        self.writes[folder] += 1

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        self._request()
        data = self._found(name)
        if data is None:
            raise FileNotFoundError(name)
        return data

    def read_many(self, names: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """Yield names with the bytes of their files, many at the same time: it takes the time of a page of each thousand."""
        for number, name in enumerate(names):
            if number % PAGE == 0:
                self._request()
            data = self._found(name)
            yield name, FileNotFoundError(name) if data is None else data

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        self._request()
        folder, _, last = name.rpartition("/")
        self.files.get(folder, {}).pop(last, None)
