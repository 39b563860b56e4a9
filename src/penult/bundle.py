"""The model file `model.penult`: save and load, whole or not at all, and nothing in it can run.

A zip whose members are stored, never compressed: `SHA256SUMS`, `bundle.json`, `graphs/N.onnx`, and arrays as `head/NAME.npy`,
`selftest/NAME.npy` and `novelty/NAME.npy`. No pickle. Every member is checked against its sha256 before it is parsed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import engines, store
from penult.backbones import Backbone
from penult.errors import DamagedFile, InputError
from penult.heads import HeadState
from penult.heads.novelty import Reference

FORMAT = 1
_SUMS = "SHA256SUMS"
_MEMBER = re.compile(r"bundle\.json|graphs/\d{1,3}\.onnx|(head|selftest|novelty)/[A-Za-z0-9_]{1,64}\.npy")
_KINDS = "fiub"  # floats, integers, booleans; never objects


@dataclass(frozen=True, slots=True)
class Bundle:
    """A trained classifier, complete: what it looks through, how it decides, and what it measured.

    `backbones` is empty for a model trained from feature files; it then predicts from features of the widths `blocks`.
    `prior` (k,) is what an unreadable image gets; `selftest` has sample images and their expected probabilities; `novelty`
    tells how unlike the training photos an image is, None in a model that was saved without it.
    """

    classes: tuple[str, ...]
    backbones: tuple[Backbone, ...]
    blocks: tuple[int, ...]
    head: HeadState
    prior: NDArray[np.float64]  # (k,)
    engine: str = "none"
    precision: str = "none"
    selftest: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    novelty: Reference | None = None


def precision_here(model: Bundle, asked: str, device: str) -> str:
    """Return the precision to compute in: where `auto` is asked that of training, or f32 where this machine lacks it.

    Raises `InputError` where int8 is asked of a model without networks in int8.
    """
    if model.precision == "int8" or not model.backbones:
        return asked  # the networks say it
    if asked == "int8":
        raise InputError(
            f"this model was trained in {model.precision} and has no networks in int8; leave --precision out, or train again "
            "with --precision int8."
        )
    if asked != "auto" or model.precision == "f32":
        return "f32" if asked == "auto" else asked
    return model.precision if model.precision in engines.precisions(device) else "f32"


def save(path: str | Path, bundle: Bundle) -> None:
    """Write the bundle under its final name only when it is complete."""
    members: dict[str, bytes] = {}
    for i, backbone in enumerate(bundle.backbones):
        members[f"graphs/{i}.onnx"] = backbone.graph()
    unlike = {} if bundle.novelty is None else bundle.novelty.arrays
    for folder, arrays in (("head", bundle.head.arrays), ("selftest", bundle.selftest), ("novelty", unlike)):
        for name, array in arrays.items():
            members[f"{folder}/{name}.npy"] = _npy(np.asarray(array))
    members["bundle.json"] = json.dumps(_describe(bundle), indent=1, sort_keys=True).encode()
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in sorted(members.items()))
    with store.whole(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in [(_SUMS, sums.encode()), *sorted(members.items())]:
            archive.writestr(zipfile.ZipInfo(name), data)  # a fixed date: same model, same bytes


def _describe(bundle: Bundle) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "classes": list(bundle.classes),
        "backbones": [b.to_dict() for b in bundle.backbones],
        "blocks": list(bundle.blocks),
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


def load(path: str | Path) -> Bundle:
    """Read a bundle. Raises `InputError` when there is none, `DamagedFile` when a byte of it is not as it was saved."""
    path = Path(path)
    if path.is_dir() and (path / "model.penult").is_file():
        path = path / "model.penult"
    store.ownfiles.check(path)
    try:
        with path.open("rb") as file:
            members = _members(path, file)
    except FileNotFoundError:
        raise InputError(f"there is no model at {path}; `penult train` writes one as RUN/model.penult.") from None
    except DamagedFile:
        raise
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError) as error:
        raise DamagedFile(f"{path} is not a whole penult model ({error}); copy it again, or train again.") from error
    try:
        return _parse(path, members)
    except DamagedFile:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile(f"{path} is a zip, but not a penult model ({error!r}); train again.") from error


def _members(path: Path, file: Any) -> dict[str, bytes]:
    """Return the members, each equal to its sha256; nothing has been parsed yet."""
    size = file.seek(0, 2)
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = [e.filename for e in entries]
        if len(set(names)) != len(names) or _SUMS not in names:
            raise DamagedFile(f"{path} is not a penult model (no list of checksums, or a name twice in it); get a fresh copy.")
        if any(e.compress_type != zipfile.ZIP_STORED or e.flag_bits & 1 for e in entries):
            raise DamagedFile(f"{path} is not a penult model: its members are compressed or encrypted; get a fresh copy.")
        if sum(e.file_size for e in entries) > size:
            raise DamagedFile(f"{path} claims to hold more than its own {size} bytes, so it was made to deceive; remove it.")
        data = {name: archive.read(name) for name in names}
    lines = (line.partition("  ") for line in data.pop(_SUMS).decode().splitlines())
    sums = {name: digest for digest, _, name in lines}
    strange = sorted({n for n in data if not _MEMBER.fullmatch(n)} | (set(sums) ^ set(data)))
    changed = sorted(n for n in data if n not in strange and hashlib.sha256(data[n]).hexdigest() != sums[n])
    if strange or changed:
        raise DamagedFile(
            f"{path} was damaged or changed after it was saved: {', '.join(strange + changed)}; "
            "copy it again from where it was made, or train again."
        )
    return data


def _parse(path: Path, members: dict[str, bytes]) -> Bundle:
    about = json.loads(members["bundle.json"])
    if about["format"] > FORMAT:
        raise DamagedFile(
            f"{path} has format {about['format']}, this penult reads up to {FORMAT}; pip install --upgrade penult."
        )
    backbones = tuple(Backbone.from_dict(record, members[f"graphs/{i}.onnx"]) for i, record in enumerate(about["backbones"]))
    state = HeadState(about["head"]["kind"], _arrays(path, members, "head"), about["head"]["facts"])
    return Bundle(
        tuple(about["classes"]),
        backbones,
        tuple(about["blocks"]),
        state,
        np.asarray(about["prior"], np.float64),
        about["engine"],
        about["precision"],
        _arrays(path, members, "selftest"),
        about["facts"],
        None if about.get("novelty") is None else Reference(_arrays(path, members, "novelty"), about["novelty"]),
    )


def _arrays(path: Path, members: dict[str, bytes], folder: str) -> dict[str, NDArray[Any]]:
    found = {n: d for n, d in members.items() if n.startswith(folder + "/")}
    return {n[len(folder) + 1 : -4]: _array(path, n, d) for n, d in found.items()}


def _array(path: Path, name: str, data: bytes) -> NDArray[Any]:
    """Return one array; its header must describe exactly the bytes that follow, so nothing large is allocated."""
    buffer = io.BytesIO(data)
    if np.lib.format.read_magic(buffer) != (1, 0):
        raise DamagedFile(f"{name} in {path} has an unknown array format; train again.")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(buffer)
    rest = memoryview(data)[buffer.tell() :]
    count = 1
    for side in shape:
        count *= side
    if dtype.kind not in _KINDS or dtype.hasobject or count * dtype.itemsize != len(rest):
        raise DamagedFile(f"{name} in {path} does not hold what its header says ({dtype}, {shape}); train again.")
    return np.frombuffer(rest, dtype).reshape(shape, order="F" if fortran else "C")
