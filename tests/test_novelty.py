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
from penult.heads import novelty, unlike
from penult.predict import Predictor
from penult.training import Run, TrainOptions, train_images

Photos = Callable[..., Path]
WIDE = 1200  # more columns than are kept, so that they are added up


def rows(n: int, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Return n rows (n, 1200) around two places; with `shift` elsewhere."""
    random = np.random.default_rng(seed)
    places = np.random.default_rng(99).normal(0, 1, (2, WIDE))
    elsewhere = np.random.default_rng(98).normal(0, 1, WIDE)
    return (places[np.arange(n) % 2] * (1 - shift) + shift * elsewhere + random.normal(0, 0.7, (n, WIDE))).astype(np.float32)


def fitted(n: int = 300) -> tuple[novelty.NoveltyReference, np.ndarray]:
    return unlike.fit_novelty(rows(n), np.arange(n) % 2, np.arange(n) // 2 % 5, (600, 600))[:2]


def test_new_rows_of_the_same_kind_stay_below_the_level_and_others_do_not() -> None:
    measure, own = fitted()
    assert 0.97 < np.mean(own <= 1) <= 0.995  # 98.5% of the training rows, each against other folds, keep below the level
    assert np.mean(measure(rows(400, 7)) > 1) < 0.05
    assert np.mean(measure(rows(400, 7, shift=0.9)) > 1) > 0.95


def test_a_training_row_is_familiar_and_its_score_does_not_depend_on_its_company() -> None:
    measure, own = fitted()
    X = rows(300)
    together = measure(X)
    assert (together < own).all()  # its own row is among its neighbours now
    assert (np.concatenate([measure(X[i : i + 1]) for i in range(99)]) == together[:99]).all()  # to the last bit
    assert measure(X[:0]).shape == (0,)


def test_copies_in_one_fold_do_not_make_each_other_look_familiar() -> None:
    X = rows(100)
    X[50:] = X[:50]
    fold = np.tile(np.arange(50) % 5, 2)
    twice = unlike.fit_novelty(X, np.zeros(100, int), fold)[1]
    once = unlike.fit_novelty(X[:50], np.zeros(50, int), fold[:50])[0]
    assert twice.min() > 0.5  # not 0, as it would be with the copy among the neighbours
    assert once.facts["level"] > 0


def test_of_many_rows_some_are_kept_and_no_class_is_forgotten() -> None:
    y = np.zeros(6000, int)
    y[-5:] = 1
    X = np.random.default_rng(0).normal(0, 1, (6000, 20)).astype(np.float32)
    X[-5:] += 40
    measure, own, _ = unlike.fit_novelty(X, y, np.arange(6000) % 5)
    assert measure.arrays["rows"].shape == (novelty.ROWS, 20)
    assert measure.arrays["rows"].dtype == np.int8
    assert np.isfinite(own).sum() == unlike.JUDGED
    assert (measure(X[-5:]) < 1).all()


def test_the_random_directions_never_change() -> None:
    each = novelty.compressed(np.eye(WIDE), (WIDE,))  # (d, q) where each column goes, and its sign
    assert each.shape == (WIDE, novelty.COLUMNS)
    assert set(np.unique(each)) == {-1, 0, 1}
    assert (np.abs(each).sum(axis=1) == 1).all()
    assert [int(c.nonzero()[0][0] * c.sum()) for c in each[:6]] == [260, 99, 639, 61, -686, 780]


def classes_on_a_ring(k: int = 6, each: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of classes whose means lie between one another, in two of many directions of which others vary more."""
    random = np.random.default_rng(3)
    y = np.arange(k * each) % k
    X = random.normal(0, 1, (len(y), 80))
    X[:, 40:] *= 0.1
    X[:, 40] += 2 * np.cos(2 * np.pi * y / k)
    X[:, 41] += 2 * np.sin(2 * np.pi * y / k)
    return X.astype(np.float32), y


def test_a_class_left_out_is_found_where_the_distance_to_the_photos_does_not_tell_it() -> None:
    X, y = classes_on_a_ring()
    known = y < 5
    measure, own, left = unlike.fit_novelty(X[known], y[known], np.arange(known.sum()) % 7)
    assert left is not None
    assert left.classes == (0, 1, 2, 3, 4)
    assert left.mean > 0.8
    assert np.mean(measure(X[~known]) > 1) > 0.8  # what was measured of known classes holds for one that really is unknown
    assert np.mean(own > 1) <= 0.03
    photos = novelty.NoveltyReference({n: measure.arrays[n] for n in ("rows", "centre", "step")}, measure.facts)
    assert np.mean(photos(X[~known]) > 1) < 0.2


def test_with_two_classes_nothing_is_said_of_one_that_is_left_out() -> None:
    X, y = classes_on_a_ring()
    measure, _, left = unlike.fit_novelty(X[y < 2], y[y < 2], np.arange((y < 2).sum()) % 5)
    assert left is None
    assert set(measure.arrays) == {"rows", "centre", "step"}


@pytest.mark.parametrize("broken", ["rows", "axes", "means", "centre", "nearest", "level", "class_level", "extra", "missing"])
def test_a_saved_measure_that_cannot_be_one_is_refused(broken: str) -> None:
    measure = unlike.fit_novelty(*classes_on_a_ring(), np.arange(240) % 7)[0]
    arrays, facts = dict(measure.arrays), dict(measure.facts)
    if broken == "rows":
        arrays["rows"] = arrays["rows"] * np.float16(1)
    elif broken == "axes":
        arrays["axes"] = arrays["axes"] * np.float16(np.nan)
    elif broken == "means":
        arrays["means"] = arrays["means"][:, 1:]
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
    photos = sorted((real_photos / "train").rglob("*.jpg"))
    model = TransferClassifier("efficientnet_lite0", head="centroid").fit(photos, [p.parent.name for p in photos])
    model.save(tmp_path / "m.penult")
    asked = penult.load(tmp_path / "m.penult")
    known = asked.predict(sorted((real_photos / "test").rglob("*.jpg")))
    assert np.mean([p.unlike for p in known]) < 0.06
    waves = np.random.default_rng(0).integers(0, 256, (2, 150, 150, 3), np.uint8)
    flat = np.full((1, 150, 150, 3), 200, np.uint8)
    assert all(p.unlike for p in asked.predict([*waves, *flat]))
