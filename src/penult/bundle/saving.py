"""Write a model file.

In: a `Bundle`. Out: the file, whole or absent; the same model gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import store
from penult.bundle.loading import WRONG, parse, reason
from penult.bundle.model import ABOUT, FORMAT, SUMS, Bundle
from penult.errors import InternalError


def save(path: str | Path, bundle: Bundle) -> None:
    """Write the bundle under its final name only when it is complete, and as `load` will take it.

    Raises `InternalError`, and writes nothing, for a bundle that `load` would refuse.
    """
    members = _members(bundle)
    try:
        parse(members)
    except WRONG as error:
        wrong = reason(error).partition("; train again")[0]  # which would not help here
        raise InternalError(
            f"the model that was made does not pass penult's own check: {wrong}. This is a bug of penult and no fault of the "
            "data: report it, please."
        ) from error
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(members.items()))
    with store.atomic_write(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(SUMS, sums.encode()), *sorted(members.items())]:
            archive.writestr(zipfile.ZipInfo(name), data)  # a fixed date: same model, same bytes


def _members(bundle: Bundle) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for i, backbone in enumerate(bundle.backbones):
        members[f"graphs/{i}.onnx"] = backbone.graph()
    unlike = {} if bundle.novelty is None else bundle.novelty.arrays
    photos = {} if bundle.seen is None else {"digests": bundle.seen}
    parts = (("head", bundle.head.arrays), ("selftest", bundle.selftest), ("novelty", unlike), ("seen", photos))
    for folder, arrays in parts:
        for name, array in arrays.items():
            members[f"{folder}/{name}.npy"] = _npy(np.asarray(array))
    members[ABOUT] = json.dumps(_describe(bundle), indent=1, sort_keys=True).encode()
    return members


def _describe(bundle: Bundle) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "classes": list(bundle.classes),
        "backbones": [b.to_dict() for b in bundle.backbones],
        "blocks": list(bundle.widths),
        "head": {"kind": bundle.head.kind, "facts": bundle.head.facts},
        "prior": [float(p) for p in bundle.prior],
        "engine": bundle.engine,
        "precision": bundle.precision,
        "facts": dict(bundle.facts),
        "novelty": None if bundle.novelty is None else bundle.novelty.facts,
    }


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
