"""Photos for the page: decoded, upright, not too large, written anew, so that no byte of a file reaches the browser as it is.

In: a path. Out: the bytes of a JPEG file. Decoding happens in child processes, which may crash or hang over a damaged file;
one that takes too long is ended, and the next photo gets another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from io import BytesIO
from queue import SimpleQueue
from typing import Any

from penult import pixels
from penult.i18n import _
from penult.pixels import FULL_DEPTH, Failure
from penult.worker import Crashed, Worker

QUALITY = 88
SECONDS = 30.0  # that a photo may take


class PictureMaker:
    """Makes pictures of photos, some at a time; any thread may ask, and waits for a free process.

    `depth`, which may be set later, and `max_pixels` are those with which the photos were read for their features.
    """

    def __init__(self, count: int = 2, depth: int = FULL_DEPTH, max_pixels: int = pixels.MAX_PIXELS) -> None:
        self.depth, self.max_pixels = depth, max_pixels
        self._free: SimpleQueue[Worker | None] = SimpleQueue()
        self._count, self._closed = count, False
        for _place in range(count):
            self._free.put(None)  # started when it is needed

    def jpeg(self, path: str, side: int) -> bytes | Failure:
        """Return a photo whose longer side has `side` pixels at most as a JPEG file, or why it cannot be shown."""
        worker = self._free.get()
        try:
            if self._closed:
                return Failure("unreadable file", _("the studio is ending"))
            if worker is not None and not worker.is_alive():  # ended as late when it had just answered
                worker.__exit__(None, None, None)
                worker = None
            worker = worker or Worker("penult.studio.pictures:work")
            late = threading.Timer(SECONDS, worker.kill)
            late.start()
            try:
                worker.send((path, side, self.depth, self.max_pixels))
                made: bytes | Failure = worker.answer()
            finally:
                late.cancel()
            return made
        except Crashed:
            if worker is not None:
                worker.__exit__(None, None, None)
            worker = None
            return Failure("damaged", _("the decoder crashed, or took too long"))
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End the processes, once they have finished what they are at."""
        self._closed = True
        for worker in [self._free.get() for _place in range(self._count)]:  # all of them before one is put back
            if worker is not None:
                worker.__exit__(None, None, None)
            self._free.put(None)


def work(asked: Iterator[Any]) -> Iterator[bytes | Failure]:
    """Be the child process: decode, shrink, encode."""
    from PIL.Image import fromarray

    for path, side, depth, most in asked:
        rgb = pixels.load_rgb(path, depth, most)
        if isinstance(rgb, Failure):
            yield rgb
            continue
        file = BytesIO()
        fromarray(pixels.shrink(rgb, side)).save(file, "JPEG", quality=QUALITY)
        yield file.getvalue()
