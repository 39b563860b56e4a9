"""The server is killed while an act is on its way, and nothing that was acknowledged is lost: see `studio_kills`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving import NEEDED


@NEEDED
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its servers")
def test_a_killed_server_loses_no_acknowledged_label(tmp_path: Path) -> None:
    here = Path(__file__).parent
    words = [sys.executable, str(here / "studio_kills.py"), str(tmp_path / "life"), "3", "2"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "PENULT_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(here)}
    run = subprocess.run(words, env=alone, capture_output=True, text=True, timeout=200, check=False)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["wrong"] == []
    assert told["acknowledged"] >= 5
