"""Several labels a photo: which labels the audit calls missing or wrong, and how many of these are, beside what it expects.

Pictures of one to four photos of folders of classes (`labels`), so that every label is right as far as the photos' own are.
Of 120, 300 and 1,000 of them 0%, 5% and 10% of the labels are taken away, and as many given to pictures that have them not.
Bounds: without any planted at most one of a thousand answers is listed; with some, all sets of a size together, what is
expected is at most a tenth, or 2, above what is truly planted among those listed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.labels import composites
from penult.audit.noise_model import DOUBTED
from penult.evaluate import cross_validate_labels
from penult.heads.multilabel import MultiLabelHead
from penult.training.label_set_check import check_label_sets

Array = NDArray[Any]
SIZES = {120: 2, 300: 2, 1000: 1}  # pictures, and draws
SHARES = (0.0, 0.05, 0.1)
FALSE, OVER, COUNT = 1e-3, 0.1, 2.0  # listed of all answers; share, and number, that may be expected too many


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--photos", nargs="+", required=True, help="folders of classes; FOLDER,FOLDER: one set")


def run(args: argparse.Namespace) -> int:
    """Print a line for each set, size and share, and for all sets; return 1 where a bound is missed."""
    total: dict[tuple[int, float], Array] = {}
    print("| set | pictures | planted | labels listed | of them planted | expected | recall |\n|---|---|---|---|---|---|---|")
    for given in args.photos:
        folders = [Path(one) for one in given.split(",")]
        X, Y, groups, blocks = composites(folders, max(SIZES))
        for size, draws in SIZES.items():
            for share in SHARES:
                found = np.sum([listed((X, Y, groups), blocks, size, share, seed) for seed in range(draws)], axis=0)
                total[size, share] = total.get((size, share), 0) + found
                print(told(" + ".join(folder.parent.name for folder in folders), size, share, found), flush=True)
    missed = False
    for (size, share), found in total.items():
        number, right, expected, _, answers = found.tolist()
        missed |= number > FALSE * answers if share == 0 else expected > right + max(OVER * right, COUNT)
        print(told("all", size, share, found))
    bound = f"at most {FALSE:.1%} listed with none planted, expected at most what is planted + {OVER:.0%}, or {COUNT:.0f}"
    print(f"{bound}: {'MISSED' if missed else 'kept'}")
    return int(missed)


def listed(data: tuple[Array, Array, Array], blocks: tuple[int, ...], size: int, share: float, seed: int) -> Array:
    """Return how many labels are listed, how many of these were planted, how many are expected to be; all planted, all."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(data[0]))[:size])
    X, Y, groups = (one[rows] for one in data)
    rng, given = np.random.default_rng([5, seed]), Y.copy()
    given[(Y == 1) & (rng.random(Y.shape) < share)] = 0
    made = share * Y.sum(axis=0) / np.maximum((1 - Y).sum(axis=0), 1)
    given[(Y == 0) & (rng.random(Y.shape) < made)] = 1
    head = MultiLabelHead(blocks=blocks, random_state=seed)
    seen = cross_validate_labels(head, X, given, [str(i) for i in range(Y.shape[1])], groups, seed=seed)
    wrong = np.nan_to_num(check_label_sets(head, X, seen).wrong)
    doubted, bad = wrong > DOUBTED, given != Y
    return np.array([doubted.sum(), bad[doubted].sum(), wrong[doubted].sum(), bad.sum(), Y.size])


def told(name: str, size: int, share: float, found: Array) -> str:
    """Return a row of the table."""
    number, right, expected, bad, _ = found.tolist()
    recall = f"{right / bad:.0%}" if bad else ""
    return f"| {name} | {size:,} | {share:.0%} | {number:.0f} | {right:.0f} | {expected:.1f} | {recall} |"
