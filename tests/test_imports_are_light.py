"""What is not used is not imported: `penult --help` is there at once, and prediction needs neither scikit-learn nor torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HEAVY = (
    "numpy",
    "scipy",
    "sklearn",
    "torch",
    "openvino",
    "onnxruntime",
    "onnx",
    "h5py",
    "matplotlib",
    "PIL",
    "rich",
    "penult.report",
)


def loaded(code: str) -> set[str]:
    """Return which of the heavy libraries a fresh interpreter has loaded after this code."""
    tail = f"\nimport sys; print('loaded:', *[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_import_penult_loads_nothing_heavy() -> None:
    assert loaded("import penult") == set()


def test_help_loads_nothing_heavy() -> None:
    for command in ("train", "doctor", "cache"):
        code = f"from penult.cli import main\ntry:\n    main(['{command}', '--help'])\nexcept SystemExit:\n    pass"
        assert loaded(code) == set(), command


def test_prediction_loads_neither_scikit_learn_nor_torch(photos: Callable[..., Path], tmp_path: Path) -> None:
    """One process predicts with a model of each head."""
    from penult import TransferClassifier

    paths = sorted(photos("train", warm=6, cold=6).rglob("*.png"))
    models = [str(tmp_path / f"{head}.penult") for head in ("blend", "logistic", "svm", "knn", "lda", "dense")]
    for model in models:
        TransferClassifier("colour_histogram", Path(model).stem).fit(paths, [p.parent.name for p in paths]).save(model)
    predict = f"for model in {models!r}:\n    assert main(['predict', model, {str(paths[0])!r}]) == 0"
    got = loaded(f"from penult.cli import main\n{predict}")
    assert got & {"sklearn", "scipy", "torch", "matplotlib", "h5py", "onnx", "penult.report"} == set()


def test_every_public_name_is_there() -> None:
    import penult
    from penult import errors

    assert len([name for name in penult.__all__ if name not in dir(errors)]) <= 18
    for name in penult.__all__:
        assert getattr(penult, name).__name__.removeprefix("penult.") == name
        assert name in dir(penult)
