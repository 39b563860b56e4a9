"""kill -9 at random acts: labels lost that were acknowledged, states that are not the replay of the acts. Bound: 0 of 200.

The real server of a small project, over HTTP, is ended by SIGKILL while an act is on its way, or when labels.csv is about to
be written; the next one opens what is there, and gets the act without an answer again (tests/studio_kills.py).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2] / "tests"


def add(topic: argparse.ArgumentParser) -> None:
    topic.add_argument("--times", type=int, default=200)
    topic.add_argument("--seed", type=int, default=0)


def run(asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, str(TESTS / "studio_kills.py"), f"{place}/life", str(asked.seed), str(asked.times)]
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "PENULT_CACHE": f"{place}/cache", "PYTHONPATH": str(TESTS)}
        told = json.loads(subprocess.run(words, env=alone, stdout=subprocess.PIPE, check=True).stdout)
    print(
        f"{asked.times} times kill -9: {told['acknowledged']:,} acts acknowledged, {told['on their way']} without an answer,"
    )
    print(f"which were sent again; labels.csv read {told['tables']} times; differences: {len(told['wrong'])}")
    for line in told["wrong"][:20]:
        print(line)
