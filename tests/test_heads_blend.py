"""The default head averages the logits of logistic regression and LDA, and is one linear classifier."""

from __future__ import annotations

import numpy as np
import pytest

from penult import evaluate, heads
from penult.heads import discriminant, spaces
from penult.heads.calibration import log_softmax, row_losses
from penult.heads.methods import blend, blend3


def features(n=150, d=60, k=3, seed=0, apart=0.3):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return (2 + apart * rng.standard_normal((k, d))[y] + rng.standard_normal((n, d))).astype(np.float32), y


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("weight", [0.25, 0.75])
def test_its_logits_are_the_weighted_mean_of_both(k, weight, monkeypatch):
    monkeypatch.setattr(blend, "WEIGHTS", (weight,))
    X, y = features(k=k)
    one, other = heads.make_head("logistic").fit(X, y), heads.make_head("lda").fit(X, y)
    both = heads.make_head("blend").fit(X, y)
    assert {both.choice_[name] for name in ("C", "shrinkage")} == {one.choice_["C"], other.choice_["shrinkage"]}
    new, _ = features(seed=1, k=k)
    # LDA's logits count at the temperature that its held-out rows ask for: a straight line through all three shows it
    lines = [log_softmax(head.scorer().raw(new)) for head in (one, other, both)]
    flat = [(z - z.mean(axis=1, keepdims=True)).ravel() for z in lines]
    share, residual = np.linalg.lstsq(np.stack(flat[:2], axis=1), flat[2], rcond=None)[:2]
    assert residual[0] < 1e-6 * flat[2] @ flat[2]
    assert share[0] == pytest.approx(1 - weight, rel=1e-3)
    assert both.to_arrays().kind == "linear"


def test_the_choice_is_among_what_was_tried_and_the_chart_shows_what_was_minimised():
    X, y = features()
    head = heads.make_head("blend").fit(X, y)
    assert head.choice_["lda_weight"] in blend.WEIGHTS
    shown = dict(evaluate.regularization_path(head.path_))
    assert head.choice_["C"] in shown and list(shown) == sorted(shown)
    alone = heads.make_head("logistic").fit(X, y)
    assert shown == pytest.approx(dict(zip(alone.path_["C"], alone.path_["cost"], strict=True)))
    assert shown[head.choice_["C"]] <= min(shown.values()) * 1.001


def rings(n, k, seed):
    """Return rows (n, 6) whose classes differ in how far the first two numbers are from 0, and in one other number."""
    rng, y = np.random.default_rng(seed), np.arange(n) % k
    X = 0.2 * rng.standard_normal((n, 6))
    X[:, :2] += np.array([np.cos(turn := rng.uniform(0, 7, n)), np.sin(turn)]).T * (1 + 2 * y[:, None])
    X[:, 2] += 0.4 * y
    return X, y


@pytest.mark.parametrize("k", [2, 3])
def test_three_heads_are_averaged_where_no_linear_one_suffices(k, monkeypatch):
    monkeypatch.setattr(blend3, "SIMPLEX", np.array([[0.25, 0.25, 0.5]]))
    X, y = rings(150, k, 0)
    names = {"logistic": {}, "lda": {}, "svm": {"kernel": "rbf"}, "blend3": {}}
    fitted = {name: heads.make_head(name, scaling="standard", **params).fit(X, y) for name, params in names.items()}
    new = rings(90, k, 1)[0]
    flat = [(z := head.scorer().raw(new)) - z.mean(axis=1, keepdims=True) for head in fitted.values()]
    share, residual = np.linalg.lstsq(np.stack([z.ravel() for z in flat[:3]], axis=1), flat[3].ravel(), rcond=None)[:2]
    assert residual[0] < 1e-6 * (flat[3] ** 2).sum()
    assert share[0] == pytest.approx(0.25, rel=1e-3)
    assert (fitted["blend3"].to_arrays().kind, fitted["blend3"].choice_["svm_weight"]) == ("mixed", 0.5)


