"""Golden features of every built-in backbone: `python tests/golden/renew.py` computes and writes them anew.

Renew them only when they must change (picture or recipe); prove the new ones against timm first:
`pytest -m timm tests/test_backbones_timm.py`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("features.npz")
FIRST = 16


def picture(size: int) -> NDArray[np.uint8]:
    """Return the picture (1, size, size, 3) that the golden features describe: rings, stripes and a slope."""
    y, x = np.mgrid[:size, :size].astype(np.int64)
    rings = ((x - size // 3) ** 2 + (y - size // 2) ** 2) * 900 // size**2
    stripes = (x * 7 + y * 3) // 5 % 2 * 160 + 40
    slope = (x + 2 * y) * 255 // (3 * size)
    return (np.stack([rings, stripes, slope], axis=-1) % 256).astype(np.uint8)[None]


def features() -> dict[str, NDArray[np.float32]]:
    """Return for each backbone the first 16 features of the picture in f32 and the length of all."""
    from penult import backbones, engines

    found = {}
    for backbone in backbones.table():
        vector = engines.open_engine(backbone, "cpu", "f32")(picture(backbone.recipe.size))[0]  # (d,)
        found[backbone.name] = np.append(vector[:FIRST], np.linalg.norm(vector)).astype(np.float32)
    return found


if __name__ == "__main__":
    np.savez(FILE, **features())
    print(f"wrote {FILE}")
