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
    from penult.training import TrainOptions, train_images

    folder = photos("train", warm=6, cold=6)
    for head in ("logistic", "svm", "knn", "lda", "dense"):
        run = train_images(
            str(folder), None, TrainOptions(out=str(tmp_path / head), backbones=("colour_histogram",), head=head)
        )
        picture = next(folder.rglob("*.png"))
        got = loaded(f"from penult.cli import main\nassert main(['predict', {str(run.folder)!r}, {str(picture)!r}]) == 0")
        assert got & {"sklearn", "scipy", "torch", "matplotlib", "h5py", "onnx", "penult.report"} == set(), head


def test_every_public_name_is_there() -> None:
    import penult
    from penult import errors

    assert len([name for name in penult.__all__ if name not in dir(errors)]) <= 12
    for name in penult.__all__:
        assert getattr(penult, name).__name__ == name
        assert name in dir(penult)
