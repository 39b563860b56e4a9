"""How long the photos most like one take to be found among a million, and whether they are the right ones.

    python benchmarks/similar.py --rows 1000000 --width 1280        12 GB of disk below --place, deleted at the end

Rows are synthetic: 1,000 clusters, and directions whose variance falls as 1 / number, as that of networks' features does
roughly; `--flat` makes all directions equal, the worst case, where an index cannot leave much out. What is found is compared
with a search through all rows by the definition, in double precision. The photo's own way through the networks is not in it:
see `penult predict` in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

N, QUERIES, STEP = 10, 5, 8192


def block(start: int, n: int, width: int, flat: bool) -> np.ndarray:
    """Return n rows (n, d) that belong to the places `start` and following, none below 0, as after a ReLU."""
    fall = np.ones(width) if flat else np.arange(1, width + 1) ** -0.5
    centres = np.random.default_rng(1).standard_normal((1000, width), np.float32)
    random = np.random.default_rng([2, start])
    rows = centres[random.integers(0, 1000, n)] + 0.7 * random.standard_normal((n, width), np.float32)
    mixed = (rows * fall.astype(np.float32)) @ turn(width)
    return np.maximum(mixed / mixed.std() + 0.5, 0).astype(np.float32)


@cache
def turn(width: int) -> np.ndarray:
    """Return an orthonormal matrix (d, d), the same each time."""
    return np.linalg.qr(np.random.default_rng(3).standard_normal((width, width)))[0].astype(np.float32)


def blocks(n: int, width: int, flat: bool) -> Iterator[np.ndarray]:
    for start in range(0, n, STEP):
        yield block(start, min(STEP, n - start), width, flat)


def by_definition(n: int, width: int, flat: bool, Q: np.ndarray) -> list[list[int]]:
    """Return the numbers of the N rows most like each query, all rows compared in double precision."""
    unit = Q.astype(float) / np.linalg.norm(Q.astype(float), axis=1, keepdims=True)
    near = []
    for X in blocks(n, width, flat):
        Z = X.astype(float)
        near.append(unit @ (Z / np.linalg.norm(Z, axis=1, keepdims=True)).T)
    return [np.lexsort((np.arange(n), -row))[:N].tolist() for row in np.round(np.hstack(near), 12)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--place", type=Path, help="where to make the files (default: a temporary folder)")
    asked = parser.parse_args()
    from penult import store
    from penult.similar import search

    n, width, flat = asked.rows, asked.width, asked.flat
    print(f"{n} rows of {width} numbers{', flat' if flat else ''}", flush=True)
    with tempfile.TemporaryDirectory(dir=asked.place) as name:
        path = Path(name, "data_x.h5")
        rows = store.RowBlocks((n, width), blocks(n, width, flat))
        files = [f"cat/{i}.jpg" for i in range(n)]
        store.write_h5(path, train=rows, label=np.arange(n) % 2, train_files=files, classes=["cat", "dog"])
        Q = block(-1 % (1 << 31), QUERIES, width, flat)
        for what in ("first, the index is made", "again", "again"):
            began = time.perf_counter()
            with store.RowReader([path]) as opened:
                at_hand = time.perf_counter()
                found = search.search(opened, Q[:1], N, (width,), Path(name))
            print(f"one photo, {what}: {time.perf_counter() - began:.2f} s, {at_hand - began:.2f} of it to open", flush=True)
        began = time.perf_counter()
        with store.RowReader([path]) as opened:
            found = search.search(opened, Q, N, (width,), Path(name))
        print(f"{QUERIES} photos: {time.perf_counter() - began:.2f} s", flush=True)
        size = sum(p.stat().st_size for p in Path(name, "similar").rglob("*") if p.is_file())
        print(f"features {path.stat().st_size / 1e9:.1f} GB, index {size / 1e9:.1f} GB", flush=True)
    right = by_definition(n, width, flat, Q)
    same = sum(one[0].tolist() == wanted for one, wanted in zip(found, right, strict=True))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{same} of {QUERIES} as by the definition; at most {most:.1f} GB in memory, the system's file cache included")


if __name__ == "__main__":
    main()
