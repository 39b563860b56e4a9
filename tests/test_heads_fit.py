"""What every head does with folds, groups, blocks, weights and labels."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.model_selection import StratifiedGroupKFold

from penult import heads
from penult.errors import InputError, UnknownName
from penult.heads import scaling
from penult.heads.task import group_folds, inner_folds

LIGHT = [name for name in heads.head_names() if name != "auto"]


def pictures(n=60, k=2, d=24, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    return rng.random((n, d)).astype(np.float32) + 0.5 * rng.random((k, d)).astype(np.float32)[y], y


@pytest.mark.parametrize("name", heads.head_names())
@pytest.mark.parametrize("k", [2, 5])
def test_what_is_there_after_fitting(name, k):
    X, y = pictures(k=k)
    words = np.array(["ant", "bee", "cat", "dog", "emu"])[y]
    head = heads.make_head(name, blocks=(16, 8), folds=3).fit(X, words)
    assert head.classes_.tolist() == ["ant", "bee", "cat", "dog", "emu"][:k]
    assert head.n_features_in_ == 24
    assert json.loads(json.dumps(head.choice_)) == head.choice_
    assert {"head", "scaling", "temperature", "clip", "folds"} <= set(head.choice_)
    assert head.cv_proba_.shape == (60, k)
    assert len({len(column) for column in head.path_.values()}) == 1
    assert head.predict_proba(X).shape == (60, k)
    assert set(head.predict(X)) <= set(words)
    assert head.decision_function(X).shape == ((60,) if k == 2 else (60, k))


class TestFolds:
    """Inner folds are stratified, keep groups together, and shrink with the smallest class."""

    @given(st.integers(2, 4), st.integers(2, 12), st.integers(2, 6), st.integers(0, 99))
    @settings(max_examples=50, deadline=None)
    def test_every_row_is_held_out_once_and_every_training_part_has_all_classes(self, k, each, wanted, seed):
        codes = np.tile(np.arange(k), each)
        found = inner_folds(codes, None, wanted, seed)
        assert len(found) == min(wanted, each)
        assert sorted(np.concatenate([held for _, held in found])) == list(range(len(codes)))
        assert all(len(np.unique(codes[train])) == k for train, _ in found)

    @given(st.integers(0, 99))
    @settings(max_examples=30, deadline=None)
    def test_no_group_lies_on_both_sides(self, seed):
        rng = np.random.default_rng(seed)
        groups = rng.integers(0, 12, 60)
        codes = np.arange(60) % 2
        for train, held in inner_folds(codes, groups, 5, seed) or ():
            assert not set(groups[train]) & set(groups[held])

    @pytest.mark.parametrize("seed", range(6))
    def test_groups_are_dealt_as_scikit_learn_deals_them(self, seed):
        rng = np.random.default_rng(seed)
        codes, groups = np.arange(120) % (seed + 2), rng.integers(0, 90 - 12 * seed, 120)
        splitter = StratifiedGroupKFold(4, shuffle=True, random_state=seed)
        dealt = group_folds(codes, groups, 4, seed)
        for i, (_, held) in enumerate(splitter.split(np.zeros(120), codes, groups)):
            assert (np.flatnonzero(dealt == i) == held).all()

    def test_a_class_of_three_gets_three_folds(self):
        assert len(inner_folds(np.array([0, 0, 0, 1, 1, 1, 1, 1]), None, 5, 0)) == 3

    def test_a_class_in_one_group_cannot_be_held_out(self):
        assert inner_folds(np.array([0, 0, 0, 1, 1, 1]), np.array([1, 1, 1, 2, 3, 4]), 5, 0) is None

    @pytest.mark.parametrize("name", [*LIGHT, "auto"])
    def test_with_nothing_to_hold_out_the_defaults_stand(self, name):
        X, _ = pictures(5)
        head = heads.make_head(name).fit(X, ["a", "a", "a", "a", "b"])
        assert head.cv_proba_ is None
        assert head.cv_log_loss_ is None
        assert head.path_ in ({}, {"head": ["blend"], "log_loss": [None], "log_loss_std": [None]})
        assert head.choice_["temperature"] == 1.0
        assert head.choice_["folds"] == 0
        assert head.predict_proba(X).min() >= head.choice_["clip"] > 0

    def test_copies_on_both_sides_look_better_than_they_are(self):
        rng = np.random.default_rng(0)
        X, y = (
            np.repeat(rng.random((30, 20)), 4, axis=0),
            np.repeat(np.arange(30) % 2, 4),
        )  # pure noise, copied
        fooled = heads.make_head("knn").fit(X, y)
        honest = heads.make_head("knn").fit(X, y, groups=np.repeat(np.arange(30), 4))
        assert fooled.cv_log_loss_ < 0.2 < honest.cv_log_loss_

    def test_groups_of_another_length(self):
        X, y = pictures()
        with pytest.raises(InputError, match=r"groups has shape \(3,\) and X has 60 rows"):
            heads.make_head("knn").fit(X, y, groups=[1, 2, 3])


class TestScaling:
    """No backbone drowns another."""

    def test_a_block_that_is_a_thousand_times_larger_changes_nothing(self):
        X, y = pictures(80)
        loud = X * np.where(np.arange(24) < 12, 1000, 1).astype(np.float32)
        for name in ("unit", "standard"):
            quiet, shouted = (
                heads.make_head("logistic", scaling=name, blocks=(12, 12)).fit(A, y).cv_proba_ for A in (X, loud)
            )
            np.testing.assert_allclose(quiet, shouted, atol=1e-3)

    @pytest.mark.parametrize("name", scaling.NAMES)
    def test_each_scaling_is_what_its_name_says(self, name):
        X = pictures()[0].astype(np.float64) * 7
        blocks = (14, 10)
        out = scaling.apply(name, X, blocks, scaling.fit(name, X, blocks))
        parts = np.split(out, [14], axis=1)
        if name == "unit":
            for part in parts:
                np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1)
        elif name == "standard":
            np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-9)
            np.testing.assert_allclose(out.std(axis=0), 1)
        elif name == "block":
            for part in parts:
                assert (part**2).sum(axis=1).mean() == pytest.approx(1)
        else:
            assert out is X

    @given(arrays(np.float32, (3, 20), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
    @settings(deadline=None)
    def test_unit_length_never_overflows(self, X):
        out = scaling.apply("unit", X, (10, 10), {})
        assert np.isfinite(out).all()
        assert (np.abs(out) <= 1 + 1e-6).all()

    def test_a_column_that_never_changes_is_left_out(self):
        X, y = pictures()
        X[:, 3] = 0.1
        for name in ("standard", "block"):
            assert np.isfinite(heads.make_head("logistic", scaling=name).fit(X, y).predict_proba(X)).all()

    @pytest.mark.parametrize("blocks", [(10, 10), (24, 0), ()])
    def test_widths_that_do_not_add_up(self, blocks):
        X, y = pictures()
        with pytest.raises(InputError, match=r"add up to .* and X has 24 columns"):
            heads.make_head("logistic", blocks=blocks).fit(X, y)

    def test_an_unknown_scaling(self):
        X, y = pictures()
        with pytest.raises(UnknownName, match="unknown scaling 'units'; did you mean unit"):
            heads.make_head("centroid", scaling="units").fit(X, y)


class TestClassWeights:
    """A class can count more than its share."""

    @pytest.mark.parametrize("name", LIGHT)
    def test_balanced_weights_lift_the_rare_class(self, name):
        rng = np.random.default_rng(0)
        y = (np.arange(200) % 10 == 0).astype(int)
        X = rng.standard_normal((200, 12)) + 3 + 0.8 * y[:, None] * rng.random(12)
        params = {"epochs": 60} if name == "dense" else {}
        plain, even = (heads.make_head(name, class_weight=w, **params).fit(X, y) for w in (None, "balanced"))
        assert even.predict_proba(X)[:, 1].mean() > plain.predict_proba(X)[:, 1].mean()

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ({"z": 2}, "names classes that y does not have"),
            ({"a": 0}, "not above 0"),
            ("even", "give None, 'balanced', or a dict"),
        ],
    )
    def test_weights_that_do_not_fit(self, wanted, message):
        X, _ = pictures()
        with pytest.raises(InputError, match=message):
            heads.make_head("knn", class_weight=wanted).fit(X, ["a", "b"] * 30)


@pytest.mark.parametrize("name", ["blend", "svm"])
def test_rows_that_are_left_out_teach_nothing_and_are_answered(name):
    X, y = pictures(90, 3)
    fold, out = np.arange(90) // 3 % 5, np.arange(90) % 10 == 0
    answers = []
    for labels in (y, np.where(out, (y + 1) % 3, y)):
        head = heads.make_head(name)
        head.cross_fit(X, labels, fold)
        answers.append(head.cross_fit_again(out))
    assert np.isfinite(answers[0]).all()
    np.testing.assert_allclose(*answers, atol=1e-3)
    assert np.abs(answers[0] - head.cross_fit(X, labels, fold)[0]).max() > 0.02


def test_one_class_is_refused_by_name():
    X, _ = pictures()
    with pytest.raises(InputError, match="all 60 rows are of one class, 'cat'"):
        heads.make_head("logistic").fit(X, ["cat"] * 60)


def test_small_problems_keep_to_one_thread_and_give_the_others_back():
    from threadpoolctl import ThreadpoolController

    from penult.heads.contexts import SMALL, threads

    def counts():
        return [pool["num_threads"] for pool in ThreadpoolController().info() if pool["user_api"] == "blas"]

    before = counts()
    with threads(np.zeros((2, 2))):
        assert set(counts()) == {1}
    with threads(np.broadcast_to(0.0, (1, SMALL + 1))):
        assert counts() == before
    assert counts() == before
