"""A run never refuses the model that it has just made: it checks it before it ends, and tells of a fault as a bug.

And what a run makes of many classes with few photos is a usable model whose rows sum to 1, in memory and in tables.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import penult
from penult import heads, predict
from penult.audit import Pairs
from penult.bundle import Bundle
from penult.cli import main
from penult.errors import InputError, InternalError, quiet
from penult.evaluate import TrialProcess
from penult.fit import build_head
from penult.heads import calibration
from penult.predict import Predictions
from penult.runs import RunFolder
from penult.training import Trainer, TrainOptions, run_files, train_images
from penult.training.data import Split, TrainingData

CHEAP = ("colour_histogram",)


@pytest.fixture
def photos_of_many(tmp_path: Path) -> Callable[[int, int], Path]:
    """Return a function that draws noisy photos: k classes, so many of each."""
    from PIL import Image

    def drawn(k: int, each: int) -> Path:
        rng = np.random.default_rng(k)
        folder = tmp_path / f"{k}x{each}"
        for c in range(k):
            (folder / f"c{c:03}").mkdir(parents=True)
            base = rng.integers(0, 256, (4, 4, 3))
            for i in range(each):
                noisy = (base + rng.normal(0, 60, base.shape)).clip(0, 255).astype(np.uint8)
                Image.fromarray(noisy).resize((40, 40)).save(folder / f"c{c:03}" / f"{i}.png")
        return folder

    return drawn


def sums(path: Path, k: int) -> np.ndarray:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return np.array([sum(float(row[name]) for name in list(row)[3 : 3 + k]) for row in rows])


def test_many_classes_with_few_photos_give_a_model_that_loads(
    photos_of_many: Callable[[int, int], Path], tmp_path: Path
) -> None:
    folder = photos_of_many(10, 4)
    run = train_images(str(folder), str(folder), TrainOptions(out=str(tmp_path / "run"), backbones=CHEAP))
    assert run.metrics["status"] == "done"
    answers = predict.load(run.folder).predict([str(p) for p in sorted(folder.rglob("*.png"))[:5]])
    np.testing.assert_allclose(answers.proba.sum(axis=1), 1, rtol=0, atol=1e-9)
    for name in ("oof.csv", "predictions.csv"):
        assert np.abs(sums(run.folder / name, 10) - 1).max() < 10 * 5e-7


def test_the_rows_of_a_table_of_a_thousand_classes_sum_to_one_within_its_digits(tmp_path: Path) -> None:
    proba = calibration.probabilities(np.random.default_rng(0).standard_normal((3, 1000)) * 3, 1.0, 1e-5)
    classes = tuple(f"c{i}" for i in range(1000))
    Predictions(("a", "b", "c"), classes, proba, {}).write_csv(tmp_path / "p.csv")
    assert np.abs(sums(tmp_path / "p.csv", 1000) - 1).max() < 5e-6


def broken_selftest(*_: object) -> dict[str, np.ndarray]:
    return {"images": np.zeros((1, 8, 8, 3), np.uint8), "proba": np.array([[0.6, 0.4005]])}


def test_a_model_that_fails_the_check_costs_nothing_else(
    photos: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All that was measured is there, the page too; no command takes the run for a finished one."""
    folder, run = photos("train", warm=6, cold=6), tmp_path / "run"
    RunFolder(run).finish({})
    (run / "model.penult").write_bytes(b"of an earlier run, and no model of these results")
    monkeypatch.setattr(run_files, "selftest", broken_selftest)
    assert main(["train", str(folder), "-b", "colour_histogram", "--out", str(run), "-q"]) == 1
    said = capsys.readouterr().err
    assert "self-test is no distribution" in said and "a bug of penult" in said and "report it, please" in said
    assert "train again" not in said and "Traceback" not in said
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["status"] == "failed" and metrics["error"] in said
    assert metrics["scores"]["scores"]["accuracy"]["value"] == 1
    assert {"oof.csv", "report.html", "findings.csv", "map.csv"} <= set(metrics["files"])
    assert not (run / "model.penult").exists()
    assert main(["predict", str(run), str(folder)]) == 1
    assert main(["doctor", str(run)]) == 1
    assert "no model: the model did not pass" in capsys.readouterr().out


