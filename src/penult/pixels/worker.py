"""The life of one worker process: take a path, see the picture, put its pixels into shared memory, say so.

In: a connection to the parent, with an `Order` first and then tasks. Out: pixels in the shared file, replies. It must stay
light (no numpy) and die with its parent.
"""

from __future__ import annotations

import mmap
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from penult.pixels.decoding import MAX_PIXELS
from penult.pixels.recipe import Failure, Recipe, Remark
from penult.pixels.road import Road, named

if TYPE_CHECKING:
    from penult.pixels.link import Link

# Task, digest, which recipes have pixels, failure, remark.
Reply = tuple[int, bytes | None, tuple[bool, ...], Failure | None, Remark | None]


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker must know for a run; the shared file holds slots for pixels, then the known digests."""

    recipes: tuple[Recipe, ...]
    known: tuple[tuple[int, int], ...]  # start and end, in the shared file, of each recipe's sorted digests
    shared: int  # file descriptor
    slot_bytes: int  # the pixels of one picture, and one byte that says whether it was begun
    seconds: float
    memory: int
    decoder: str
    max_pixels: int = MAX_PIXELS


def main(link: Link) -> None:
    """Serve until the parent hangs up."""
    order: Order = link.recv()
    _limit(order.memory)
    shared = memoryview(mmap.mmap(order.shared, 0))
    os.close(order.shared)
    with suppress(EOFError, OSError):  # the parent is gone, or wants no more
        serve(link, order, shared)


def serve(link: Link, order: Order, shared: memoryview) -> None:
    """Answer every task (number, path, slot) in turn; a picture that takes too long ends this process."""
    known = tuple(shared[start:end] for start, end in order.known)
    road = Road(order.recipes, known, named(order.decoder), order.max_pixels)
    ends = list(accumulate((recipe.nbytes for recipe in order.recipes), initial=0))
    while True:
        number, path, slot = link.recv()
        # The kernel kills on time, in whatever loop the decoder may be, parent or no parent.
        signal.setitimer(signal.ITIMER_REAL, order.seconds)
        pixels = shared[slot * order.slot_bytes : (slot + 1) * order.slot_bytes]
        pixels[-1] = 1  # begun: from here on a death is the picture's doing
        places = [pixels[start:end] for start, end in pairwise(ends)]
        seen = road.travel(path, places.__getitem__)
        signal.setitimer(signal.ITIMER_REAL, 0)
        link.send((number, seen.digest, tuple(rgb is not None for rgb in seen.fitted), seen.failure, seen.remark))


def _limit(memory: int) -> None:
    """Leave Ctrl-C to the parent, let the alarm kill, bound the memory, leave no core file behind."""
    import resource

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])
    for kind, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, memory)):
        _, hard = resource.getrlimit(kind)
        with suppress(ValueError, OSError):  # macOS refuses RLIMIT_AS
            resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
