"""What a million images cost beside their pixels: seconds and memory of all bookkeeping, at several sizes.

    python benchmarks/scale.py --rows 10000 100000 1000000        about 2 GB of disk, deleted at the end
    python benchmarks/scale.py --rows 100000 --stages open read   only these (and what they need)

Features are synthetic, 64 numbers a row; pictures are of a few pixels (a tenth as many as rows: they are files of their
own) or hard links to a few (`scan`, `reuse`). Each stage is a process of its own. MB is how much it grew at its
height: private and shared memory of the process and its children, not the file cache of the system. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

WIDTH = 64
BATCH = 16  # rows that an engine gives at a time
SOME = 10  # one in so many rows has a picture of its own
Stage = Callable[[Path, int], int]


def digests(n: int) -> np.ndarray:
    """Return n digests as a hash spreads them, always the same (n, 32)."""
    return np.random.default_rng(5).integers(0, 256, (n, 32), np.uint8)


def block(start: int, n: int) -> np.ndarray:
    """Return n rows (n, d) that belong to places `start` and following; 1 in 100 is nearly the one before it."""
    rows = np.random.default_rng(start).standard_normal((n, WIDTH), np.float32)
    rows[50::100] = rows[49:-1:100] + 0.02 * rows[51::100]
    return rows


def cache(place: Path):
    from penult import store

    return store.FeatureCache(place / "cache", {"backbone": "scale", "width": str(WIDTH)})


def backbone():
    """Return a backbone that only looks at the first pixels: what is measured is all the rest."""
    from penult.backbones import thumbnail

    return replace(thumbnail(), name="scale", function=_first, blocks=(WIDTH,))


def _first(pixels: np.ndarray) -> np.ndarray:
    return pixels.reshape(len(pixels), -1)[:, :WIDTH].astype(np.float32)


def scan(place: Path, n: int) -> int:
    """Read a tree of n image files in two class folders."""
    from penult import images

    return len(images.scan_labelled(place / "links"))


def reuse(place: Path, n: int) -> int:
    """Scan the tree and look its files up by digest: all are known, beside n others."""
    from penult import images, store
    from penult.embed import EmbedOptions, embed
    from penult.embed.streams import open_cache
    from penult.engines import Compute

    found = images.scan_labelled(place / "links")
    used = backbone()
    known = EmbedOptions("cpu", "f32", str(place / "known"))
    with open_cache(used, Compute("cpu", "f32"), known) as rows:
        assert isinstance(rows, store.FeatureCache)
        if not len(rows.known()):
            rows.add(digests(n), np.tile(block(0, 1000), (n // 1000, 1)))
    done = embed(found.paths, [used], known)
    assert done.embedded <= 20 and not done.failures
    return len(done.ok)


def new(place: Path, n: int) -> int:
    """Embed pictures of a few pixels that the cache does not have."""
    from penult import images
    from penult.embed import EmbedOptions, embed

    found = images.scan_labelled(place / "pictures")
    done = embed(found.paths, [backbone()], EmbedOptions("cpu", "f32", str(place / "new")))
    assert done.embedded == len(found)
    return len(found)


def fill(place: Path, n: int) -> int:
    """Add n rows to a cache, a batch at a time."""
    every = digests(n)
    with cache(place) as rows:
        for start in range(0, n, 1000):
            vectors = block(start, 1000)
            for at in range(0, 1000, BATCH):
                rows.add(every[start + at : start + min(at + BATCH, 1000)], vectors[at : at + BATCH])
    return n


def open_(place: Path, n: int) -> int:
    """Open the cache and say what it knows."""
    return len(cache(place).known())


def look_up(place: Path, n: int) -> int:
    """Ask the cache for n digests in another order than they came, a thousand at a time."""
    every = np.random.default_rng(1).permutation(digests(n))
    rows = cache(place)
    return int(sum(rows.has(every[start : start + 1000]).sum() for start in range(0, n, 1000)))


def read(place: Path, n: int) -> int:
    """Lay n rows of the cache side by side in another order, as training does."""
    done = embedding(place, n)
    X = done.features()  # (n, d)
    np.testing.assert_array_equal(X[:1000], block(0, n if n < 1000 else 1000))
    return len(X)


def embedding(place: Path, n: int):
    """Return what `embed` gives for n images that are all in the cache."""
    from penult.embed import Embedding, EmbedOptions
    from penult.engines import Compute

    ok = np.ones(n, bool)
    facts = ("numpy", Compute("cpu", "f32"), (), EmbedOptions("cpu", "f32", str(place / "cache")), None, None)
    return Embedding(digests(n), ok, {}, 0, n, 0.0, (backbone(),), (cache(place),), *facts)


def hdf5(place: Path, n: int) -> int:
    """Write the rows as a feature file, with names and labels."""
    from penult import store

    X = embedding(place, n).features()
    store.write_h5(place / "X.h5", train=X, label=np.arange(n) % 2, train_files=names(n), classes=["cat", "dog"])
    return n


def hdf5_back(place: Path, n: int) -> int:
    """Read the feature file, with every check."""
    from penult import store

    return len(store.read_features([place / "X.h5"]).X)


def names(n: int) -> list[str]:
    return [f"cat/{i // 1000}/{i}.jpg" for i in range(n)]


def predict(place: Path, n: int) -> int:
    """Answer n images whose features are in the cache, and write predictions.csv and submission.csv."""
    from penult import heads
    from penult.bundle import Bundle
    from penult.predict import Predictor
    from penult.predict.sample_submission import plain_submission

    y = np.arange(1000) % 2
    head = heads.make_head("lda").fit(block(0, 1000), y)
    model = Bundle(("cat", "dog"), (backbone(),), (WIDTH,), head.to_arrays(), np.array([0.5, 0.5]), "numpy", "f32", {}, {})
    answers = Predictor(model, check=False).from_embedding(embedding(place, n), names(n))
    answers.write_csv(place / "predictions.csv")
    plain_submission(answers.ids, answers.classes).write(place / "submission.csv", answers.ids, answers.classes, answers.proba)
    return n


def copies(place: Path, n: int) -> int:
    """Look for copies and near copies among the rows."""
    from penult import audit

    done = embedding(place, n)
    grouping = audit.group(done.digests, done.features(), done.widths)
    found = len(grouping.pairs)
    assert found >= 0.0095 * n, f"{found} of {n // 100} near copies found"
    return n


def sums(place: Path, n: int) -> int:
    """Close a run folder: the sha256 of each of its files."""
    from penult.runs import RunFolder

    run = RunFolder(place / "run")
    for name in ("X.h5", "predictions.csv", "submission.csv"):
        (run / name).unlink(missing_ok=True)
        os.link(place / name, run / name)
    run.finish({})
    return n


STAGES: dict[str, Stage] = {
    "scan": scan,
    "new": new,
    "reuse": reuse,
    "fill": fill,
    "open": open_,
    "look-up": look_up,
    "read": read,
    "hdf5": hdf5,
    "hdf5-back": hdf5_back,
    "predict": predict,
    "copies": copies,
    "sums": sums,
}


def prepare(place: Path, n: int) -> None:
    """Make the trees of files: n hard links, and a tenth as many pictures of their own."""
    rng = np.random.default_rng(3)
    for tree, count, same in (("links", n, 20), ("pictures", n // SOME, 1)):
        first: list[Path] = []
        for i in range(count):
            folder = place / tree / ("cat", "dog")[i % 2]
            if i < 2:
                folder.mkdir(parents=True)
            path = folder / f"{i}.ppm"
            if same > 1 and len(first) == same * max(1, n // 50_000 // same + 1):
                os.link(first[i % len(first)], path)
                continue
            path.write_bytes(b"P6 4 4 255\n" + rng.bytes(48))
            first.append(path)


def grown() -> int:
    """Return the private and shared memory of this process and its children, in bytes."""
    import psutil

    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        found = dict(line.split(":", 1) for line in text.splitlines() if line.startswith("Rss"))
        total += 1024 * int(found.get("RssAnon", "0 kB").split()[0])
        if process.pid == os.getpid():
            total += 1024 * int(found.get("RssShmem", "0 kB").split()[0])
    return total


def child(stage: str, place: Path, n: int) -> None:
    """Be the process of one stage: measure it and say so on one line."""
    import penult.training  # noqa: F401 - its weight is not the stage's

    peak, over = [0], threading.Event()
    before = grown()

    def watch() -> None:
        while not over.wait(0.02):
            peak[0] = max(peak[0], grown())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    done = STAGES[stage](place, n)
    seconds = time.perf_counter() - began
    over.set()
    watcher.join()
    print(json.dumps({"rows": done, "seconds": seconds, "bytes": max(0, peak[0] - before)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--place", type=Path, default=None, help="where to make the files (default: a temporary folder)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.place, asked.rows[0])
        return
    print(f"{'stage':<10}{'rows':>10}{'seconds':>9}{'us/row':>8}{'MB':>7}{'B/row':>7}", flush=True)
    for n in asked.rows:
        with tempfile.TemporaryDirectory(dir=asked.place) as name:
            prepare(Path(name), n)
            for stage in STAGES:
                if stage in asked.stages or stage in needed(asked.stages):
                    one(stage, Path(name), n)


def needed(stages: list[str]) -> set[str]:
    """Return the stages whose files these need."""
    before = {"hdf5-back": {"hdf5"}, "sums": {"hdf5", "predict"}}
    need = {"fill"} if set(stages) - {"scan", "new", "reuse"} else set()
    return need.union(*(before.get(stage, set()) for stage in stages))


def one(stage: str, place: Path, n: int) -> None:
    line = [sys.executable, __file__, "--child", stage, "--rows", str(n), "--place", str(place)]
    answer = subprocess.run(line, capture_output=True, text=True, check=False)
    if answer.returncode:
        print(f"{stage:<10}{n:>10}  failed: {answer.stderr.strip().splitlines()[-1]}", flush=True)
        return
    found = json.loads(answer.stdout.splitlines()[-1])
    rows, seconds, size = found["rows"], found["seconds"], found["bytes"]
    each = f"{1e6 * seconds / rows:>8.1f}{size / 1e6:>7.0f}{size / rows:>7.0f}"
    print(f"{stage:<10}{rows:>10}{seconds:>9.2f}{each}", flush=True)


if __name__ == "__main__":
    main()
