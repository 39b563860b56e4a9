"""Checkpoints in torch's legacy format are read without torch, and nothing in them is run."""

from __future__ import annotations

import collections
import io
import os
import pickle
import sys
import types
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from penult.backbones import statedict, torchfile
from penult.errors import DamagedFile

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {"float32": "FloatStorage", "int64": "LongStorage", "float16": "HalfStorage"}


class Reference:
    """Stands for a storage while a file is written."""

    def __init__(self, key: str, kind: Any, count: int):
        self.pid = ("storage", kind, key, "cpu", count, None)


class Rebuilt:
    """Pickles as torch pickles a tensor."""

    def __init__(self, reference: Reference, shape: tuple[int, ...], strides: tuple[int, ...]):
        self.call = (reference, 0, shape, strides, False, collections.OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.call


class Writer(pickle.Pickler):
    def persistent_id(self, thing: Any) -> Any:
        return thing.pid if isinstance(thing, Reference) else None


def a_torch() -> dict[str, types.ModuleType]:
    """Return modules with the few names that a checkpoint mentions."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in TYPES.values():
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def rebuild() -> None:
        """Only its name goes into the file."""

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = rebuild
    torch._utils = utils
    return {"torch": torch, "torch._utils": utils}


def write(tensors: dict[str, np.ndarray]) -> bytes:
    """Return the file that torch would have written in 2020, column-major tensors as they lie in memory."""
    with pytest.MonkeyPatch.context() as patch:
        modules = a_torch()
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        file = io.BytesIO()
        state, raw = collections.OrderedDict(), []
        for i, (name, array) in enumerate(tensors.items()):
            kind = getattr(modules["torch"], TYPES[array.dtype.name])
            steps = tuple(s // array.itemsize for s in array.strides)
            state[name] = Rebuilt(Reference(str(i), kind, array.size), array.shape, steps)
            raw.append(array.size.to_bytes(8, "little") + array.tobytes("A"))
        facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        for thing in (MAGIC, 1001, facts, state, [str(i) for i in range(len(raw))]):
            Writer(file, 2).dump(thing)
    return file.getvalue() + b"".join(raw)


ARRAYS = st.sampled_from([np.float32, np.int64, np.float16]).flatmap(
    lambda kind: arrays(kind, array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4))
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(min_size=1, max_size=9), st.tuples(ARRAYS, st.sampled_from("CF")), max_size=4))
def test_what_torch_wrote_is_read(tensors: dict[str, tuple[np.ndarray, str]]) -> None:
    """Names, order, types, shapes and numbers come back, whatever the order in memory."""
    wanted = {name: np.asarray(array, order=order) for name, (array, order) in tensors.items()}
    got = torchfile.read(write(wanted), "a file")
    assert list(got) == list(wanted)
    for name, array in wanted.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_array_equal(got[name], array)


def test_tensors_are_views_that_cannot_be_written() -> None:
    data = write({"a": np.ones((2, 3), np.float32)})
    tensor = torchfile.read(data, "a file")["a"]
    assert not tensor.flags.writeable and not tensor.flags.owndata


@given(st.data())
def test_a_shortened_file_is_refused(data: st.DataObject) -> None:
    whole = write({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((), np.int64)})
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(DamagedFile, match=r"weights\.pth is not a whole torch checkpoint"):
        torchfile.read(whole[:cut], "weights.pth")
    with pytest.raises(DamagedFile):
        torchfile.read(whole + b"\0", "weights.pth")


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_with_our_error(data: bytes) -> None:
    with pytest.raises(DamagedFile):
        torchfile.read(data, "weights.pth")


class Evil:
    """Pickles as a call of a function that no tensor needs."""

    def __init__(self, function: Any, *arguments: Any):
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


@pytest.mark.parametrize("function", [os.mkdir, eval, getattr, __import__, collections.deque], ids=lambda f: f.__qualname__)
def test_a_file_that_wants_to_run_something_is_refused(function: Any, tmp_path: Any) -> None:
    """It is refused by name, and nothing has happened."""
    evil = pickle.dumps(Evil(function, str(tmp_path / "made")), 2)
    data = pickle.dumps(MAGIC, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2) + evil
    with pytest.raises(DamagedFile, match=f"it asks for .*{function.__name__}"):
        torchfile.read(data, "weights.pth")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("position", "value"),
    [(0, 42), (1, 1002), (2, {"little_endian": False}), (4, ["9"]), (4, [])],
    ids=["magic", "format", "byte order", "unknown storage", "missing storage"],
)
def test_a_head_that_is_not_torchs_is_refused(position: int, value: Any) -> None:
    data = write({"a": np.ones(3, np.float32)})
    stream, ends = io.BytesIO(data), [0]
    for _ in range(5):
        statedict.value(stream)
        ends.append(stream.tell())
    wrong = data[: ends[position]] + pickle.dumps(value, 2) + data[ends[position + 1] :]
    with pytest.raises(DamagedFile):
        torchfile.read(wrong, "weights.pth")


def test_a_tensor_that_leaves_its_storage_is_refused() -> None:
    """A shape larger than the storage would read a neighbour's numbers."""
    data = write({"a": np.ones(3, np.float32), "b": np.ones(64, np.float32)})
    shape = pickle.dumps((3,), 2)[2:-3]  # BININT1 3, TUPLE1
    wrong = data.replace(shape, b"K\x30\x85", 1)  # (48,)
    assert wrong != data
    with pytest.raises(DamagedFile):
        torchfile.read(wrong, "weights.pth")


def test_a_storage_of_another_length_is_refused() -> None:
    """The length before the numbers must be the one that the head announced."""
    data = write({"a": np.ones(3, np.float32)})
    length = (3).to_bytes(8, "little")
    assert data.count(length) == 1
    with pytest.raises(DamagedFile, match="storage 0 does not have the length"):
        torchfile.read(data.replace(length, (2).to_bytes(8, "little")), "weights.pth")


def test_a_reference_of_another_kind_is_refused() -> None:
    data = write({"a": np.ones(3, np.float32)}).replace(b"storage", b"strange")
    with pytest.raises(DamagedFile, match="a reference of an unknown kind: 'strange'"):
        torchfile.read(data, "weights.pth")
