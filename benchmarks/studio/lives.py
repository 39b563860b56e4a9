"""Undo, redo, two tabs, acts sent twice, restarts and kills: random lives beside a dict (Hypothesis). Bound: 0 differences.

A life is a project of 14 photos and a random order of acts, classes, undos, repeats, restarts with other photos, and copies of
the files as a dead process leaves them (tests/studio_lives.py). After each step labels, status, classes, second answers,
struck photos, decisions and what can be undone are compared with the dict; at restarts also the replay of the acts and
labels.csv. The first difference is shown with the shortest life that has it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--lives", type=int, default=200)
    topic.add_argument("--steps", type=int, default=60)


def run(asked: argparse.Namespace) -> None:
    from hypothesis import HealthCheck, settings
    from hypothesis.stateful import run_state_machine_as_test

    from studio_lives import COUNTED, Lives

    limits = settings(
        max_examples=asked.lives, stateful_step_count=asked.steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    start = time.process_time()
    run_state_machine_as_test(Lives, settings=limits)
    done = f"{asked.lives} lives, {COUNTED['acts']:,} acts, {COUNTED['states']:,} states compared"
    print(f"{done}: 0 differences ({time.process_time() - start:.0f} s CPU)")
