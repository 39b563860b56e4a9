"""Golden features of every built-in backbone: `python tests/golden/renew.py` computes and writes them anew.

Renew them only when they must change (picture, recipe or pooling); prove the new ones against timm first:
`pytest -m timm tests/test_backbones_timm.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from penult import backbones, engines
from penult.arrays import drawn_picture as picture

FILE = Path(__file__).with_name("features.npz")
FIRST = 6  # of every part


def open_one(name: str) -> engines.Engine:
    """Return the engine whose features are golden."""
    return engines.open_engine(backbones.find_builtin(name), "cpu", "f32")


def features(engine: Callable[[str], engines.Engine] = open_one) -> dict[str, NDArray[np.float32]]:
    """Return for each backbone a row for each part: its first 6 features of the picture, and its length."""
    found = {}
    for backbone in backbones.builtin_table():
        vector = engine(backbone.name)(picture(backbone.recipe.size))[0]  # (d,)
        parts = np.split(vector, np.cumsum(backbone.blocks)[:-1])
        rows = [np.append(part[:FIRST], np.linalg.norm(part)) for part in parts]
        found[backbone.name] = np.stack(rows).astype(np.float32)  # (parts, 7)
    return found


if __name__ == "__main__":
    np.savez(FILE, **features())
    print(f"wrote {FILE}")
