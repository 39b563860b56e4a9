"""The run folder: where results go, and proof that a folder is one.

In: the folder that `--out` names. Out: that folder, ready for writing.
It must not know what a run writes.
"""

from __future__ import annotations

from pathlib import Path

from penult.errors import OutputError
from penult.store.files import make_folder, write_text
from penult.store.leftovers import sweep
from penult.store.refusals import ELSEWHERE, refused, shown

_MARK = ".penult-run"


def open_run(folder: Path | str) -> Path:
    """Return the run folder, made if it is missing and swept of what a killed run left.

    Raises `OutputError` for a folder that can not be written, and for one with files in it that is no run:
    a run replaces files, and those would be somebody's.
    """
    folder = Path(folder)
    make_folder(folder)
    sweep(folder)
    mark = folder / _MARK
    try:
        held = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    except OSError as error:
        raise refused(error, folder) from error
    if held and not mark.is_file():
        some = ", ".join(shown(name) for name in held[:3]) + (", ..." if len(held) > 3 else "")
        raise OutputError(
            f"{shown(folder)} is not empty and is no penult run (it holds {some}); {ELSEWHERE}."
        )
    write_text(
        mark, "A run of penult: files in this folder are replaced by the next run with the same --out.\n"
    )
    return folder
