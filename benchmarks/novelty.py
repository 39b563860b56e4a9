"""Does novelty tell photos of something else from new photos of the same kind? Beside other measures.

    python benchmarks/novelty.py --photos KNOWN --unlike OTHER [OTHER ...] [-b efficientnet_lite0]

A third of the labelled photos KNOWN is held out; a measure should put the photos of each folder OTHER above those. AUC is the
share of pairs that it puts so (1 is perfect, 0.5 is chance); `above 1` is the share that penult calls unlike the training
photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np


def embedded(folder: Path, network: str, labelled: bool):
    from penult import images, zoo
    from penult.embed import EmbedOptions, embed

    found = images.scan_labelled(folder) if labelled else images.scan_unlabelled([str(folder)])
    done = embed([i.path for i in found.images], [zoo.find_backbone(network)], EmbedOptions())
    return done.features(), found.y[done.ok] if labelled else None, done.blocks


def auc(known: np.ndarray, other: np.ndarray) -> float:
    return float((other[:, None] > known).mean() + (other[:, None] == known).mean() / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--unlike", type=Path, nargs="+", required=True)
    parser.add_argument("-b", "--backbone", default="efficientnet_lite0")
    asked = parser.parse_args()
    from penult import evaluate, heads
    from penult.heads import novelty, scaling

    X, y, parts = embedded(asked.photos, asked.backbone, True)
    held = np.random.default_rng(0).permutation(len(X)) < len(X) // 3
    near, labels = X[~held], y[~held]
    fold = evaluate.outer_folds(labels, [str(c) for c in range(int(y.max()) + 1)], np.arange(len(near)))
    measure, _ = novelty.fit(near, labels, fold, parts)
    head = heads.make_head("logistic", blocks=parts).fit(near, labels)
    unit = scaling.apply("unit", near.astype(float), parts, {})
    centres = np.stack([unit[labels == c].mean(axis=0) for c in np.unique(labels)])

    def neighbours(rows: np.ndarray) -> np.ndarray:
        Z = scaling.apply("unit", rows.astype(float), parts, {})
        apart = (Z**2).sum(1)[:, None] + (unit**2).sum(1) - 2 * Z @ unit.T
        return np.sqrt(np.maximum(np.sort(apart, axis=1)[:, : novelty.NEAREST], 0)).mean(axis=1)

    def to_centre(rows: np.ndarray) -> np.ndarray:
        Z = scaling.apply("unit", rows.astype(float), parts, {})
        return np.linalg.norm(Z[:, None] - centres, axis=2).min(axis=1)

    others = {
        "penult": measure,
        "neighbours, all columns": neighbours,
        "nearest class centre": to_centre,
        "1 - confidence": lambda rows: 1 - head.predict_proba(rows).max(axis=1),
    }
    print(f"{asked.backbone}; {len(near)} training photos, {held.sum()} held out, {(measure(X[held]) > 1).mean():.3f} above 1")
    for folder in asked.unlike:
        rows = embedded(folder, asked.backbone, False)[0]
        print(f"{folder.name}: {len(rows)} photos, {(measure(rows) > 1).mean():.3f} above 1")
        for name, one in others.items():
            print(f"  {name:<26} AUC {auc(one(X[held]), one(rows)):.4f}")


if __name__ == "__main__":
    main()
