"""Read the tensors of a checkpoint in torch's legacy format, without torch and without `pickle`.

In: the bytes of a file. Out: its tensors by name, as numpy views of these bytes.

Such a file is five pickles (a magic number, a format number, facts about the machine, the tensors' names and
shapes, the list of storages), then each storage in the order of that list: its length as int64, then its raw
numbers. What a pickle may do is in `statedict`.
"""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult.backbones.statedict import Storage, Tensor, value
from penult.errors import DamagedFile

_MAGIC = 0x1950A86A20F9469CFC6C
_FORMAT = 1001


def read(data: bytes, what: str) -> dict[str, NDArray[Any]]:
    """Return the tensors in `data` by name, in the file's order; they are read-only views of `data`.

    `what` names the file in messages. Raises `DamagedFile` for anything but a whole file of tensors.
    """
    try:
        return _read(data)
    except Exception as error:  # a damaged pickle can raise any error there is
        said = " ".join(str(error).split())[:300]
        raise DamagedFile(f"{what} is not a whole torch checkpoint: {said}; install its package again.") from error


def _read(data: bytes) -> dict[str, NDArray[Any]]:
    stream = io.BytesIO(data)
    magic, version, machine, tensors, keys = (value(stream) for _ in range(5))
    if magic != _MAGIC or version != _FORMAT or machine["little_endian"] is not True:
        raise ValueError("its head is not the one of torch's legacy format")
    if not isinstance(tensors, dict) or not all(isinstance(name, str) for name in tensors):
        raise ValueError("it is no table of tensors by name")
    if not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise ValueError("something in it is no tensor")
    specs = {spec.storage.key: spec.storage for spec in tensors.values()}
    places = _places(data, stream.tell(), [specs[key] for key in keys])
    return {name: _view(data, places[spec.storage.key], spec) for name, spec in tensors.items()}


def _places(data: bytes, position: int, storages: list[Storage]) -> dict[str, int]:
    """Return where the numbers of each storage begin; together they must fill the file to its end."""
    places: dict[str, int] = {}
    for storage in storages:
        if int.from_bytes(data[position : position + 8], "little", signed=True) != storage.length:
            raise ValueError(f"storage {storage.key[:40]} does not have the length that was announced")
        places[storage.key] = position + 8
        position += 8 + storage.length * storage.dtype.itemsize
    if position != len(data) or len(places) != len(storages):
        raise ValueError(f"it should have {position} bytes and has {len(data)}")
    return places


def _view(data: bytes, place: int, spec: Tensor) -> NDArray[Any]:
    """Return one tensor as a view; numpy itself refuses a shape that leaves the storage."""
    dtype = spec.storage.dtype
    if math.prod(spec.shape) > spec.storage.length:  # steps of 0 would make a little number as large as one likes
        raise ValueError(f"a tensor of the shape {spec.shape[:8]} is larger than its storage")
    flat = np.frombuffer(data, dtype, spec.storage.length, place)
    strides = tuple(s * dtype.itemsize for s in spec.strides)
    view: NDArray[Any] = np.ndarray(spec.shape, dtype, flat, spec.offset * dtype.itemsize, strides)
    view.flags.writeable = False
    return view
