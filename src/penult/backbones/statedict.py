"""The one pickle that a table of tensors needs: a machine with two dozen operations, none of which can call anything.

In: an open file. Out: what the pickle at its place builds of numbers, texts, tuples, lists, tables and `Tensor`s. Python's
own unpickler, even when it is told which names exist, reserves whatever a memo number asks for, and compares and hashes what
it built, which nested tuples make take for ever.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any, NamedTuple

import numpy as np

_MOST = 1_000_000  # operations; a network of a thousand tensors takes 40,000
_KINDS = {
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
    ("torch", "HalfStorage"): np.dtype("<f2"),
}
_TABLE, _REBUILD = ("collections", "OrderedDict"), ("torch._utils", "_rebuild_tensor_v2")
_MARK = object()


class Storage(NamedTuple):
    """Where a tensor's numbers are: the key of a storage, its type and its length."""

    key: str
    dtype: np.dtype[Any]
    length: int


class Tensor(NamedTuple):
    """A tensor whose numbers have not been met yet: offset, shape and strides count numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def value(file: IO[bytes]) -> Any:
    """Return what the next pickle of a file builds. Raises `ValueError` (and what `pickletools` does) for any other pickle."""
    machine = _Machine()
    for count, (operation, argument, _) in enumerate(pickletools.genops(file)):
        if operation.name == "STOP":
            return machine.stack.pop()
        if count > _MOST or operation.name not in _OPERATIONS:
            raise ValueError(f"it has the operation {operation.name}, which no list of tensors needs, or too many")
        _OPERATIONS[operation.name](machine, argument)
    raise ValueError("it has no end")


class _Machine:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def push(self, thing: Any) -> None:
        self.stack.append(thing)

    def remember(self, number: int) -> None:
        self.memo[number] = self.stack[-1]

    def recall(self, number: int) -> None:
        self.push(self.memo[number])

    def marked(self) -> list[Any]:
        """Take everything above the last mark off the stack, and the mark."""
        at = next(i for i in reversed(range(len(self.stack))) if self.stack[i] is _MARK)
        found = self.stack[at + 1 :]
        del self.stack[at:]
        return found

    def tuple_of(self, count: int) -> None:
        if count > len(self.stack):
            raise ValueError("a tuple of more than there is")
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def items(self, pairs: list[Any]) -> None:
        table = self.stack[-1]
        if not isinstance(table, dict) or not all(isinstance(key, str | int) for key in pairs[::2]):
            raise ValueError("a table with keys that are no names")
        table.update(zip(pairs[::2], pairs[1::2], strict=True))

    def item(self) -> None:
        key, thing = self.stack[-2:]
        del self.stack[-2:]
        self.items([key, thing])

    def entries(self, things: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("entries of what is no list")
        self.stack[-1].extend(things)

    def name(self, text: str) -> None:
        pair = (*text.split(" ", 1), "")[:2]
        if pair not in {_TABLE, _REBUILD, *_KINDS}:
            raise ValueError(f"it asks for {'.'.join(pair)[:80]}, which no list of tensors needs")
        self.push(_KINDS.get(pair, pair))

    def call(self) -> None:
        """Make an empty table or a `Tensor`, the two things that are called."""
        what, arguments = self.stack[-2:]
        del self.stack[-2:]
        if what is _TABLE or (what == _TABLE and arguments == ()):
            self.push({})
        elif what == _REBUILD:
            self.push(_tensor(*arguments))
        else:
            raise ValueError("it calls what is no table and no tensor")

    def storage(self) -> None:
        kind, dtype, key, _location, count, view = self.stack.pop()
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype) or not isinstance(key, str):
            named = f": {kind[:40]!r}" if isinstance(kind, str) else ""
            raise ValueError(f"it has a reference of an unknown kind{named}")
        if type(count) is not int or count < 0:
            raise ValueError(f"a storage of it has the length {str(count)[:40]}")
        self.push(Storage(key, dtype, count))

    def state(self) -> None:
        """Drop what torch remarks about a table."""
        if not isinstance(self.stack[-2], dict):
            raise ValueError("it changes what is no table")
        self.stack.pop()


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_unused: Any) -> Tensor:
    numbers = [offset, *shape, *strides]
    if not isinstance(storage, Storage) or not all(type(n) is int and 0 <= n < 1 << 48 for n in numbers):
        raise ValueError("a tensor of it has a shape that cannot be")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


_Operation = Callable[[_Machine, Any], object]
_PUSHED = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE")
_OPERATIONS: dict[str, _Operation] = {
    "PROTO": lambda machine, _: None,
    **dict.fromkeys(_PUSHED, lambda machine, argument: machine.push(argument)),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": lambda machine, _: machine.push(_MARK),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "BINPUT": lambda machine, number: machine.remember(number),
    "LONG_BINPUT": lambda machine, number: machine.remember(number),
    "BINGET": lambda machine, number: machine.recall(number),
    "LONG_BINGET": lambda machine, number: machine.recall(number),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.marked())),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "SETITEM": lambda machine, _: machine.item(),
    "SETITEMS": lambda machine, _: machine.items(machine.marked()),
    "APPEND": lambda machine, _: machine.entries([machine.stack.pop()]),
    "APPENDS": lambda machine, _: machine.entries(machine.marked()),
    "GLOBAL": lambda machine, text: machine.name(text),
    "REDUCE": lambda machine, _: machine.call(),
    "BINPERSID": lambda machine, _: machine.storage(),
    "BUILD": lambda machine, _: machine.state(),
}
