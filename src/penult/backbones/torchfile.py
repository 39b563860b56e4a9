"""Read the tensors of a checkpoint in torch's legacy format, without torch.

In: the bytes of a file. Out: its tensors by name, as numpy views of these bytes.
It must not know any network, and it runs nothing that the file says: of pickle's reach only the five names
of `_ALLOWED` exist, and each is a stand-in of ours.

Such a file is five pickles (a magic number, a format number, facts about the machine, the tensors' names and
shapes, the list of storages), then each storage in the order of that list: its length as int64, then its raw
numbers.
"""

from __future__ import annotations

import collections
import io
import pickle
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from penult.errors import DamagedFile

_MAGIC = 0x1950A86A20F9469CFC6C
_FORMAT = 1001


class _Storage(NamedTuple):
    """Where a tensor's numbers are: the key of a storage, its type and its length."""

    key: str
    dtype: np.dtype[Any]
    length: int


class _Tensor(NamedTuple):
    """A tensor whose numbers have not been met yet: offset, shape and strides count numbers, not bytes."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_unused: Any) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch", "FloatStorage"): np.dtype("<f4"),
    ("torch", "LongStorage"): np.dtype("<i8"),
    ("torch", "HalfStorage"): np.dtype("<f2"),
}


class _Reader(pickle.Unpickler):
    """An unpickler that knows the names of `_ALLOWED` and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no list of tensors needs")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _location, count, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            raise pickle.UnpicklingError(f"it has a reference of an unknown kind: {kind!r}")
        return _Storage(str(key), dtype, int(count))


def read(data: bytes, what: str) -> dict[str, NDArray[Any]]:
    """Return the tensors in `data` by name, in the file's order; they are read-only views of `data`.

    `what` names the file in messages. Raises `DamagedFile` for anything but a whole file of tensors.
    """
    try:
        return _read(data)
    except Exception as error:  # a damaged pickle can raise any error there is
        raise DamagedFile(f"{what} is not a whole torch checkpoint: {error}; install its package again.") from error


def _read(data: bytes) -> dict[str, NDArray[Any]]:
    stream = io.BytesIO(data)
    magic, version, machine, tensors, keys = (_Reader(stream).load() for _ in range(5))
    if magic != _MAGIC or version != _FORMAT or machine["little_endian"] is not True:
        raise ValueError("its head is not the one of torch's legacy format")
    specs = {spec.storage.key: spec.storage for spec in tensors.values()}
    places, position = {}, stream.tell()
    for key in keys:
        storage = specs[key]
        if int.from_bytes(data[position : position + 8], "little", signed=True) != storage.length:
            raise ValueError(f"storage {key} does not have the length that was announced")
        places[key] = position + 8
        position += 8 + storage.length * storage.dtype.itemsize
    if position != len(data):
        raise ValueError(f"it should have {position} bytes and has {len(data)}")
    return {name: _view(data, places[spec.storage.key], spec) for name, spec in tensors.items()}


def _view(data: bytes, place: int, spec: _Tensor) -> NDArray[Any]:
    """Return one tensor as a view; numpy itself refuses a shape that leaves the storage."""
    dtype = spec.storage.dtype
    flat = np.frombuffer(data, dtype, spec.storage.length, place)
    strides = tuple(s * dtype.itemsize for s in spec.strides)
    view: NDArray[Any] = np.ndarray(spec.shape, dtype, flat, spec.offset * dtype.itemsize, strides)
    view.flags.writeable = False
    return view
