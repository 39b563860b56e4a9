"""Move the photos that a list names, and nothing else; nothing is deleted or overwritten.

In: the folder of the training photos, a CSV with the columns file,to that a person has read. Out: how many were moved.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from penult import store, untrusted
from penult.errors import InputError, OutputError
from penult.texts import printable


def apply(source: str, listing: str) -> int:
    """Move each `file` of the list to `to`, both relative to the folder `source`, and return how many were moved.

    `to` is the new name, or a folder where it ends with a slash or is one. Everything is checked before the first move.
    Raises `InputError` for a list or file that cannot be used, `OutputError` where a move fails.
    """
    root = Path(source)
    if not root.is_dir():
        raise InputError(f"{printable(source)} is not a folder; nothing was moved. Give the folder of class folders.")
    moves = [_checked(root, file, to, listing) for file, to in _read(listing)]
    for column, what in ((0, "moved twice"), (1, "the place of two photos")):
        counts = Counter(move[column] for move in moves)
        twice = next((place for place, times in counts.items() if times > 1), None)
        if twice is not None:
            raise InputError(f"{listing}: {printable(str(twice))} would be {what}; nothing was moved. Fix the list.")
    for done, (old, new) in enumerate(moves):
        store.make_folder(new.parent)
        try:
            shutil.move(old, new)
        except OSError as error:
            raise OutputError(
                f"{printable(str(old))} cannot be moved ({error.strerror}); {done} before it were. "
                "Take those off the list and run it again."
            ) from error
    return len(moves)


def _read(listing: str) -> list[tuple[str, str]]:
    found = []
    try:
        table = untrusted.read_csv(listing)
        _, header = next(table, (0, [""]))
        if not {"file", "to"} <= set(header):
            raise InputError(f"{listing} lacks the columns file,to; nothing was moved. Write one line a photo to move.")
        at = header.index("file"), header.index("to")
        for line, cells in table:
            if max(at) >= len(cells) or not all(cells[i] for i in at):
                raise InputError(
                    f"{listing}: line {line} lacks `file` or `to`; nothing was moved. Fill it in, or take it off the list."
                )
            found.append((cells[at[0]], cells[at[1]]))
    except InputError:
        raise
    except untrusted.CSV_ERRORS as error:
        raise InputError(f"the list {listing} cannot be read ({error}); nothing was moved. Check its name.") from error
    return found


def _checked(root: Path, file: str, to: str, listing: str) -> tuple[Path, Path]:
    """Return the photo's path and its new one, both inside `root`."""
    old, new = root / file, root / to
    try:
        return _inside(root, old, new, to, listing)
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long, a zero byte, links in a ring
        if isinstance(error, InputError):
            raise
        what = f"{printable(file[:200])} to {printable(to[:200])}"
        raise InputError(
            f"{listing}: {what} cannot be moved ({str(error)[:200]}); nothing was moved. Fix the list."
        ) from error


def _inside(root: Path, old: Path, new: Path, to: str, listing: str) -> tuple[Path, Path]:
    if to.endswith("/") or new.is_dir():
        new = new / old.name
    for path in (old, new):
        if not path.resolve().is_relative_to(root.resolve()):
            raise InputError(f"{listing}: {printable(str(path))} is outside {root}; nothing was moved. Fix the list.")
    if not old.is_file():
        raise InputError(f"{listing}: {printable(str(old))} was not found; nothing was moved. Fix the list.")
    if new.exists():
        raise InputError(f"{listing}: {printable(str(new))} exists already; nothing was moved. Give another name.")
    return old, new
