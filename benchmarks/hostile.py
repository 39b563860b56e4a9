"""Hostile files and flipped bits, counted: what was refused, what it cost, and whether any flipped bit became a value.

    python benchmarks/hostile.py                          all hostile files of the tests, all bits of all bytes of three files
    python benchmarks/hostile.py --only files             the hostile files alone, half a minute
    python benchmarks/hostile.py --only model --bits 0 7  two bits of every byte of a model

The files are those of `tests/hostile_models.py` and `tests/hostile_files.py`; a watched process opens them with penult's own
readers (`tests/hostile.py`). Memory is the peak while a file is open, less the file's own bytes. A flip is harmless where all
values that are read are the very same, wrong where they are not. Flips are read in processes of their own, as penult reads
HDF5: it may crash.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import flips
import hostile

BATCH = 4000  # flips of one process


def files() -> int:
    """Print how every kind of hostile file was treated; return how many were not refused as they must be."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = hostile.judged(list(hostile.KINDS), Path(folder), timeout=1800)
    print(f"{'kind':11} {'files':>5} {'refused':>8} {'passed over':>12} {'most memory':>12} {'slowest':>8}")
    for kind in hostile.KINDS:
        cases = [case for case in found if case["kind"] == kind and case["name"] != hostile.GOOD]
        count = Counter(case["answer"] for case in cases)
        most, slow = max(case["extra"] for case in cases) / 1e6, max(case["seconds"] for case in cases)
        print(f"{kind:11} {len(cases):5} {count['refused']:8} {count['passed over']:12} {most:9.0f} MB {slow:6.1f} s")
    wrong = list(hostile.faults(found))
    bad = sum(case["name"] != hostile.GOOD for case in found)
    print(f"{bad} hostile files, {len(wrong)} not treated as they must be, {time.monotonic() - began:.0f} s", *wrong, sep="\n")
    return len(wrong)


def flipped(name: str, bits: list[int]) -> int:
    """Flip these bits of every byte of a target, in processes of their own; print and return how many became values."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        size = len(flips.TARGETS[name](Path(folder)).data)
    counts: Counter[str] = Counter()
    wanted = [(place, bit) for place in range(size) for bit in bits]
    while wanted:
        part, wanted = wanted[:BATCH], wanted[BATCH:]
        done, found = _aside(name, part)
        counts += found
        if done < len(part):  # the process died of this one, and penult's would have: a refusal
            counts["crashed the reading process"] += 1
            wanted = part[done + 1 :] + wanted
    total = size * len(bits)
    kinds = {k: v for k, v in counts.items() if k != "wrong"}
    print(
        f"{name:9} {size:6} bytes, {total:7} flips: {kinds}, wrong {counts['wrong']}; {time.monotonic() - began:.0f} s",
        flush=True,
    )
    return counts["wrong"]


def _aside(name: str, part: list[flips.Flip]) -> tuple[int, Counter[str]]:
    """Return how many flips a process of its own came to, and what became of them."""
    command = [sys.executable, "-W", "ignore", __file__, "--one", name]
    done = subprocess.run(command, input=json.dumps(part), capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return len(lines), sum((Counter(line) for line in lines), Counter[str]())


def _one(name: str) -> None:
    """Be that process: one line for each flip."""
    with tempfile.TemporaryDirectory() as folder:
        target = flips.TARGETS[name](Path(folder))
        good = flips.value_of(target, Path(folder))
        for flip in json.loads(sys.stdin.read()):
            print(json.dumps(flips.tried(target, [flip], Path(folder), good)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parts = ["files", *flips.TARGETS]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="what to do; all of it otherwise")
    parser.add_argument(
        "--bits", type=int, nargs="+", choices=range(8), default=list(range(8)), help="of every byte (all eight)"
    )
    parser.add_argument("--one", choices=flips.TARGETS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        _one(asked.one)
        return 0
    wrong = files() if "files" in asked.only else 0
    return min(1, wrong + sum(flipped(name, asked.bits) for name in flips.TARGETS if name in asked.only))


if __name__ == "__main__":
    sys.exit(main())
