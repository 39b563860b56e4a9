"""Heads on features larger than memory: the optimum, memory, passes and CPU beside the same head in memory.

    python benchmarks/cluster.py heads                    # docs/scale.md: about 5 minutes on 2 cores, 2.4 GB of disk
    python benchmarks/cluster.py heads --rows 50000       # a quick look

Features are made up: a random network's answers, whose spectrum falls as that of real features does, in class order as folders
give them. Each head is fitted in a process of its own, whose greatest anonymous memory (RssAnon, sampled) is read; a file that
is mapped does not count. Four questions:

- the optimum on a size that scikit-learn can do: C sum of losses + |w|^2 / 2, both in double precision;
- `blend` and `logistic` of a float32 file at least 8 times the memory allowed, beside the same in memory: passes, memory, CPU,
  log loss of rows that neither has seen;
- memory of many rows: a file that is read again and again as if it were more rows;
- many classes: how many vectors of coefficients fit.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cluster.bounds import Bounds
from cluster.processes import MemoryWatch

MEMORY = 256_000_000
NEW = 20_000  # rows that no head has seen


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--rows", type=int, default=205_000, help="of the file that is larger than memory")
    parser.add_argument("--columns", type=int, default=2560, help="of it")
    parser.add_argument("--many", type=int, default=10_000_000, help="rows of the last question but one")
    parser.add_argument("--only", default="", help="questions, by letter: optimum, large, rows, classes")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Answer the questions."""
    if args.child:
        print(json.dumps(child(**json.loads(args.child))))
        return 0
    bounds = Bounds()
    with tempfile.TemporaryDirectory() as folder:
        for letter, answer in (("o", optimum), ("l", large), ("r", many_rows), ("c", many_classes)):
            if not args.only or letter in args.only:
                answer(args, Path(folder), bounds)
    return bounds.code


def features(path: Path, shape: tuple[int, int], k: int, seed: int = 0) -> np.ndarray:
    """Write rows of float32, in class order, and return their classes (n,)."""
    (n, d), rng = shape, np.random.default_rng(7)
    scale = (1 + np.arange(512)) ** -0.5
    layer = (rng.standard_normal((512, d)) * scale[:, None]).astype(np.float32)
    centres = (rng.standard_normal((k, 512)) * 0.12).astype(np.float32)
    rng, y = np.random.default_rng(seed), np.sort(np.arange(n) % k)
    with path.open("wb") as file:
        for start in range(0, n, 4096):
            own = y[start : start + 4096]
            hidden = rng.standard_normal((len(own), 512), np.float32) + centres[own]
            np.maximum(hidden @ layer + 0.1 * rng.standard_normal((len(own), d), np.float32), 0).tofile(file)
    return y


class Tiled:
    """A file of rows that is read again and again, as if there were n of them."""

    def __init__(self, X: np.memmap, n: int) -> None:
        self.X, self.shape, self.dtype, self.chunks = X, (n, X.shape[1]), X.dtype, (1000, X.shape[1])

    def __getitem__(self, rows: Any) -> np.ndarray:
        numbers = np.arange(*rows.indices(self.shape[0])) if isinstance(rows, slice) else np.asarray(rows)
        return np.asarray(self.X[numbers % len(self.X)])


