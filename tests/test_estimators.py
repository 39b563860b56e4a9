"""`Embedder` and `TransferClassifier` behave as scikit-learn's own: clone, pickle, pipelines, cross-validation."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

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
