"""Embed 200,000 images, one in 33 of them bad, killed on the way and resumed: memory, descriptors, counts and every row.

    python benchmarks/soak.py                                       about 15 minutes and 4 GB of disk, deleted at the end
    python benchmarks/soak.py --images 20000 --kills 5 --backbone colour_histogram

JPEG photos of 128 x 112 made here: some hundred pictures, each with a comment of its own in every copy, so that all are new to
the cache, and one picture has one row of features, which is known from the originals. The run is `penult embed`, killed by -9
at random moments in its first half, then left alone to the end and watched every second: private memory of it and its
children, and their open descriptors. At the end every row of the file is compared, to the bit. Linux only.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
from peers import photos
from PIL import Image

PICTURES = 300
ONE_BAD_IN = 33  # 3%
FOLDER = 1000  # files


def pictures(folder: Path) -> list[bytes]:
    """Return the JPEG bytes of the originals, made small; they stay in `folder`."""
    made = []
    for path in photos.make(folder, PICTURES):
        with Image.open(path) as picture:
            picture.resize((128, 112)).save(path, quality=85)
        made.append(path.read_bytes())
    return made


def marked(data: bytes, number: int) -> bytes:
    """Return the same picture with its number in a comment."""
    return data[:2] + b"\xff\xfe\x00\x06" + number.to_bytes(4, "big") + data[2:]


def bad(data: bytes, number: int) -> tuple[bytes, str]:
    """Return one of seven kinds of bad file, and the reason that it must get."""
    tail = number.to_bytes(4, "big")
    bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    kinds = [
        (b"", "empty"),
        (data[: len(data) // 2], "truncated"),
        (b"words, no picture " + tail, "not an image"),
        (b"%PDF-1.4 " + tail, "unsupported format"),
        (b"GIF89a" + tail, "damaged"),
        (b"\0" * 40 + tail, "not an image"),
        (bomb + tail * 2, "truncated"),  # its check sum and its data are not there
    ]
    return kinds[number // ONE_BAD_IN % len(kinds)]


def lay_out(folder: Path, made: list[bytes], count: int) -> dict[str, int]:
    """Write the files, and return how often each reason must come."""
    reasons: dict[str, int] = {}
    for i in range(count):
        place = folder / f"{i // FOLDER:04d}"
        if i % FOLDER == 0:
            place.mkdir(parents=True)
        data = marked(made[i % PICTURES], i)
        if i % ONE_BAD_IN == 0:
            data, reason = bad(data, i)
            reasons[reason] = reasons.get(reason, 0) + 1
        (place / f"{i}.jpg").write_bytes(data)
    return reasons


def start(asked: argparse.Namespace, place: Path) -> subprocess.Popen[str]:
    words = ["embed", str(place / "images"), "-b", asked.backbone, "--json"]
    words += ["--out", str(place / "rows.h5"), "--cache", str(place / "cache")]
    return subprocess.Popen(
        [sys.executable, "-m", "penult", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def rows_saved(place: Path) -> int:
    """Return how many rows the shards hold, by their headers."""
    count = 0
    for path in (place / "cache").rglob("shard-*.npz"):
        with np.load(path) as shard:
            count += len(shard["digests"])
    return count


def family(child: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        parent = psutil.Process(child.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return []


def look(child: subprocess.Popen[str]) -> tuple[int, int]:
    """Return private memory (bytes) and open descriptors of a process and its children."""
    memory = descriptors = 0
    for one in family(child):
        try:
            memory += one.memory_full_info().uss
            descriptors += one.num_fds()
        except psutil.Error:  # it has just ended
            continue
    return memory, descriptors


def watch(child: subprocess.Popen[str], cache: Path) -> list[dict[str, float]]:
    """Look every second until the process ends; `saved` is what its cache holds, in bytes."""
    seen = []
    began = time.monotonic()
    while child.poll() is None:
        memory, descriptors = look(child)
        saved = sum(entry.stat().st_size for entry in cache.rglob("shard-*.npz"))
        seen.append({"seconds": time.monotonic() - began, "memory": memory, "descriptors": descriptors, "saved": saved})
        time.sleep(1.0)
    return seen


def check(place: Path, made: list[bytes], count: int, backbone: str) -> int:
    """Compare every row with that of its original; return how many are not the same to the bit."""
    from penult import zoo
    from penult.embed import EmbedOptions, embed

    paths = [place / "originals" / f"{i}.jpg" for i in range(PICTURES)]
    paths[0].parent.mkdir()
    for path, data in zip(paths, made, strict=True):
        path.write_bytes(data)
    right = embed([str(p) for p in paths], [zoo.find_backbone(backbone)], EmbedOptions(cache=False)).features()  # (300, d)
    numbers = [i for i in range(count) if i % ONE_BAD_IN]
    wrong = 0
    with h5py.File(place / "rows.h5") as file:
        names, rows = file["train_files"], file["train"]
        assert len(rows) == len(names) == len(numbers), (len(rows), len(numbers))
        for at in range(0, len(numbers), 5000):
            mine = numbers[at : at + 5000]
            assert [n.decode() for n in names[at : at + 5000]] == [f"{i // FOLDER:04d}/{i}.jpg" for i in mine]
            wrong += int((rows[at : at + 5000] != right[[i % PICTURES for i in mine]]).any(axis=1).sum())
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--place", type=Path, default=None, help="where to make the files (default: a temporary folder)")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.place) as name:
        place = Path(name)
        made = pictures(place / "pictures")
        reasons = lay_out(place / "images", made, asked.images)
        good = asked.images - sum(reasons.values())
        lost = killed(asked, place, good)
        report(asked, place, made, reasons, lost)


def killed(asked: argparse.Namespace, place: Path, good: int) -> int:
    """Kill and resume; return how many rows that were saved before a kill were gone after it."""
    dice, lost = random.Random(asked.seed), 0
    for number in range(asked.kills):
        wanted = good * dice.uniform(0.5, 1.0) * (number + 1) / (2 * asked.kills)
        child = start(asked, place)
        while child.poll() is None and rows_saved(place) < wanted:
            time.sleep(dice.uniform(0.05, 0.5))
        before = rows_saved(place)
        child.kill()
        child.communicate()
        after = rows_saved(place)
        lost += max(before - after, 0)
        print(f"kill {number + 1}: at {after:,} saved rows of {good:,}", flush=True)
    return lost


def report(asked: argparse.Namespace, place: Path, made: list[bytes], reasons: dict[str, int], lost: int) -> None:
    """Run to the end, and print what was seen."""
    saved = rows_saved(place)
    child = start(asked, place)
    seen = watch(child, place / "cache")
    out, err = child.communicate()
    assert child.returncode == 0, err
    said = json.loads(out)
    left = [p.name for p in (place / "cache").rglob(".tmp-*")] + [p.name for p in place.glob(".tmp-*")]
    full = seen[-1]["saved"]
    steps = [one for one in seen if one["saved"] < full]  # while rows are computed
    facts: dict[str, Any] = {
        "images": asked.images,
        "backbone": asked.backbone,
        "kills": asked.kills,
        "saved rows lost": lost,
        "said": {name: said[name] for name in ("scanned", "embedded", "reused", "failed")},
        "adds up": said["scanned"] == said["embedded"] + said["reused"] + said["failed"] == asked.images,
        "failed as made": said["failed"] == sum(reasons.values()),
        "reused what was saved": said["reused"] == saved,
        "rows that differ from their original": check(place, made, asked.images, asked.backbone),
        "leftovers": len(left),
        "seconds of the last run": round(seen[-1]["seconds"]),
    }
    for share in (0.25, 0.5, 0.75, 0.98):
        one = steps[int(share * (len(steps) - 1))]
        facts[f"at {share:.0%} of its computing"] = f"{one['memory'] / 1e6:.0f} MB, {one['descriptors']:.0f} descriptors"
    facts["at the height, the file written at the end included"] = f"{max(one['memory'] for one in seen) / 1e6:.0f} MB"
    for name, value in facts.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
