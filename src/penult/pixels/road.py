"""One picture's way from its file to each network's eyes: read once, decode once, fit for each recipe.

In: a source, the recipes, the digests that are known already. Out: a `Seen`. The same code runs in this process and in a
worker.
"""

from __future__ import annotations

import importlib
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from penult.pixels.decoding import MAX_PIXELS, remark_on
from penult.pixels.failures import classify
from penult.pixels.recipe import FULL_DEPTH, Failure, Recipe, Remark
from penult.pixels.resizing import fit
from penult.pixels.sources import PATH, read, take

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from penult.pixels.sources import Source

    Decoder = Callable[..., Image | Failure]  # bytes; where they are not the usual ones, also `depth` and `max_pixels`
    Place = bytearray | memoryview

DECODER = "penult.pixels.decoding:open_picture"
_BYTES = 32  # of a SHA-256 digest


@dataclass(frozen=True, slots=True)
class Seen:
    """One source after the road: fitted RGB bytes, one place per recipe (None: not needed, or it failed)."""

    digest: bytes | None
    fitted: tuple[Place | None, ...]
    failure: Failure | None
    remark: Remark | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What became of source number `index`: pixels, one array (size, size, 3) for each recipe, or a failure.

    An array is None where the recipe knows the digest already, all are None after a failure; `digest` is None
    if the file could not be read or its worker died. The arrays belong to the receiver. `remark` is what was found out
    about a file that was decoded, if anything.
    """

    index: int
    digest: bytes | None
    pixels: tuple[NDArray[np.uint8] | None, ...]
    failure: Failure | None
    remark: Remark | None = None


@dataclass(frozen=True, slots=True)
class Road:
    """The way of every picture of a run; `known` has one buffer of sorted digests for each recipe."""

    recipes: tuple[Recipe, ...]
    known: tuple[memoryview, ...]
    decode: Decoder
    max_pixels: int = MAX_PIXELS
    nothing: tuple[None, ...] = field(init=False)
    unusual: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nothing", (None,) * len(self.recipes))
        asked = {"depth": (self.recipes[0].depth, FULL_DEPTH), "max_pixels": (self.max_pixels, MAX_PIXELS)}
        object.__setattr__(self, "unusual", {name: value for name, (value, usual) in asked.items() if value != usual})

    def travel(self, source: Source, place: Callable[[int], Place] | None = None) -> Seen:
        """Return what each recipe sees of `source`; raises nothing for a bad one.

        `place` gives the bytes where recipe number i wants its pixels; without it they are new.
        """
        found = read(source) if isinstance(source, PATH) else take(source, **self.unusual)
        if isinstance(found, Failure):
            return Seen(None, self.nothing, found)
        digest, content = found
        wanted = self.wanted(digest)
        if not any(wanted):
            return Seen(digest, self.nothing, None)
        picture = self.decode(content, **self.unusual) if isinstance(content, bytes) else content
        if isinstance(picture, Failure):
            return Seen(digest, self.nothing, picture)
        try:
            remark = remark_on(picture) if isinstance(content, bytes) else None
            return Seen(digest, self._fit_all(picture, wanted, place or self._new), None, remark)
        except Exception as error:  # out of memory, mostly
            return Seen(digest, self.nothing, classify(error, b""))

    def recall(self, source: Source) -> Seen | None:
        """Return what `travel` would, if that needs no decoding of a file; otherwise None."""
        if not isinstance(source, PATH):
            return self.travel(source)
        found = read(source)
        if isinstance(found, Failure):
            return Seen(None, self.nothing, found)
        return None if any(self.wanted(found[0])) else Seen(found[0], self.nothing, None)

    def wanted(self, digest: bytes) -> list[bool]:
        """Return, for each recipe, whether the picture with this digest must be seen."""
        return [not is_known(digest, rows) for rows in self.known]

    def _new(self, number: int) -> Place:
        return bytearray(self.recipes[number].nbytes)

    def _fit_all(self, picture: Image, wanted: Sequence[bool], place: Callable[[int], Place]) -> tuple[Place | None, ...]:
        """Fit once for each geometry: recipes that differ in mean and std alone get copies."""
        made: dict[object, Place] = {}
        fitted: list[Place | None] = []
        for number, (recipe, want) in enumerate(zip(self.recipes, wanted, strict=True)):
            fitted.append(place(number) if want else None)
            if (rgb := fitted[-1]) is None:
                continue
            if (twin := made.get(recipe.geometry)) is not None:
                rgb[:] = twin
            else:
                made[recipe.geometry] = rgb
                fit(picture, recipe, rgb)
        return tuple(fitted)


def hand_over(index: int, seen: Seen, recipes: Sequence[Recipe]) -> Prepared:
    """Return `seen`, whose places are nobody else's, with arrays for bytes."""
    import numpy as np

    pixels = tuple(
        None if rgb is None else np.frombuffer(rgb, np.uint8).reshape(recipe.size, recipe.size, 3)
        for recipe, rgb in zip(recipes, seen.fitted, strict=True)
    )
    return Prepared(index, seen.digest, pixels, seen.failure, seen.remark)


def is_known(digest: bytes, rows: memoryview) -> bool:
    """Return whether `digest` is one of the sorted 32-byte `rows` (a flat buffer)."""
    count = len(rows) // _BYTES
    place = bisect_left(range(count), digest, key=lambda i: rows[i * _BYTES : (i + 1) * _BYTES].tobytes())
    return place < count and rows[place * _BYTES : (place + 1) * _BYTES] == digest


def named(decoder: str) -> Decoder:
    """Return the function that `module:name` names."""
    module, _, name = decoder.partition(":")
    return cast("Decoder", getattr(importlib.import_module(module), name))
