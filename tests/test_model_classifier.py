"""What `load_model` returns is a fitted scikit-learn classifier of images, in stacks, cross-validation and other processes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, StackingClassifier, VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import accuracy_score, classification_report
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.utils.validation import check_is_fitted

import penult
from conftest import draw
from penult.errors import InputError, UnknownName


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("classifier")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_CACHE", str(folder / "cache"))
        paths, labels = [], []
        for label, kind in {"cat": "warm", "dog": "cold"}.items():
            for i in range(12):
                paths.append(str(folder / f"{label}{i}.png"))
                Image.fromarray(draw(kind, i)).save(paths[-1])
                labels.append(label)
        fitted = penult.TransferClassifier("colour_histogram").fit(paths[::2], labels[::2])
        fitted.save(folder / "model.penult")
        yield penult.load_model(folder / "model.penult"), paths, np.array(labels), fitted


def test_it_is_a_fitted_classifier(world: Any) -> None:
    model, paths, labels, fitted = world
    check_is_fitted(model)
    assert is_classifier(model) and clone(model) is model and model.fit(paths, labels) is model
    assert model.classes_.tolist() == ["cat", "dog"] and model.get_params() == {}
    np.testing.assert_allclose(model.predict_proba(paths), fitted.predict_proba(paths), atol=1e-6)
    found = model.predict(paths)
    assert (found == labels).mean() == model.score(paths, labels) == accuracy_score(labels, found)
    assert "cat" in classification_report(labels, found)
    weight = np.where(labels == "cat", 0, 1)
    assert model.score(paths, np.where(labels == "cat", "dog", labels), sample_weight=weight) == 1.0
    with pytest.raises(UnknownName, match="unknown class 'bird'"):
        model.score(paths[:1], ["bird"])
    with pytest.raises(InputError, match="no parameters to set, not C"):
        model.set_params(C=1)


def test_cross_validation_measures_this_model_in_two_processes(world: Any) -> None:
    model, paths, labels, _ = world
    assert cross_val_score(model, paths, labels, cv=3, n_jobs=2).tolist() == [1.0, 1.0, 1.0]
    assert (cross_val_predict(model, paths, labels, cv=3) == labels).all()
    assert cross_val_predict(model, paths, labels, cv=3, method="predict_proba").shape == (24, 2)


def test_it_is_stacked_and_votes(world: Any) -> None:
    model, paths, labels, _ = world
    boosted = HistGradientBoostingClassifier(min_samples_leaf=2)
    stack = StackingClassifier([("photos", model)], boosted, cv="prefit").fit(paths, labels)
    assert stack.score(paths, labels) == 1.0
    frozen = FrozenEstimator(model)
    assert (VotingClassifier([("a", frozen), ("b", model)], voting="soft").fit(paths, labels).predict(paths) == labels).all()


def test_it_is_pickled_without_its_engines_and_with_its_prior(world: Any) -> None:
    model, paths, _, _ = world
    model.predict(paths[:1])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(paths), model.predict_proba(paths))
    other = pickle.loads(pickle.dumps(model))
    other.use_prior(np.array([0.9, 0.1]))
    moved = pickle.loads(pickle.dumps(other))
    np.testing.assert_array_equal(moved.predict_proba(paths), other.predict_proba(paths))
    assert (moved.predict_proba(paths)[:, 0] > model.predict_proba(paths)[:, 0]).all()


def test_an_image_that_cannot_be_read_has_no_probabilities(world: Any, tmp_path: Path) -> None:
    model, paths, _, _ = world
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match="1 image of 2 cannot be read"):
        model.predict_proba([paths[0], tmp_path / "bad.jpg"])
    assert model.predict([paths[0], tmp_path / "bad.jpg"])[1].label is None


def test_a_model_of_features_takes_rows(world: Any, tmp_path: Path) -> None:
    paths = world[1]
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for path in paths:
            if Path(path).name.startswith(label):
                Image.open(path).save(tmp_path / "photos" / label / Path(path).name)
    found = penult.embed(tmp_path / "photos", backbones="colour_histogram", out=tmp_path / "rows.h5")
    run = penult.train(features=[str(tmp_path / "rows.h5")], out=tmp_path / "run", verbose=False)
    own = penult.load_model(run.folder)
    assert own.predict(found.X).ids[0] == "0" and own.score(found.X, found.labels) == 1.0
    assert own.predict_proba(found.X).shape == (24, 2)
