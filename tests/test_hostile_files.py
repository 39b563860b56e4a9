"""Files that were made to do harm are refused in one sentence: nothing in them runs, nothing else is opened, memory stays.

What they are is in `hostile_models` and `hostile_files`; `hostile` opens them in a process of its own that is watched.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hostile

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak of the memory is told by Linux")
NETWORKS = ("model", "onnx", "shelf", "int8")


@pytest.mark.parametrize("kinds", [NETWORKS, [k for k in hostile.KINDS if k not in NETWORKS]], ids=["networks", "other files"])
def test_each_is_refused_before_it_does_anything(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    found = hostile.judged(kinds, tmp_path)
    assert list(hostile.faults(found)) == []
    assert len(found) == sum(1 + len(hostile.KINDS[kind].bad) for kind in kinds)


def test_the_watch_sees_what_it_is_to_see(tmp_path: Path) -> None:
    """A reader that believes a file is found out: it runs, opens, writes and takes what it must not."""
    script = (
        "import hostile, os, sys\n"
        "from pathlib import Path\n"
        "from hostile import KINDS, Kind\n"
        "deeds = {'system': lambda p: os.system('true'), 'reads': lambda p: open('/etc/passwd').close(),\n"
        "         'writes': lambda p: open(p.parent.parent.parent / 'evil', 'w').close(),\n"
        "         'evaluates': lambda p: eval('1+1'), 'takes': lambda p: bytearray(200 << 20), 'believes': lambda p: 1}\n"
        "folder = Path(sys.argv[1])\n"
        "watch = hostile.Watch(folder)\n"
        "for name, deed in deeds.items():\n"
        "    found = {'kind': 'x', **hostile.opened(Kind(None, deed, {}), name, folder / 'a' / 'b', watch)}\n"
        "    usual = {**found, 'name': hostile.GOOD, 'answer': 'accepted', **hostile.NOTHING}\n"
        "    print(name, *hostile.faults([usual, found]))\n"
    )
    (tmp_path / "in").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", script, str(tmp_path / "in")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "os.system" in said["system"]
    assert "/etc/passwd" in said["reads"]
    assert "open" in said["writes"]
    assert "compile" in said["evaluates"] or "exec" in said["evaluates"]
    assert " MB" in said["takes"]
    assert "accepted" in said["believes"]
