"""Explanations as PNG files: the photo, the heat over it, the scale, a caption.

In: an `Explanation`, a folder. Out: the path that was written.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from penult import plots, store
from penult.explain.explanation import NAMES, Explanation
from penult.floats import default_errors

_LONGEST = 60  # signs of the photo's own name


def file_name(explanation: Explanation) -> str:
    """Return a name for its picture that any system takes and no other explanation has: `cat.12-dog-1f6e09ab.png`.

    The digits are of file, class and method, so the same explanation gets the same name again.
    """
    facts = (explanation.file, explanation.label, explanation.method)
    digest = hashlib.sha256("\0".join(facts).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    stem = explanation.file.replace("\\", "/").rsplit("/", 1)[-1].rpartition(".")
    return f"{_plain(stem[0] or stem[2])}-{_plain(explanation.label)}-{digest}.png"


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "_", text).strip("._")[:_LONGEST] or "_"


@default_errors
def write(explanation: Explanation, folder: str | os.PathLike[str]) -> Path:
    """Write the picture of an explanation into a folder, whole or not at all, and return its path.

    Raises `OutputError` where the folder cannot be written.
    """
    caption = plots.Caption(
        explanation.label,
        explanation.probability,
        explanation.file,
        NAMES[explanation.method],
        f"scale: {explanation.unit}",
        explanation.seen,
    )
    figure = plots.explained(explanation.photo, explanation.shown, caption)
    path = Path(folder) / file_name(explanation)
    with store.atomic_write(path) as file:
        file.write(plots.png(figure))
    return path