def test_the_third_head_has_a_weight_only_where_it_helps():
    X, y = rings(200, 2, 0)
    losses = {}
    for name in ("blend", "blend3"):
        head = heads.make_head(name, scaling="standard").fit(X[:100], y[:100])
        losses[name] = row_losses(head.predict_proba(X[100:]), y[100:]).mean()
    assert head.choice_["svm_weight"] >= 0.5 and losses["blend3"] < losses["blend"] / 2
    X, y = features(90, 20, 3, apart=3.0)
    two, three = (heads.make_head(name).fit(X, y) for name in ("blend", "blend3"))
    assert three.to_arrays().kind == "linear" and three.choice_["svm_weight"] == 0
    np.testing.assert_allclose(three.predict_proba(X), two.predict_proba(X), atol=1e-9)
    shown = dict(evaluate.regularization_path(three.path_))
    assert shown == pytest.approx(dict(evaluate.regularization_path(two.path_)))


def test_little_evidence_either_way_keeps_a_mixture():
    X, y = features(20, 40, 2, apart=0.0)
    assert 0 < heads.make_head("blend").fit(X, y).choice_["lda_weight"] < 1


@pytest.mark.parametrize("name", ["blend", "blend3", "logistic", "lda", "svm", "knn"])
def test_where_nothing_can_be_learnt_few_rows_are_not_worse_than_guessing(name):
    losses = []
    for seed in range(6):
        X, y = features(40, 60, 2, seed, apart=0.0)
        losses.append(row_losses(heads.make_head(name).fit(X[:20], y[:20]).predict_proba(X[20:]), y[20:]).mean())
    assert np.median(losses) <= 0.72  # log 2 is 0.693; where chance looks like a class, nobody can know


def test_without_evidence_the_class_prior_is_the_answer():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 40)), (np.arange(60) % 10 == 0).astype(int)
    proba = heads.make_head("blend").fit(X, y).predict_proba(rng.standard_normal((200, 40)))
    assert proba[:, 1].mean() == pytest.approx(0.1, abs=0.05)


def test_classes_that_are_told_apart_stay_so_with_few_rows():
    X, y = features(20, 60, 2, apart=3.0)
    assert (
        row_losses(
            heads.make_head("blend").fit(X, y).predict_proba(features(40, 60, 2, apart=3.0)[0]), np.arange(40) % 2
        ).max()
        < 0.2
    )


@pytest.mark.parametrize("k", [2, 4])
def test_many_rows_are_judged_in_their_principal_directions_and_fitted_whole(k, monkeypatch):
    X, y = features(400, 120, k, apart=0.15)
    whole = heads.make_head("blend", C=1.0, shrinkage=0.1).fit(X, y)
    monkeypatch.setattr(spaces, "GRAM_ROWS", 200)
    monkeypatch.setattr(spaces, "DIRECTIONS", 100)
    some = heads.make_head("blend", C=1.0, shrinkage=0.1).fit(X, y)
    assert some.cv_log_loss_ == pytest.approx(whole.cv_log_loss_, rel=0.1)
    monkeypatch.setattr(blend, "WEIGHTS", (whole.choice_["lda_weight"],))
    some = heads.make_head("blend", C=1.0, shrinkage=0.1, calibrate=False).fit(X, y)
    whole = heads.make_head("blend", C=1.0, shrinkage=0.1, calibrate=False)
    monkeypatch.undo()
    monkeypatch.setattr(blend, "WEIGHTS", (some.choice_["lda_weight"],))
    np.testing.assert_allclose(some.predict(X), whole.fit(X, y).predict(X))


def test_conjugate_gradients_and_factors_agree(monkeypatch):
    X, y = features(300, 80, 3)
    factored = heads.make_head("lda", shrinkage=0.05, scaling="none").fit(X, y)
    monkeypatch.setattr(discriminant, "DENSE_COLUMNS", 10)
    iterated = heads.make_head("lda", shrinkage=0.05, scaling="none").fit(X, y)
    np.testing.assert_allclose(iterated.scorer().raw(X), factored.scorer().raw(X), atol=5e-3)
