"""The resize of `pixels` as nodes of an ONNX graph, equal to the last bit: uint8 (h, w, 3) of any size to (s, s, 3).

ONNX's own `Resize` does not do: no two runtimes agree on it. This one is made of standard operators that all compute alike.
Pillow's weights have 22 binary digits behind the point. K = 256 high + low splits each in two whole numbers so small that
their sums over bytes stay below 2^24, and so are exact in float32 whatever the order of summation (for photos up to 128 times
as large as the network's input). The weights themselves are computed from whole numbers as pairs (`double_word`), since
OpenVINO has float32 where the graph says float64.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from penult.export.double_word import DoubleWord
from penult.export.nodes import DOUBLE, FLOAT, INT64, UINT8, Nodes
from penult.pixels.recipe import Recipe
from penult.pixels.resizing import MOST_RESIZED, may_begin_with_y

BANDS = 8  # blocks of output places, each of which reads only its own window of the input
DIGITS = 22  # of a weight, behind the binary point


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a picture, as names of scalars in the graph.

    `count`: its places, `resized`: as many it becomes (int64). In float64: `scale`, how many of its places one place of the
    result is; `start`, the first place that is kept; `origin`, where the resized part begins. `sliver`: whether only that part
    is resized (bool).
    """

    count: str
    resized: str
    scale: str
    start: str
    origin: str
    sliver: str


@dataclass(frozen=True, slots=True)
class Windows:
    """Which input places each band of output places reads, and with which weights, as names in the graph.

    `places` (bands, taps) int64, `weights` (bands, 2 s / bands, taps) float32: for each output place the high part, then
    for each the low one.
    """

    places: str
    weights: str


