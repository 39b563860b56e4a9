"""What each step from the blog's protocol to penult's gains, on the same photos and the same folds.

    python benchmarks/blog2017.py --photos train                        the built-in networks, treated as the blog did
    python benchmarks/blog2017.py --photos train --networks blog2017    its own three (penult[keras] and their weights)
    python benchmarks/blog2017.py --photos train --networks keras:ResNet50@r.h5 keras:InceptionV3@i.h5 ...

The first network plays the part of the blog's ResNet50: the one that was given no preprocessing.
"""

from __future__ import annotations

import argparse
import platform
from typing import Any

import numpy as np

from penult import audit, embed, evaluate, heads, images, zoo
from penult.backbones import Backbone
from penult.training.options import SQUASHED, UNPREPARED


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, help="labelled photos")
    parser.add_argument("--networks", nargs="+", default=["lite"], help="names or a preset (default: lite)")
    parser.add_argument("--seeds", type=int, default=5, help="splits into folds, and starts of the dense head (default: 5)")
    asked = parser.parse_args()
    names = zoo.expand(asked.networks)
    found = images.scan_labelled(asked.photos)

    as_blog = [
        zoo.find_backbone(n, pooling=classic(n), **SQUASHED, **(UNPREPARED if i == 0 else {})) for i, n in enumerate(names)
    ]
    prepared = [zoo.find_backbone(n, pooling=classic(n), **SQUASHED) for n in names]
    mended = [zoo.find_backbone(n, pooling=classic(n)) for n in names]
    own = [zoo.find_backbone(n) for n in names]
    dense: dict[str, Any] = {"head": "dense", "clip": 0.005, "calibrate": False}
    rows = [
        (f"{names[0]} alone, no preprocessing", as_blog[:1], dense),
        (f"{names[0]} alone, its preprocessing", prepared[:1], dense),
        ("1. the blog: nearest-pixel squash, dense head, clip 0.005", as_blog, dense),
        (f"2. and {names[0]} with its preprocessing", prepared, dense),
        ("3. and each network's own resize and crop", mended, dense),
        ("4. and a calibrated logistic head, clip chosen", mended, {"head": "logistic"}),
        ("5. and penult's own features (its default)", own, {"head": "logistic"}),
    ]
    print(f"{len(found)} photos of {len(found.classes)} classes, {asked.seeds} seeds; {platform.machine()}\n")
    print("| step | accuracy | log loss |\n|---|---|---|")
    for title, networks, head in rows:
        accuracy, loss = measured(found, networks, head, asked.seeds)
        print(f"| {title} | {accuracy.mean():.4f} | {loss.mean():.4f} ± {loss.std(ddof=1):.4f} |", flush=True)


def classic(name: str) -> str | None:
    """Return the pooling of the blog, the means of the last maps, for those networks whose default is another."""
    return "mean" if name.startswith("efficientnet_lite") else None


def measured(
    found: images.ImageSet, networks: list[Backbone], head: dict[str, Any], seeds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return out-of-fold accuracy and log loss by seed: (seeds,) each."""
    done = embed.embed([i.path for i in found.images], networks, thumbnails=True)
    X, y = done.features(), found.y[done.ok]
    groups = audit.group(done.digests[done.ok], X, done.widths, None, done.thumbnails()).groups
    blocks = sum((b.blocks for b in networks), ())
    kind, params = head["head"], {k: v for k, v in head.items() if k != "head"}
    scores = []
    for seed in range(seeds):
        one = heads.make_head(kind, blocks=blocks, random_state=seed, **params)
        scores.append(evaluate.cross_validate(one, X, y, found.classes, groups=groups, seed=seed).scores)
    return tuple(np.array([s[name].value for s in scores]) for name in ("accuracy", "log_loss"))  # type: ignore[return-value]


if __name__ == "__main__":
    main()
