"""The weights that an ONNX file keeps beside itself (`net.onnx.data`, the default of torch's exporter since 2.9).

The model says the names of these files, so none is believed: they must be plain names below the model's own folder, of
regular files that no link leads out of it, and each piece must lie inside its file and have just the bytes that its tensor
needs.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

from penult import untrusted
from penult.backbones import onnx_guard
from penult.errors import DamagedFile, InputError, listed
from penult.i18n import _, ngettext
from penult.texts import printable, system_words
from penult.zoo import onnx_graph

_MOST_FILES = 1000  # some converters write one for each tensor
_BITS = {21: 4, 22: 4, 23: 4, 25: 2, 26: 2}  # of the types of which a byte holds several: INT4, FLOAT4E2M1, INT2 ...


def digest(path: Path | str) -> str:
    """Return the sha256 of an ONNX file, or of it and all files that it names: hex digits.

    Raises `InputError` for files that are not there or must not be read.
    """
    data = untrusted.read_bytes(path)
    try:
        names = onnx_guard.locations(data)
    except ValueError:  # no ONNX file; who reads it says so
        names = []
    return digest_with(path, hashlib.sha256(data).hexdigest(), names)


def digest_with(path: Path | str, model: str, names: Iterable[str], within: Path | None = None) -> str:
    """Return one digest of a model with the sha256 `model` and of the files that it names; without those, the model's own."""
    files = find(path, names, within)
    if not files:
        return model
    lines = [model, *(f"{name} {untrusted.sha256(file)}" for name, file in sorted(files.items()))]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def find(path: Path | str, names: Iterable[str], within: Path | None = None) -> dict[str, Path]:
    """Return where the files are that a model names; links may lead `within` a folder (default: the model's).

    Raises `InputError` with all that cannot be read.
    """
    folder, wanted, what = Path(path).parent, sorted(set(names)), printable(path)
    if len(wanted) > _MOST_FILES:
        raise InputError(
            _(
                "{what} keeps its weights in {wanted} other files, and {most_files} are the most; {cure}.",
                what=what,
                wanted=len(wanted),
                most_files=_MOST_FILES,
                cure=_fix(path),
            )
        )
    if outside := [printable(name) for name in wanted if not _is_plain(name)]:
        raise InputError(
            _(
                "{what} keeps weights in files outside its own folder ({outside}), which are not read; put them "
                "beside it, or {cure}.",
                what=what,
                outside=listed(outside),
                cure=_fix(path),
            )
        )
    if missing := [name for name in wanted if not _is_file(folder / name)]:
        raise InputError(
            ngettext(
                "{path} keeps its weights in {names}, which is not beside it; copy it into {folder} (exporters write both), "
                "or export again with external_data=False.",
                "{path} keeps its weights in {names}, which are not beside it; copy them into {folder} (exporters write "
                "both), or export again with external_data=False.",
                len(missing),
                path=what,
                names=listed(missing),
                folder=printable(folder.absolute()),
            )
        )
    real = (within or folder).resolve()
    if led := [name for name in wanted if not (folder / name).resolve().is_relative_to(real)]:
        raise InputError(
            _(
                "{what} keeps weights in {led}, a link that leads out of its folder; put the file itself beside the "
                "model (cp -L).",
                what=what,
                led=listed(led),
            )
        )
    size = sum((folder / name).stat().st_size for name in wanted)
    if size > onnx_graph.MAX_BYTES:
        raise InputError(
            _(
                "{what} has {size:.1f} GB of weights, and 2.1 GB are the most; take a smaller sibling.",
                what=what,
                size=size / 1e9,
            )
        )
    return {name: folder / name for name in wanted}


