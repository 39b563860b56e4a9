"""Read an ONNX file that somebody else wrote.

In: a path. Out: the model, checked, and the sha256 of the file. Nothing else is read than this file and the files of weights
beside it that it names; nothing in it is run here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penult import untrusted
from penult.backbones import onnx_guard
from penult.errors import DamagedFile, InputError
from penult.zoo import onnx_edit, onnx_external
from penult.zoo.onnx_functions import every_node, written_out
from penult.zoo.onnx_shapes import first_line

OLDEST = 7  # of the operator sets: from 7 on, arithmetic broadcasts as numpy's does


def read(path: Path | str) -> tuple[Any, str]:
    """Return the model in an ONNX file, its local functions written out, and the sha256 (hex) of the file.

    Weights that stand in files beside it are read into it, and the digest is of all these files. Raises `InputError` for a
    file that is not there, too large, or asks for what is not in it (operators of others, a newer ONNX, files that must not be
    read), `DamagedFile` for one that is no whole ONNX file.
    """
    data = _bytes(Path(path))
    model = _parsed(data, path)
    _refuse_versions(model, path)
    weights = hashlib.sha256(data).hexdigest()
    weights = onnx_external.of_parts(path, weights, onnx_external.load(model, _tensors(model), path))
    _checked(model, path)
    model = written_out(model, path)
    _refuse_operators(model, path)
    return model, weights


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > onnx_edit.LARGEST:
            raise InputError(
                f"{path} has {size / 1e9:.1f} GB, and one ONNX file can hold {onnx_edit.LARGEST / 1e9:.1f}; "
                "take a smaller sibling."
            )
        return untrusted.content(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _parsed(data: bytes, path: Path | str) -> Any:
    import onnx

    if data.startswith(b"version https://git-lfs"):
        raise DamagedFile(f"{path} is a pointer of Git LFS and not the file itself; fetch it: git lfs pull")
    try:
        onnx_guard.check(data, outside=True)  # `onnx_external` looks at those
    except ValueError as error:
        raise DamagedFile(
            f"{path} is not an ONNX file, or not a whole one, or not to be trusted: {error}; or fetch it again."
        ) from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # what protobuf raises depends on its version
        raise DamagedFile(f"{path} is not an ONNX file, or not a whole one ({error}); export or fetch it again.") from error
    if not model.graph.node:
        raise DamagedFile(f"{path} has no network in it; export or fetch it again.")
    return model


def _refuse_versions(model: Any, path: Path | str) -> None:
    import onnx

    newest, cure = onnx.defs.onnx_opset_version(), "export it with opset 17 (or pip install -U onnx openvino)"
    opset = next((o.version for o in model.opset_import if onnx_edit.domain_of(o) == ""), 1)
    if model.ir_version > onnx.IR_VERSION:
        raise InputError(f"{path} has the ONNX format {model.ir_version}, newer than {onnx.IR_VERSION}, known here; {cure}.")
    if not OLDEST <= opset <= newest:
        raise InputError(f"{path} has ONNX's operators of version {opset}, and {OLDEST} to {newest} are known here; {cure}.")


def _tensors(message: Any) -> Iterator[Any]:
    """Yield every `TensorProto` in a protobuf message: in attributes, subgraphs and functions, too."""
    from onnx import TensorProto

    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(inner)


def _checked(model: Any, path: Path | str) -> None:
    from onnx import checker, numpy_helper

    try:
        checker.check_model(model)
        for tensor in _tensors(model):  # the checker does not count the numbers
            numpy_helper.to_array(tensor)
    except Exception as error:  # beside its own errors the checker raises what protobuf and C++ do
        raise DamagedFile(f"{path} is no sound ONNX file: {first_line(error)}; export or fetch it again.") from error


def _refuse_operators(model: Any, path: Path | str) -> None:
    """Raise `InputError` for operators that are not ONNX's own, and for a network that is still in training."""
    nodes = list(every_node(model.graph.node))
    foreign = sorted({f"{node.domain}:{node.op_type}" for node in nodes if onnx_edit.domain_of(node)})
    if foreign:
        raise InputError(f"{path} needs operators that are not ONNX's own: {_some(foreign)}; export it with standard ones.")
    if any(node.op_type == "BatchNormalization" and _learns(node) for node in nodes):
        raise InputError(f"{path} was exported as it trains, not as it is used; call model.eval() before the export.")


def _learns(node: Any) -> bool:
    return any(attribute.name == "training_mode" and attribute.i for attribute in node.attribute)


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
