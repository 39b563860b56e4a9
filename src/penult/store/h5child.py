"""The short-lived process that writes HDF5: a full disk inside HDF5 ends the interpreter, so not the user's.

In, on stdin, for each file: eight bytes (little-endian length), a JSON header, the raw rows of its arrays;
at the end eight zero bytes. Out, on stdout, for each file: one JSON line with its sha256 and size, or with
the error. It must not import penult (it starts as a plain script, which is quicker) nor rename anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import IO, Any

FORMAT = 1
BLOCK = 1 << 20  # bytes that are in memory at once; also HDF5's own chunk cache, so a chunk is at most that


def main(source: IO[bytes], answers: IO[str]) -> int:
    """Write file after file until the parent says that it was the last; else remove the one begun."""
    path = ""
    try:
        while size := int.from_bytes(_exactly(source, 8), "little"):
            header = json.loads(_exactly(source, size))
            path = header["path"]
            digests = write(path, header, source)
            verify(path, digests)
            answers.write(json.dumps(_facts_of_file(path)) + "\n")
            answers.flush()
            path = ""
    except BaseException as error:
        if path:
            Path(path).unlink(missing_ok=True)
        answers.write(json.dumps({"error": f"{type(error).__name__}: {error}", "errno": _number(error)}) + "\n")
        answers.flush()
        return 1
    return 0


def write(path: str, header: dict[str, Any], source: IO[bytes]) -> dict[str, str]:
    """Write one file from the stream and return the sha256 of each array."""
    import h5py
    import numpy as np

    digests = {}
    # The oldest layout: HDF5 1.8 reads it. Without time stamps equal rows give equal bytes.
    with h5py.File(os.fsencode(path), "w", libver=("earliest", "v108"), locking=False) as file:
        for array in header["arrays"]:
            shape, kind = tuple(array["shape"]), np.dtype(array["dtype"])
            row = kind.itemsize * int(np.prod(shape[1:], dtype=np.int64))
            step = max(1, BLOCK // max(row, 1))
            chunks = {"chunks": (min(step, shape[0]), *shape[1:]), "fletcher32": True} if 0 not in shape else {}
            stored = h5py.string_dtype("utf-8", kind.itemsize) if kind.kind == "S" else kind
            dataset = file.create_dataset(array["name"], shape, stored, track_times=False, **chunks)
            content = begin(kind.str, shape)
            for start in range(0, shape[0] if row else 0, step):
                stop = min(start + step, shape[0])
                data = _exactly(source, row * (stop - start))
                content.update(data)
                dataset[start:stop] = np.frombuffer(data, stored).reshape(stop - start, *shape[1:])
            digests[array["name"]] = content.hexdigest()
        text = json.dumps({"format": FORMAT, "sha256": digests, "facts": header["facts"]}, sort_keys=True)
        file.attrs["penult"] = np.bytes_(text.encode("ascii"))
        file.attrs["penult_sha256"] = np.bytes_(hashlib.sha256(text.encode("ascii")).hexdigest())
    return digests


def begin(kind: str, shape: tuple[int, ...]) -> Any:
    """Return the sha256 to add an array's bytes to: the same bytes of another type are another array."""
    return hashlib.sha256(f"{kind} {list(shape)} ".encode())


def verify(path: str, digests: dict[str, str]) -> None:
    """Read every array back through HDF5's checksums and compare it with what was sent."""
    import h5py

    with h5py.File(os.fsencode(path), "r", locking=False) as file:
        for name, expected in digests.items():
            dataset = file[name]
            content = begin(dataset.dtype.str, dataset.shape)
            step = dataset.chunks[0] if dataset.chunks else 1
            for start in range(0, dataset.shape[0] if dataset.size else 0, step):
                content.update(dataset[start : start + step].tobytes())
            if content.hexdigest() != expected:
                raise OSError(f"{name} reads back different from what was written")


def _facts_of_file(path: str) -> dict[str, Any]:
    with Path(path).open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "size": file.tell()}


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) != size:
        raise EOFError("the parent process has gone")
    return data


def _number(error: BaseException) -> int:
    """Return the system's error number; HDF5 has it only in its text."""
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = re.search(r"errno = (\d+)", str(error))
    return int(found[1]) if found else 0


if __name__ == "__main__":
    code = main(sys.stdin.buffer, sys.stdout)
    os._exit(code)  # not sys.exit: HDF5's own tidying crashes after a full disk
