"""Novelty: photos unlike all that the model was trained on are told, and the measure stays as it was saved."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import penult
from finished import lay_out
from penult import TransferClassifier, bundle
from penult.cli import main
from penult.embed import EmbedOptions
from penult.errors import DamagedFile
from penult.heads import novelty
from penult.predict import Predictor
from penult.training import Run, TrainOptions, train_images

Photos = Callable[..., Path]
WIDE = 600  # more columns than are kept, so that they are projected


def rows(n: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Return n rows (n, 600) around two places; with `shift` elsewhere."""
    random = np.random.default_rng(seed)
    places = np.random.default_rng(99).normal(0, 1, (2, WIDE))
    elsewhere = np.random.default_rng(98).normal(0, 1, WIDE)
    return (places[np.arange(n) % 2] * (1 - shift) + shift * elsewhere + random.normal(0, 0.7, (n, WIDE))).astype(np.float32)


def fitted(n: int = 300) -> tuple[novelty.NoveltyReference, np.ndarray]:
    return novelty.fit(rows(n), np.arange(n) % 2, np.arange(n) // 2 % 5, (300, 300))


def test_new_rows_of_the_same_kind_stay_below_the_level_and_others_do_not() -> None:
    measure, own = fitted()
    assert 0.97 < np.mean(own <= 1) <= 0.995  # the level is the 99% point of the training rows, each against other folds
    assert np.mean(measure(rows(400, 7)) > 1) < 0.05
    assert np.mean(measure(rows(400, 7, shift=0.9)) > 1) > 0.95


def test_a_training_row_is_familiar_and_its_score_does_not_depend_on_its_company() -> None:
    measure, own = fitted()
    X = rows(300)
    together = measure(X)
    assert (together < own).all()  # its own row is among its neighbours now
    np.testing.assert_allclose(np.concatenate([measure(X[i : i + 1]) for i in range(9)]), together[:9], rtol=1e-9)
    assert measure(X[:0]).shape == (0,)


def test_copies_in_one_fold_do_not_make_each_other_look_familiar() -> None:
    X = rows(100)
    X[50:] = X[:50]
    fold = np.tile(np.arange(50) % 5, 2)
    twice = novelty.fit(X, np.zeros(100, int), fold)[1]
    once = novelty.fit(X[:50], np.zeros(50, int), fold[:50])[0]
    assert twice.min() > 0.5  # not 0, as it would be with the copy among the neighbours
    assert once.facts["level"] > 0


def test_of_many_rows_some_are_kept_and_no_class_is_forgotten() -> None:
    y = np.zeros(6000, int)
    y[-5:] = 1
    X = np.random.default_rng(0).normal(0, 1, (6000, 20)).astype(np.float32)
    X[-5:] += 40
    measure, own = novelty.fit(X, y, np.arange(6000) % 5)
    assert measure.arrays["rows"].shape == (novelty.ROWS, 20)
    assert measure.arrays["rows"].dtype == np.float16
    assert np.isfinite(own).sum() == novelty.JUDGED
    assert (measure(X[-5:]) < 1).all()


def test_the_random_directions_never_change() -> None:
    signs = novelty._signs(WIDE)
    assert signs.shape == (WIDE, 256)
    assert set(np.unique(signs)) == {-1 / 16, 1 / 16}
    assert [int(s > 0) for s in signs[0, :16]] == [1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0]


@pytest.mark.parametrize("broken", ["rows", "centre", "nearest", "level", "extra", "missing"])
def test_a_saved_measure_that_cannot_be_one_is_refused(broken: str) -> None:
    measure = fitted(40)[0]
    arrays, facts = dict(measure.arrays), dict(measure.facts)
    if broken == "rows":
        arrays["rows"] = arrays["rows"] * np.float16(np.nan)
    elif broken == "centre":
        arrays["centre"] = arrays["centre"][:-1]
    elif broken == "extra":
        arrays["more"] = arrays["centre"]
    elif broken == "missing":
        del facts["level"]
    else:
        facts[broken] = 0
    with pytest.raises(DamagedFile, match="novelty cannot be used"):
        novelty.reference(arrays, facts)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    base = tmp_path_factory.mktemp("novelty")
    lay_out(base / "new", first=60, any=3)
    (base / "new/any/broken.jpg").write_bytes(b"\xff\xd8")
    lay_out(base / "train", warm=12, cold=12)
    settings = EmbedOptions(cache=str(base / "cache"))
    options = TrainOptions(out=str(base / "run"), backbones=("colour_histogram",), review=0.9, settings=settings)
    return train_images(str(base / "train"), str(base / "new"), options)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def test_predictions_of_a_run_carry_it_in_the_last_column(run: Run) -> None:
    found = table(run.folder / "predictions.csv")
    assert list(found[0]) == ["file", "label", "confidence", "cold", "warm", "novelty"]
    score = {r["file"]: r["novelty"] for r in found}
    assert score["any/broken.jpg"] == ""
    assert all(float(score[f"any/any.{i}.png"]) > 1 for i in (60, 61, 62))  # grey ones: neither reddish nor bluish


def test_the_model_file_gives_the_same_scores_again(run: Run) -> None:
    again = penult.load(run.folder, cache=False)
    paths = sorted((run.folder.parent / "new" / "any").glob("*.png"))
    scores = [p.novelty for p in again.predict([str(p) for p in paths])]
    wanted = [float(r["novelty"]) for r in table(run.folder / "predictions.csv") if r["novelty"]]
    np.testing.assert_allclose(scores, wanted, rtol=1e-3)
    familiar = again.predict([str(p) for p in sorted((run.folder.parent / "train").rglob("warm*.png"))])
    assert not any(p.unlike for p in familiar)


def test_a_model_saved_without_it_still_predicts(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = replace(bundle.load_bundle(run.folder), novelty=None)
    bundle.save_bundle(tmp_path / "old.penult", old)
    assert bundle.load_bundle(tmp_path / "old.penult").novelty is None
    picture = next((run.folder.parent / "train").rglob("*.png"))
    answer = next(iter(Predictor(bundle.load_bundle(tmp_path / "old.penult")).predict([str(picture)])))
    assert (answer.novelty, answer.unlike) == (None, False)
    assert main(["predict", str(tmp_path / "old.penult"), str(picture), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["novelty"] is None


def test_predict_says_it_in_text_and_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    photos = run.folder.parent
    strange, known = photos / "new/any/any.60.png", photos / "train/warm/warm.3.png"
    assert main(["predict", str(run.folder), str(strange), str(known)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("any.60.png  (unlike the training photos)")
    assert lines[1].endswith("warm.3.png")
    assert main(["predict", str(run.folder), str(strange), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["novelty"] > 1


def test_the_python_classifier_saves_it_too(photos: Photos, tmp_path: Path) -> None:
    paths = sorted(str(p) for p in photos("train", warm=9, cold=9).rglob("*.png"))
    labels = [Path(p).parent.name for p in paths]
    TransferClassifier("colour_histogram").fit(paths, labels).save(tmp_path / "m.penult")
    strange = photos("new", any=2) / "any" / "any.0.png"
    assert next(iter(penult.load(tmp_path / "m.penult").predict([str(strange)]))).unlike


def test_real_photos_of_something_else_are_unlike(real_photos: Path, tmp_path: Path) -> None:
    done = train_images(
        str(real_photos / "train"), str(real_photos / "test"), TrainOptions(str(tmp_path / "run"), ("efficientnet_lite0",))
    )
    known = [float(r["novelty"]) for r in table(done.folder / "predictions.csv")]
    assert np.mean(np.array(known) > 1) < 0.06
    waves = np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), np.uint8)
    flat = np.full((1, 150, 150, 3), 200, np.uint8)
    assert all(p.unlike for p in penult.load(done.folder).predict([*waves, *flat]))
