"""Scores of several labels a photo: equal to scikit-learn's, honest out of fold, with intervals that hold."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, log_loss, roc_auc_score

from penult.errors import InputError
from penult.evaluate import cross_validate_labels, score_labels, thresholds
from penult.heads.multilabel import MultiLabelHead

LABELS = ("cat", "dog", "indoor")


def answers(n: int, seed: int = 0):
    """Return calibrated probabilities (n, 3), and labels that were drawn by them."""
    rng = np.random.default_rng(seed)
    proba = 1 / (1 + np.exp(-(2 * rng.normal(size=(n, 3)) - [0, 1, 3])))
    return (rng.random((n, 3)) < proba).astype(float), proba.round(3)


def test_the_scores_are_those_of_scikit_learn():
    Y, proba = answers(400)
    limits = np.array([0.4, 0.3, 0.2])
    found = score_labels(Y, proba, LABELS, limits)
    given = proba >= limits
    expected = {
        "mAP": average_precision_score(Y, proba),
        "micro_f1": f1_score(Y, given, average="micro"),
        "macro_f1": f1_score(Y, given, average="macro"),
        "log_loss": np.mean([log_loss(Y[:, i], proba[:, i]) for i in range(3)]),
        "auc": roc_auc_score(Y, proba),
        "exact_match": (given == Y).all(axis=1).mean(),
    }
    for name, value in expected.items():
        score = found.scores[name]
        assert score.value == pytest.approx(value, abs=1e-12), name
        assert score.low < score.value < score.high
    assert [one.support for one in found.per_label] == Y.sum(axis=0).tolist()
    assert [one.ap.value for one in found.per_label] == pytest.approx(average_precision_score(Y, proba, average=None).tolist())
    assert json.loads(json.dumps(found.to_dict()))["labels"] == list(LABELS)


def test_unknown_labels_count_for_nothing():
    Y, proba = answers(400)
    Y[:150, 1] = np.nan
    found = score_labels(Y, proba, LABELS)
    own = found.per_label[1]
    assert own.known == 250
    assert own.ap.value == pytest.approx(average_precision_score(Y[150:, 1], proba[150:, 1]))
    assert found.scores["log_loss"].value == pytest.approx(
        sum(log_loss(Y[s, i], proba[s, i]) * len(Y[s]) for i, s in enumerate([slice(None), slice(150, None), slice(None)]))
        / 1050
    )


def test_a_label_that_no_photo_has_is_left_out_of_the_means():
    Y, proba = answers(200)
    Y[:, 2] = 0
    found = score_labels(Y, proba, LABELS)
    assert found.per_label[2].ap.value is None
    assert found.scores["mAP"].value == pytest.approx(average_precision_score(Y[:, :2], proba[:, :2]))


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth = {name: score.value for name, score in score_labels(*answers(100_000, 9), LABELS).scores.items()}
    held = np.array(
        [
            [
                score.low <= truth[name] <= score.high
                for name, score in score_labels(*answers(250, seed), LABELS).scores.items()
            ]
            for seed in range(100, 200)
        ]
    )
    assert held.mean() > 0.92
    assert (held.mean(axis=0) > 0.87).all()


def test_a_threshold_gives_more_than_the_middle_does_and_never_sees_the_photos_it_is_measured_on():
    Y, proba = answers(20_000)
    limits = thresholds(Y, proba)
    better = score_labels(*answers(20_000, 1), LABELS, limits).scores["macro_f1"].value
    assert better > score_labels(*answers(20_000, 1), LABELS).scores["macro_f1"].value + 0.02
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)).astype(np.float32)
    Y = (X[:, :2] + rng.normal(size=(300, 2)) > 1).astype(float)
    seen = cross_validate_labels(MultiLabelHead(scaling="none"), X, Y, ("a", "b"))
    here = seen.fold == 0
    spoilt = Y.copy()
    spoilt[here] = 1 - spoilt[here]
    again = cross_validate_labels(MultiLabelHead(scaling="none"), X, spoilt, ("a", "b"), folds=seen.fold)
    assert (again.proba[here] == seen.proba[here]).all()
    assert (again.proba[~here] != seen.proba[~here]).any()
    for part in range(5):
        own = seen.fold == part
        limits = thresholds(Y[~own], seen.proba[~own])
        assert (seen.given[own] == (seen.proba[own] >= limits)).all()


def test_probabilities_that_do_not_fit_are_refused():
    Y, proba = answers(20)
    with pytest.raises(InputError, match="one column a label"):
        score_labels(Y, proba[:, :2], LABELS)
