"""Measure the choice of a logistic head's C beside scikit-learn's, and how much memory it takes; print a table.

    python benchmarks/heads.py                          25,000 x 6,144, 10 values of C x 5 folds; scikit-learn: 2-3 minutes
    python benchmarks/heads.py --peer-folds 1           scikit-learn on one fold of five; its time is multiplied
    python benchmarks/heads.py --only ours stream       some of: ours cv optimum stream default

The features are made up like those of a network: class differences in 400 directions whose spread falls as 1 / sqrt(rank),
white noise on top, each column standardised; about 95% can be told right. Each method runs in a process of its own.
Absolute times depend on the machine; compare within one run.

ours      penult's `Logistic(C=[...])` and LogisticRegressionCV get the same values of C and the same folds, and fit the best
cv        C to all rows. scikit-learn stops at its default tolerance.
optimum   scikit-learn's LogisticRegression at the chosen C, in double precision, to the end: whose log loss is compared.
stream    `ours` on a memory map, where the process may have no more than a share of X as memory of its own.
default   `Logistic()`, which chooses its own values of C, on 222, 2,000 and all rows.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
TEST = 2000  # rows held out from everything
CHUNK = 1000
METHODS = ("ours", "cv", "optimum", "stream", "default")


def make(folder: Path, n: int, d: int, seed: int = 0) -> None:
    """Write X.npy (n + TEST, d) float32 and y.npy, chunk by chunk."""
    rng = np.random.default_rng(seed)
    latent = min(400, d // 4)
    load = rng.standard_normal((latent, d), np.float32) / np.sqrt(1 + np.arange(latent, dtype=np.float32))[:, None]
    push = 0.6 * rng.standard_normal(latent).astype(np.float32) / (1 + np.arange(latent, dtype=np.float32)) ** 0.25
    y = rng.integers(0, 2, n + TEST)
    X = np.lib.format.open_memmap(folder / "X.npy", "w+", np.float32, (n + TEST, d))
    for at in _slices(len(X)):
        inner = rng.standard_normal((len(y[at]), latent), np.float32) + (y[at, None] - 0.5).astype(np.float32) * push
        X[at] = inner @ load + np.float32(1.5) * rng.standard_normal((len(inner), d), np.float32)
    mean = sum(X[at].sum(axis=0, dtype=float) for at in _slices(n)) / n
    spread = np.sqrt(sum(((X[at] - mean) ** 2).sum(axis=0) for at in _slices(n)) / n)
    for at in _slices(len(X)):
        X[at] = (X[at] - mean) / spread
    X.flush()
    np.save(folder / "y.npy", y)


def _slices(n: int) -> list[slice]:
    return [slice(start, min(start + CHUNK, n)) for start in range(0, n, CHUNK)]


def child(method: str, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Run one method on the features in `folder`; return what it found, in how many seconds, with how much memory."""
    from penult import heads
    from penult.heads.task import inner_folds

    heads.make_head("logistic").fit(np.eye(20, dtype=np.float32), np.arange(20) % 2)  # imports are not measured
    before = _peak()
    X, y = np.load(folder / "X.npy", mmap_mode="r"), np.load(folder / "y.npy")
    T, yt, y = np.array(X[-TEST:]), y[-TEST:], y[:-TEST]
    n, grid = options.get("rows", len(y)), options["grid"]
    X, y = X[: len(y)][:n], y[:n]
    size = X.nbytes
    if method == "stream":
        resource.setrlimit(resource.RLIMIT_DATA, ((data := int((before + options["share"] * size / 2**20) * 2**20)), data))
    else:
        X = np.array(X)
    folds = inner_folds(y, None, options["folds"], 0) or ()
    began = time.perf_counter()
    found = globals()[f"_{method}"](X, y, folds, grid, options)
    seconds = time.perf_counter() - began
    peak = _peak()
    logits = T @ found.pop("weights").T + found.pop("intercept") if "weights" in found else None
    if logits is not None:
        found["test"] = float(np.logaddexp(0, np.where(yt[:, None] == 1, -logits, logits).astype(float)).mean())
    return {"seconds": seconds, "peak": peak * 2**20 / size, "above": (peak - before) * 2**20 / size, **found}


def _peak() -> float:
    """Return the largest resident size so far, MiB."""
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _ours(X: Array, y: Array, _folds: Any, grid: list[float], options: dict[str, Any]) -> dict[str, Any]:
    from penult import heads

    head = heads.make_head("logistic", C=grid, scaling="none", calibrate=False, clip=None, folds=options["folds"]).fit(X, y)
    arrays = head.to_arrays().arrays
    return {
        "C": head.choice_["C"],
        "losses": head.path_["log_loss"],
        "weights": arrays["weights"],
        "intercept": arrays["intercepts"],
    }