def child(path: str, shape: tuple[int, int], k: int, head: str, params: dict[str, Any], tile: int = 0) -> dict[str, Any]:
    """Fit a head in this process and return what it took and found."""
    from penult import heads
    from penult.solver import PartitionedRows

    passes, summed = [0], PartitionedRows.sum

    def counted(rows: PartitionedRows, method: str, *args: Any) -> Any:
        passes[0] += 1
        return summed(rows, method, *args)

    PartitionedRows.sum = counted  # type: ignore[method-assign]
    X: Any = np.memmap(path, np.float32, "r", shape=tuple(shape))
    y = np.sort(np.arange(shape[0]) % k)
    if tile:
        X, y = Tiled(X, tile), np.tile(y.astype(np.int16), -(-tile // shape[0]))[:tile]
    elif "memory" not in params:
        X = np.array(X)
    watch = MemoryWatch(os.getpid())
    began = time.process_time()
    one = heads.make_head(head, **params).fit(X, y)
    cpu = time.process_time() - began
    peak = watch.end()
    state = one.to_arrays()
    np.savez(f"{path}.{head}.npz", **state.arrays)
    new = Path(f"{path}.new")
    loss = None
    if new.exists():
        rows, truth = np.fromfile(new, np.float32).reshape(-1, shape[1]), np.sort(np.arange(NEW) % k)
        loss = float(-np.log(one.predict_proba(rows)[np.arange(NEW), truth]).mean())
    return {
        "cpu": cpu, "peak": peak, "passes": passes[0], "loss": loss,
        "held_out": one.cv_log_loss_, "sample": len(one.cv_proba_), "choice": one.choice_,
    }  # fmt: skip


def fitted(path: Path, shape: tuple[int, int], k: int, head: str, params: dict[str, Any], tile: int = 0) -> dict[str, Any]:
    """Return what `child` does in a process of its own."""
    asked = json.dumps({"path": str(path), "shape": shape, "k": k, "head": head, "params": params, "tile": tile})
    command = [sys.executable, str(Path(__file__).parents[1] / "cluster.py"), "heads", "--child", asked]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def optimum(args: argparse.Namespace, folder: Path, bounds: Bounds) -> None:
    """Compare the objective with scikit-learn's."""
    from sklearn.linear_model import LogisticRegression

    shape, C = (min(args.rows, 24_000), 640), 0.01
    for k in (2, 4):
        y = features(path := folder / f"{k}", shape, k)
        fitted(path, shape, k, "logistic", {"memory": 24_000_000, "C": C, "scaling": "none"})
        X = np.fromfile(path, np.float32).reshape(shape).astype(float)
        peer = LogisticRegression(C=C, tol=1e-8, max_iter=3000).fit(X, y)
        ours = np.load(f"{path}.logistic.npz")
        pair = [objective(X, y, C, *w) for w in ((ours["weights"], ours["intercepts"]), (peer.coef_, peer.intercept_))]
        bounds.most(
            f"objective less scikit-learn's, share ({k} classes, {shape[0]:,} x {shape[1]})", pair[0] / pair[1] - 1, 1e-6
        )
        path.unlink()


def objective(X: np.ndarray, y: np.ndarray, C: float, weights: np.ndarray, intercepts: np.ndarray) -> float:
    """Return C times the sum of the losses, and half the squared length of the weights."""
    z = X @ weights.astype(float).T + intercepts
    z = np.hstack([np.zeros_like(z), z]) if z.shape[1] == 1 else z
    top = z.max(axis=1)
    losses = np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - z[np.arange(len(y)), y]
    return float(C * losses.sum() + (weights.astype(float) ** 2).sum() / 2)


def large(args: argparse.Namespace, folder: Path, bounds: Bounds) -> None:
    """Fit a file of more than 8 times the memory, beside the same in memory."""
    shape, path = (args.rows, args.columns), folder / "large"
    features(path, shape, 2)
    features(Path(f"{path}.new"), (NEW, shape[1]), 2, seed=1)
    memory = min(MEMORY, path.stat().st_size // 8)
    bounds.least(
        f"X, {shape[0]:,} x {shape[1]:,} float32, as a multiple of the memory allowed", path.stat().st_size / memory, 8
    )
    for head in ("logistic", "blend"):
        out, near = (fitted(path, shape, 2, head, params) for params in ({"memory": memory}, {}))
        for one, told in ((out, "by chunks"), (near, "in memory")):
            print(f"  {head} {told}: {one['cpu']:.0f} CPU s, {one['peak']:.0f} MB, {one['passes']} passes, {one['choice']}")
        bounds.most(f"{head}: anonymous memory, MB", out["peak"], 600)
        bounds.most(f"{head}: passes over X", out["passes"], 60)
        bounds.most(f"{head}: CPU, beside the same in memory", out["cpu"] / near["cpu"], 1.5)
        bounds.most(f"{head}: log loss of {NEW:,} new rows, beside the same in memory", out["loss"] / near["loss"], 1.01)
        print(f"  held-out log loss {out['held_out']:.5f} ({out['sample']:,} rows), in memory {near['held_out']:.5f} (all)")
    path.unlink()


def many_rows(args: argparse.Namespace, folder: Path, bounds: Bounds) -> None:
    """Tell how memory grows with the rows."""
    shape, path = (100_000, 128), folder / "rows"
    features(path, shape, 2)
    found = {
        n: fitted(path, shape, 2, "logistic", {"memory": MEMORY, "C": 0.01}, tile=n) for n in (args.many // 10, args.many)
    }
    few, many = found
    grown = (found[many]["peak"] - found[few]["peak"]) * 1e6 / (many - few)
    bounds.most(f"anonymous memory of {many:,} rows x {shape[1]}, 2 classes, labels in it, MB", found[many]["peak"], 600)
    bounds.most("bytes that another row takes", grown, 16)
    print(f"  so 600 MB are reached with {(600 - found[many]['peak']) * 1e6 / max(grown, 1e-9) + many:,.0f} rows")
    path.unlink()


def many_classes(args: argparse.Namespace, folder: Path, bounds: Bounds) -> None:
    """Tell what many classes take."""
    shape, path = (40_000, 1280), folder / "classes"
    for k in (100,):
        features(path, shape, k)
        one = fitted(path, shape, k, "logistic", {"memory": MEMORY // 4, "C": 0.1})
        bounds.most(f"{k} classes, {shape[0]:,} x {shape[1]:,}: anonymous memory, MB", one["peak"], 600)
        print(f"  {one['cpu']:.0f} CPU s, {one['passes']} passes")
    path.unlink()
