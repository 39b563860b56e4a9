"""An array in numpy's file format, its header matched letter by letter: numpy's own reader evaluates it as Python.

In: bytes. Out: a view of them.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = b"\x93NUMPY\x01\x00"
_START = len(_MAGIC) + 2
_HEADER = re.compile(
    rb"\{'descr': '([<>|][fiub]\d{1,2})', 'fortran_order': (False|True), "
    rb"'shape': \(((?:\d{1,18}, ){0,7}\d{1,18},?|)\), \} *\n"
)


def array(data: bytes) -> NDArray[Any]:
    """Return the array in `data`, a read-only view.

    Raises `ValueError` unless it is numbers or truth values, in the form that numpy writes, and fills `data` to the last byte.
    """
    import numpy as np

    end = _START + int.from_bytes(data[len(_MAGIC) : _START], "little")
    found = _HEADER.fullmatch(data[_START:end]) if data.startswith(_MAGIC) else None
    if found is None:
        raise ValueError("it is no array as penult writes them")
    try:
        dtype = np.dtype(found[1].decode())
    except TypeError:
        raise ValueError(f"there are no numbers {found[1].decode()!r}") from None
    shape = tuple(int(side) for side in found[3].replace(b",", b" ").split())
    if math.prod(shape) * dtype.itemsize != len(data) - end:
        raise ValueError(f"its header says {shape} of {dtype}, and {len(data) - end} bytes follow")
    return np.frombuffer(data, dtype, offset=end).reshape(shape, order="F" if found[2] == b"True" else "C")
