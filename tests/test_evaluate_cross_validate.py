"""Cross-validation, learning curve, comparison: honest rows, paired folds, a sentence where it cannot be."""

import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from penult import heads as penult_heads
from penult.errors import InputError, UnknownName
from penult.evaluate import cross_validate, cross_validation, learning_curve, paired_difference, score, summary_rows
from penult.evaluate.curve import first_groups, log_spaced, nested_subsets

NAMES = ["cat", "dog", "owl"]


class Head(ClassifierMixin, BaseEstimator):
    """Logistic regression with a head's manners: takes groups, tells its choice, keeps what it was shown."""

    seen: ClassVar[list] = []

    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y, groups=None):
        Head.seen.append((X.copy(), None if groups is None else groups.copy()))
        self.model_ = LogisticRegression(C=self.C).fit(X, y)
        self.classes_ = self.model_.classes_
        self.choice_ = {"C": np.float64(self.C), "images": len(y)}
        return self

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


def data(n=90, k=3, d=8, lean=1.5, seed=0):
    """Return features that lean towards their class, and class numbers."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % k
    X = rng.normal(size=(n, d)).astype(np.float32)
    X[np.arange(n), y] += lean
    return X, y


@pytest.fixture(autouse=True)
def _forget():
    Head.seen = []


def test_every_image_has_one_row_from_a_head_that_did_not_see_it():
    X, y = data()
    found = cross_validate(Head(), X, y, NAMES)
    assert found.measured.all()
    assert np.allclose(found.proba.sum(axis=1), 1)
    assert len(Head.seen) == 5
    for part, (shown, _) in enumerate(Head.seen):
        here = X[found.fold == part]
        assert len(shown) + len(here) == len(X)
        assert not (shown[:, None] == here[None]).all(axis=2).any()
    assert [choice["images"] for choice in found.choices] == [72] * 5
    assert found.scores["accuracy"].value > 0.6
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["choices"][0]["C"] == 1.0


def test_a_memorising_head_gains_nothing_from_copies_that_share_a_group():
    """Each picture is there twice, its label means nothing: grouped, the nearest neighbour can only guess."""
    rng = np.random.default_rng(0)
    once = rng.normal(size=(100, 6))
    X, y = np.repeat(once, 2, axis=0), np.repeat(rng.permutation(np.arange(100) % 2), 2)
    cheat = cross_validate(KNeighborsClassifier(1), X, y, NAMES[:2])
    honest = cross_validate(KNeighborsClassifier(1), X, y, NAMES[:2], groups=np.repeat(np.arange(100), 2))
    assert cheat.scores["accuracy"].value > 0.75
    assert honest.scores["accuracy"].low < 0.5
    assert honest.scores["accuracy"].high > 0.5


def test_heads_that_know_groups_are_given_them_row_for_row():
    X, y = data(60)
    groups = np.array([f"scene {i // 2}" for i in range(60)])
    cross_validate(Head(), X, y, NAMES, groups=groups)
    for shown, given in Head.seen:
        rows = [np.flatnonzero((row == X).all(axis=1))[0] for row in shown]
        assert (groups[rows] == given).all()


def test_the_same_seed_gives_the_same_numbers():
    X, y = data()
    first, second = (cross_validate(LogisticRegression(), X, y, NAMES, seed=3) for _ in range(2))
    assert (first.proba == second.proba).all()
    assert first.to_dict() == second.to_dict()


def test_above_the_limit_one_part_is_held_out(monkeypatch):
    monkeypatch.setattr(cross_validation, "HELD_OUT", 100)
    X, y = data(200)
    groups = np.arange(200) // 4
    found = cross_validate(Head(), X, y, NAMES, groups=groups)
    assert len(Head.seen) == 1
    assert found.measured.sum() == pytest.approx(40, abs=10)
    assert np.isnan(found.proba[~found.measured]).all()
    assert set(groups[found.measured]).isdisjoint(groups[~found.measured])
    assert found.to_dict()["measured"] == found.confusion.sum() == found.measured.sum()
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_class_without_images_keeps_its_column():
    X, y = data(60, k=2)
    found = cross_validate(LogisticRegression(), X, y, NAMES)
    assert found.proba.shape == (60, 3)
    assert (found.proba[:, 2] == 0).all()


def test_rows_and_labels_must_be_as_many():
    X, y = data()
    with pytest.raises(InputError, match="90 rows of features but 89 labels"):
        cross_validate(Head(), X, y[:-1], NAMES)


def test_evaluations_line_up_in_a_table():
    X, y = data()
    both = [cross_validate(LogisticRegression(C=c), X, y, NAMES, name=f"C {c}") for c in (0.01, 1.0)]
    rows = summary_rows(both)
    assert [row["name"] for row in rows] == ["C 0.01", "C 1.0"]
    line = json.loads(json.dumps(rows[0], allow_nan=False))
    assert line["images"] == 90
    assert line["log_loss_low"] <= line["log_loss"] <= line["log_loss_high"]


def test_pairing_shows_a_small_gain_that_the_intervals_alone_hide():
    X, y = data(240, lean=0.7)
    plain = cross_validate(LogisticRegression(), X, y, NAMES)
    blend = score(y, 0.98 * plain.proba + 0.02 * np.eye(3)[y], NAMES)
    gain = paired_difference(blend, plain)
    assert gain.clear
    assert gain.high < 0
    assert blend.scores["log_loss"].high > plain.scores["log_loss"].low
    back = paired_difference(plain, blend)
    assert back.value == pytest.approx(-gain.value)


def test_an_evaluation_does_not_differ_from_itself():
    X, y = data()
    found = cross_validate(LogisticRegression(), X, y, NAMES)
    for metric in ("log_loss", "brier", "accuracy"):
        same = paired_difference(found, found, metric)
        assert (same.value, same.low, same.high, same.clear) == (0, 0, 0, False)


def test_only_what_can_be_paired_is_compared():
    X, y = data()
    found = cross_validate(LogisticRegression(), X, y, NAMES)
    other = score(y[:10], found.proba[:10], NAMES)
    with pytest.raises(InputError, match="not evaluations of the same images"):
        paired_difference(found, other)
    elsewhere = replace(found, fold=np.where(found.fold == 0, -1, 0))
    first = replace(found, fold=np.where(found.fold == 0, 0, -1))
    with pytest.raises(InputError, match="measured no image in common"):
        paired_difference(first, elsewhere)
    with pytest.raises(UnknownName, match="did you mean log_loss"):
        paired_difference(found, found, "logloss")


def test_the_learning_curve_falls_and_ends_where_the_evaluation_is():
    X, y = data(300, lean=1.2)
    whole = cross_validate(LogisticRegression(), X, y, NAMES)
    curve = learning_curve(Head(), X, whole, repeats=5)
    assert curve.sizes[-1] == 240
    assert curve.log_loss[-1].value == pytest.approx(whole.scores["log_loss"].value)
    assert curve.log_loss[0].value > curve.log_loss[-1].value
    assert all(one.low <= one.value <= one.high for one in (*curve.log_loss, *curve.accuracy))
    assert len(Head.seen) == 5 * (len(curve.sizes) - 1)
    json.dumps(curve.to_dict(), allow_nan=False)


def test_training_sets_of_the_curve_grow_inside_the_other_folds_with_groups_whole():
    X, _ = data(120)
    groups = np.arange(120) // 3
    y = groups % 3
    whole = cross_validate(LogisticRegression(), X, y, NAMES, groups)
    learning_curve(Head(), X, whole, sizes=[20, 50], repeats=1)
    (small, _), (large, grouped) = Head.seen
    hidden = X[whole.fold == 0]
    for shown in (small, large):
        assert not (shown[:, None] == hidden[None]).all(axis=2).any()
    assert (large[: len(small)] == small).all()
    assert 20 <= len(small) <= 22
    assert (np.unique(grouped, return_counts=True)[1] == 3).all()


def test_every_beginning_of_the_training_order_is_stratified():
    X, _ = data(150)
    y = np.where(np.arange(150) < 120, 0, 1)
    found = cross_validate(LogisticRegression(), X, y, NAMES[:2])
    order = nested_subsets(found, np.flatnonzero(found.fold != 0), seed=1)
    assert sorted(order) == sorted(np.flatnonzero(found.fold != 0))
    assert sorted(y[order[:4]]) == [0, 0, 1, 1]
    assert 0.1 <= y[order[:40]].mean() <= 0.35


def test_a_cut_never_goes_through_a_group():
    order, groups = np.arange(6), np.array([5, 5, 7, 7, 7, 9])
    assert first_groups(order, groups, 3).tolist() == [0, 1, 2, 3, 4]
    assert first_groups(order, groups, 6).tolist() == [0, 1, 2, 3, 4, 5]
    assert first_groups(order, None, 3).tolist() == [0, 1, 2]


@pytest.mark.parametrize(("whole", "k"), [(177, 2), (2099, 2), (40, 10), (16_000, 40)])
def test_sizes_rise_evenly_and_stay_below_the_whole(whole, k):
    sizes = log_spaced(whole, k)
    assert sizes == sorted(set(sizes))
    assert 1 <= sizes[0] <= sizes[-1] < whole


def test_with_too_few_images_the_curve_is_its_last_point():
    X, y = data(15)
    found = cross_validate(LogisticRegression(), X, y, NAMES)
    curve = learning_curve(Head(), X, found)
    assert curve.sizes == (12,)
    assert Head.seen == []


class TestSharedChoices:
    """Above `nested` images the folds share one search; settings of a fold come from the other folds' held-out answers."""

    @staticmethod
    def both(X, y):
        head = penult_heads.make_head("blend")
        return [cross_validate(head, X, y, ["a", "b"], nested=nested) for nested in (10**6, 10)]

    def test_it_measures_what_folds_within_folds_do(self):
        rng = np.random.default_rng(0)
        y = np.arange(400) % 2
        X = rng.standard_normal((400, 60)) + 0.35 * rng.standard_normal((2, 60))[y]
        nested, shared = self.both(X, y)
        assert (nested.fold == shared.fold).all()
        assert shared.scores["log_loss"].value == pytest.approx(nested.scores["log_loss"].value, rel=0.05)
        assert len(shared.choices) == 5 and all(
            {"C", "shrinkage", "lda_weight", "temperature"} <= set(c) for c in shared.choices
        )

    def test_labels_that_mean_nothing_are_not_predicted(self):
        rng = np.random.default_rng(1)
        _, shared = self.both(rng.standard_normal((300, 80)), rng.integers(0, 2, 300))
        assert 0.42 < shared.scores["accuracy"].value < 0.58
        assert 0.68 < shared.scores["log_loss"].value < 0.76

    def test_the_model_of_all_images_comes_from_the_same_search(self):
        rng = np.random.default_rng(2)
        y = np.arange(300) % 3
        X = rng.standard_normal((300, 50)) + 0.5 * rng.standard_normal((3, 50))[y]
        for head in (penult_heads.make_head(name) for name in ("blend", "knn")):
            found = cross_validate(head, X, y, ["a", "b", "c"], nested=10)
            assert head.searched and not hasattr(head, "choice_")
            fitted = head.fit_searched()
            assert fitted is head and not head.searched
            alone = penult_heads.make_head(head.name).fit(X, y)
            assert head.choice_.keys() == alone.choice_.keys() and head.choice_["folds"] == 5
            assert head.cv_log_loss_ == pytest.approx(found.scores["log_loss"].value, rel=0.1)
            assert np.abs(head.predict_proba(X) - alone.predict_proba(X)).mean() < 0.05
        groups = np.where(y == 2, -1, np.arange(300))  # one group, so never held out: it has no say
        found = cross_validate(head := penult_heads.make_head("logistic"), X, y, ["a", "b", "c"], groups, nested=10)
        assert (found.fold[y == 2] == -1).all()
        path = head.fit_searched().path_
        assert path["log_loss"][path["C"].index(head.choice_["C"])] == pytest.approx(found.scores["log_loss"].value, rel=0.1)
        assert head.predict_proba(X).shape == (300, 3)
