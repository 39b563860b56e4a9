"""Read a model file, from anywhere: first what it is made of, then every member's sum, then what each says.

In: a path. Out: a `Bundle` that fits itself, or one sentence.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from penult import runs, untrusted
from penult.backbones import Backbone
from penult.bundle.model import ABOUT, FORMAT, SUMS, Bundle
from penult.bundle.sound import check
from penult.errors import DamagedFile, InputError, PenultError
from penult.heads import HeadState
from penult.heads.novelty import NoveltyReference
from penult.texts import printable

_MEMBER = re.compile(r"bundle\.json|graphs/\d{1,3}\.onnx|(head|selftest|novelty)/[A-Za-z0-9_]{1,64}\.npy|seen/digests\.npy")
_MOST = 1000  # members
WRONG = (PenultError, KeyError, TypeError, ValueError, ArithmeticError, AttributeError, IndexError)
_TOLD = 10  # names of members in a message


def load(path: str | Path) -> Bundle:
    """Read a bundle. Raises `InputError` when there is none, `DamagedFile` when a byte of it is not as it was saved."""
    path = Path(path)
    if path.is_dir() and (path / "model.penult").is_file():
        path = path / "model.penult"
    if path.is_dir():
        raise InputError(
            f"{printable(path)} is a folder without a model.penult; give the folder of a run, or its model.penult."
        )
    runs.check(path)
    try:
        with untrusted.open_file(path) as file:
            members = _members(path, file)
    except FileNotFoundError:
        raise InputError(f"there is no model at {printable(path)}; `penult train` writes one as RUN/model.penult.") from None
    except DamagedFile:
        raise
    except (*untrusted.ZIP_ERRORS, OSError) as error:
        raise DamagedFile(
            f"{printable(path)} is not a whole penult model ({error}); copy it again, or train again."
        ) from error
    try:
        return parse(members)
    except WRONG as error:
        raise DamagedFile(f"{printable(path)} is a zip, but not a penult model: {reason(error)}; train again.") from error


def reason(error: Exception) -> str:
    """Return what is wrong with a model, as `parse` found it, for the middle of a sentence."""
    what = str(error) if isinstance(error, PenultError | ValueError) else repr(error)
    return printable(what[:300].rstrip(".;"))


def _members(path: Path, file: IO[bytes]) -> dict[str, bytes]:
    """Return the members, each equal to its sha256; nothing has been parsed yet."""
    archive = untrusted.StoredZip(file, _MOST)
    if SUMS not in archive.names:
        raise ValueError("it has no list of checksums")
    data = {name: archive.read(name) for name in archive.names}
    lines = (line.partition("  ") for line in data.pop(SUMS).decode().splitlines())
    sums = {name: digest for digest, _, name in lines}
    strange = sorted({n for n in data if not _MEMBER.fullmatch(n)} | (set(sums) ^ set(data)))
    changed = sorted(n for n in data if n not in strange and hashlib.sha256(data[n]).hexdigest() != sums[n])
    if strange or changed:
        wrong = [printable(name[:80]) for name in strange + changed]
        more = f" and {len(wrong) - _TOLD} more" if len(wrong) > _TOLD else ""
        raise DamagedFile(
            f"{printable(path)} was damaged or changed after it was saved: {', '.join(wrong[:_TOLD])}{more}; "
            "copy it again from where it was made, or train again."
        )
    return data


def parse(members: dict[str, bytes]) -> Bundle:
    """Return the model that the members of a file make up. Raises one of `WRONG` where they make up none."""
    about = untrusted.parse_json(members[ABOUT])
    version = about["format"]
    if type(version) is not int or version < 1:
        raise ValueError(f"its format is {str(version)[:40]!r}, which is no number")
    if version > FORMAT:
        raise ValueError(f"it has format {version}, this penult reads up to {FORMAT}; pip install --upgrade penult")
    backbones = tuple(Backbone.from_dict(record, members[f"graphs/{i}.onnx"]) for i, record in enumerate(about["backbones"]))
    head = about["head"]
    if not isinstance(about["classes"], list) or not isinstance(about["blocks"], list):
        raise ValueError("its classes or blocks are no lists")
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
                raise ValueError(f"{name} does not hold what its header says ({error})") from None
    return found
