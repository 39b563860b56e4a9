"""Spoil photos on purpose, audit them, and count what was found: swapped labels, copies, leaks, right labels accused.

    python benchmarks/audit.py --photos FOLDER [--seeds 5] [--cache DIR]

FOLDER has train/<class>/ and test/. 12 labels are swapped, 6 photos copied into the other class, 8 into test (4 of them
resized to 70% and saved again); the set as it is comes first.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from penult.embed import EmbedOptions
from penult.training import TrainOptions
from penult.training.findings import audit_photos


@dataclass
class Spoilt:
    """What was done: ids of photos in the wrong class, of copies in the other class, and names of leaked test photos."""

    swapped: set[str] = field(default_factory=set)
    copied: set[str] = field(default_factory=set)
    leaked: set[str] = field(default_factory=set)


def spoil(photos: Path, target: Path, seed: int) -> Spoilt:
    """Copy the photos to `target`, and spoil them there."""
    shutil.copytree(photos / "train", target / "train")
    shutil.copytree(photos / "test", target / "test")
    done, rng = Spoilt(), np.random.default_rng(seed)
    first, second = sorted(p.name for p in (target / "train").iterdir() if p.is_dir())
    other = {first: second, second: first}
    files = sorted(p for p in (target / "train").rglob("*.jpg"))
    chosen = [files[i] for i in rng.permutation(len(files))[:26]]
    folder = next((p for p in (target / "test").iterdir() if p.is_dir()), target / "test")
    for number, path in enumerate(chosen):
        wrong = f"{other[path.parent.name]}/x{number}-{path.name}"
        if number < 12:
            path.rename(target / "train" / wrong)
            done.swapped.add(wrong)
        elif number < 18:
            shutil.copyfile(path, target / "train" / wrong)
            done.copied.add(wrong)
        else:
            name = f"leak{number}.jpg"
            (folder / name).write_bytes(path.read_bytes() if number < 22 else saved_again(path))
            done.leaked.add(name)
    return done


def saved_again(path: Path) -> bytes:
    """Return the photo at 70% of its size, as a JPEG of quality 70."""
    with Image.open(path) as photo:
        small = photo.convert("RGB").resize((photo.width * 7 // 10, photo.height * 7 // 10), Image.Resampling.BICUBIC)
    data = io.BytesIO()
    small.save(data, "JPEG", quality=70)
    return data.getvalue()


def counted(target: Path, done: Spoilt, options: TrainOptions) -> dict[str, int]:
    """Audit `target` and count what was found of what was done; a copy in the wrong class has no right label."""
    found = audit_photos(str(target / "train"), str(target / "test"), options).findings
    doubted = {one.file for one in found if one.kind == "label"}
    copies = {name for one in found if one.kind == "copy" for name in (one.file, one.related)}
    leaks = {Path(one.file).name for one in found if one.kind == "leak"}
    other = {one.file for one in found if one.kind not in ("label", "copy", "leak")}
    return {
        "swapped": len(doubted & done.swapped),
        "copied": len(copies & done.copied),
        "leaked": len(leaks & done.leaked),
        "accused": len(doubted - done.swapped - done.copied),
        "leaks_wrong": len(leaks - done.leaked),
        "other": len(other),
    }


def main() -> None:
    """Print one JSON line a set."""
    p = argparse.ArgumentParser(description="spoil photos, audit them, count")
    p.add_argument("--photos", required=True, type=Path)
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--cache")
    asked = p.parse_args()
    options = TrainOptions(settings=EmbedOptions(cache=asked.cache))
    print(json.dumps({"set": "clean", **counted(asked.photos, Spoilt(), options)}), flush=True)
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            done = spoil(asked.photos, Path(folder), seed)
            print(json.dumps({"set": f"seed {seed}", **counted(Path(folder), done, options)}), flush=True)


if __name__ == "__main__":
    main()
