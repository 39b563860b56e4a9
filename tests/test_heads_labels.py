"""Several labels a photo: the head, its folds, and what it does with labels that are constant, unknown or rare."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.utils.estimator_checks import check_estimator

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


@pytest.mark.parametrize("settings", [{}, {"class_weight": "balanced"}, {"C": 1.0, "calibrate": False, "scaling": "standard"}])
def test_a_weight_is_as_many_photos_of_one_group(settings, monkeypatch):
    monkeypatch.setattr("penult.heads.label_search.SEARCH_TOL", 1e-7)  # else the solver's tolerance is what differs
    X, Y, _ = drawn()
    Y[::7, 1] = np.nan
    times = np.random.default_rng(1).integers(0, 5, len(X))  # 0: left out
    rows = np.repeat(np.arange(len(X)), times)
    weighted = MultiLabelHead(**settings).fit(X, Y, sample_weight=times)
    repeated = MultiLabelHead(**settings).fit(X[rows], Y[rows], groups=rows)
    assert weighted.choice_["labels"]["C"] == repeated.choice_["labels"]["C"]
    assert np.abs(weighted.predict_proba(X) - repeated.predict_proba(X)).max() < 1e-3
    assert np.abs(weighted.predict_proba(X) - MultiLabelHead(**settings).fit(X, Y).predict_proba(X)).max() > 0.01
    fold = np.arange(len(X)) % 4
    one, other = (head.cross_fit(*given)[0] for head, given in (
        (weighted, (X, Y, fold, times)), (repeated, (X[rows], Y[rows], fold[rows]))
    ))  # fmt: skip
    assert np.abs(one[rows] - other).max() < 2e-3
    assert np.isfinite(one).all()  # photos of weight 0 are answered, too


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


ONE_COLUMN = "scikit-learn's check gives one column of other values than 0 and 1, or refuses what several labels allow"
EXPECTED = {
    **dict.fromkeys(
        (
            "check_estimators_dtypes", "check_sample_weights_pandas_series", "check_sample_weights_not_an_array",
            "check_sample_weights_shape", "check_sample_weights_not_overwritten", "check_classifier_data_not_an_array",
            "check_classifiers_classes", "check_classifiers_train", "check_classifiers_regression_target",
            "check_class_weight_classifiers", "check_decision_proba_consistency", "check_fit2d_1feature",
            "check_classifier_not_supporting_multiclass", "check_supervised_y_no_nan",
        ),
        ONE_COLUMN,
    ),
    "check_classifiers_one_label": "a label that all photos have is answered by its share",
    "check_classifiers_one_label_sample_weights": "a label that all photos have is answered by its share",
    "check_sample_weight_equivalence_on_dense_data": "it repeats rows without groups, so folds part them",
}  # fmt: skip


def test_the_head_keeps_scikit_learns_contract_as_far_as_several_labels_allow():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(MultiLabelHead(), on_fail=None, on_skip=None)
    failed = {one["check_name"] for one in results if one["status"] == "failed"}
    assert failed == set(EXPECTED)
    passed = {one["check_name"] for one in results if one["status"] == "passed"}
    assert {
        "check_classifiers_multilabel_representation_invariance", "check_classifiers_multilabel_output_format_predict",
        "check_classifiers_multilabel_output_format_predict_proba", "check_classifier_multioutput",
        "check_estimators_pickle", "check_fit_idempotent",
    } <= passed  # fmt: skip


def test_probabilities_of_noise_are_the_shares_of_the_labels():
    """Nothing can be learnt, one label is rare: the answers stay near to what is known without the features."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 40)).astype(np.float32)
    Y = (rng.random((300, 2)) < [0.4, 0.03]).astype(float)
    new = (rng.random((3000, 2)) < [0.4, 0.03]).astype(float)
    proba = MultiLabelHead(scaling="none").fit(X, Y).predict_proba(rng.normal(size=(3000, 40)).astype(np.float32))
    by_share = [log_loss(new[:, i], np.full(3000, Y[:, i].mean())) for i in range(2)]
    assert all(log_loss(new[:, i], proba[:, i]) < 1.03 * by_share[i] for i in range(2))


def test_many_rows_choose_by_some_of_them_and_learn_from_all():
    X, Y, proba = drawn(7000, 20, 4)
    Y[:, 3] *= np.arange(7000) % 40 == 0  # a rare label
    head = MultiLabelHead(scaling="none").fit(X, Y)
    assert np.abs(head.predict_proba(X)[:, :3] - proba[:, :3]).mean() < 0.02
    assert abs(head.predict_proba(X)[:, 3].mean() - Y[:, 3].mean()) < 0.003


def test_the_same_search_gives_the_model_of_all_rows():
    X, Y, _ = drawn(400)
    head = MultiLabelHead(scaling="none")
    fold = label_folds(Y, None, 5, 0)
    out, choices = head.cross_fit(X, Y, np.where(np.arange(400) < 20, -1, fold))
    assert np.isnan(out[:20]).all()
    assert np.isfinite(out[20:]).all()
    assert len(choices) == 5
    again = head.fit_searched().predict_proba(X)
    assert np.abs(again - MultiLabelHead(scaling="none").fit(X, Y).predict_proba(X)).max() < 0.05


def test_the_values_of_c_end_where_those_of_one_class_a_photo_do(monkeypatch):
    monkeypatch.setattr("penult.heads.label_search.HIGHEST", 3)
    rng = np.random.default_rng(57)
    rows, columns = int(rng.integers(20, 80)), int(rng.integers(2, 30))
    X = np.abs(rng.normal(size=(rows, columns))).astype(np.float32) * 0.01 + 5
    Y = (X[:, :2] > np.median(X[:, :2], axis=0)).astype(np.float32)
    assert max(MultiLabelHead(scaling="none").fit(X, Y).choice_["labels"]["C"]) == 1000
