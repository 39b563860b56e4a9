"""`Embedder` and `TransferClassifier` behave as scikit-learn's own: clone, pickle, pipelines, cross-validation."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

import penult
from penult import Embedder, TransferClassifier
from penult.errors import InputError

Photos = Callable[..., Path]
SMALL = ("colour_histogram",)


@pytest.fixture
def labelled(photos: Photos) -> tuple[list[Path], list[str]]:
    paths = sorted(photos("train", warm=10, cold=10).rglob("*.png"))
    return paths, [p.parent.name for p in paths]


def test_fit_predict_and_probabilities(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    model = TransferClassifier(SMALL).fit(paths, labels)
    assert model.classes_.tolist() == ["cold", "warm"]
    assert model.predict(paths).tolist() == labels
    assert model.predict_proba(paths[:3]).shape == (3, 2)
    assert model.score(paths, labels) == 1.0


def test_paths_arrays_and_pillow_images_give_the_same_answer(labelled: tuple[list[Path], list[str]]) -> None:
    from PIL import Image

    paths, labels = labelled
    model = TransferClassifier(SMALL).fit(paths, labels)
    pictures = [Image.open(p).convert("RGB") for p in paths[:4]]
    wanted = model.predict_proba(paths[:4])
    np.testing.assert_array_equal(model.predict_proba([str(p) for p in paths[:4]]), wanted)
    np.testing.assert_array_equal(model.predict_proba(np.array([str(p) for p in paths[:4]])), wanted)
    np.testing.assert_array_equal(model.predict_proba(pictures), wanted)
    np.testing.assert_array_equal(model.predict_proba([np.asarray(p) for p in pictures]), wanted)


def test_clone_and_pickle_keep_what_they_should(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    model = TransferClassifier(SMALL, head="knn", random_state=3).fit(paths, labels)
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(paths)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(paths), model.predict_proba(paths))


def test_cross_val_score_and_a_pipeline_of_scikit_learns_own(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    assert cross_val_score(TransferClassifier(SMALL), paths, labels, cv=2).mean() == 1.0
    chain = make_pipeline(Embedder("colour_histogram"), LogisticRegression()).fit(paths, labels)
    assert chain.score(paths, labels) == 1.0


def test_any_scikit_learn_classifier_works_in_memory_and_save_refuses_it(
    labelled: tuple[list[Path], list[str]], tmp_path: Path
) -> None:
    from sklearn.ensemble import RandomForestClassifier

    paths, labels = labelled
    model = TransferClassifier(SMALL, head=RandomForestClassifier(random_state=0)).fit(paths, labels)
    assert model.score(paths, labels) == 1.0
    with pytest.raises(InputError, match="logistic"):
        model.save(tmp_path / "m.penult")


def test_what_is_saved_predicts_the_same(labelled: tuple[list[Path], list[str]], tmp_path: Path) -> None:
    paths, labels = labelled
    model = TransferClassifier(SMALL).fit(paths, labels)
    model.save(tmp_path / "m.penult")
    answers = penult.load(tmp_path / "m.penult").predict([str(p) for p in paths])
    np.testing.assert_array_equal(answers.proba, model.predict_proba(paths))
    assert next(iter(answers)).label == "cold"


def test_embedder_gives_rows_in_the_callers_order(labelled: tuple[list[Path], list[str]]) -> None:
    paths, _ = labelled
    embedder = Embedder("colour_histogram")
    X = embedder.transform(paths)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(embedder.transform(paths[::-1]), X[::-1])
    assert len(embedder.get_feature_names_out()) == X.shape[1]


def test_without_a_cache_nothing_is_written(
    labelled: tuple[list[Path], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PENULT_CACHE", str(tmp_path / "untouched"))
    Embedder("colour_histogram", cache=False).transform(labelled[0])
    assert not (tmp_path / "untouched").exists()


def test_unreadable_images_are_all_named(labelled: tuple[list[Path], list[str]]) -> None:
    paths, labels = labelled
    paths[2].write_bytes(b"")
    paths[5].write_bytes(b"text")
    with pytest.raises(InputError, match=r"2 images cannot be read: .*\(empty\), .*\(not an image\); leave them out"):
        TransferClassifier(SMALL).fit(paths, labels)


def test_labels_that_do_not_fit_are_refused(labelled: tuple[list[Path], list[str]]) -> None:
    paths, _ = labelled
    with pytest.raises(InputError, match="give one label an image"):
        TransferClassifier(SMALL).fit(paths, ["a"])
    with pytest.raises(InputError, match="only one class"):
        TransferClassifier(SMALL).fit(paths, ["a"] * len(paths))


@pytest.mark.parametrize("weights", ["balanced", {"warm": 1.0, "cold": 3.0}, {"cold": 3}], ids=["balanced", "dict", "part"])
def test_class_weights_lift_the_rare_class_and_are_remembered(photos: Photos, tmp_path: Path, weights: Any) -> None:
    paths = sorted(photos("train", warm=12, cold=4).rglob("*.png"))
    labels = [p.parent.name for p in paths]
    even = [LogisticRegression(class_weight=w) for w in (None, weights)]
    for heads in (("logistic", "logistic"), even[:1] * 2):
        plain = TransferClassifier(SMALL, head=heads[0]).fit(paths, labels)
        lifted = TransferClassifier(SMALL, head=heads[1], class_weight=weights).fit(paths, labels)
        assert lifted.predict_proba(paths)[:, 0].mean() > plain.predict_proba(paths)[:, 0].mean()
    assert even[0].get_params()["class_weight"] is None  # a head that was given stays as it was
    model = TransferClassifier(SMALL, class_weight=weights).fit(paths, labels)
    assert clone(model).get_params() == model.get_params()
    model.save(tmp_path / "m.penult")
    assert penult.bundle.load(tmp_path / "m.penult").facts["choice"]["class_weight"] == weights
    np.testing.assert_array_equal(model.prior_, [0.25, 0.75])  # an unreadable image gets the shares of the photos as they are


def test_class_weights_that_do_not_fit_are_refused(labelled: tuple[list[Path], list[str]]) -> None:
    for weights, says in (("even", "None, 'balanced', or a dict"), ({"hot": 2}, "'hot'"), ({"warm": -1}, "not above 0")):
        with pytest.raises(InputError, match=says):
            TransferClassifier(SMALL, class_weight=weights).fit(*labelled)


def test_as_many_classes_as_photos_are_no_reason_for_a_warning(photos: Photos) -> None:
    """scikit-learn asks whether so many classes mean a regression; pytest turns that warning into an error."""
    paths = sorted(photos("train", warm=12, cold=12).rglob("*.png"))
    labels = [str(i) for i in range(24)]
    assert 0 <= TransferClassifier(SMALL, head="centroid").fit(paths, labels).score(paths, labels) <= 1
