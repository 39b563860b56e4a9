"""The short-lived process that reads HDF5: a damaged file can crash the library, and then only this process.

In: a path. Out, on stdout: eight bytes (little-endian length), a JSON header, the raw bytes of the arrays that it names; or
a header with the error.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np

from penult import untrusted
from penult.errors import DamagedFile, InputError, PenultError
from penult.store.h5child import FORMAT, begin
from penult.store.h5guard import Array, Guarded, opened
from penult.store.refusals import shown

ARRAYS = ("train", "test", "label")
NAMES = ("train_files", "test_files", "classes")
_LONGEST_LABEL = 500  # bytes


def main(path: str, out: IO[bytes]) -> None:
    """Send the content of one file, or what is wrong with it."""
    try:
        raw, facts = load(Path(path))
    except PenultError as error:
        _head(out, {"error": type(error).__name__, "message": str(error)})
        return
    for name in NAMES:
        if name in raw:  # as lengths and one long text: a single long name does not widen the others
            words = [word.encode() if isinstance(word, str) else bytes(word) for word in raw.pop(name).tolist()]
            raw[f"{name} lengths"] = np.array([len(word) for word in words], np.int64)
            raw[name] = np.frombuffer(b"".join(words), np.uint8)
    arrays = [{"name": name, "dtype": a.dtype.str, "shape": list(a.shape)} for name, a in raw.items()]
    _head(out, {"arrays": arrays, "facts": facts})
    for array in raw.values():
        out.write(np.ascontiguousarray(array).data)
    out.flush()


def load(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Return the data sets of a feature file by name, and its facts; ours are held against their sha256.

    Raises `InputError` and `DamagedFile`, see `h5guard`.
    """
    with opened(path) as file:
        told = content(file)
        found = {name: raw(file, name) for name in (*ARRAYS, *NAMES) if file.has(name)}
    _compare(path, told, found)
    return found, {} if told is None else told["facts"]


def _head(out: IO[bytes], header: dict[str, Any]) -> None:
    text = json.dumps(header).encode()
    out.write(len(text).to_bytes(8, "little") + text)
    out.flush()


def raw(file: Guarded, name: str) -> Array:
    """Return one data set of a feature file as it stands, after the checks for its name."""
    if name in NAMES:
        return file.read(name, (1,), "SO")
    if name != "label":
        return file.read(name, (2,), "f")
    values = file.read(name, (1, 2), "iubfSO")
    return values if values.dtype.kind in "iubf" else _short_texts(file, values)


def _short_texts(file: Guarded, values: Array) -> Array:
    """Return texts as an array of bytes, all of one width. Raises `InputError` where a long one would widen all others."""
    words = [word.encode() if isinstance(word, str) else bytes(word) for word in values.reshape(-1).tolist()]
    if max(map(len, words), default=0) > _LONGEST_LABEL:
        raise InputError(f"'label' in {shown(file.path)} has texts of more than {_LONGEST_LABEL} bytes; name the classes.")
    return np.array(words, "S").reshape(values.shape)


def content(file: Guarded) -> dict[str, Any] | None:
    """Return our own record of the file, or None for a file of another hand."""
    text = file.attribute("penult")
    if text is None:
        return None
    if hashlib.sha256(text).hexdigest().encode() != file.attribute("penult_sha256"):
        raise DamagedFile(f"the facts in {shown(file.path)} fail their checksum; write the file again.")
    told: dict[str, Any] = untrusted.loads(text)
    if not isinstance(told, dict) or not isinstance(told.get("sha256"), dict) or not isinstance(told.get("facts"), dict):
        raise DamagedFile(f"the facts in {shown(file.path)} are not as penult writes them; write the file again.")
    if type(told.get("format")) is not int or told["format"] > FORMAT:
        raise DamagedFile(f"{shown(file.path)} is of format {told['format']}, newer than this version reads; update penult.")
    return told


def _compare(path: Path, told: dict[str, Any] | None, found: dict[str, Array]) -> None:
    """Hold a file of ours against its own sha256 sums."""
    if told is None:
        return
    expected = told["sha256"]
    bad = [name for name in found if _sum(found[name]) != expected.get(name)]
    bad += [name for name in expected if name not in found and name in (*ARRAYS, *NAMES)]
    if bad:
        raise DamagedFile(f"{', '.join(sorted(bad))} in {shown(path)} fail their checksum; write the file again.")


def _sum(values: Array) -> str:
    content = begin(values.dtype.str, values.shape)
    content.update(np.ascontiguousarray(values).data)
    return str(content.hexdigest())


def run() -> None:
    """Be the process: the path is the first argument."""
    main(sys.argv[1], sys.stdout.buffer)
    os._exit(0)  # not sys.exit: HDF5's own tidying can crash on what it read
