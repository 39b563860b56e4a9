"""Draw the figures of the concept pages into docs/concepts/: `python packaging/docs_figures.py RUN`.

RUN is the run folder of `penult demo`: calibration.svg compares scikit-learn's logistic regression on the features of its
solar cells with penult's own out-of-fold answers, in the same folds of photos that belong together.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import h5py
import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).resolve().parents[1] / "docs" / "concepts"
TEAL, ORANGE, GRAY = "#00897b", "#e07b39", "#8a8a8a"  # to be read on white and on the dark page alike


def folds() -> None:
    """Five models: each answers one fold and learns from the other four."""
    figure, axes = plt.subplots(figsize=(6.4, 2.4))
    for model in range(5):
        for fold in range(5):
            answered = model == fold
            fill, edge = (TEAL, TEAL) if answered else ("none", GRAY)
            axes.barh(model, 0.94, left=fold, height=0.72, color=fill, edgecolor=edge)
            text, color = ("is answered", "white") if answered else ("learned from", GRAY)
            axes.text(fold + 0.47, model, text, ha="center", va="center", fontsize=8.5, color=color)
    axes.set(yticks=range(5), yticklabels=[f"model {i + 1}" for i in range(5)], xticks=np.arange(5) + 0.47)
    axes.set_xticklabels([f"fold {i + 1}" for i in range(5)])
    axes.xaxis.tick_top()
    axes.invert_yaxis()
    _save(figure, "folds")


def calibration(run: Path) -> None:
    """Share of right answers beside confidence, of plain logistic regression and of penult."""
    with (run / "oof.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    features, names = _features(run)
    order = [names.index(row["file"]) for row in rows]
    labels = np.array([row["label"] for row in rows])
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    held = PredefinedSplit([int(row["fold"]) for row in rows])
    raw = cross_val_predict(plain, features[order], labels, cv=held, method="predict_proba")
    classes = sorted(set(labels))
    own = np.array([[float(row[name]) for name in classes] for row in rows])
    figure, axes = plt.subplots(figsize=(5.2, 3.9))
    axes.plot([0.5, 1], [0.5, 1], color=GRAY, linewidth=1, linestyle="--", label="calibrated")
    for answers, color, name in ((raw, ORANGE, "scikit-learn's LogisticRegression, as it comes"), (own, TEAL, "penult")):
        sure, right, count = reliability(answers, labels, classes)
        axes.plot(sure, right, color=color, marker="o", label=name)
        print(name, f"mean confidence {answers.max(axis=1).mean():.3f},", f"accuracy {right @ count / count.sum():.3f}")
    axes.set(xlabel="confidence", ylabel="share of right answers", xlim=(0.5, 1.01), ylim=(0.5, 1.08))
    axes.legend(frameon=False, labelcolor=GRAY, loc="upper left")
    _save(figure, "calibration")


def reliability(
    answers: NDArray[np.float64], labels: NDArray[np.str_], classes: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Return mean confidence, share of right answers and number of photos in ten bins of equal size."""
    sure, right = answers.max(axis=1), np.array(classes)[answers.argmax(axis=1)] == labels
    bins = np.array_split(np.argsort(sure), 10)
    return (
        np.array([sure[one].mean() for one in bins]),
        np.array([right[one].mean() for one in bins]),
        np.array([len(one) for one in bins]),
    )


def _features(run: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Return the features of the training photos, all networks side by side, and the photos' names."""
    parts, names = [], []
    for path in sorted(run.glob("data_*.h5")):
        with h5py.File(path) as file:
            parts.append(file["train"][:])
            names = [name.decode() for name in file["train_files"][:]]
    return np.hstack(parts), names


def _save(figure: mpl.figure.Figure, name: str) -> None:
    for axes in figure.axes:
        axes.tick_params(colors=GRAY, length=0)
        axes.xaxis.label.set_color(GRAY)
        axes.yaxis.label.set_color(GRAY)
        for side in axes.spines.values():
            side.set_visible(False)
    figure.tight_layout()
    figure.savefig(HERE / f"{name}.svg", transparent=True, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "penult"
    folds()
    calibration(Path(sys.argv[1]))
