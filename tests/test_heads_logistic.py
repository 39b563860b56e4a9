"""The default head finds scikit-learn's optimum, and its choice is never at the edge of what was tried."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from penult import heads
from penult.heads.linear import Grid
from penult.heads.methods import logistic


def features(n, d, k, seed=0, noise=1.5):
    """Return wide float32 features with a common offset, a few strong directions, and k classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    strong = rng.standard_normal((n, 5)) @ rng.standard_normal((5, d)) * 2
    centres = rng.standard_normal((k, d)) * 0.4
    return (3 + strong + centres[y] + noise * rng.standard_normal((n, d))).astype(np.float32), y


@pytest.mark.parametrize("shape", [(60, 200), (300, 40), (700, 900)], ids=["wide", "tall", "wide-many"])
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("C", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("weights", [None, "balanced"])
def test_the_optimum_is_scikit_learns(shape, k, C, weights):
    (n, d), both = shape, shape[0] + 300
    X, y = features(both, d, k)
    keep = np.r_[np.flatnonzero(y[:n] > 0), np.flatnonzero(y[:n] == 0)[::2]]  # unequal classes
    scale = X.std() * np.sqrt(d)
    X = X / scale
    head = heads.Logistic(C=C, scaling="none", calibrate=False, clip=None, folds=2, class_weight=weights)
    head.fit(X[keep], y[keep])
    factor = 1.0
    if weights == "balanced":
        balanced = len(keep) / (k * np.bincount(y[keep]))[y[keep]]
        factor = 1 / balanced.mean()  # the head's weights have mean 1
    peer = LogisticRegression(C=C * factor, class_weight=weights, tol=1e-9, max_iter=20_000)
    peer.fit(X[keep].astype(np.float64), y[keep])
    for rows in (keep, np.arange(n, both)):
        ours, theirs = (log_loss(y[rows], m.predict_proba(X[rows].astype(np.float64))) for m in (head, peer))
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("scaling", ["unit", "standard", "block", "none"])
def test_the_chosen_regularisation_is_inside_the_grid(scaling):
    X, y = features(150, 60, 2, noise=4.0)
    head = heads.Logistic(scaling=scaling, blocks=(40, 20)).fit(X, y)
    tried, best = head.path_["C"], head.choice_["C"]
    assert tried == sorted(tried)
    assert tried[0] < best < tried[-1]
    assert len(head.path_["log_loss"]) == len(head.path_["log_loss_std"]) == len(tried)


def test_classes_that_can_be_separated_do_not_ask_for_endless_confidence():
    X, y = features(100, 50, 2, noise=0.1)
    head = heads.Logistic().fit(X, y)
    assert (head.cv_proba_.argmax(axis=1) == y).all()
    assert head.choice_["C"] < 1e7
    assert head.choice_["temperature"] >= 1


def test_a_given_regularisation_is_kept():
    X, y = features(60, 20, 2)
    assert heads.Logistic(C=0.3).fit(X, y).path_["C"] == [0.3]


def test_every_fold_is_scaled_by_its_own_training_rows():
    X, y = features(80, 20, 2, noise=3.0)
    head = heads.Logistic(C=0.1, scaling="standard", calibrate=False, clip=None, folds=4).fit(X, y)
    from penult.heads.task import inner_folds

    for train, held in inner_folds(y, None, 4, 0):
        mean, spread = X[train].astype(float).mean(axis=0), X[train].astype(float).std(axis=0)
        peer = LogisticRegression(C=0.1, tol=1e-9, max_iter=5000).fit((X[train] - mean) / spread, y[train])
        np.testing.assert_allclose(head.cv_proba_[held], peer.predict_proba((X[held] - mean) / spread), rtol=0.02, atol=2e-3)


def test_held_out_probabilities_are_those_of_the_folds():
    X, y = features(90, 30, 3, noise=3.0)
    head = heads.Logistic().fit(X, y)
    assert head.cv_proba_.shape == (90, 3)
    np.testing.assert_allclose(head.cv_proba_.sum(axis=1), 1)
    assert head.cv_log_loss_ == pytest.approx(log_loss(y, head.cv_proba_))
    assert head.cv_log_loss_ > log_loss(y, head.predict_proba(X))


class TestGrid:
    """From decades to quarters of a decade around the best, wherever it lies."""

    @pytest.mark.parametrize("best", [-6.3, -1.0, 0.4, 5.2])
    def test_it_finds_the_minimum_of_any_valley(self, best):
        grid = Grid(default=1.0)
        while wanted := grid.next():
            grid.tell({C: 1 + (np.log10(C) - best) ** 2 for C in wanted})
        assert abs(np.log10(grid.best()) - best) <= 0.26

    def test_it_stops_where_nothing_improves_any_more(self):
        grid = Grid(default=1.0)
        while wanted := grid.next():
            grid.tell({C: 1 + np.exp(-np.log10(C) - 2) for C in wanted})
        assert grid.best() < max(grid.losses)


def test_of_many_rows_some_choose_C_and_all_are_answered(monkeypatch):
    monkeypatch.setattr(logistic, "SEARCHED", 10**6)
    X, y = features(1200, 40, 3, noise=3)
    X = X / (X.std() * np.sqrt(40))
    fold = np.arange(1200) % 5
    every, choices = heads.Logistic(scaling="none").cross_fit(X, y, fold)
    monkeypatch.setattr(logistic, "SEARCHED", 600)
    some, fewer = heads.Logistic(scaling="none").cross_fit(X, y, fold)
    assert not np.array_equal(every, some)  # the search saw 600 rows, so its C is another in the last digits, or its start is
    losses = [-np.log(proba[np.arange(1200), y]).mean() for proba in (every, some)]
    assert losses[1] < losses[0] * 1.02
    assert {choice["C"] for choice in fewer} <= {choices[0]["C"] * 10**step for step in (-0.5, -0.25, 0, 0.25, 0.5)}
