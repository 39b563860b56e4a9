"""A sample weight means as many such rows: against repeated rows, and against scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from penult import heads
from penult.errors import InputError

# The tolerances are those of the solver: folds are solved to 1e-5 of the loss.
WEIGHING = ["blend", "blend3", "logistic", "lda", "svm", "centroid"]


def _rows(n=90, d=20, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    X = rng.normal(size=(n, d)) + 0.7 * rng.normal(size=(k, d))[y]
    return X, np.array(["ant", "bee", "cat"])[y], rng.integers(0, 4, n)


def _repeated(X, y, times):
    rows = np.repeat(np.arange(len(X)), times)
    return X[rows], y[rows], rows


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("name", WEIGHING)
def test_a_weight_is_as_many_rows_of_one_group(name, class_weight):
    X, y, times = _rows()
    weighted = heads.make_head(name, class_weight=class_weight).fit(X, y, sample_weight=times)
    many, labels, groups = _repeated(X, y, times)
    repeated = heads.make_head(name, class_weight=class_weight).fit(many, labels, groups=groups)
    assert weighted.choice_["temperature"] == pytest.approx(repeated.choice_["temperature"], rel=1e-3)
    assert weighted.choice_["clip"] == pytest.approx(repeated.choice_["clip"], rel=1e-3)
    assert weighted.cv_log_loss_ == pytest.approx(repeated.cv_log_loss_, rel=1e-3)
    for setting in ("C", "shrinkage", "lda_weight", "svm_weight", "kernel", "width"):
        assert weighted.choice_.get(setting) == repeated.choice_.get(setting)
    new = _rows(seed=0)[0][::2] + 0.3
    np.testing.assert_allclose(weighted.predict_proba(new), repeated.predict_proba(new), atol=5e-4)
    plain = heads.make_head(name, class_weight=class_weight).fit(X, y)
    assert np.abs(plain.predict_proba(new) - weighted.predict_proba(new)).max() > 0.01


@pytest.mark.parametrize("k", [2, 3])
def test_logistic_is_that_of_scikit_learn(k):
    X, y, _ = _rows(k=k)
    weight = np.random.default_rng(1).uniform(0, 3, len(X))
    ours = heads.make_head("logistic", C=0.5, scaling="none", calibrate=False, clip=None).fit(X, y, sample_weight=weight)
    theirs = LogisticRegression(C=0.5, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=5e-5)


@pytest.mark.parametrize("name", ["blend", "logistic", "lda"])
def test_folds_that_are_given_weigh_too_and_answer_all_rows(name):
    X, y, times = _rows()
    fold = np.arange(len(X)) // 3 % 4
    head = heads.make_head(name)
    proba, _ = head.cross_fit(X, y, fold, sample_weight=times)
    many, labels, rows = _repeated(X, y, times)
    other = heads.make_head(name)
    expected, _ = other.cross_fit(many, labels, fold[rows])
    first = np.unique(rows, return_index=True)[1]
    np.testing.assert_allclose(proba[times > 0], expected[first], atol=3e-3)
    np.testing.assert_allclose(proba.sum(axis=1), 1)  # rows of weight 0, too
    np.testing.assert_allclose(head.fit_searched().predict_proba(X), other.fit_searched().predict_proba(X), atol=3e-3)


def test_many_rows_whose_settings_are_chosen_by_some_of_them():
    X, y, times = _rows(n=6000, d=12)
    weighted = heads.make_head("blend").fit(X, y, sample_weight=times + 1)
    many, labels, groups = _repeated(X, y, times + 1)
    repeated = heads.make_head("blend").fit(many, labels, groups=groups)
    np.testing.assert_allclose(weighted.predict_proba(X[:200]), repeated.predict_proba(X[:200]), atol=0.02)


def test_weights_of_one_change_no_bit():
    X, y, _ = _rows()
    plain, ones = heads.make_head("blend").fit(X, y), heads.make_head("blend").fit(X, y, sample_weight=np.ones(len(X)))
    assert (plain.predict_proba(X) == ones.predict_proba(X)).all()


def test_another_classifier_gets_the_weights():
    X, y, times = _rows()
    weighted = heads.wrap(LogisticRegression()).fit(X, y, sample_weight=times)
    many, labels, groups = _repeated(X, y, times)
    repeated = heads.wrap(LogisticRegression()).fit(many, labels, groups=groups)
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-3)


def test_auto_compares_the_heads_that_take_weights():
    X, y, times = _rows()
    head = heads.make_head("auto").fit(X, y, sample_weight=times)
    assert head.path_["head"] == ["blend", "logistic", "svm", "centroid", "lda"]
    with pytest.raises(InputError, match="the head knn"):
        heads.make_head("auto", candidates=("centroid", "knn")).fit(X, y, sample_weight=times)


@pytest.mark.parametrize(
    ("name", "weight", "told"),
    [
        ("knn", "times", "the head knn learns every row alike"),
        ("dense", "times", "the head dense learns every row alike"),
        ("blend", [1.0, 2.0], r"the shape \(2,\) for 90 rows"),
        ("blend", [-1.0] * 90, "90 values that are no weights, such as -1.0"),
        ("blend", [0.0] * 90, "every sample weight is zero"),
        ("blend", ["heavy"] * 90, "are not numbers"),
    ],
)
def test_what_has_no_weights_is_said(name, weight, told):
    X, y, times = _rows()
    with pytest.raises(InputError, match=told):
        heads.make_head(name).fit(X, y, sample_weight=times if isinstance(weight, str) else weight)


def test_what_cannot_be_weighed_is_said():
    X, y, times = _rows()
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(InputError, match="KNeighborsClassifier takes no sample weights"):
        heads.wrap(KNeighborsClassifier()).fit(X, y, sample_weight=times)
    with pytest.raises(InputError, match="do not fit in memory"):
        heads.make_head("blend", memory=1000).fit(X, y, sample_weight=times)
    weight = np.where((y == "bee") & (np.arange(len(X)) // 3 % 2 == 0), 0, 1)
    with pytest.raises(InputError, match="'bee' have the sample weight 0"):
        heads.make_head("blend").cross_fit(X, y, np.arange(len(X)) // 3 % 2, sample_weight=weight)
