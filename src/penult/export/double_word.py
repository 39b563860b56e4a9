"""Sums and products of twice the digits that a runtime has: numbers as pairs, in an ONNX graph (Dekker 1971, Joldes 2017).

A runtime that computes in float32, whatever the graph asks for, keeps some 48 binary digits so: as many as the weights of a
resize need to be rounded as in float64. Fused multiplications and additions do no harm.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penult.export.nodes import Nodes

Pair = tuple[str, str]  # names of the leading digits and of the rest
SPLIT = 4097.0  # 2^12 + 1: the halves of a float32 have 12 digits each, so that their products are exact


class DoubleWord:
    """Adds nodes that compute with pairs; single numbers are exact in float32."""

    def __init__(self, graph: Nodes):
        self.graph, self.add = graph, graph.add

    def filter_weights(self, apart: str, whole: str, there: str, bicubic: bool, digits: int) -> str:
        """Return the weights of a filter at P / Q, divided by their sum over the last axis, times 2^digits, rounded.

        P: `apart` (b, e, taps), Q: `whole` (), neither negative; `there` is false where no input place is. The bicubic filter
        (Keys 1981, a = -1/2) times Q^3 is (Q - P) (Q^2 + Q P - 3/2 P^2) up to Q and (Q - P) (2 Q - P)^2 / 2 up to 2 Q; the
        triangle times Q is Q - P.
        """
        add = self.add
        falls, largest = add("Sub", whole, apart), whole
        value, reach = (falls, self._real(0.0)), whole
        if bicubic:
            reach = add("Add", whole, whole)
            rest = add("Sub", reach, apart)
            near = self.minus(
                self.product(add("Add", whole, apart), whole), self.product(add("Mul", apart, self._real(1.5)), apart)
            )
            far = self.times(self.product(rest, rest), self._real(0.5))
            closer = add("Less", apart, whole)
            value = self.times((add("Where", closer, near[0], far[0]), add("Where", closer, near[1], far[1])), falls)
            largest = add("Mul", add("Mul", whole, whole), whole)
        inside = add("And", there, add("Less", apart, reach))
        head, tail = (add("Where", inside, part, self._real(0.0)) for part in value)
        return self.rounded_shares((head, tail), self.sum((head, tail), largest), digits)

    def product(self, a: str, b: str) -> Pair:
        """Return the exact product of two numbers."""
        add = self.add
        p = add("Mul", a, b)
        (ah, al), (bh, bl) = self._halves(a), self._halves(b)
        off = add("Sub", add("Mul", ah, bh), p)
        off = add("Add", add("Add", off, add("Mul", ah, bl)), add("Mul", al, bh))
        return p, add("Add", off, add("Mul", al, bl))

    def times(self, a: Pair, b: str) -> Pair:
        """Return the product of a pair and a number."""
        head, tail = self.product(a[0], b)
        return self._renewed(head, self.add("Add", tail, self.add("Mul", a[1], b)))

    def minus(self, a: Pair, b: Pair) -> Pair:
        """Return the difference of two pairs."""
        add = self.add
        s = add("Sub", a[0], b[0])
        taken = add("Sub", s, a[0])  # what came of b
        off = add("Sub", add("Sub", a[0], add("Sub", s, taken)), add("Add", b[0], taken))
        return self._renewed(s, add("Add", off, add("Sub", a[1], b[1])))

    def sum(self, a: Pair, largest: str) -> Pair:
        """Return the sum of pairs over the last axis, at most some thousand, none above `largest`.

        The leading digits are cut into two parts on a grid each, so coarse that float32 adds them without rounding.
        """
        add = self.add
        parts, rest = [], a[0]
        for room in (2.0**13, 2.0**2):
            grid = add("Mul", largest, self._real(room))  # adding it rounds to a multiple of its last digit
            part = add("Sub", add("Add", rest, grid), grid)
            rest = add("Sub", rest, part)
            parts.append(self._total(part))
        return self._renewed(parts[0], add("Add", parts[1], self._total(add("Add", rest, a[1]))))

    def rounded_shares(self, a: Pair, total: Pair, digits: int) -> str:
        """Return a / total times 2^digits, rounded half away from zero."""
        add, half, unit = self.add, self._real(0.5), self._real(2.0**digits)
        sign = add("Sign", a[0])
        head, tail = add("Mul", add("Abs", a[0]), unit), add("Mul", add("Mul", a[1], sign), unit)
        whole = add("Where", add("Equal", total[0], self._real(0.0)), self._real(1.0), total[0])
        near = add("Floor", add("Add", add("Div", head, whole), half))  # right to within one or two
        back = self.product(near, whole)
        left = add("Sub", add("Sub", head, back[0]), back[1])
        left = add("Add", left, add("Sub", tail, add("Mul", near, total[1])))
        return add("Mul", sign, add("Add", near, add("Floor", add("Add", add("Div", left, whole), half))))

    def _halves(self, a: str) -> Pair:
        c = self.add("Mul", a, self._real(SPLIT))
        head = self.add("Sub", c, self.add("Sub", c, a))
        return head, self.add("Sub", a, head)

    def _renewed(self, head: str, tail: str) -> Pair:
        """Return a pair whose tail is less than the last digit of its head."""
        s = self.add("Add", head, tail)
        return s, self.add("Sub", tail, self.add("Sub", s, head))

    def _total(self, a: str) -> str:
        return self.add("ReduceSum", a, self.graph.indices(2), keepdims=1)

    def _real(self, value: Any) -> str:
        return self.graph.constant(np.array(value, np.float64))
