"""A head over rows in Ray actors: its optimum beside scikit-learn's, its bits when actors are killed, what it costs.

    python benchmarks/cluster.py ray-heads                  # about 3 minutes on 2 cores, 250 MB of disk
    python benchmarks/cluster.py ray-heads --rows 20000     # a quick look

The same head is fitted in one process that reads its rows anew for each pass, by actors that keep them, and by actors of which
one is killed by -9 in every so many passes. Bounds: the same bits of all three, and an objective (C sum of losses + |w|^2 / 2,
in double precision) of at most 1 + 1e-6 of scikit-learn's. Wall and CPU of all processes are told.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from cluster.bounds import Bounds
from cluster.heads import features, objective
from cluster.ray_pairs import Meter
from penult import heads
from penult.cluster import ActorResources, heads_on
from penult.cluster import heads as cluster_heads
from penult.solver import rows as solver_rows

C, CLASSES = 0.01, 3
KILLED = 7  # passes from one kill to the next


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--columns", type=int, default=1024)
    parser.add_argument("--actors", type=int, default=2)


class RowFile:
    """Rows of a file of float16; it pickles as the file's name."""

    dtype, ndim = np.dtype(np.float16), 2

    def __init__(self, path: str, shape: tuple[int, int]) -> None:
        self.path, self.shape, self.chunks = path, shape, (1000, shape[1])
        self._rows = np.memmap(path, np.float16, "r", shape=shape)

    def __reduce__(self) -> tuple[Callable[..., RowFile], tuple[str, tuple[int, int]]]:
        return RowFile, (self.path, self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.array(self._rows[rows])


class Killing(cluster_heads.ActorRows):
    """Kills one actor after another, while they are at work."""

    kills = 0

    def _ask(self, number: int, method: str, args: Any) -> Any:
        asked = super()._ask(number, method, args)
        if self.passes % KILLED == 0 and number == len(self.partitions) - 1:
            import ray

            home = self._homes[Killing.kills % len(self._homes)]
            os.kill(ray.get(home.__ray_call__.remote(lambda _: os.getpid())), signal.SIGKILL)
            Killing.kills += 1
        return asked


def run(args: argparse.Namespace) -> int:
    """Measure, and hold against the bounds."""
    bounds, shape = Bounds(), (args.rows, args.columns)
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[1])  # where the actors find this module
    solver_rows.PARTITION_ENTRIES = args.rows * args.columns // (3 * args.actors)
    with tempfile.TemporaryDirectory(prefix="penult-heads-") as folder:
        y = features(made := Path(folder, "float32"), shape, CLASSES)
        np.fromfile(made, np.float32).astype(np.float16).tofile(path := str(Path(folder, "rows")))
        made.unlink()
        X = RowFile(path, shape)
        found = {"in one process": _fitted("in one process", X, y)}
        with heads_on("ray", ActorResources(most=args.actors)):
            found["by actors"] = _fitted("by actors", X, y)
            ours, cluster_heads.ActorRows = cluster_heads.ActorRows, Killing  # type: ignore[misc]
            found["with kills"] = _fitted("with kills", X, y)
            cluster_heads.ActorRows = ours  # type: ignore[misc]
        print(f"{Killing.kills} actors were killed, of {args.actors}")
        bounds.least("actors that were killed", Killing.kills, 3)
        one, *others = found.values()
        different = sum(not np.array_equal(one[key], other[key]) for other in others for key in one)
        bounds.most("arrays of the head that differ in a bit", different, 0)
        bounds.most("objective less scikit-learn's, share", _share(X, y, found["with kills"]), 1e-6)
    return bounds.code


def _fitted(name: str, X: RowFile, y: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays of a head, and tell what it took."""
    began, before = time.perf_counter(), sum(sum(one.cpu_times()[:2]) for one in psutil.Process().children(recursive=True))
    with Meter() as meter:
        memory = X.shape[1] * 4 * 4 * 3000  # some 3,000 rows
        head = heads.make_head("logistic", C=C, scaling="none", memory=memory, calibrate=False, clip=None).fit(X, y)
    print(f"{name:16} {time.perf_counter() - began:7.1f} s, {meter.cpu - before:7.1f} CPU s of all processes", flush=True)
    return head.to_arrays().arrays


def _share(X: RowFile, y: np.ndarray, ours: dict[str, np.ndarray]) -> float:
    """Return by which share our objective is above scikit-learn's."""
    from sklearn.linear_model import LogisticRegression

    rows = X[:].astype(float)
    peer = LogisticRegression(C=C, tol=1e-8, max_iter=3000).fit(rows, y)
    pair = [objective(rows, y, C, *w) for w in ((ours["weights"], ours["intercepts"]), (peer.coef_, peer.intercept_))]
    return pair[0] / pair[1] - 1
