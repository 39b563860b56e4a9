"""Drawn fruit: pictures that belong to nobody, as the tutorials have them."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "tutorials"))

from photos import KINDS, SIDE, picture


def lay_out(folder: Path, each: int = 70) -> None:
    """Write the pictures as `<kind>/<kind>.<n>.jpg`, with a few mistakes of the kind that people make."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            Image.fromarray(picture(kind, i)).save(folder / kind / f"{kind}.{i}.jpg", quality=88)
    for number, (kind, other) in enumerate((("apple", "pear"), ("plum", "apple"), ("lemon", "pear"), ("pear", "lemon"))):
        source = folder / kind / f"{kind}.{20 + number}.jpg"
        source.rename(folder / other / f"{other}.{each + number}.jpg")
    for kind, other in (("apple", "plum"), ("lemon", "lemon")):
        copy = (folder / kind / f"{kind}.5.jpg").read_bytes()
        (folder / other / f"{other}.{each + 9}.jpg").write_bytes(copy)
    Image.new("RGB", (SIDE, SIDE), (4, 4, 5)).save(folder / "plum" / f"plum.{each + 12}.jpg")
