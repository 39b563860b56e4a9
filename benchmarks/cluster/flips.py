"""Flipped bits in every file of a place of shards: each one must be found.

Bound: all found, by `check_shards` (what `penult doctor OUT` runs) in every file, and by reading the features in every shard.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from cluster.bounds import Bounds
from cluster.photos import lay_out
from penult.errors import PenultError


def add(p: argparse.ArgumentParser) -> None:
    """Add the options."""
    p.add_argument("--flips", type=int, default=400, help="bits in all, spread over the files")
    p.add_argument("--count", type=int, default=60)


def run(args: argparse.Namespace) -> int:
    """Flip one bit at a time."""
    from penult import shards, zoo
    from penult.embed import EmbedOptions

    bounds, rng = Bounds(), np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="penult-flips-") as name:
        photos, out = lay_out(Path(name, "photos"), args.count), str(Path(name, "out"))
        shards.make_ready(str(photos), out, [zoo.find_backbone("colour_histogram")], EmbedOptions(cache=False), rows=20)
        shards.run_shards(out)
        files = sorted(p for p in Path(out).rglob("*") if p.is_file() and p.stat().st_size)
        unchecked, unread = [], []
        for number in range(args.flips):
            path = files[number % len(files)]
            whole = path.read_bytes()
            damaged, place = bytearray(whole), int(rng.integers(len(whole)))
            damaged[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            if not any(one.wrong for one in shards.check_shards(out)):
                unchecked.append((path.name, place))
            try:
                X = shards.open_features(out)
                X[:], X.ids(), list(X.failures())
                if path.parent.name == "shards" or path.name in ("manifest.json", "shards.csv"):
                    unread.append((path.name, place))
            except PenultError:
                pass
            path.write_bytes(whole)
    bounds.most(f"of {args.flips} flipped bits in {len(files)} files not found by the check", len(unchecked), 0)
    bounds.most("flipped bits of shards, table and manifest not found on reading", len(unread), 0)
    for one in (*unchecked, *unread)[:10]:
        print(*one)
    return bounds.code
