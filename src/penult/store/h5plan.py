"""One feature file as a stream: a header that says what comes, then the bytes of each array in turn.

In: arrays or blocks of rows, names, facts. Out: bytes for `h5child`, about a megabyte at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penult.errors import InputError
from penult.store.refusals import shown

_BLOCK = 1 << 20
_MOST_FACTS = 60_000  # bytes; HDF5 1.8 keeps an attribute in a header of 64 KB
Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class RowBlocks:
    """A matrix (n, d) float32 that is not in memory: its shape, and the blocks of rows that make it up."""

    shape: tuple[int, int]
    blocks: Iterable[npt.NDArray[np.floating]]


class Plan:
    """What one file will hold: float arrays as float32, integers as int64, names as their very bytes."""

    def __init__(
        self,
        path: Path,
        arrays: Mapping[str, Array | RowBlocks | None],
        names: Mapping[str, Sequence[str] | None],
        facts: Mapping[str, Any],
    ) -> None:
        self.path = path
        self.facts = dict(facts)
        self.sources: dict[str, Array | RowBlocks] = {k: v for k, v in arrays.items() if v is not None}
        self.sources |= {name: _text(values) for name, values in names.items() if values}
        self.kinds = {name: _kind(name, source) for name, source in self.sources.items()}
        self.size = sum(self.kinds[name].itemsize * int(np.prod(source.shape)) for name, source in self.sources.items())
        if len(json.dumps(self.facts, allow_nan=False)) > _MOST_FACTS:
            raise ValueError(f"the facts of {path} are larger than {_MOST_FACTS} bytes of JSON")

    def header(self, temporary: Path) -> bytes:
        """Return what the child must know before the rows come."""
        arrays = [
            {"name": name, "dtype": self.kinds[name].str, "shape": list(source.shape)} for name, source in self.sources.items()
        ]
        return json.dumps({"path": str(temporary.absolute()), "arrays": arrays, "facts": self.facts}).encode()

    def rows(self) -> Iterator[bytes]:
        """Yield the bytes of all arrays in the header's order.

        Raises `InputError` for features that are not finite, `ValueError` for blocks that do not fit.
        """
        for name, source in self.sources.items():
            count = 0
            for block in source.blocks if isinstance(source, RowBlocks) else _blocks(source):
                data = np.ascontiguousarray(block, self.kinds[name])
                if data.shape[1:] != tuple(source.shape[1:]):
                    raise ValueError(f"a block of {name} is {data.shape}, not rows of {source.shape[1:]}")
                if data.dtype.kind == "f" and not np.isfinite(data).all():
                    raise InputError(
                        f"{name} of {shown(self.path)} is not finite everywhere; it is not written. Mend its source."
                    )
                count += len(data)
                yield data.tobytes()
            if count != source.shape[0]:
                raise ValueError(f"{name} should have {source.shape[0]} rows, its blocks have {count}")


def _blocks(array: Array) -> Iterator[Array]:
    step = max(1, _BLOCK * len(array) // max(array.nbytes, 1))
    for start in range(0, len(array), step):
        yield array[start : start + step]


def _text(names: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Return names as bytes of one width: those that the file system has, whatever they mean."""
    return np.array([name.encode("utf-8", "surrogateescape") for name in names])


def _kind(name: str, source: Array | RowBlocks) -> np.dtype[Any]:
    if isinstance(source, RowBlocks) or source.dtype.kind == "f":
        return np.dtype("<f4")
    if source.dtype.kind in "iub":
        return np.dtype("<i8")
    if source.dtype.kind == "S":
        return np.dtype(f"S{max(source.dtype.itemsize, 1)}")
    raise ValueError(f"{name} must be an array of numbers, not of {source.dtype}")