def load(model: Any, tensors: Iterable[Any], path: Path | str, within: Path | None = None) -> list[str]:
    """Put the numbers that stand in other files into their tensors, and return the names of these files.

    Raises `InputError` for files that are not there or must not be read, `DamagedFile` for pieces that do not fit.
    """
    from onnx import TensorProto

    external = (t for t in tensors if t.data_location == TensorProto.EXTERNAL or t.external_data)
    outside = [(tensor, _place(tensor, path)) for tensor in external]
    names = sorted({place["location"] for _, place in outside})
    files = find(path, names, within)
    if not outside:
        return names
    total = sum(_size(tensor, path) for tensor, _ in outside)
    if total > onnx_graph.MAX_BYTES:
        raise InputError(
            _(
                "{path} has {total:.1f} GB of weights, and 2.1 GB are the most; take a smaller sibling.",
                path=printable(path),
                total=total / 1e9,
            )
        )
    with contextlib.ExitStack() as stack:
        try:
            sources = {name: stack.enter_context(untrusted.open_file(file)) for name, file in files.items()}
        except OSError as error:
            raise InputError(
                _(
                    "{path}: its weights cannot be read ({filename}: {error}).",
                    path=printable(path),
                    filename=error.filename,
                    error=system_words(error),
                )
            ) from error
        for tensor, place in outside:
            _fill(tensor, place, sources[place["location"]], path)
    try:
        onnx_guard.check(onnx_graph.to_bytes(model))  # as strict as with a model of one file
    except ValueError as error:
        raise (
            error
            if isinstance(error, InputError)
            else DamagedFile(_("{path} is not to be trusted: {error}.", path=printable(path), error=error))
        ) from error
    return names


def _is_plain(name: str) -> bool:
    """Whether a name stands below the model's folder, on every system."""
    parts = name.replace("\\", "/").split("/")
    fine = all(part not in {"", ".."} and len(part.encode("utf-8", "replace")) <= 255 for part in parts)
    return fine and name.isprintable() and not PureWindowsPath(name).anchor and len(name) < 1024


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _place(tensor: Any, path: Path | str) -> dict[str, str]:
    """Return where a tensor says that its numbers are. Raises `DamagedFile` for one that says two things, or no file."""
    from onnx import TensorProto

    place = {entry.key: entry.value for entry in tensor.external_data}
    if tensor.data_location != TensorProto.EXTERNAL or not place.get("location") or tensor.HasField("raw_data"):
        raise DamagedFile(
            _(
                "{path} does not say clearly where its tensor {name!r} is; {cure}.",
                path=printable(path),
                name=tensor.name[:80],
                cure=_fix(path),
            )
        )
    return place


def _size(tensor: Any, path: Path | str) -> int:
    """Return how many bytes the numbers of a tensor need. Raises `DamagedFile` for texts and sides that cannot be."""
    from onnx import TensorProto, helper

    kind, count = tensor.data_type, int(math.prod(tensor.dims))
    known = kind in TensorProto.DataType.values() and kind not in {TensorProto.UNDEFINED, TensorProto.STRING}
    if not known or any(side < 0 for side in tensor.dims):
        raise DamagedFile(
            _(
                "{path} has a tensor {name!r} that no other file can hold; {cure}.",
                path=printable(path),
                name=tensor.name[:80],
                cure=_fix(path),
            )
        )
    bits = _BITS.get(kind) or 8 * int(helper.tensor_dtype_to_np_dtype(kind).itemsize)
    return (count * bits + 7) // 8


def _fill(tensor: Any, place: Mapping[str, str], source: Any, path: Path | str) -> None:
    """Read the numbers of one tensor. Raises `DamagedFile` where they are not all there."""
    from onnx import TensorProto

    wanted, whole = _size(tensor, path), source.seek(0, 2)
    try:
        start = int(place.get("offset") or 0)
        length = int(place["length"]) if place.get("length") else whole - start
    except ValueError:
        start, length = -1, 0
    if start < 0 or length != wanted or start + length > whole:
        raise DamagedFile(
            _(
                "{location} is not the file of weights that {path} was written with: {name!r} is not the {wanted:,} "
                "bytes at {place} of its {whole:,}; copy both files again, or export again.",
                location=place["location"],
                path=printable(path),
                name=tensor.name[:80],
                wanted=wanted,
                place=place.get("offset") or 0,
                whole=whole,
            )
        )
    source.seek(start)
    data = source.read(length)
    if len(data) != length:
        raise DamagedFile(_("{location} became shorter while it was read; run again.", location=place["location"]))
    tensor.raw_data = data
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _fix(path: Path | str) -> str:
    name = Path(path).name
    return _("make it one file: python -c \"import onnx; onnx.save(onnx.load('{name}'), 'whole.onnx')\"", name=name)