def test_a_model_whose_answers_are_no_numbers_is_told_as_a_bug(tmp_path: Path) -> None:
    head = heads.make_head("centroid").fit(np.random.default_rng(0).random((8, 9)), np.arange(8) % 2).to_arrays()
    model = Bundle(("a", "b"), (), (9,), head, np.array([0.5, 0.5]))
    part = Split(("x",), np.ones(1, bool), np.full((1, 9), np.nan, np.float32), None, {})
    with RunFolder(tmp_path / "run") as run, TrialProcess(0) as process:
        near = Pairs(*np.zeros((3, 0)))
        material = TrainingData(part, part, ("a", "b"), ("n",), (9,), ((9,),), None, near, ())
        training = Trainer(run, TrainOptions(), None, process, quiet)
        answers, fault = training._save(material, model), training.fault
    assert answers is None
    assert isinstance(fault, InternalError)
    assert "answers that are not numbers" in str(fault) and "report it, please" in str(fault)
    assert not (tmp_path / "run/model.penult").exists()


def test_the_clip_of_the_blogs_protocol_is_lowered_for_many_classes_and_that_is_said() -> None:
    of_blog2017 = TrainOptions.of_blog2017()
    assert [of_blog2017.clip_for(k) for k in (2, 100)] == [0.005, 0.005]
    assert [of_blog2017.clip_notes(k) for k in (2, 100)] == [[], []]
    for k in (101, 199, 200, 220, 1000):
        assert of_blog2017.clip_for(k) == 0.5 / k
        assert f"{0.5 / k:.3g} instead of the 0.005 of --protocol blog2017" in of_blog2017.clip_notes(k)[0]


@pytest.mark.parametrize("command", ["train", "features"])
def test_a_clip_that_many_classes_leave_no_room_for_is_refused_before_anything_is_computed(
    photos_of_many: Callable[[int, int], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder, out = photos_of_many(12, 2), tmp_path / "run"
    words = [str(folder), "-b", "colour_histogram"]
    if command == "features":
        assert main(["embed", *words, "--out", str(tmp_path / "f.h5")]) == 0
        words = ["--features", str(tmp_path / "f.h5")]
    assert main(["train", *words, "--clip", "0.1", "--out", str(out)]) == 1
    assert "clip is 0.1; with 12 classes give a number from 0 to below 0.0833" in capsys.readouterr().err
    assert not out.exists()


def test_class_weights_are_an_option_of_the_commands_that_learn(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run, its model, and the line that `compare` tells to type next say so."""
    folder = photos("train", warm=12, cold=4)
    words = [str(folder), "-b", "colour_histogram", "--class-weight", "balanced"]
    assert main(["train", *words, "-v", "--out", str(tmp_path / "run")]) == 0
    assert "class_weight=balanced" in capsys.readouterr().out
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["options"]["class_weight"] == "balanced" == metrics["choice"]["class_weight"]
    assert all(choice["class_weight"] == "balanced" for choice in metrics["scores"]["choices"])
    model = penult.bundle.load_bundle(tmp_path / "run")
    assert model.facts["choice"]["class_weight"] == "balanced"
    np.testing.assert_array_equal(model.prior, [0.25, 0.75])  # an unreadable photo gets the shares of the photos as they are
    assert main(["audit", *words]) == 0
    capsys.readouterr()
    assert main(["compare", *words, "--out", str(tmp_path / "compare")]) == 0
    assert "--class-weight balanced" in capsys.readouterr().out


def test_class_weights_by_name_become_those_by_number() -> None:
    given = TrainOptions(class_weight={"dog": 3})
    head = build_head("logistic", np.array(["cat", "dog"]), (4,), given.class_weight)
    assert head.class_weight == {0: 1.0, 1: 3.0}
    assert given.to_dict()["class_weight"] == {"dog": 3.0}
    with pytest.raises(InputError, match="'cow'"):
        build_head("logistic", np.array(["cat", "dog"]), (4,), {"cow": 3})
