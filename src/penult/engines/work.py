"""How long a network works for an image, seen from outside while it runs.

In: when images are handed over and when they are done. Out: seconds of work.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Work:
    """How long a network worked: `images` took `seconds` on its `streams`, all added up, without the time in its queue.

    Images leave the queue in the order in which they entered it, so the k-th was begun when it had been handed over and
    the (k - streams)-th to be done was done. `enter` and `leave` may be called from different threads, `settle` from the
    one that fetches results. `compiling` is the processor time (s) that making the network ready took.
    """

    streams: int = 1
    images: int = 0
    seconds: float = 0.0
    compiling: float = 0.0
    _entered: deque[float] = field(default_factory=deque)
    _left: deque[float] = field(default_factory=deque)
    _last: deque[float] = field(default_factory=deque)  # when the last `streams` images were done

    def enter(self) -> None:
        """Note that an image is handed over now."""
        self._entered.append(time.perf_counter())

    def leave(self) -> None:
        """Note that an image is done now."""
        self._left.append(time.perf_counter())

    def settle(self) -> None:
        """Add up what is done."""
        while self._left:
            end, begun = self._left.popleft(), self._entered.popleft()
            if len(self._last) == self.streams:
                begun = max(begun, self._last.popleft())
            self._last.append(end)
            self.add(1, end - begun)

    def add(self, images: int, seconds: float) -> None:
        """Add images that were done one after the other."""
        self.images += images
        self.seconds += seconds
