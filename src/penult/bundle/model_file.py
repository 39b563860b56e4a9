"""The model file: a zip of stored members, written and read.

Reading, from anywhere: first what the file is made of, then every member's sum, then what each says. Out: a `Bundle` that fits
itself, or one sentence. Writing: the file is complete or absent; the same model gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from penult import runs, store, untrusted
from penult.backbones import Backbone
from penult.bundle.model import ABOUT, FORMAT, SUMS, Bundle, check
from penult.errors import DamagedFile, InputError, InternalError, PenultError, listed
from penult.heads import HeadState
from penult.heads.novelty import NoveltyReference
from penult.heads.reference import TrainingReference
from penult.i18n import _, in_language
from penult.texts import printable

_MEMBER = re.compile(
    r"bundle\.json|graphs/\d{1,3}\.onnx|(head|selftest|novelty|reference)/[A-Za-z0-9_]{1,64}\.npy|seen/digests\.npy"
)
_MOST = 1000  # members
_WRONG = (PenultError, KeyError, TypeError, ValueError, ArithmeticError, AttributeError, IndexError)
_NAMED, _LONGEST = 10, 400  # names of members in a message, and their printable letters


def load_bundle(path: str | Path) -> Bundle:
    """Read a model file.

    Parameters
    ----------
    path : str or Path
        `model.penult`, or the run folder that it is in.

    Returns
    -------
    Bundle
        What the file holds; `penult.load_model` puts it to work.

    Raises
    ------
    InputError
        There is none.
    DamagedFile
        A byte of it is not as it was saved.

    Examples
    --------
    >>> from penult.bundle import load_bundle
    >>> load_bundle("cats").classes
    ('cat', 'dog')
    """
    path = model_path(path)
    runs.check_file(path)
    try:
        with untrusted.open_file(path) as file:
            return read_bundle(file, str(path))
    except FileNotFoundError:
        raise InputError(
            _("there is no model at {path}; `penult train` writes one as RUN/model.penult.", path=printable(path))
        ) from None
    except OSError as error:  # a pipe, no permission
        raise _incomplete(str(path), error) from error


def model_path(path: str | Path) -> Path:
    """Return the model file of a run's folder, or the file itself. Raises `InputError` for another folder."""
    path = Path(path)
    if path.is_dir() and (path / "model.penult").is_file():
        path = path / "model.penult"
    if path.is_dir():
        raise InputError(
            _(
                "{path} is a folder without a model.penult; give the folder of a run, or its model.penult.",
                path=printable(path),
            )
        )
    return path


def read_bundle(file: IO[bytes], path: str) -> Bundle:
    """Read a bundle from an open file; `path` is what messages call it. Raises `DamagedFile`."""
    try:
        members = _checked_members(path, file)
    except DamagedFile:
        raise
    except (*untrusted.ZIP_ERRORS, OSError) as error:
        raise _incomplete(path, error) from error
    try:
        return parse(members)
    except _WRONG as error:
        raise DamagedFile(
            _("{path} is a zip, but not a penult model: {reason}; train again.", path=printable(path), reason=_reason(error))
        ) from error


def _incomplete(path: str, error: Exception) -> DamagedFile:
    return DamagedFile(
        _("{path} is not a complete penult model ({error}); copy it again, or train again.", path=printable(path), error=error)
    )


def _reason(error: Exception) -> str:
    """Return what is wrong with a model, as `parse` found it, for the middle of a sentence."""
    what = str(error) if isinstance(error, PenultError | ValueError) else repr(error)
    return printable(what[:300].rstrip(".;"))


def _checked_members(path: str, file: IO[bytes]) -> dict[str, bytes]:
    """Return the members, each equal to its sha256; nothing has been parsed yet."""
    archive = untrusted.StoredZip(file, _MOST)
    if SUMS not in archive.names:
        raise ValueError(_("it has no list of checksums"))
    data = {name: archive.read(name) for name in archive.names}
    lines = (line.partition("  ") for line in data.pop(SUMS).decode().splitlines())
    sums = {name: digest for digest, _, name in lines}
    strange = sorted({n for n in data if not _MEMBER.fullmatch(n)} | (set(sums) ^ set(data)))
    changed = sorted(n for n in data if n not in strange and hashlib.sha256(data[n]).hexdigest() != sums[n])
    if strange or changed:
        wrong = [printable(name[:80]) for name in strange + changed]
        raise DamagedFile(
            _(
                "{path} was damaged or changed after it was saved: {files}; copy it again from where it was "
                "made, or train again.",
                path=printable(path),
                files=listed(wrong, _NAMED, _LONGEST),
            )
        )
    return data


def parse(members: dict[str, bytes]) -> Bundle:
    """Return the model that the members of a file make up. Raises one of `_WRONG` where they make up none."""
    about = untrusted.parse_json(members[ABOUT])
    version = about["format"]
    if type(version) is not int or version < 1:
        raise ValueError(_("its format is {version!r}, which is not a number", version=str(version)[:40]))
    if version > FORMAT:
        raise ValueError(
            _(
                "it has format {version}, this penult reads up to {known}; pip install --upgrade penult",
                version=version,
                known=FORMAT,
            )
        )
    backbones = tuple(Backbone.from_dict(record, members[f"graphs/{i}.onnx"]) for i, record in enumerate(about["backbones"]))
    head = about["head"]
    if not isinstance(about["classes"], list) or not isinstance(about["blocks"], list):
        raise ValueError(_("its classes or blocks are not lists"))
    bundle = Bundle(
        tuple(about["classes"]),
        backbones,
        tuple(about["blocks"]),
        HeadState(head["kind"], _arrays(members, "head"), head["facts"]),
        np.asarray(about["prior"], np.float64),
        about["engine"],
        about["precision"],
        _arrays(members, "selftest"),
        about["facts"],
        None if about.get("novelty") is None else NoveltyReference(_arrays(members, "novelty"), about["novelty"]),
        _arrays(members, "seen").get("digests"),
        None if about.get("reference") is None else TrainingReference(_arrays(members, "reference"), about["reference"]),
    )
    check(bundle)
    return bundle


def _arrays(members: dict[str, bytes], folder: str) -> dict[str, NDArray[Any]]:
    found = {}
    for name, data in members.items():
        if name.startswith(folder + "/"):
            try:
                found[name[len(folder) + 1 : -4]] = untrusted.parse_npy(data)
            except ValueError as error:
                raise ValueError(_("{name} does not hold what its header says ({error})", name=name, error=error)) from None
    return found


def save_bundle(path: str | Path, bundle: Bundle) -> None:
    """Write the bundle under its final name only when it is complete, and as `load` will take it.

    Raises `InternalError`, and writes nothing, for a bundle that `load` would refuse.
    """
    members = _members(bundle)
    try:
        with in_language("en"):  # of a bug, and cut below
            parse(members)
    except _WRONG as error:
        wrong = _reason(error).partition("; train again")[0]  # which would not help here
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
    kept = {} if bundle.reference is None else bundle.reference.arrays
    parts = {"head": bundle.head.arrays, "selftest": bundle.selftest, "novelty": unlike, "seen": photos, "reference": kept}
    for folder, arrays in parts.items():
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
        "reference": None if bundle.reference is None else bundle.reference.facts,
    }


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
