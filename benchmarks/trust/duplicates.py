"""Near-duplicates: planted copies, the demo's modules photographed twice, and many rows.

`python benchmarks/trust.py duplicates --photos SET [SET ...] [--demo] [--rows 50000] [-b NAME]`

SET is a folder of photos. Of 16 photos of each a copy is planted of every kind: exact, half the size, a random crop of 90% a
side, JPEG of quality 40, brightness 1.3, mirrored. How many are called one picture twice, with their own original? How many
other pairs are called so (listed with their files, to be looked at)? `--demo`: of the pairs of solar cells that are called one
picture, how many are the module that was photographed twice (file numbers 530 to 550 apart)? `--rows`: CPU seconds of the
search among rows made up like the features of the default networks, and its recall of the exact search. One JSON object.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from penult import audit, images, zoo
from penult.audit.pairs import directions, nearest
from penult.embed import EmbedOptions, embed
from penult.neighbors import nearest_rows

EACH = 16  # photos of a set of which every kind of copy is planted
WIDTHS = (4048, 3680)  # columns of the default networks


def crop(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Return nine tenths of each side, anywhere."""
    w, h = (int(0.9 * side) for side in picture.size)
    left, top = int(rng.integers(0, picture.width - w + 1)), int(rng.integers(0, picture.height - h + 1))
    return picture.crop((left, top, left + w, top + h))


