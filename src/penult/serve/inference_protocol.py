"""The Open Inference Protocol (v2, REST) as KServe, Triton and OpenVINO Model Server speak it, for encoded photos.

One input `image` of datatype BYTES and shape [n], a photo each: in JSON as base64, or as bytes behind the JSON (the binary
tensor extension: four bytes of length before each photo). Outputs: `label`, `confidence`, `probabilities` (n, k), and
`novelty` where the model knows it.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penult import untrusted
from penult.i18n import _
from penult.predict import Prediction
from penult.serve.models import ServedModel
from penult.web import FormFile, Refusal

INPUT = "image"
LENGTH = b"inference-header-content-length"
EXTENSIONS = ("binary_tensor_data",)
MOST_VALUES = 10_000  # of the JSON, beside the photos
_NUMBERS = {"FP64": "<f8"}


@dataclass(frozen=True, slots=True)
class InferRequest:
    """What is asked: the photos, the id to send back, and each wanted output with whether it shall be binary."""

    photos: tuple[FormFile, ...]
    id: str
    outputs: Mapping[str, bool]


def tensors(served: ServedModel) -> dict[str, tuple[str, list[int]]]:
    """Return the outputs of a model: datatype and shape of each, -1 for the number of photos."""
    found = {"label": ("BYTES", [-1]), "confidence": ("FP64", [-1]), "probabilities": ("FP64", [-1, len(served.classes)])}
    return found if served.model.novelty is None else {**found, "novelty": ("FP64", [-1])}


def metadata(served: ServedModel) -> dict[str, Any]:
    """Return the metadata of a model; its classes stand in the parameters of `probabilities`."""
    outputs: list[dict[str, Any]] = [
        {"name": name, "datatype": datatype, "shape": shape} for name, (datatype, shape) in tensors(served).items()
    ]
    outputs[2]["parameters"] = {"labels": list(served.classes)}
    inputs = [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}]
    return {"name": served.name, "versions": [served.version], "platform": "penult", "inputs": inputs, "outputs": outputs}


def parse(body: bytes, headers: Mapping[bytes, bytes], served: ServedModel, most: int) -> InferRequest:
    """Return what the body of an inference request asks. Raises `Refusal` for one that is not of the protocol."""
    declared = headers.get(LENGTH)
    if declared is not None and (not declared.isdigit() or len(declared) > 12 or int(declared) > len(body)):
        raise Refusal(400, _("Inference-Header-Content-Length is no number of bytes of this body."))
    split = len(body) if declared is None else int(declared)
    asked = _json(body[:split] if declared is not None else body)
    if not isinstance(asked, dict) or not isinstance(asked.get("inputs"), list):
        raise Refusal(400, _("an inference request is a JSON object with a list `inputs`."))
    given = [one for one in asked["inputs"] if isinstance(one, dict)]
    if len(given) != 1 or given[0].get("name") != INPUT or len(asked["inputs"]) != 1:
        raise Refusal(400, _("the model has one input, `{name}`; give that and no other.", name=INPUT))
    identity = asked.get("id", "")
    if not isinstance(identity, str) or len(identity) > 500:
        raise Refusal(400, _("`id` is not a text of at most 500 letters."))
    photos = _photos(given[0], memoryview(body)[split:], most)
    return InferRequest(photos, identity, _outputs(asked, served))


def _json(data: bytes) -> Any:
    try:
        return untrusted.parse_json(data, MOST_VALUES)
    except ValueError as error:  # of the text or of its encoding
        raise Refusal(400, _("the body is no JSON that can be read: {error}.", error=str(error)[:200])) from None


def _parameters(thing: Mapping[str, Any]) -> Mapping[str, Any]:
    found = thing.get("parameters")
    return found if isinstance(found, dict) else {}


def _photos(tensor: Mapping[str, Any], behind: memoryview, most: int) -> tuple[FormFile, ...]:
    shape, data = tensor.get("shape"), tensor.get("data")
    if tensor.get("datatype") != "BYTES":
        raise Refusal(400, _("the input `{name}` is of datatype BYTES: photos as files have them.", name=INPUT))
    if not isinstance(shape, list) or not all(type(side) is int and 0 <= side <= 1_000_000 for side in shape) or not shape:
        raise Refusal(400, _("`shape` is not a list of whole numbers, such as [1]."))
    count = math.prod(shape)
    if not 1 <= count <= most:
        raise Refusal(
            413 if count else 400, _("`shape` says {count} photos; send 1 to {most} at once.", count=count, most=most)
        )
    size = _parameters(tensor).get("binary_data_size")
    if size is not None:
        if type(size) is not int or size != len(behind):
            raise Refusal(
                400,
                _(
                    "binary_data_size is {size}, and {n} bytes stand behind the JSON.",
                    size=str(size)[:20],
                    n=len(behind),
                ),
            )
        found = _split(behind, most)
    elif isinstance(data, list) and len(behind) == 0:
        found = _decoded(data, most)
    else:
        raise Refusal(
            400, _("the input `{name}` needs `data`, or `binary_data_size` and the bytes behind the JSON.", name=INPUT)
        )
    if len(found) != count:
        raise Refusal(400, _("`shape` says {n} photos, and there are {m}.", n=count, m=len(found)))
    return tuple(FormFile(f"photo {i + 1}", photo) for i, photo in enumerate(found))


def _split(data: memoryview, most: int) -> list[bytes]:
    """Return the elements of a binary BYTES tensor: the length of each, four bytes little-endian, stands before it."""
    found: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "little")
        if at + 4 + size > len(data) or len(found) == most:
            raise Refusal(400, _("the lengths in the binary data do not fit its size, or there are too many photos."))
        found.append(bytes(data[at + 4 : at + 4 + size]))
        at += 4 + size
    return found


def _decoded(data: list[Any], most: int) -> list[bytes]:
    while len(data) == 1 and isinstance(data[0], list):  # nested as the shape is, or flat
        data = data[0]
    if len(data) > most or not all(isinstance(text, str) for text in data):
        raise Refusal(400, _("`data` is not a list of at most {most} photos in base64.", most=most))
    try:
        return [base64.b64decode(text, validate=True) for text in data]
    except (binascii.Error, ValueError):
        raise Refusal(400, _("`data` is not base64; send photos so, or as binary data behind the JSON.")) from None


def _outputs(asked: Mapping[str, Any], served: ServedModel) -> dict[str, bool]:
    """Return the outputs that are wanted, all where none is named, and whether each shall be binary."""
    known, binary = tensors(served), _parameters(asked).get("binary_data_output") is True
    wanted = asked.get("outputs")
    if wanted is None or wanted == []:
        return dict.fromkeys(known, binary)
    if not isinstance(wanted, list) or not all(isinstance(one, dict) and one.get("name") in known for one in wanted):
        raise Refusal(400, _("`outputs` names something else than {known}.", known=", ".join(known)))
    if any("classification" in _parameters(one) for one in wanted):
        raise Refusal(400, _("the classification extension is not there; `probabilities` has all classes."))
    return {one["name"]: _parameters(one).get("binary_data", binary) is True for one in wanted}


def respond(asked: InferRequest, served: ServedModel, answers: Sequence[Prediction]) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of the answer; every photo could be read."""
    values: dict[str, Any] = {
        "label": [one.label for one in answers],
        "confidence": [one.confidence for one in answers],
        "probabilities": [p for one in answers for p in one.probabilities.values()],
        "novelty": [_finite(one.novelty) for one in answers],
    }
    known, outputs, behind = tensors(served), [], []
    for name, binary in asked.outputs.items():
        datatype, shape = known[name]
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": [len(answers), *shape[1:]]}
        if binary:
            packed = _packed(datatype, values[name])
            output["parameters"] = {"binary_data_size": len(packed)}
            behind.append(packed)
        else:
            output["data"] = values[name]
        outputs.append(output)
    said: dict[str, Any] = {"model_name": served.name, "model_version": served.version, "outputs": outputs}
    if asked.id:
        said["id"] = asked.id
    text = json.dumps(said, allow_nan=False).encode()
    if not behind:
        return text, {"content-type": "application/json"}
    headers = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(text))}
    return b"".join([text, *behind]), headers


def _finite(novelty: float | None) -> float:
    """Return the novelty, as far as JSON has it; 0 where the model has none."""
    return 0.0 if novelty is None or math.isnan(novelty) else min(novelty, sys.float_info.max)


def _packed(datatype: str, values: Sequence[Any]) -> bytes:
    if datatype == "BYTES":
        texts = [value.encode("utf-8", "surrogateescape") for value in values]
        return b"".join(len(text).to_bytes(4, "little") + text for text in texts)
    return np.asarray(values, _NUMBERS[datatype]).tobytes()
