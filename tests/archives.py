"""The same images as a folder, a tar, zip or Parquet file, and what a hostile or hasty hand makes of such files."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

Files = Mapping[str, bytes]
KINDS = ("folder", "tar", "pax.tar", "tar.gz", "zip", "stored.zip", "parquet")


def lay_out(folder: Path, files: Files) -> Path:
    """Write the files below a folder."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def tar(files: Files, format: int = tarfile.GNU_FORMAT, mode: str = "w") -> bytes:
    """Return a tar file, with `mode` "w:gz" one packed by gzip."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=format) as packed:  # type: ignore[call-overload]
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            packed.addfile(about, io.BytesIO(data))
    return out.getvalue()


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return out.getvalue()


def parquet(path: Path, files: Files, classes: tuple[str, ...] = (), group_rows: int = 7) -> Path:
    """Write what `datasets` writes of a folder of images: `{bytes, path}`, a ClassLabel where there are classes."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    columns = {"image": pa.array([{"bytes": data, "path": name} for name, data in files.items()])}
    features = {"image": {"_type": "Image"}}
    if classes:
        columns["label"] = pa.array([classes.index(name.split("/")[0]) for name in files])
        features["label"] = {"names": list(classes), "_type": "ClassLabel"}  # type: ignore[dict-item]
    table = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=group_rows)
    return path


def source(kind: str, place: Path, files: Files) -> str:
    """Return the path of the files as one of `KINDS`."""
    path = place / f"photos.{kind}"
    if kind == "folder":
        return str(lay_out(place / "photos", files))
    if kind == "parquet":
        return str(parquet(path, files, tuple(sorted({name.split("/")[0] for name in files if "/" in name}))))
    made = {
        "tar": lambda: tar(files),
        "pax.tar": lambda: tar(files, tarfile.PAX_FORMAT),
        "tar.gz": lambda: tar(files, mode="w:gz"),
        "zip": lambda: zipped(files),
        "stored.zip": lambda: zipped(files, zipfile.ZIP_STORED),
    }[kind]
    path.write_bytes(made())
    return str(path)
