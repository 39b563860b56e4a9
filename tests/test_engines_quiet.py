"""The engine is silent and private: nothing printed, sent or left in the home folder, and no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from extras import ONNXRUNTIME

WATCHED = """
import socket, sys
def refuse(*arguments, **named):
    print("connected", arguments, file=sys.stderr)
    raise OSError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
sys.modules["torch"] = sys.modules["timm"] = None
from penult import backbones, engines
assert "openvino" not in sys.modules, "openvino is loaded before it is needed"
import numpy as np
engine = engines.open_engine(backbones.find_builtin("efficientnet_lite0", size=64))
assert engine(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 3584), "without torch"
engine.close()
assert "openvino_telemetry" not in sys.modules and "openvino_telemetry.main" not in sys.modules
import openvino
assert "openvino.tools.ovc" not in sys.modules, "its converter is loaded before it is needed"
try:
    openvino.convert_model("none.onnx")
except Exception as error:
    assert "none.onnx" in str(error), error
assert "openvino.tools.ovc" in sys.modules
assert "openvino_telemetry" not in sys.modules
import openvino_telemetry
"""


BY_ONNXRUNTIME = """
import socket, sys
def refuse(*arguments, **named):
    print("connected", arguments, file=sys.stderr)
    raise OSError("no network")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
sys.modules["torch"] = None
import numpy as np
from penult import backbones, engines
assert engines.resolve("auto", "f32") and "onnxruntime" not in sys.modules
for precision in ("f32", "f16"):
    engine = engines.open_engine(backbones.find_builtin("efficientnet_lite0", size=64), "onnxruntime-cpu", precision, batch=1)
    assert engine(np.zeros((1, 64, 64, 3), np.uint8)).shape == (1, 3584)
    engine.close()
"""


def silent(program: str, home: Path) -> None:
    """Run a program; fail where it prints anything, fails, or leaves a file in the home folder."""
    environment = {k: v for k, v in os.environ.items() if k not in {"CI", "TF_BUILD", "JENKINS_URL"}}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == []


def test_openvino_sends_nothing_prints_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """Its import alone would report the use and write ~/intel; what a user does with it later still works.

    The whole road from the weights' file to features is walked, where torch cannot be imported.
    """
    silent(WATCHED, tmp_path)


@ONNXRUNTIME
def test_onnxruntime_sends_nothing_prints_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """It is not imported before it is needed, and converts to float16 without a word."""
    silent(BY_ONNXRUNTIME, tmp_path)
