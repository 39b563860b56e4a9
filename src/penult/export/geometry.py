"""The resize of `pixels` as nodes of an ONNX graph, equal to the last bit: uint8 (h, w, 3) of any size to (s, s, 3).

ONNX's own `Resize` does not do: no two runtimes agree on it. This one is made of standard operators that all compute alike.
Pillow's weights have 22 binary digits behind the point. K = 256 high + low splits each in two whole numbers so small that
their sums over bytes stay below 2^24, and so are exact in float32 whatever the order of summation (for photos up to 128 times
as large as the network's input).
"""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from penult.export.nodes import BOOL, DOUBLE, FLOAT, INT32, INT64, UINT8, Nodes
from penult.pixels.recipe import Recipe
from penult.pixels.resizing import MOST_RESIZED, may_begin_with_y

BANDS = 8  # blocks of output places, each of which reads only its own window of the input
DIGITS = 22  # of a weight, behind the binary point


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a picture, as names of scalars in the graph.

    `count`: its places, `resized`: as many it becomes (int64). In float64: `scale`, how many of its places one place of the
    result is; `start`, the first place that is kept; `origin`, where the resized part begins.
    """

    count: str
    resized: str
    scale: str
    start: str
    origin: str


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
        return add("Where", y_first, add("Transpose", fitted, perm=[1, 0, 2]), fitted)

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
        down, across = self._axis(height, h, high, size, sliver), self._axis(width, w, wide, size, sliver)
        # the Pillow at hand may begin with y where rows shrink by more than twice as many places as columns
        kept = [add("Where", sliver, real(size), side) for side in (high, wide)]
        rows, columns = add("Sub", h, kept[0]), add("Sub", w, kept[1])
        fewer = add("Greater", rows, add("Mul", real(2.0), columns))
        may = self.graph.constant(np.array(may_begin_with_y()))
        return down, across, add("And", may, add("And", add("Greater", rows, real(0.0)), fewer))

    def _axis(self, count: str, places: str, resized: str, size: int, sliver: str) -> Axis:
        """Return an axis; of a sliver, only the part that is kept is resized, whose ends Pillow has in float32."""
        add, real = self.graph.add, self._real
        start = add("Round", add("Div", add("Sub", resized, real(size)), real(2.0)))  # half to even
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
        names = zip(astuple(yes), astuple(no), strict=True)
        return Axis(*(self.graph.add("Where", condition, a, b) for a, b in names))

    def _turned(self, image: str, y_first: str) -> str:
        """Return the image (h, w, 3) where rows come first, else its columns first (w, h, 3)."""
        from onnx import helper

        def branch(op: str, **attributes: list[int]) -> Any:
            out = f"{image}_{op}_{y_first}"  # the names of the two branches must differ
            node = helper.make_node(op, [image], [out], **attributes)
            return helper.make_graph([node], op, [], [helper.make_tensor_value_info(out, UINT8, [None, None, 3])])

        straight, turned = branch("Identity"), branch("Transpose", perm=[1, 0, 2])
        return self.graph.add("If", y_first, then_branch=straight, else_branch=turned)

    def _windows(self, axis: Axis, recipe: Recipe) -> Windows:
        """Return what each output place reads along an axis: Pillow's `precompute_coeffs`, in double precision as there."""
        add, real, size = self.graph.add, self._real, recipe.size
        bicubic, one = recipe.interpolation == "bicubic", self.graph.indices(1)
        each = -(-size // BANDS)
        # 1. where the middle of each output place lies in the input, and how far the filter reaches: more where it shrinks
        places = self.graph.constant(np.arange(each * BANDS, dtype=np.float64).reshape(BANDS, each, 1) + 0.5)
        stretch = add("Max", axis.scale, real(1.0))
        support = add("Mul", real(2.0 if bicubic else 1.0), stretch)
        centre = add("Add", axis.origin, add("Mul", add("Add", axis.start, places), axis.scale))  # (b, e, 1)
        # 2. the input places within reach of each, and the window that holds those of a whole band
        count = self._double(axis.count)
        low = add("Max", add("Floor", add("Add", add("Sub", centre, support), real(0.5))), real(0.0))
        high = add("Min", add("Floor", add("Add", add("Add", centre, support), real(0.5))), count)  # (b, e, 1)
        begin = add("ReduceMin", low, one, keepdims=0)  # (b, 1)
        taps = add("ReduceMax", add("Sub", add("ReduceMax", high, one, keepdims=0), begin), keepdims=0)
        span = add("Range", self.graph.index(0), add("Cast", taps, to=INT64), self.graph.index(1))
        reads = add("Add", begin, self._double(span))  # (b, taps)
        at = add("Unsqueeze", reads, one)  # (b, 1, taps)
        # 3. the filter at each input place, none outside the reach, so that they add up to 1
        apart = add("Where", self._exact(count), add("Sub", at, centre), self._apart(at, axis, each))
        x = add("Abs", add("Mul", add("Add", apart, real(0.5)), add("Div", real(1.0), stretch)))  # (b, e, taps)
        inside = add("And", add("GreaterOrEqual", at, low), add("Less", at, high))
        exact = add("Where", inside, self._cubic(x) if bicubic else self._triangle(x), real(0.0))
        total = add("ReduceSum", exact, self.graph.indices(2), keepdims=1)
        total = add("Where", add("Equal", total, real(0.0)), real(1.0), total)
        # 4. rounded to 22 binary digits, half away from zero, and split in two parts
        scaled = add("Mul", add("Div", exact, total), real(2.0**DIGITS))
        fixed = add("Mul", add("Sign", scaled), add("Floor", add("Add", add("Abs", scaled), real(0.5))))
        high_part = add("Floor", add("Div", add("Add", fixed, real(128.0)), real(256.0)))
        low_part = add("Sub", fixed, add("Mul", high_part, real(256.0)))
        weights = add("Cast", add("Concat", high_part, low_part, axis=1), to=FLOAT)  # (b, 2 e, taps)
        last = add("Sub", axis.count, self.graph.index(1))
        return Windows(add("Min", add("Cast", reads, to=INT64), last), weights)

    def _exact(self, count: str) -> str:
        """Return whether this runtime computes in float64: OpenVINO takes float32 in its place."""
        add, one = self.graph.add, self._real(1.0)
        little = add("Add", add("Mul", count, self._real(2.0**-40)), one)
        left = add("Sub", add("Max", little, one), one)  # runtimes would simplify the sum away, were there no Max
        return add("Cast", left, to=BOOL)

    def _apart(self, at: str, axis: Axis, each: int) -> str:
        """Return how far input places are from the centre of output places, from whole numbers and one fraction.

        In float32 that is 300 times as exact as the difference of two large numbers. Not for slivers.
        """
        add, whole = self.graph.add, self.graph.index
        odd = self.graph.constant(2 * np.arange(each * BANDS).reshape(BANDS, each, 1) + 1)
        above = add("Mul", add("Add", add("Mul", add("Cast", axis.start, to=INT64), whole(2)), odd), axis.count)
        below = add("Mul", axis.resized, whole(2))
        centre = add("Div", above, below)
        rest = self._double(add("Sub", above, add("Mul", centre, below)))
        return add("Sub", add("Sub", at, self._double(centre)), add("Div", rest, self._double(below)))

    def _triangle(self, x: str) -> str:
        add, real = self.graph.add, self._real
        return add("Max", add("Sub", real(1.0), x), real(0.0))

    def _cubic(self, x: str) -> str:
        """Keys 1981 with a = -1/2, in the order of operations of Pillow's."""
        add, real = self.graph.add, self._real
        near = add("Sub", add("Mul", real(1.5), x), real(2.5))
        near = add("Add", add("Mul", add("Mul", near, x), x), real(1.0))
        far = add("Add", add("Mul", add("Sub", x, real(5.0)), x), real(8.0))
        far = add("Mul", add("Sub", add("Mul", far, x), real(4.0)), real(-0.5))
        beyond = add("Where", add("Less", x, real(2.0)), far, real(0.0))
        return add("Where", add("Less", x, real(1.0)), near, beyond)

    def _pass(self, picture: str, reads: Windows, size: int) -> str:
        """Return the picture (a, b, 3) resized along its first axis, (s, b, 3)."""
        add, each = self.graph.add, -(-size // BANDS)
        flat = add("Reshape", picture, self.graph.indices(0, -1))  # (a, 3 b)
        bands = add("Cast", add("Gather", flat, reads.places, axis=0), to=FLOAT)  # (bands, taps, 3 b)
        sums = add("Cast", add("MatMul", reads.weights, bands), to=INT32)  # (bands, 2 e, 3 b)
        high = add("Slice", sums, self.graph.indices(0), self.graph.indices(each), self.graph.indices(1))
        low = add("Slice", sums, self.graph.indices(each), self.graph.indices(2 * each), self.graph.indices(1))
        half = 1 << (DIGITS - 1)
        total = add("Add", add("Add", add("Mul", high, self._int32(256)), low), self._int32(half))
        value = add("Clip", add("Div", total, self._int32(1 << DIGITS)), self._int32(0), self._int32(255))
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

    def _int32(self, value: int) -> str:
        return self.graph.constant(np.array(value, np.int32))
