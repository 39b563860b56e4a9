"""Measure the main job on this machine, end to end, and print the table that docs/benchmarks.md quotes.

    python benchmarks/main_job.py --photos FOLDER      FOLDER has train/<class>/ and test/: for instance Kaggle's Dogs vs. Cats
    python benchmarks/main_job.py --demo 5             the demo's accuracy on the held-out quarter, for seeds 0 to 4
    python benchmarks/main_job.py --photos FOLDER --kills 40

Absolute times depend on the machine and on what else it does; compare within one run.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PENULT = [sys.executable, "-m", "penult"]


def timed(*words: object) -> tuple[float, str]:
    """Run penult once; return the seconds that it took and what it printed."""
    began = time.perf_counter()
    done = subprocess.run([*PENULT, *map(str, words)], capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def row(what: str, value: str) -> None:
    print(f"| {what} | {value} |", flush=True)


def main_job(photos: Path, work: Path) -> None:
    """Time the first run, the second, help and one prediction; print what was measured on the photos."""
    job = [
        "train",
        photos / "train",
        "--test",
        photos / "test",
        "--out",
        work / "run",
        "--cache",
        work / "cache",
        "--json",
    ]
    first, _ = timed(*job)
    second = [timed(*job) for _ in range(3)]
    metrics = json.loads(second[-1][1])
    scores = metrics["scores"]["scores"]
    row(
        "images (training + test)",
        f"{metrics['images']['train']} + {metrics['images']['test']}, {metrics['images']['failed']} failed",
    )
    for name in ("accuracy", "log_loss", "brier", "auc", "ece"):
        value = scores[name]
        row(f"out-of-fold {name}", f"{value['value']:.4f} ({value['low']:.4f} to {value['high']:.4f})")
    row("first run, everything cold", f"{first:.1f} s")
    row("second run (median of 3)", f"{statistics.median(t for t, _ in second):.1f} s")
    row("  of it", ", ".join(f"{k} {v:.1f} s" for k, v in metrics["seconds"].items()))
    row("penult --help (median of 5)", f"{statistics.median(timed('--help')[0] for _ in range(5)):.2f} s")
    picture = next(p for p in sorted((photos / "test").rglob("*")) if p.is_file())
    predict = [timed("predict", work / "run", picture, "--cache", work / f"none{i}")[0] for i in range(3)]
    row("penult predict, one image, no cache (median of 3)", f"{statistics.median(predict):.2f} s")


def dense(photos: Path, work: Path) -> None:
    """Print the blog's head: final validation accuracy and losses, five seeds."""
    finals, falls = [], []
    for seed in range(5):
        timed(
            "train",
            photos / "train",
            "--head",
            "dense",
            "--seed",
            seed,
            "--out",
            work / f"dense{seed}",
            "--cache",
            work / "cache",
        )
        lines = (work / f"dense{seed}/history.csv").read_text().splitlines()
        table = [dict(zip(lines[0].split(","), map(float, line.split(",")), strict=True)) for line in lines[1:]]
        finals.append(table[-1]["val_accuracy"])
        falls.append((table[0]["loss"], table[-1]["loss"]))
    row("dense: validation accuracy after 8 epochs (mean of 5 seeds)", f"{statistics.mean(finals):.4f}")
    row(
        "dense: training loss, first to last epoch (mean)",
        " to ".join(f"{statistics.mean(x):.3f}" for x in zip(*falls, strict=True)),
    )


def demo(seeds: int, work: Path, extra: list[str]) -> None:
    """Print the demo's scores on the held-out quarter, over seeds; the first seed's run is the cold one."""
    scores: dict[str, list[float]] = {"accuracy": [], "auc": [], "log_loss": []}
    times = []
    for seed in range(seeds):
        seconds, out = timed("demo", "--seed", seed, "--out", work / "demo", "--cache", work / "demo-cache", "--json", *extra)
        times.append(seconds)
        for name, values in scores.items():
            values.append(json.loads(out)["test"]["scores"][name]["value"])
        print(
            "  seed",
            seed,
            {k: round(v[-1], 4) for k, v in scores.items()},
            f"{seconds:.0f} s",
            file=sys.stderr,
        )
    for name, values in scores.items():
        error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
        row(
            f"solar cells, held-out {name} (mean of {seeds} seeds)",
            f"{statistics.mean(values):.4f} ± {error:.4f}",
        )
    row("penult demo, everything cold", f"{times[0]:.0f} s")


def kills(photos: Path, work: Path, count: int) -> None:
    """Kill -9 at random moments, run again to the end, and compare every feature file with an uninterrupted run's."""
    job = [*PENULT, "train", str(photos / "train"), "--test", str(photos / "test")]
    began = time.perf_counter()
    subprocess.run([*job, "--out", str(work / "whole"), "--cache", str(work / "c0")], capture_output=True, check=True)
    length = time.perf_counter() - began
    wanted = {p.name: sha(p) for p in (work / "whole").glob("data_*.h5")}
    dice, wrong = random.Random(0), 0
    for i in range(count):
        if i % 4 == 0:  # four kills to a cache, so that kills fall into every stage
            shutil.rmtree(work / "c", ignore_errors=True)
            shutil.rmtree(work / "killed", ignore_errors=True)
        child = subprocess.Popen(
            [*job, "--out", str(work / "killed"), "--cache", str(work / "c")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(dice.uniform(0.2, length))
        os.killpg(child.pid, signal.SIGKILL) if child.poll() is None else None
        child.wait()
        wrong += sum(sha(p) != wanted[p.name] for p in (work / "killed").glob("data_*.h5"))
        if i % 4 == 3 or i == count - 1:
            subprocess.run([*job, "--out", str(work / "killed"), "--cache", str(work / "c")], capture_output=True, check=True)
            wrong += {p.name: sha(p) for p in (work / "killed").glob("data_*.h5")} != wanted
    left = list(work.rglob("*.tmp-*"))
    row(
        f"kills (-9) at random moments: {count}",
        f"{wrong} wrong or half files, {len(left)} leftovers, every rerun finished",
    )


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--demo", type=int, default=0, metavar="SEEDS")
    parser.add_argument("--kills", type=int, default=0, metavar="N")
    parser.add_argument("rest", nargs="*", help="further words for `penult demo`, after --")
    asked = parser.parse_args()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n\n| what | measured |\n|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        if asked.photos and not asked.kills:
            main_job(asked.photos, Path(folder))
            dense(asked.photos, Path(folder))
        if asked.kills:
            kills(asked.photos, Path(folder), asked.kills)
        if asked.demo or not asked.photos:
            demo(asked.demo or 1, Path(folder), asked.rest)


if __name__ == "__main__":
    main()
