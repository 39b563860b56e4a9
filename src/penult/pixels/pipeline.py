"""One picture's way from its file to each network's input: read once, decode once, fit for each recipe.

In: a source, the recipes, the digests that are known already. Out: a `PreparedBytes`, with a thumbnail if wanted. The
same code runs in this process and in a worker process, whose life is here too: it takes a path, puts the pixels into shared
memory, and says so. It must stay light (no numpy) and die with its parent.
"""

from __future__ import annotations

import importlib
import mmap
import os
import pickle
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, cast

from penult import system
from penult.pixels.decoding import MAX_PIXELS, remark_on
from penult.pixels.failures import classify
from penult.pixels.recipe import FULL_DEPTH, Failure, Recipe, Remark
from penult.pixels.resizing import resize_into
from penult.pixels.sources import FILE, loaded, read_file, read_picture
from penult.pixels.thumbnail import encode_thumbnail
from penult.sources import FileContent

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from penult.pixels.sources import Source

    Decoder = Callable[..., Image | Failure]  # bytes; where they are not the usual ones, also `depth` and `max_pixels`
    Buffer = bytearray | memoryview

DECODER = "penult.pixels.decoding:open_picture"
_BYTES = 32  # of a SHA-256 digest
_LENGTH = 4  # bytes before each thing that say how long it is

Place = tuple[int, int]  # start and end, in the shared file, of the content of an image file

