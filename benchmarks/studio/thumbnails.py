"""What thumbnails cost in the pass that computes features, in which format, and how fast one of 20,000 is read.

    python benchmarks/studio.py thumbnails FOLDER [FOLDER ...] [--photos 120] [--turns 5]

Each FOLDER is a set of photos. A cold `embed` with the default networks (compiled before) runs with and without thumbnails by
turns, each time without features; what counts is the time of the processors, of all processes together: the middle one of the
ratios of all turns.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import random
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

MANY = 20_000
FORMATS = (("JPEG", {"quality": 80}), ("JPEG", {"quality": 80, "optimize": True}), ("WEBP", {"quality": 70, "method": 0}))


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--turns", type=int, default=5)


def processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def cold(paths: list[str], thumbnails: bool, cache: Path) -> float:
    """Return the seconds of the processors for an `embed` that finds nothing but compiled graphs."""
    from penult.embed import EmbedOptions, embed
    from penult.zoo import DEFAULT, expand, find_backbone

    networks = [find_backbone(name) for name in expand(DEFAULT)]
    for kind in ("features", "thumbnails"):
        shutil.rmtree(cache / kind, ignore_errors=True)
    before = processor()
    done = embed(paths, networks, EmbedOptions(cache=cache, photo_thumbnails=thumbnails), thumbnails=True)
    if done.failures:
        raise SystemExit(f"{len(done.failures)} photos cannot be read")
    return processor() - before


def formats(paths: list[str]) -> None:
    """Print time and bytes of a thumbnail in each format."""
    from PIL import Image

    from penult.pixels import encode_thumbnail, load_rgb

    pictures = [Image.fromarray(rgb) for path in paths if isinstance(rgb := load_rgb(path), np.ndarray)]
    began = time.process_time()
    made = [Image.open(io.BytesIO(encode_thumbnail(picture))).convert("RGB") for picture in pictures]
    print(f"  made, encoded and decoded again: {1000 * (time.process_time() - began) / len(made):.2f} ms")
    for name, options in FORMATS:
        began, files = time.process_time(), [io.BytesIO() for _ in made]
        for picture, file in zip(made, files, strict=True):
            picture.save(file, name, **options)
        spent, size = time.process_time() - began, sum(file.tell() for file in files) / len(files)
        print(f"  {name} {options}: {1000 * spent / len(made):.2f} ms, {size:,.0f} bytes")


def reading() -> None:
    """Print how long one random thumbnail of many takes."""
    from penult import store

    dice, body = random.Random(0), random.Random(1).randbytes(4700)
    digests = [hashlib.sha256(b"%d" % i).digest() for i in range(MANY)]
    with tempfile.TemporaryDirectory() as cache:
        with store.BlobCache(cache, {"side": "160"}) as kept:
            for digest in digests:
                kept.add(digest, body)
        began = time.perf_counter()
        opened = store.BlobCache(cache, {"side": "160"})
        opened.known()
        print(f"{MANY:,} thumbnails: opened in {time.perf_counter() - began:.2f} s")
        spent = []
        for _ in range(2000):
            wanted = np.frombuffer(digests[dice.randrange(MANY)], np.uint8).reshape(1, 32)
            began = time.perf_counter()
            opened.read(wanted)
            spent.append(1000 * (time.perf_counter() - began))
        print(f"  one at random: p50 {np.median(spent):.3f} ms, p95 {np.quantile(spent, 0.95):.3f} ms")


def run(args: argparse.Namespace) -> None:
    reading()
    with tempfile.TemporaryDirectory() as cache:
        for folder in args.folders:
            measure(folder, args.photos, args.turns, Path(cache))


def measure(folder: Path, photos: int, turns: int, cache: Path) -> None:
    """Print what thumbnails of one set cost."""
    from penult.images import scan_unlabelled

    paths = list(scan_unlabelled(folder).paths)
    paths = random.Random(0).sample(paths, min(photos, len(paths)))
    cold(paths[:8], thumbnails=True, cache=cache)
    print(f"{folder}: {len(paths)} photos", flush=True)
    formats(paths)
    ratios, alone = [], []
    for turn in range(turns):
        spent = {wanted: cold(paths, wanted, cache) for wanted in ((False, True) if turn % 2 else (True, False))}
        ratios.append(spent[True] / spent[False])
        alone.append(spent[False])
    told = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"  processor time with / without: {statistics.median(ratios):.3f} ({told})")
    print(f"  without thumbnails: {1000 * statistics.median(alone) / len(paths):.1f} ms a photo", flush=True)
