"""Time that passes as fast as the events allow, and who spends it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable

HOUR = 3600.0


class Killed(BaseException):
    """A process ends, at `Clock.now`; no `except Exception` may hold it up."""


class Clock:
    """Events in the order of their time.

    What runs in an event is the real code, which knows no events: it spends time (`spend`), its own, up to the moment at which
    its process is killed (`deadline`).
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.deadline = math.inf
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, time: float, act: Callable[[], None]) -> None:
        """Let something happen at a time."""
        self._count += 1
        heapq.heappush(self._events, (time, self._count, act))

    def spend(self, seconds: float) -> None:
        """Let the time of what runs now pass. Raises `Killed` where its process does not live so long."""
        if self.now + seconds >= self.deadline:
            self.now = max(self.now, self.deadline)
            raise Killed
        self.now += seconds

    def run(self) -> None:
        """Let everything happen."""
        while self._events:
            self.now, _, act = heapq.heappop(self._events)
            self.deadline = math.inf
            act()
