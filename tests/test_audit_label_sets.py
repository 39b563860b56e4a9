"""Several labels a photo: the audit names labels that were taken away or made up, and says how many of them are."""

from __future__ import annotations

import numpy as np
import pytest

from penult.audit import AuditData, AuditPart, Pairs, Photos, expected, find_all
from penult.audit.label_set_noise import label_set_noise
from penult.evaluate import cross_validate_labels
from penult.heads.multilabel import MultiLabelHead
from penult.training.label_set_check import check_label_sets


def answers(n: int, sharp: float, seed: int = 0):
    """Return calibrated probabilities (n, 2) of a frequent and a rare label, and labels that were drawn by them."""
    rng = np.random.default_rng(seed)
    proba = 1 / (1 + np.exp(-sharp * (rng.normal(size=(n, 2)) - [0.2, 1.2])))
    return proba, (rng.random((n, 2)) < proba).astype(float)


@pytest.mark.parametrize("sharp", [1.0, 4.0])
def test_labels_that_a_model_is_unsure_of_are_not_in_doubt(sharp):
    proba, Y = answers(3000, sharp)
    found = label_set_noise(Y, proba)
    assert (found.wrong > 0.5).mean() < 0.005


def test_few_photos_of_what_a_model_may_not_see_are_no_evidence_against_their_labels():
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(8):
        proba = 1 / (1 + np.exp(-2 * rng.normal(size=(120, 6))))
        hidden = rng.random(proba.shape) < 0.02  # the photo does not show it, or shows something alike
        Y = (rng.random(proba.shape) < np.where(hidden, 0.5, proba)).astype(float)
        wrong += (label_set_noise(Y, proba).wrong > 0.5).sum()
    assert wrong <= 8


@pytest.mark.parametrize(("missing", "made_up"), [(0.1, 0.0), (0.0, 0.1), (0.2, 0.1)])
def test_missing_and_wrong_labels_are_counted_each(missing, made_up):
    proba, Y = answers(6000, 12.0)
    rng = np.random.default_rng(1)
    given = Y.copy()
    given[(Y == 1) & (rng.random(Y.shape) < missing)] = 0
    share = made_up * Y.sum(axis=0) / (1 - Y).sum(axis=0)  # of the photos without, as many as `made_up` of those with it
    given[(Y == 0) & (rng.random(Y.shape) < share)] = 1
    given[:300, 0] = np.nan
    found = label_set_noise(given, proba)
    assert np.isnan(found.wrong[:300, 0]).all()
    assert abs(found.missing - missing) < 0.25 * missing + 0.03 and abs(found.extra - made_up) < 0.25 * made_up + 0.03
    listed, bad = np.nan_to_num(found.wrong) > 0.5, (given != Y) & np.isfinite(given)
    assert listed[bad].mean() > 0.7
    assert abs(bad[listed].mean() - found.wrong[listed].mean()) < 0.1


def test_the_audit_names_the_photo_the_label_and_its_probability():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 8)).astype(np.float32)
    Y = (X[:, :3] > [0, 0.5, 1]).astype(np.float32)
    given = Y.copy()
    lost, made = int(np.argmax(X[:, 0])), int(np.argmin(X[:, 1]))
    given[lost, 0], given[made, 1] = 0, 1
    seen = cross_validate_labels(MultiLabelHead(scaling="none"), X, given, ("cat", "dog", "rare"))
    check = check_label_sets(MultiLabelHead(scaling="none"), X, seen)
    files = [f"{i}.jpg" for i in range(400)]
    digests = rng.integers(0, 256, (400, 32), dtype=np.uint8)
    digests[7] = digests[9]
    part = AuditPart("training", files, files, Photos(digests, X, None), None, Y=given)
    found = find_all(
        AuditData(part, None, seen.labels, (8,), (8,), Pairs.none(), check.rows, check.proba, check.wrong, errors=True)
    )
    of = {kind: [one for one in found if one.kind == kind] for kind in ("missing_label", "wrong_label", "copy", "model_error")}
    assert files[lost] in [one.file for one in of["missing_label"]]
    first = next(one for one in of["missing_label"] if one.file == files[lost])
    assert first.reason.startswith("not labelled cat, predicted at ")
    assert files[made] in [one.file for one in of["wrong_label"]]
    assert len(of["missing_label"]) + len(of["wrong_label"]) <= 8
    assert expected(found)["missing_label"] == pytest.approx(sum(one.score for one in of["missing_label"]), abs=0.06)
    assert [(one.file, one.related) for one in of["copy"]] == [(files[9], files[7])]
    said = {(one.file, one.reason.split(",")[0]) for one in of["missing_label"] + of["wrong_label"]}
    assert not said & {(one.file, one.reason.split(",")[0]) for one in of["model_error"]}


def test_the_second_pass_learns_with_the_weights_of_the_first():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 6)).astype(np.float32)
    Y = (X[:, :2] + 0.5 * rng.normal(size=(300, 2)) > 0).astype(float)
    weight = np.ones(300)
    weight[200:], Y[200:] = 0, rng.random((100, 2)) < 0.5  # labels by chance, which no model may learn
    head = MultiLabelHead(scaling="none")
    seen = cross_validate_labels(head, X, Y, ("a", "b"), sample_weight=weight, nested=0)
    found, unweighted = (check_label_sets(head, X, seen, given).wrong[200:] > 0.5 for given in (weight, None))
    assert found.sum() > 1.3 * unweighted.sum()


def test_nothing_is_said_of_labels_that_cannot_be_told():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 6)).astype(np.float32)
    Y = (rng.random((200, 2)) < 0.4).astype(float)
    seen = cross_validate_labels(MultiLabelHead(scaling="none"), X, Y, ("a", "b"))
    check = check_label_sets(MultiLabelHead(scaling="none"), X, seen)
    assert np.isnan(check.wrong).all()
    assert "not significantly better than chance" in check.note
    X[:, 0] += 4 * Y[:, 0]
    seen = cross_validate_labels(MultiLabelHead(scaling="none"), X, Y, ("a", "b"))
    check = check_label_sets(MultiLabelHead(scaling="none"), X, seen)
    assert np.isfinite(check.wrong[:, 0]).all() and np.isnan(check.wrong[:, 1]).all()
    assert check.note.endswith("finds a label too poorly: b")