_stream = _ours


def _cv(X: Array, y: Array, folds: Any, grid: list[float], options: dict[str, Any]) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegressionCV

    warnings.simplefilter("ignore")
    few = folds[: options["peer_folds"]]
    peer = LogisticRegressionCV(Cs=grid, cv=few, scoring="neg_log_loss", refit=len(few) == len(folds)).fit(X, y)
    losses = (
        -np.asarray(peer.scores_[1] if isinstance(peer.scores_, dict) else peer.scores_).reshape(len(few), -1).mean(axis=0)
    )
    best = float(np.ravel(peer.C_)[0])
    return {"C": best, "losses": losses.tolist(), "weights": peer.coef_, "intercept": peer.intercept_, "folds": len(few)}


def _optimum(X: Array, y: Array, _folds: Any, _grid: list[float], options: dict[str, Any]) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    peer = LogisticRegression(C=options["best"], tol=1e-7, max_iter=2000).fit(X.astype(np.float64), y)
    return {"C": options["best"], "weights": peer.coef_, "intercept": peer.intercept_, "steps": int(peer.n_iter_[0])}


def _default(X: Array, y: Array, _folds: Any, _grid: list[float], _options: dict[str, Any]) -> dict[str, Any]:
    from penult import heads

    head = heads.make_head("logistic").fit(X, y)
    return {"C": head.choice_["C"], "tried": len(head.path_["C"])}


def run(method: str, folder: Path, **options: Any) -> dict[str, Any]:
    """Run one method in a process of its own."""
    words = [sys.executable, __file__, "--child", method, "--folder", str(folder), "--options", json.dumps(options)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{method} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    losses = found.get("losses")
    test = f", log loss of {TEST} other rows {found['test']:.6f}" if "test" in found else ""
    tail = f"; by C: {' '.join(f'{x:.5f}' for x in losses)}" if losses else ""
    print(
        f"{method:8} {options.get('rows', '')!s:6} {found['seconds']:8.2f} s, peak {found['peak']:.2f} x X "
        f"({found['above']:.2f} above the imports), C {found['C']:.4g}{test}{tail}",
        flush=True,
    )
    return found


def main() -> None:
    """Parse, make the features, run the methods, and print how they compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=25_000)
    parser.add_argument("--columns", type=int, default=6144)
    parser.add_argument("--lowest", type=float, default=-4, help="decade of the smallest C")
    parser.add_argument("--highest", type=float, default=4, help="decade of the largest C")
    parser.add_argument("--values", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--peer-folds", type=int, default=None)
    parser.add_argument("--share", type=float, default=0.9, help="of X: what `stream` may take as its own memory")
    parser.add_argument("--only", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--folder", type=Path, default=None, help="where the features are, or are to be written")
    parser.add_argument("--child", choices=METHODS, help=argparse.SUPPRESS)
    parser.add_argument("--options", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(child(given.child, given.folder, given.options)))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        if not (folder / "X.npy").exists():
            words = f"import heads; heads.make_head(heads.Path({str(folder)!r}), {given.rows}, {given.columns})"
            # in a process of its own: a child counts the largest size of its parent as its own
            subprocess.run([sys.executable, "-c", words], check=True, cwd=Path(__file__).parent)
        compare(given, folder)


def compare(given: argparse.Namespace, folder: Path) -> None:
    """Run the methods that were asked for, and print the ratios."""
    grid = np.logspace(given.lowest, given.highest, given.values).tolist()
    peer_folds = given.peer_folds or given.folds
    shared = {"grid": grid, "folds": given.folds, "peer_folds": peer_folds, "share": given.share}
    found = {name: run(name, folder, **shared) for name in ("ours", "cv", "stream") if name in given.only}
    if "optimum" in given.only and "ours" in found:
        best = run("optimum", folder, **shared, best=found["ours"]["C"])
        print(f"log loss of other rows beside the optimum's: {found['ours']['test'] / best['test'] - 1:+.1e}")
    if {"ours", "cv"} <= set(found):
        whole = found["cv"]["seconds"] * given.folds / peer_folds
        same = found["ours"]["C"] == found["cv"]["C"]
        print(f"LogisticRegressionCV / ours: {whole / found['ours']['seconds']:.1f} x; the same C: {same}")
    for rows in (222, 2000, given.rows) if "default" in given.only else ():
        run("default", folder, **shared, rows=rows)


if __name__ == "__main__":
    main()
