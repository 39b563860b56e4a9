"""Each act on the disk in turn fails, or is the last of its process: nothing is half or lost, and the rerun is equal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Try some points of each kind in a process without threads, which forks; benchmarks/faults.py tries them all."""
    place = tmp_path_factory.mktemp("faults")
    run = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("faulty.py")), str(place), "5", "2", "4", "40"],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PENULT_CACHE": str(place / "default")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return dict(json.loads(run.stdout))


@pytest.mark.parametrize(("kind", "count"), [("training", 2), ("page", 4), ("files", 40)])
def test_a_run_that_failed_or_died_at_an_act_left_nothing_half_and_its_rerun_is_equal(
    tried: dict[str, Any], kind: str, count: int
) -> None:
    assert tried[kind] == [count, []]