class Geometry:
    """Adds the nodes that resize and crop one picture as a recipe says."""

    def __init__(self, graph: Nodes):
        self.graph = graph

    def resize(self, image: str, recipe: Recipe) -> str:
        """Return the picture (s, s, 3) uint8 that `pixels.prepare` makes of `image` (h, w, 3) uint8."""
        add = self.graph.add
        shape = add("Shape", image)
        height, width = (add("Gather", shape, self.graph.index(i)) for i in (0, 1))
        down, across, y_first = self._axes(height, width, recipe)
        if recipe.interpolation == "nearest":
            rows = add("Gather", image, self._nearest(down, recipe.size), axis=0)
            return add("Gather", rows, self._nearest(across, recipe.size), axis=1)
        first, second = self._either(y_first, down, across), self._either(y_first, across, down)
        turned = self._turned(image, y_first)  # (first, second, 3)
        reads = self._windows(second, recipe)
        low = self.graph.reduce("Min", reads.places)  # the first pass makes only what the second reads
        high = add("Add", self.graph.reduce("Max", reads.places), self.graph.index(1))
        turned = add("Slice", turned, self.graph.vector(low), self.graph.vector(high), self.graph.indices(1))
        half = self._pass(turned, self._windows(first, recipe), recipe.size)  # (s, second, 3)
        half = add("Transpose", half, perm=[1, 0, 2])  # (second, s, 3)
        moved = Windows(add("Sub", reads.places, low), reads.weights)
        fitted = self._pass(half, moved, recipe.size)  # (s of second, s of first, 3)
        return self.graph.choose(
            y_first, lambda: add("Transpose", fitted, perm=[1, 0, 2]), lambda: add("Identity", fitted), UINT8
        )

    def _axes(self, height: str, width: str, recipe: Recipe) -> tuple[Axis, Axis, str]:
        """Return how rows and columns are resized, and whether rows come first: `pixels.resizing` in the graph."""
        add, real, size = self.graph.add, self._real, recipe.size
        short = float(math.floor(size / recipe.crop))
        h, w = self._double(height), self._double(width)
        if recipe.crop_mode == "squash":
            wide, high = real(short), real(short)
        else:
            portrait = add("LessOrEqual", w, h)
            wide = add("Where", portrait, real(short), add("Floor", add("Div", add("Mul", real(short), w), h)))
            high = add("Where", portrait, add("Floor", add("Div", add("Mul", real(short), h), w)), real(short))
        sliver = add("Greater", add("Mul", wide, high), real(MOST_RESIZED))
        down, across = self._axis(height, h, high, recipe, sliver), self._axis(width, w, wide, recipe, sliver)
        # the Pillow at hand may begin with y where rows shrink by more than twice as many places as columns
        kept = [add("Where", sliver, real(size), side) for side in (high, wide)]
        rows, columns = add("Sub", h, kept[0]), add("Sub", w, kept[1])
        fewer = add("Greater", rows, add("Mul", real(2.0), columns))
        may = self.graph.constant(np.array(may_begin_with_y()))
        return down, across, add("And", may, add("And", add("Greater", rows, real(0.0)), fewer))

    def _axis(self, count: str, places: str, resized: str, recipe: Recipe, sliver: str) -> Axis:
        """Return an axis; of a sliver, only the part that is kept is resized, whose ends Pillow has in float32."""
        add, real, size = self.graph.add, self._real, recipe.size
        rounded = "Floor" if recipe.crop_rounding == "down" else "Round"  # half to even
        start = add(rounded, add("Div", add("Sub", resized, real(size)), real(2.0)))
        scale = add("Div", places, resized)
        begin = add("Cast", add("Mul", start, scale), to=FLOAT)
        end = add("Cast", add("Min", places, add("Mul", add("Add", start, real(size)), scale)), to=FLOAT)
        part = add("Div", self._double(add("Sub", end, begin)), real(size))
        zero = real(0.0)
        return Axis(
            count,
            self.graph.cast(resized, INT64),
            add("Where", sliver, part, scale),
            add("Where", sliver, zero, start),
            add("Where", sliver, self._double(begin), zero),
            sliver,
        )

    def _nearest(self, axis: Axis, size: int) -> str:
        """Return the input places (s,) int64 of Pillow's nearest neighbor, which adds up the scale place by place."""
        add = self.graph.add
        start = add("Cast", axis.start, to=INT64)
        before = add("Expand", axis.scale, self.graph.vector(add("Add", start, self.graph.index(size - 1))))
        first = add("Add", axis.origin, add("Mul", axis.scale, self._real(0.5)))
        at = add("CumSum", add("Concat", self.graph.vector(first), before, axis=0), self.graph.index(0))  # (start + s,)
        kept = add(
            "Slice",
            at,
            self.graph.vector(start),
            self.graph.vector(add("Add", start, self.graph.index(size))),
            self.graph.indices(0),
        )
        last = add("Sub", axis.count, self.graph.index(1))
        return add("Min", add("Cast", add("Floor", kept), to=INT64), last)

    def _either(self, condition: str, yes: Axis, no: Axis) -> Axis:
        names = {
            key: self.graph.add("Where", condition, a, getattr(no, key)) for key, a in asdict(yes).items() if key != "sliver"
        }
        return Axis(**names, sliver=yes.sliver)  # a picture is one along both axes

    def _turned(self, image: str, y_first: str) -> str:
        """Return the image (h, w, 3) where rows come first, else its columns first (w, h, 3)."""
        straight, turned = (
            (lambda: self.graph.add("Identity", image)),
            (lambda: self.graph.add("Transpose", image, perm=[1, 0, 2])),
        )
        return self.graph.choose(y_first, straight, turned, UINT8)

    def _windows(self, axis: Axis, recipe: Recipe) -> Windows:
        """Return what each output place reads along an axis: Pillow's `precompute_coeffs`."""
        add, real, size = self.graph.add, self._real, recipe.size
        bicubic, one = recipe.interpolation == "bicubic", self.graph.indices(1)
        each = -(-size // BANDS)
        # 1. where the middle of each output place lies in the input, and how far the filter reaches: more where it shrinks
        places = self.graph.constant(np.arange(each * BANDS, dtype=np.float64).reshape(BANDS, each, 1) + 0.5)
        stretch = add("Max", axis.scale, real(1.0))
        support = add("Mul", real(2.0 if bicubic else 1.0), stretch)
        centre = add("Add", axis.origin, add("Mul", add("Add", axis.start, places), axis.scale))  # (b, e, 1)
        # 2. the input places within reach of each, and the window that holds those of a whole band, one more on either side
        count = self._double(axis.count)
        low = add("Floor", add("Sub", add("Sub", centre, support), real(0.5)))
        high = add("Floor", add("Add", add("Add", centre, support), real(1.5)))  # (b, e, 1)
        begin = add("Max", add("ReduceMin", low, one, keepdims=0), real(0.0))  # (b, 1)
        end = add("Min", add("ReduceMax", high, one, keepdims=0), count)
        taps = add("ReduceMax", add("Sub", end, begin), keepdims=0)
        span = add("Range", self.graph.index(0), add("Cast", taps, to=INT64), self.graph.index(1))
        reads = add("Add", begin, self._double(span))  # (b, taps)
        at = add("Unsqueeze", reads, one)  # (b, 1, taps)
        # 3. the filter at each input place, none outside the reach, so that they add up to 1; rounded to 22 binary digits
        apart, whole = self._fraction(at, axis, each)
        sliver = add("Abs", add("Add", add("Sub", at, centre), real(0.5)))
        apart, whole = add("Where", axis.sliver, sliver, apart), add("Where", axis.sliver, stretch, whole)
        fixed = DoubleWord(self.graph).filter_weights(apart, whole, add("Less", at, count), bicubic, DIGITS)
        # 4. split in two parts
        high_part = add("Floor", add("Mul", add("Add", fixed, real(128.0)), real(2.0**-8)))
        low_part = add("Sub", fixed, add("Mul", high_part, real(256.0)))
        weights = add("Cast", add("Concat", high_part, low_part, axis=1), to=FLOAT)  # (b, 2 e, taps)
        last = add("Sub", axis.count, self.graph.index(1))
        return Windows(add("Min", add("Cast", reads, to=INT64), last), weights)

    def _fraction(self, at: str, axis: Axis, each: int) -> tuple[str, str]:
        """Return how far input places are from output places, as a share of what the filter's unit is: whole numbers.

        Their quotient is |at + 1/2 - (start + place + 1/2) count / resized| / max(1, count / resized). Not for slivers.
        """
        add, whole = self.graph.add, self.graph.index
        odd = self.graph.constant(2 * np.arange(each * BANDS).reshape(BANDS, each, 1) + 1)
        centre = add("Mul", add("Add", add("Mul", add("Cast", axis.start, to=INT64), whole(2)), odd), axis.count)
        places = add("Mul", add("Add", add("Mul", add("Cast", at, to=INT64), whole(2)), whole(1)), axis.resized)
        apart = add("Abs", add("Sub", places, centre))
        return self._double(apart), self._double(add("Mul", add("Max", axis.count, axis.resized), whole(2)))

    def _pass(self, picture: str, reads: Windows, size: int) -> str:
        """Return the picture (a, b, 3) resized along its first axis, (s, b, 3)."""
        add, each = self.graph.add, -(-size // BANDS)
        flat = add("Reshape", picture, self.graph.indices(0, -1))  # (a, 3 b)
        bands = add("Cast", add("Gather", flat, reads.places, axis=0), to=FLOAT)  # (bands, taps, 3 b)
        sums = add("MatMul", reads.weights, bands)  # (bands, 2 e, 3 b), whole numbers
        high = add("Slice", sums, self.graph.indices(0), self.graph.indices(each), self.graph.indices(1))
        low = add("Slice", sums, self.graph.indices(each), self.graph.indices(2 * each), self.graph.indices(1))
        # (256 high + low + half) / 2^22, rounded down: in float32 without a rounding, the last 8 digits of low being nothing
        low = add("Floor", add("Mul", low, self._float(2.0**-8)))
        total = add("Add", add("Add", high, low), self._float(2.0 ** (DIGITS - 9)))
        value = add("Floor", add("Mul", total, self._float(2.0 ** (8 - DIGITS))))
        value = add("Clip", value, self._float(0.0), self._float(255.0))
        rows = add("Reshape", add("Cast", value, to=UINT8), self.graph.indices(each * BANDS, -1, 3))
        return (
            rows
            if each * BANDS == size
            else add("Slice", rows, self.graph.indices(0), self.graph.indices(size), self.graph.indices(0))
        )

    def _double(self, x: str) -> str:
        return self.graph.cast(x, DOUBLE)

    def _real(self, value: float) -> str:
        return self.graph.constant(np.array(value, np.float64))

    def _float(self, value: float) -> str:
        return self.graph.constant(np.array(value, np.float32))