EDITS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "resize 1/2": lambda p, _: p.resize((p.width // 2, p.height // 2), Image.Resampling.BICUBIC),
    "crop 90%": crop,
    "JPEG 40": lambda p, _: p,
    "brightness 1.3": lambda p, _: ImageEnhance.Brightness(p).enhance(1.3),
    "mirror": lambda p, _: ImageOps.mirror(p),
}


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--photos", nargs="*", default=[], metavar="SET")
    topic.add_argument("--demo", action="store_true")
    topic.add_argument("--rows", type=int, default=0)
    topic.add_argument("-b", "--backbone", action="append")
    topic.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> None:
    networks = [zoo.find_backbone(name) for name in zoo.expand(args.backbone or zoo.DEFAULT)]
    out: dict[str, Any] = {"backbones": [one.name for one in networks]}
    for folder in args.photos:
        files = [str(one.path) for one in images.scan_unlabelled(folder).images]
        out[Path(folder).name] = planted(files, networks, args.seed)
        print(Path(folder).name, json.dumps(out[Path(folder).name]), flush=True)
    if args.demo:
        out["demo"] = twice(networks)
    if args.rows:
        out["rows"] = many(args.rows)
    print(json.dumps(out, indent=1))


def called(files: list[str], networks: Any) -> tuple[np.ndarray, set[tuple[int, int]], int]:
    """Return the digests' numbers (n,), the pairs that are called one picture, and how many are look-alikes."""
    done = embed(files, networks, EmbedOptions(), thumbnails=True)
    digests, rows = done.digests[done.ok], np.flatnonzero(done.ok)
    found = audit.group(digests, done.features(), done.widths, None, done.thumbnails(), pictures=done.large_thumbnails).pairs
    same = found.one_picture if found.one_picture is not None else np.zeros(len(found), bool)
    pairs = zip(rows[found.first[same]].tolist(), rows[found.second[same]].tolist(), strict=True)
    numbers = np.full(len(files), -1)
    numbers[rows] = audit.copy_groups(digests)
    return numbers, set(pairs), int((~same).sum())


def planted(files: list[str], networks: Any, seed: int) -> dict[str, Any]:
    """Plant copies; one is found where it is joined to its original by pairs that are called one picture."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(files))[:EACH]
    n, every, kinds = len(files), list(files), []
    with tempfile.TemporaryDirectory() as folder:
        for kind, edit in EDITS.items():
            for i in chosen:
                with Image.open(files[i]) as picture:
                    copy = edit(ImageOps.exif_transpose(picture).convert("RGB"), rng)
                every.append(f"{folder}/{len(every)}.jpg")
                copy.save(every[-1], quality=40 if kind == "JPEG 40" else 90)
                kinds.append((kind, int(i)))
        for i in chosen:
            every.append(f"{folder}/{len(every)}{Path(files[i]).suffix}")
            Path(every[-1]).write_bytes(Path(files[i]).read_bytes())
            kinds.append(("exact", int(i)))
        numbers, pairs, alike = called(every, networks)
    of = {n + k: i for k, (_, i) in enumerate(kinds)}
    tied = np.arange(len(every))
    for number in np.unique(numbers):
        tied[numbers == number] = np.flatnonzero(numbers == number)[0]
    wrong = []
    for one, other in sorted(pairs):
        if of.get(one, one) != of.get(other, other) and numbers[of.get(one, one)] != numbers[of.get(other, other)]:
            wrong.append([files[of.get(one, one)], files[of.get(other, other)]])
        tied[tied == tied[other]] = tied[one]
    found = dict.fromkeys(("exact", *EDITS), 0)
    for k, (kind, i) in enumerate(kinds):
        found[kind] += bool(tied[n + k] == tied[i])
    return {"photos": n, "found": found, "of": EACH, "sum": sum(found.values()), "other pairs": wrong, "look-alikes": alike}


def twice(networks: Any) -> dict[str, int]:
    """Count the pairs of solar cells that are called one picture by how far their file numbers are apart."""
    import elpv_dataset

    files = sorted(str(path) for path in (Path(elpv_dataset.__file__).parent / "data" / "images").glob("*.png"))
    numbers = [int(re.findall(r"\d+", Path(path).stem)[-1]) for path in files]
    _, pairs, alike = called(files, networks)
    apart = [abs(numbers[one] - numbers[other]) for one, other in pairs]
    right = sum(530 <= distance <= 550 for distance in apart)
    return {"called one picture": len(apart), "module photographed twice": right, "look-alikes": alike}


def many(n: int, seed: int = 0) -> dict[str, Any]:
    """Make up n rows in 20 classes, a fiftieth of them near copies of others; time the search, and compare some rows."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(120, sum(WIDTHS))).astype(np.float32)
    kind, centers = rng.integers(0, 20, n), 2 * rng.normal(size=(20, 120))
    X, columns = np.empty((n, sum(WIDTHS)), np.float32), np.arange(sum(WIDTHS))
    noise = rng.standard_normal(1 << 22, np.float32)  # each row has a piece of it
    pieces = rng.integers(0, len(noise) - len(columns), n)
    for i in range(0, n, 2000):
        own = centers[kind[i : i + 2000]] + rng.normal(size=(len(X[i : i + 2000]), 120))
        X[i : i + 2000] = own.astype(np.float32) @ mix + 6 * noise[pieces[i : i + 2000, None] + columns]
    tent = np.maximum(0, 1 - np.abs(np.linspace(0, 5, 16)[:, None] - np.arange(6))).astype(np.float32)
    looks = (tent @ rng.integers(0, 256, (n, 6, 6)).astype(np.float32) @ tent.T).reshape(n, 256)
    copy, original = np.arange(n - n // 50, n), rng.permutation(n - n // 50)[: n // 50]
    X[copy] = X[original] + 3 * rng.standard_normal((len(copy), X.shape[1]), np.float32)
    looks[copy] = np.clip(1.1 * looks[original] + rng.normal(0, 2, (len(copy), 256)), 0, 255)
    digests = np.zeros((n, 32), np.uint8)
    digests[:, :4] = np.arange(n, dtype=np.uint32)[:, None].view(np.uint8)
    began = time.process_time(), time.perf_counter()
    groups = audit.group(digests, X, WIDTHS, None, np.rint(looks).astype(np.float32)).groups
    took = time.process_time() - began[0], time.perf_counter() - began[1]
    Z = directions(X, WIDTHS)
    some = np.r_[copy[:200], rng.permutation(n)[:200]]
    near = nearest(Z, 10).rows
    exact, cosine = nearest_rows(Z[some], Z, 11)
    hit = (exact[:, :, None] == near[some][:, None, :]).any(axis=2)
    other = exact != some[:, None]
    return {
        "rows": n,
        "CPU seconds": round(took[0], 1),
        "wall seconds": round(took[1], 1),
        "copies tied": round(float((groups[copy] == groups[original]).mean()), 4),
        "recall of the ten nearest": round(float(hit[other].mean()), 4),
        "recall of those 0.8 alike": round(float(hit[other & (cosine >= 0.8)].mean()), 4),
    }
