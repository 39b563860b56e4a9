"""Choosing the regularisation of a logistic regression: scikit-learn's LogisticRegressionCV against penult's `logistic`.

    python -m peers.run_head make FOLDER ROWS COLUMNS        the same rows for all, written once
    python -m peers.run_head sklearn|penult|own FOLDER

sklearn and penult try the same ten values of C in five folds on the same standardised columns. own: penult as it comes,
which scales, looks for its own values, and fits a temperature and a clip too.
"""

from __future__ import annotations

import functools
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from peers.clock import peak, tell

DECADES = tuple(-4 + i / 3 for i in range(10))  # C from 1e-4 to 1e-1
HELD = 2000  # rows that nobody fits; their log loss is told


def make(folder: Path, rows: int, columns: int) -> None:
    """Write X.npy and y.npy with `rows` + HELD rows: 64 hidden causes, as much noise, labels not separable."""
    if (folder / "y.npy").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    dice, n = np.random.default_rng(0), rows + HELD
    hidden = dice.standard_normal((n, 64), np.float32)  # (n, 64)
    y = hidden @ dice.standard_normal(64, np.float32) + 2 * dice.standard_normal(n, np.float32) > 0
    X = hidden @ dice.standard_normal((64, columns), np.float32) / 8
    for start in range(0, n, 1000):
        X[start : start + 1000] += dice.standard_normal(X[start : start + 1000].shape, np.float32)
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    np.save(folder / "X.npy", X)
    np.save(folder / "y.npy", y.astype(np.int64))


def sklearn_cv() -> Any:
    """Return scikit-learn's own way: five folds, warm starts along the path of C, log loss decides."""
    from sklearn.linear_model import LogisticRegressionCV

    grid = [10.0**decade for decade in DECADES]
    return LogisticRegressionCV(Cs=grid, cv=5, scoring="neg_log_loss", max_iter=1000)


def penult_cv(same: bool) -> Any:
    """Return penult's head, held to the same values of C and the same columns, or as it comes."""
    from penult.heads.methods import logistic

    if not same:
        return logistic.Logistic()
    logistic.Grid = functools.partial(logistic.Grid, start=DECADES, fine=())  # type: ignore[misc, assignment]
    return logistic.Logistic(scaling="none", calibrate=False, clip=None)


def main(way: str, folder: str, rows: str = "0", columns: str = "0") -> None:
    """Fit once and tell seconds, peak memory over the data's own, the chosen C, and the held-out log loss."""
    if way == "make":
        return make(Path(folder), int(rows), int(columns))
    warnings.simplefilter("ignore")
    from sklearn.metrics import log_loss

    X, y = np.load(Path(folder) / "X.npy"), np.load(Path(folder) / "y.npy")
    X, y, later, truth = X[:-HELD], y[:-HELD], X[-HELD:], y[-HELD:]
    head = sklearn_cv() if way == "sklearn" else penult_cv(same=way == "penult")
    base, began = peak(), time.perf_counter()
    head.fit(X, y)
    seconds = time.perf_counter() - began
    loss = log_loss(truth, head.predict_proba(later))
    best = head.choice_["C"] if way != "sklearn" else float(head.C_[0])
    size = X.nbytes / 1e6
    return tell(
        "scikit-learn", "numpy", seconds=seconds, log_loss=loss, C=best, times_x=1 + (peak() - base) / size, shape=X.shape
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
