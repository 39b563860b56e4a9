"""The sha256 of files and of weights.

In: a path, or tensors by name. Out: hex digits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from penult import untrusted
from penult.errors import DamagedFile


def of_file(path: Path | str) -> str:
    """Return the sha256 of a file's bytes."""
    return untrusted.sha256(path)


def of_checkpoint(path: Path | str) -> str:
    """Return the sha256 of a file of weights.

    Raises `DamagedFile` where it is empty, or does not begin with the digits that torch's hub writes into its names
    (`resnet50-0676ba61.pth`).
    """
    path = Path(path)
    if path.stat().st_size == 0:
        raise DamagedFile(f"{path} is empty; get the file again.")
    digits, found = of_file(path), re.search(r"-([0-9a-f]{8})\.(pth|pt|bin|safetensors|npz)$", path.name)
    if found and not digits.startswith(found[1]):
        raise DamagedFile(
            f"{path}: its sha256 does not begin with {found[1]}, which its name promises; download it again, or rename it."
        )
    return digits


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
