"""The sha256 of files and of weights.

In: a path, or tensors by name. Out: hex digits. It must not know where they come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def of_file(path: Path | str) -> str:
    """Return the sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def of_parts(*parts: str) -> str:
    """Return the sha256 over several texts, none of which may hold a line's end."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def of_state(tensors: Mapping[str, Any]) -> str:
    """Return the sha256 over all tensors (torch's or numpy's), their names, types and shapes, in the order of the names.

    So one set of weights has one digest, whichever file format brought it.
    """
    whole = hashlib.sha256()
    for name in sorted(tensors):
        values = np.ascontiguousarray(np.asarray(tensors[name]))
        whole.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        whole.update(values.tobytes())
    return whole.hexdigest()
