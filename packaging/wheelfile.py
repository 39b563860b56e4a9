"""Write a wheel that is another one with changes: a wheel is a zip file with a list of its files and their sha256."""

from __future__ import annotations

import base64
import copy
import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path


def rewrite(
    wheel: Path, made: Path, change: Callable[[str, bytes], tuple[str, bytes]], added: Mapping[str, bytes] | None = None
) -> Path:
    """Write the wheel `made`, whose files are what `change` makes of the (name, content) of each, and those `added`.

    Times and permissions stay. Returns `made`.
    """
    lines = []
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        (record,) = [entry for entry in old.infolist() if entry.filename.endswith(".dist-info/RECORD")]
        files = [(entry, *change(entry.filename, old.read(entry))) for entry in old.infolist() if entry is not record]
        for entry, name, data in [*files, *((record, name, data) for name, data in (added or {}).items())]:
            renamed = copy.copy(entry)
            renamed.filename = name
            new.writestr(renamed, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            lines.append(f"{name},sha256={digest},{len(data)}")
        last = copy.copy(record)
        last.filename, _ = change(record.filename, b"")
        new.writestr(last, "\n".join([*lines, f"{last.filename},,"]) + "\n")
    return made
