"""Look at the bytes of an ONNX graph before any library parses them: what they would cost and what they reach for.

In: bytes from anywhere. Out: nothing, or a `ValueError` that says why no engine should see them. A graph is nested protobuf
messages, in which two bytes can ask for a hundred of memory. Refused: too many parts, graphs too deep in graphs, tensors
that claim more numbers than they hold, tensors in other files, sparse tensors, and loops, whose end nobody knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from penult.i18n import _

MOST = 96 << 20  # bytes of memory beyond the graph's own
_FIELD, _DEEPEST = 150, 24  # bytes that a part costs; 24 messages in each other are seven graphs
_SIDES = 64  # of a tensor
_UNKNOWN = 1 << 20  # bytes of fields that ONNX may get one day
_LOOPS = {b"Loop", b"Scan", b"SequenceMap"}

# The messages inside each message, by their numbers in onnx.proto; and what else there is, which is not looked into.
_INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset", 14: "entry", 20: "training", 25: "function", 26: "device"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value", 14: "annotation", 15: "sparse", 16: "entry"},
    "function": {7: "node", 9: "opset", 11: "attribute", 12: "value", 14: "entry"},
    "node": {5: "attribute", 9: "entry", 10: "device"},
    "attribute": {
        5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 14: "type", 15: "type", 22: "sparse", 23: "sparse",
    },
    "tensor": {3: "segment", 13: "outside", 16: "entry"},
    "value": {2: "type", 4: "entry"},
    "type": {1: "array", 4: "list", 5: "map", 8: "array", 9: "list"},
    "array": {2: "shape"},
    "list": {1: "type"},
    "map": {2: "type"},
    "shape": {1: "side"},
    "annotation": {2: "entry"},
    "training": {1: "graph", 2: "graph", 3: "entry", 4: "entry"},
}  # fmt: skip
_PLAIN: dict[str, set[int]] = {
    "model": {1, 2, 3, 4, 5, 6}, "graph": {2, 10}, "function": {1, 2, 4, 5, 6, 8, 10, 13}, "node": {1, 2, 3, 4, 6, 7, 8},
    "attribute": {1, 2, 3, 4, 7, 8, 9, 13, 20, 21}, "tensor": {1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14}, "value": {1, 3},
    "type": {6}, "array": {1}, "map": {1}, "annotation": {1},
    "device": set(),
}  # fmt: skip
_PACKED = {("attribute", 8): 8, ("tensor", 1): 8, ("tensor", 5): 4, ("tensor", 7): 8, ("tensor", 11): 8}  # bytes a number


class _Field(NamedTuple):
    number: int
    kind: int  # 0: a number, 2: bytes, 1 and 5: eight and four of them
    value: int  # of a number
    start: int
    end: int


def check(graph: bytes, outside: bool = False) -> None:
    """Raise `ValueError` for a graph that is refused; with `outside` tensors in other files are left to the caller."""
    _GraphWalk(graph, outside).message("model", 0, len(graph), 0)


def locations(graph: bytes) -> list[str]:
    """Return the names of the other files in which tensors of a graph stand. Raises `ValueError` as `check` does."""
    look = _GraphWalk(graph, outside=True)
    look.message("model", 0, len(graph), 0)
    return sorted(look.locations)


@dataclass(slots=True)
class _Scope:
    """A graph that is being looked at: which of its nodes makes a name, and the number of the node that is looked at."""

    made: dict[bytes, int]
    at: int = -1


class _GraphWalk:
    """A walk through the messages of a graph."""

    def __init__(self, graph: bytes, outside: bool) -> None:
        self.graph, self.outside = graph, outside
        self.cost = self.unknown = 0
        self.scopes: list[_Scope] = []
        self.locations: set[str] = set()  # the other files that tensors name

    def message(self, kind: str, start: int, end: int, depth: int) -> None:
        """Look at one message and at all inside it."""
        if depth > _DEEPEST:
            raise ValueError(_("its graphs are nested too deeply"))
        inside, plain = _INSIDE.get(kind, {}), _PLAIN.get(kind)
        sides: list[int] = []
        elsewhere = False
        if kind in {"graph", "function"}:
            self.scopes.append(_Scope(self._made(kind, start, end)))
        for field in _fields(self.graph, start, end):
            self.cost += _FIELD
            if kind == "tensor" and field.number == 14:
                elsewhere = field.value == 1
            if field.kind == 2 and field.number in inside:
                self._refuse(inside[field.number])
                if inside[field.number] == "outside":
                    self._note_location(field)
                if inside[field.number] == "node":
                    self.scopes[-1].at += 1
                self.message(inside[field.number], field.start, field.end, depth + 1)
            elif plain is not None and field.number not in plain:
                self.unknown += field.end - field.start
            else:
                self._plain(kind, field, sides)
            self._afford()
        if kind in {"graph", "function"}:
            self.scopes.pop()
        # What a tensor in another file claims is held against that file by who reads it.
        if kind == "tensor" and not elsewhere and math.prod(sides) > 8 * (end - start):
            shape = " x ".join(str(side) for side in sides[:8])
            raise ValueError(_("one of its tensors claims {shape} numbers and does not hold them", shape=shape))

    def _made(self, kind: str, start: int, end: int) -> dict[bytes, int]:
        """Return for each name that a node of this graph makes the number of the node."""
        found: dict[bytes, int] = {}
        at, nodes = 0, {number for number, inside in _INSIDE[kind].items() if inside == "node"}
        for node in _fields(self.graph, start, end):
            if node.number in nodes and node.kind == 2:
                for field in _fields(self.graph, node.start, node.end):
                    if field.number == 2 and field.kind == 2 and field.end > field.start:
                        found[self.graph[field.start : field.end]] = at
                        self.cost += _FIELD
                        self._afford()
                at += 1
        return found

    def _note_location(self, entry: _Field) -> None:
        """Keep the name of another file, which is one of the facts (key, value) that a tensor tells of it."""
        told = {f.number: self.graph[f.start : f.end] for f in _fields(self.graph, entry.start, entry.end) if f.kind == 2}
        if told.get(1) == b"location":
            self.locations.add(told.get(2, b"").decode("utf-8", "surrogateescape"))

    def _known(self, name: bytes) -> None:
        """Refuse what a node takes from itself or from a later one: a ring, at which engines do not come to an end."""
        if any(scope.made.get(name, -1) >= scope.at for scope in self.scopes):
            raise ValueError(_("its nodes form a cycle"))

    def _afford(self) -> None:
        if self.cost > MOST or self.unknown > _UNKNOWN:
            raise ValueError(_("it has more parts than any network"))

    def _refuse(self, kind: str) -> None:
        if kind == "sparse":
            raise ValueError(_("it has sparse tensors; export it with dense ones"))
        if kind == "outside" and not self.outside:
            raise ValueError(_("it keeps tensors in other files; save it as one file"))

    def _plain(self, kind: str, field: _Field, sides: list[int]) -> None:
        """Note the sides of a tensor and what numbers cost; refuse what reaches outside, and loops."""
        if field.kind == 2 and (kind, field.number) in _PACKED:
            self.cost += _PACKED[kind, field.number] * _numbers(self.graph, field) - (field.end - field.start)
            self._afford()
        if kind == "tensor" and field.number == 1:
            sides.extend([field.value] if field.kind == 0 else islice(_varints(self.graph, field.start, field.end), _SIDES))
            if len(sides) >= _SIDES:
                raise ValueError(_("one of its tensors has more dimensions than any network"))
        if kind == "node" and field.number == 1:
            self._known(self.graph[field.start : field.end])
        if kind == "tensor" and field.number == 14 and field.value:
            self._refuse("outside")
        if kind == "node" and field.number == 4 and self.graph[field.start : field.end] in _LOOPS:
            raise ValueError(_("it has a loop of unknown length; export it without"))


def _fields(graph: bytes, at: int, end: int) -> Iterator[_Field]:
    """Yield the fields of a message."""
    while at < end:
        key, at = _varint(graph, at, end)
        number, kind = key >> 3, key & 7
        value, start = 0, at
        if kind == 0:
            value, at = _varint(graph, at, end)
        elif kind == 2:
            length, start = _varint(graph, at, end)
            at = start + length
        elif kind in {1, 5}:
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(_("it is not a valid ONNX graph; export it again"))
        if at > end or number == 0:
            raise ValueError(_("it is not a valid ONNX graph; export it again"))
        yield _Field(number, kind, value, start, at)


def _varint(graph: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = graph[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError(_("it is not a valid ONNX graph; export it again"))


def _varints(graph: bytes, at: int, end: int) -> Iterator[int]:
    while at < end:
        value, at = _varint(graph, at, end)
        yield value


def _numbers(graph: bytes, field: _Field) -> int:
    """Return how many numbers a packed field has: each ends with a byte below 128."""
    import numpy as np

    step = 1 << 20
    part = np.frombuffer(graph, np.uint8, field.end - field.start, field.start)
    return sum(int((part[at : at + step] < 128).sum()) for at in range(0, len(part), step))