# Task, digest, which recipes have pixels, failure, remark, thumbnail, size.
Reply = tuple[int, bytes | None, tuple[bool, ...], Failure | None, Remark | None, bytes | None, tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class PreparedBytes:
    """One source prepared: RGB bytes, one buffer per recipe (None: not needed, or it failed)."""

    digest: bytes | None
    buffers: tuple[Buffer | None, ...]
    failure: Failure | None
    remark: Remark | None = None
    thumbnail: bytes | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of source number `index`: pixels, one array (size, size, 3) for each recipe, or a failure.

    An array is None where the recipe knows the digest already, all are None after a failure; `digest` is None
    if the file could not be read or its worker died. The arrays belong to the receiver. `remark` is what was found out
    about a file that was decoded, if anything, `thumbnail` a JPEG file where one was asked for and the source was decoded,
    `size` the width and height of what was decoded, upright (of a huge JPEG those at which it was decoded).
    """

    index: int
    digest: bytes | None
    pixels: tuple[NDArray[np.uint8] | None, ...]
    failure: Failure | None
    remark: Remark | None = None
    thumbnail: bytes | None = None
    size: tuple[int, int] | None = None


class Pipeline:
    """What is done to every picture of a run: read, decode, fit; `known` has one buffer of sorted digests for each recipe.

    One buffer more asks for thumbnails: of what is decoded for a recipe, unless its digest is in that buffer.
    """

    def __init__(
        self, recipes: tuple[Recipe, ...], known: tuple[memoryview, ...], decode: Decoder, max_pixels: int = MAX_PIXELS
    ) -> None:
        self.recipes, self.known, self.decode = recipes, known, decode
        self.no_pixels = (None,) * len(recipes)
        asked = {"depth": (recipes[0].depth, FULL_DEPTH), "max_pixels": (max_pixels, MAX_PIXELS)}
        self.decode_options = {name: value for name, (value, usual) in asked.items() if value != usual}

    def prepare(self, index: int, source: Source | Failure) -> Prepared:
        """Do all of it in this process; raises nothing for a bad source."""
        return self.to_prepared(index, self.run(source))

    def to_prepared(self, index: int, done: PreparedBytes) -> Prepared:
        """Return `done`, whose buffers are nobody else's, with arrays for bytes."""
        import numpy as np

        pixels = tuple(
            None if rgb is None else np.frombuffer(rgb, np.uint8).reshape(recipe.size, recipe.size, 3)
            for recipe, rgb in zip(self.recipes, done.buffers, strict=True)
        )
        return Prepared(index, done.digest, pixels, done.failure, done.remark, done.thumbnail, done.size)

    def run(self, source: Source | Failure, buffer: Callable[[int], Buffer] | None = None) -> PreparedBytes:
        """Return what each recipe sees of `source`; raises nothing for a bad one.

        `buffer` gives the bytes where recipe number i wants its pixels; without it they are new.
        """
        found = self._read(source)
        if isinstance(found, Failure):
            return PreparedBytes(None, self.no_pixels, found)
        digest, content = found
        wanted = self.needed_by(digest)
        if not any(wanted):
            return PreparedBytes(digest, self.no_pixels, None)
        picture = self.decode(content, **self.decode_options) if isinstance(content, bytes) else content
        if isinstance(picture, Failure):
            return PreparedBytes(digest, self.no_pixels, picture)
        try:
            remark = remark_on(picture) if isinstance(content, bytes) else None
            fitted = self._fit_all(picture, wanted, buffer or self._new_buffer)
            thumbnail = encode_thumbnail(picture) if self._lacks_thumbnail(digest) else None
            return PreparedBytes(digest, fitted, None, remark, thumbnail, picture.size)
        except Exception as error:  # out of memory, mostly
            return PreparedBytes(digest, self.no_pixels, classify(error, b""))

    def _read(self, source: Source | Failure) -> tuple[bytes, bytes | Image] | Failure:
        one = loaded(source)
        if isinstance(one, FILE):
            return read_file(one)
        return one if isinstance(one, Failure) else read_picture(one, **self.decode_options)

    def run_if_known(self, source: Source | Failure) -> PreparedBytes | None:
        """Return what `run` would, if that needs no decoding of a file; otherwise None. A failure stays one."""
        if not isinstance(source, FILE):
            return self.run(source)
        found = read_file(source)
        if isinstance(found, Failure):
            return PreparedBytes(None, self.no_pixels, found)
        return None if any(self.needed_by(found[0])) else PreparedBytes(found[0], self.no_pixels, None)

    def needed_by(self, digest: bytes) -> list[bool]:
        """Return, for each recipe, whether the picture with this digest must be seen."""
        return [not is_known(digest, rows) for rows in self.known[: len(self.recipes)]]

    def _lacks_thumbnail(self, digest: bytes) -> bool:
        return len(self.known) > len(self.recipes) and not is_known(digest, self.known[-1])

    def _new_buffer(self, number: int) -> Buffer:
        return bytearray(self.recipes[number].nbytes)

    def _fit_all(self, picture: Image, wanted: Sequence[bool], buffer: Callable[[int], Buffer]) -> tuple[Buffer | None, ...]:
        """Fit once for each geometry: recipes that differ in mean and std alone get copies."""
        made: dict[object, Buffer] = {}
        fitted: list[Buffer | None] = []
        for number, (recipe, want) in enumerate(zip(self.recipes, wanted, strict=True)):
            fitted.append(buffer(number) if want else None)
            if (rgb := fitted[-1]) is None:
                continue
            if (twin := made.get(recipe.geometry)) is not None:
                rgb[:] = twin
            else:
                made[recipe.geometry] = rgb
                resize_into(picture, recipe, rgb)
        return tuple(fitted)


def is_known(digest: bytes, rows: memoryview) -> bool:
    """Return whether `digest` is one of the sorted 32-byte `rows` (a flat buffer)."""
    count = len(rows) // _BYTES
    place = bisect_left(range(count), digest, key=lambda i: rows[i * _BYTES : (i + 1) * _BYTES].tobytes())
    return place < count and rows[place * _BYTES : (place + 1) * _BYTES] == digest


def load_decoder(decoder: str) -> Decoder:
    """Return the function that `module:name` names."""
    module, _, name = decoder.partition(":")
    return cast("Decoder", getattr(importlib.import_module(module), name))


class Connection:
    """One end of a socket to another process of ours: things that pickle come out on the other side, in order.

    As `multiprocessing.connection.Connection`, whose import takes as long as the start of Python.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def send(self, thing: Any) -> None:
        """Send one thing; raises OSError where the other end is gone."""
        left = self.packed(thing)
        while left:
            left = left[os.write(self._descriptor, left) :]

    @staticmethod
    def packed(thing: Any) -> memoryview:
        """Return what is written for one thing."""
        data = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
        return memoryview(len(data).to_bytes(_LENGTH, "big") + data)

    def write_some(self, data: memoryview) -> int:
        """Write as much as goes without waiting, and return how many bytes; raises OSError where the other end is gone."""
        os.set_blocking(self._descriptor, False)  # of this end alone
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        finally:
            os.set_blocking(self._descriptor, True)

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


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker must know for a run; the shared file holds slots for pixels, the known digests, contents of image files.

    The pool of workers knows the last three.
    """

    recipes: tuple[Recipe, ...]
    seconds: float = 30.0  # that a picture may take
    memory: int = 4 << 30
    decoder: str = DECODER
    max_pixels: int = MAX_PIXELS
    known: tuple[tuple[int, int], ...] = ()  # start and end, in the shared file, of each of the pipeline's
    shared: int = -1  # file descriptor
    slot_bytes: int = 0  # the pixels of one picture, and one byte that says whether it was begun


def serve_parent(connection: Connection) -> None:
    """Serve until the parent hangs up."""
    config: WorkerConfig = connection.recv()
    system.limit_worker(config.memory)
    shared = memoryview(mmap.mmap(config.shared, 0))
    os.close(config.shared)
    with suppress(EOFError, OSError):  # the parent is gone, or wants no more
        serve(connection, config, shared)


def serve(connection: Connection, config: WorkerConfig, shared: memoryview) -> None:
    """Answer every task (number, source or place of its content, slot); a picture that takes too long ends this process."""
    known = tuple(shared[start:end] for start, end in config.known)
    pipeline = Pipeline(config.recipes, known, load_decoder(config.decoder), config.max_pixels)
    ends = list(accumulate((recipe.nbytes for recipe in config.recipes), initial=0))
    while True:
        number, source, slot = connection.recv()
        # The kernel kills on time, in whatever loop the decoder may be, parent or no parent.
        system.alarm(config.seconds)
        pixels = shared[slot * config.slot_bytes : (slot + 1) * config.slot_bytes]
        pixels[-1] = 1  # begun: from here on a death is the picture's doing
        buffers = [pixels[start:end] for start, end in pairwise(ends)]
        content = FileContent(bytes(shared[slice(*source)])) if isinstance(source, tuple) else source
        done = pipeline.run(content, buffers.__getitem__)
        system.alarm(0)
        filled = tuple(rgb is not None for rgb in done.buffers)
        connection.send((number, done.digest, filled, done.failure, done.remark, done.thumbnail, done.size))
