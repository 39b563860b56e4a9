"""Acts on labels: what a user did, what it changes, and the bits of a photo's status.

Plain values, which say nothing of how they are kept; `penult.store.labels` keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EXCLUDED, EXAM, NONE_OF_THESE, SKIPPED, KEPT = 1, 2, 4, 8, 16  # bits of a photo's status
UNDO, REDO = "undo", "redo"
IMPORT = "import"  # the labels that photos came with: no act of the user's, so it is not undone, nor is what was before it


@dataclass(frozen=True, slots=True)
class ClassName:
    """A class: its name, the key that gives it, and whether it was removed; its number is its place."""

    name: str
    key: str = ""
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """The new label (-1: none) and status of one photo; the store keeps the old ones. Unchanged values are written, too."""

    photo: int
    label: int
    status: int


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that the user did: what it changes, and what else is to be known of it (JSON; no numbers of photos in it).

    `classes` are new values of classes by their number.
    """

    id: str
    kind: str
    changes: tuple[Change, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    classes: Mapping[int, ClassName] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of an act.

    `kind` is that of the act, or "undo" or "redo"; then `act` is the one that was undone or done again, and `of` its number.
    `changes` are the values that hold since, of photos that the project has now. `repeated`: this id was known.
    """

    seq: int
    kind: str
    act: Act
    of: int
    changes: tuple[Change, ...]
    repeated: bool = False
