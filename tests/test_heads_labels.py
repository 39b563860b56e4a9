"""Several labels a photo: the head, its folds, and what it does with labels that are constant, unknown or rare."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from penult.errors import InputError
from penult.heads import scorer
from penult.heads.label_folds import label_folds
from penult.heads.multilabel import MultiLabelHead


def drawn(n: int = 300, d: int = 12, labels: int = 3, seed: int = 0):
    """Return rows (n, d), labels (n, L) and the probabilities that they were drawn with."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)).astype(np.float32)
    proba = 1 / (1 + np.exp(-(2 * X[:, :labels] - 1)))
    return X, (rng.random((n, labels)) < proba).astype(np.float32), proba


def test_each_label_is_the_logistic_regression_of_that_label_alone():
    X, Y, _ = drawn()
    head = MultiLabelHead(C=0.3, scaling="none", calibrate=False, clip=None).fit(X, Y)
    for label in range(3):
        alone = LogisticRegression(C=0.3, tol=1e-8).fit(X, Y[:, label])
        assert np.abs(head.predict_proba(X)[:, label] - alone.predict_proba(X)[:, 1]).max() < 3e-4


def test_an_unknown_label_is_left_out_of_that_label_alone():
    X, Y, _ = drawn()
    some = Y.copy()
    some[:100, 0] = np.nan
    settings = {"C": 0.3, "scaling": "none", "calibrate": False, "clip": None}
    head, whole, part = (
        MultiLabelHead(**settings).fit(*rows).predict_proba(X) for rows in ((X, some), (X, Y), (X[100:], Y[100:]))
    )
    assert np.abs(head[:, 0] - part[:, 0]).max() < 3e-4
    assert np.abs(head[:, 1:] - whole[:, 1:]).max() < 3e-4


def test_the_saved_head_answers_the_same():
    X, Y, _ = drawn()
    head = MultiLabelHead().fit(X, Y)
    state = head.to_arrays()
    assert state.kind == "labels"
    assert (scorer(state.kind, state.arrays, state.facts)(X) == head.predict_proba(X)).all()


def test_a_label_that_all_or_none_have_is_answered_by_its_share():
    X, Y, _ = drawn(200)
    Y[:, 0], Y[:, 1] = 0, 1
    proba = MultiLabelHead().fit(X, Y).predict_proba(X)
    assert (np.ptp(proba[:, :2], axis=0) < 1e-6).all()
    assert (proba[:, 0] < 0.01).all()
    assert (proba[:, 1] > 0.99).all()


def test_folds_spread_every_label_and_keep_groups_whole():
    rng = np.random.default_rng(0)
    Y = (rng.random((500, 6)) < [0.5, 0.3, 0.1, 0.05, 0.02, 0.97]).astype(float)
    rare = np.where(Y.mean(axis=0) > 0.5, 1 - Y, Y)
    fold = label_folds(Y, None, 5, 0)
    held = np.array([rare[fold == part].sum(axis=0) for part in range(5)])
    assert (np.ptp(held, axis=0) <= 2).all()
    assert np.ptp(np.bincount(fold)) <= 4
    groups = rng.integers(0, 120, 500)
    fold = label_folds(Y, groups, 5, 0)
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))


@pytest.mark.parametrize(
    ("Y", "said"),
    [(np.ones(4), "one column a label"), (np.full((4, 2), 3.0), "give 1 for"), ([["a"]] * 4, "matrix of 0, 1")],
)
def test_what_is_no_matrix_of_labels_is_refused(Y, said):
    with pytest.raises(InputError, match=said):
        MultiLabelHead().fit(np.eye(4), Y)
