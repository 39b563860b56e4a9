"""Checkpoints: the sha256 of files and of weights, the prefix of their tensors' names, and how a misfit is told."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from penult import untrusted
from penult.errors import DamagedFile, listed
from penult.i18n import N_, _

_ALONE, _EACH = 10, 5  # names in a refusal: of one list, and of each of several
_LONGEST, _SHORT = 90, 60  # letters of a name with its shapes; of three lists


def of_file(path: Path | str) -> str:
    """Return the sha256 of a file of weights.

    Raises `DamagedFile` where it is empty, or does not begin with the digits that torch's hub writes into its names
    (`resnet50-0676ba61.pth`).
    """
    path = Path(path)
    if path.stat().st_size == 0:
        raise DamagedFile(_("{path} is empty; get the file again.", path=path))
    digits, found = untrusted.sha256(path), re.search(r"-([0-9a-f]{8})\.(pth|pt|bin|safetensors|npz)$", path.name)
    if found and not digits.startswith(found[1]):
        raise DamagedFile(
            _(
                "{path}: its sha256 does not begin with {found}, which its name promises; download it again, or rename it.",
                path=path,
                found=found[1],
            )
        )
    return digits


def of_texts(*texts: str) -> str:
    """Return the sha256 over several texts, none of which may hold a line's end."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def of_tensors(tensors: Mapping[str, Any]) -> str:
    """Return the sha256 over all tensors (torch's or numpy's), their names, types and shapes, in the order of the names.

    So one set of weights has one digest, whichever file format brought it.
    """
    total = hashlib.sha256()
    for name in sorted(tensors):
        values = np.ascontiguousarray(np.asarray(tensors[name]))
        total.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        total.update(values.tobytes())
    return total.hexdigest()


def shared_prefix(names: Collection[str], wanted: Collection[str]) -> str:
    """Return the prefix, dot included, that all names share and without which most of them are wanted; often "".

    Whoever wraps a network names its tensors anew: PyTorch Lightning `model.`, others `backbone.`, `net._orig_mod.`.
    """
    if not names:
        return ""
    split = [name.split(".")[:-1] for name in names]
    first, last = min(split), max(split)  # what these two share all do
    parts = [a for a, _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    every = ["", *(f"{'.'.join(parts[:count])}." for count in range(1, len(parts) + 1))]
    known = set(wanted)
    return max(every, key=lambda prefix: sum(name[len(prefix) :] in known for name in names))


def misfit(lists: Mapping[str, Sequence[str]], counted: bool = False) -> str:
    """Return `missing: a, b and 198 more; unknown: c` for a refusal of a thousand letters; `counted`: `200 missing`."""
    named = {what: names for what, names in lists.items() if names}
    most, longest = _ALONE if len(named) == 1 else _EACH, _LONGEST if len(named) < 3 else _SHORT
    told = N_("{n} {what}: {names}") if counted else N_("{what}: {names}")
    return "; ".join(_(told, n=len(names), what=_(what), names=listed(names, most, longest)) for what, names in named.items())
