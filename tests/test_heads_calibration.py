"""Probabilities are as sure as the held-out rows allow, and no surer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from penult.errors import InputError
from penult.heads import calibration
from penult.heads.calibration import best_floor, default_floor, probabilities, raise_to_floor, temperature

LOGITS = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(2, 5)), elements=st.floats(-50, 50))


def drawn(n, k, true_temperature, seed=0):
    """Return logits whose classes were drawn at a known temperature."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.standard_normal((n, k))
    cumulated = probabilities(logits, true_temperature, 0).cumsum(axis=1)
    return logits, (cumulated < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)


@pytest.mark.parametrize("true", [0.5, 1.0, 4.0])
@pytest.mark.parametrize("k", [2, 5])
def test_the_temperature_that_drew_the_classes_is_found(true, k):
    logits, codes = drawn(6000, k, true)
    assert temperature(logits, codes, np.ones(6000), free=False) == pytest.approx(true, rel=0.1)


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(2, 4), st.floats(0.01, 5))
def test_without_an_error_nothing_is_sharpened(n, k, size):
    codes = np.arange(n) % k
    logits = size * (np.arange(k) == codes[:, None])
    assert temperature(logits, codes, np.ones(n), free=False) >= 1


def test_scores_without_a_scale_get_one_even_without_an_error():
    codes = np.arange(200) % 2
    margins = 0.01 * np.stack([1 - codes, codes], axis=1)
    heat = temperature(margins, codes, np.ones(200), free=True)
    sure = probabilities(margins, heat, 0).max(axis=1)
    # quarter of a pseudo-error among 200 rows: the optimum is p = 200 / 200.25
    assert sure == pytest.approx(np.full(200, 200 / 200.25), abs=1e-4)


def test_one_confident_error_warms_the_temperature():
    logits, codes = 20.0 * np.eye(2)[np.arange(100) % 2], np.arange(100) % 2
    wrong = codes.copy()
    wrong[0] = 1 - wrong[0]
    weight = np.ones(100)
    assert temperature(logits, wrong, weight, False) > temperature(logits, codes, weight, False)


@settings(deadline=None)
@given(LOGITS, st.floats(0.05, 20), st.floats(0, 0.19))
def test_probabilities_sum_to_one_stay_above_the_clip_and_keep_the_order(logits, heat, floor):
    proba = probabilities(logits, heat, floor)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-9)
    assert (proba >= floor).all()
    top = logits.argmax(axis=1)
    assert (proba[np.arange(len(proba)), top] >= proba.max(axis=1) - 1e-12).all()


def raised_once(proba, floor):
    """Return what one pass gives: low entries raised, the others shrunk, and what that takes below the floor raised again."""
    low = proba < floor
    rest = np.where(low, 0, proba)
    room = 1 - floor * low.sum(axis=1, keepdims=True)
    left = rest.sum(axis=1, keepdims=True)  # none where every entry of a flat row is a hair below the floor
    return np.where(low, floor, np.maximum(rest * (room / np.where(left > 0, left, 1)), floor))


@st.composite
def rows_and_floors(draw):
    """Draw logits (4, k) of 2 to 1,000 classes, from flat to extreme and in both precisions, and a floor up to above 1 / k."""
    k, seed = draw(st.one_of(st.integers(2, 12), st.integers(2, 1000))), draw(st.integers(0, 9999))
    logits = np.random.default_rng(seed).standard_normal((4, k)) * draw(st.sampled_from([0, 1e-3, 0.5, 2, 10, 1e4]))
    logits[0, seed % k] += draw(st.sampled_from([0, 3, 1e4, -1e4]))
    shares = st.one_of(st.floats(0, 1), st.sampled_from([0, 1e-300, 1e-9, 1 - 1e-12, 1, 1 + 1e-12, 1.5, 1000]))
    return logits.astype(draw(st.sampled_from([np.float32, np.float64]))), draw(shares) / k


@settings(deadline=None, max_examples=300)
@given(rows_and_floors())
def test_any_floor_gives_a_distribution_for_any_number_of_classes(drawn_rows):
    """Rows sum to 1, nothing is below the floor, no two classes change places, and what one pass got right stays."""
    logits, floor = drawn_rows
    k = logits.shape[1]
    proba = probabilities(logits, 1.0, floor)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=0, atol=1e-12)
    assert (proba >= min(floor, 1 / k)).all()
    order = np.argsort(logits, axis=1, kind="stable")
    assert (np.diff(np.take_along_axis(proba, order, axis=1), axis=1) >= 0).all()
    sharp = probabilities(logits, 1.0, 0)
    if 0 < floor < 1 / k:
        before = raised_once(sharp, floor)
        right = np.abs(before.sum(axis=1) - 1) < 1e-12
        np.testing.assert_allclose(proba[right], before[right], rtol=1e-9, atol=1e-12)
        assert ((proba <= floor) | (proba <= sharp * (1 + 1e-9))).all()  # only the floor adds to an entry
    elif floor <= 0:
        np.testing.assert_array_equal(proba, sharp)


def test_an_entry_that_shrinking_takes_below_the_floor_counts_in_the_sum():
    found = raise_to_floor(np.array([[0.85, 0.101, 0.049]]), 0.1)
    np.testing.assert_allclose(found, [[0.8, 0.1, 0.1]], atol=1e-15)
    assert raised_once(np.array([[0.85, 0.101, 0.049]]), 0.1).sum() > 1.004  # what was given before


def test_a_distribution_in_single_precision_is_made_one_in_double():
    proba = np.random.default_rng(0).dirichlet(np.ones(700), 5).astype(np.float32)
    for floor in (0.0, 1e-4):
        np.testing.assert_allclose(raise_to_floor(proba, floor).sum(axis=1), 1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [2, 7, 200, 1000])
def test_the_clips_that_are_chosen_leave_half_of_every_probability(k):
    codes = np.arange(2 * k) % k
    proba = probabilities(np.random.default_rng(0).standard_normal((2 * k, k)), 1.0, 0)
    for clip in (best_floor(proba, codes, np.ones(2 * k)), default_floor(2 * k, k), default_floor(1, k)):
        assert 0 < clip <= 0.5 / k * (1 + 1e-12)


@pytest.mark.parametrize("k", [2, 3, 30, 400])
def test_the_best_floor_is_that_of_the_smallest_cost(k):
    rng = np.random.default_rng(k)
    codes, weight = rng.integers(0, k, 300), rng.random(300)
    proba = probabilities(rng.standard_normal((300, k)) + 4 * (np.arange(k) == codes[:, None]), 1.0, 0)

    def cost(floor):
        losses = calibration.row_losses(raise_to_floor(proba, floor), codes)
        return weight @ losses / weight.mean() - calibration.PSEUDO_ERRORS * np.log(floor)

    found = best_floor(proba, codes, weight)
    assert cost(found) <= min(cost(floor) for floor in np.geomspace(1e-7, 0.5 / k, 120)) + 1e-9


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0.0001, 0.4))
def test_for_two_classes_the_clip_is_the_seeds(p, floor):
    found = raise_to_floor(np.array([[1 - p, p]]), floor)[0, 1]
    assert found == pytest.approx(np.clip(p, floor, 1 - floor), abs=1e-12)


@pytest.mark.parametrize("n", [50, 222, 2000])
def test_the_clip_of_right_answers_is_a_quarter_error_among_them(n):
    codes = np.arange(n) % 2
    proba = np.eye(2)[codes] * (1 - 2e-9) + 1e-9
    assert best_floor(proba, codes, np.ones(n)) == pytest.approx(1 / (4 * n), rel=0.15)


def test_confident_errors_raise_the_clip():
    n = 400
    codes = np.arange(n) % 2
    proba = np.eye(2)[codes] * (1 - 2e-9) + 1e-9
    wrong = codes.copy()
    wrong[:4] = 1 - wrong[:4]
    found = best_floor(proba, wrong, np.ones(n))
    assert found == pytest.approx(4.25 / 400, rel=0.15)


def test_weights_count_as_repetitions():
    logits, codes = drawn(300, 3, 2.0)
    twice = np.r_[np.arange(300), np.arange(100)]
    weight = np.ones(300)
    weight[:100] = 2
    calm = calibration.temperature(logits, codes, weight, False)
    assert calm == pytest.approx(calibration.temperature(logits[twice], codes[twice], np.ones(400), False), rel=0.02)


def test_with_nothing_held_out_the_clip_comes_from_the_number_of_rows():
    assert default_floor(2, 2) > default_floor(100, 2) > default_floor(100, 10) > 0
    assert default_floor(1, 2) <= 0.25


def test_a_clip_that_cannot_be_is_refused_with_its_bound():
    from penult import heads

    X, y = np.random.default_rng(0).random((30, 10)), np.arange(30) % 3
    with pytest.raises(InputError, match=r"clip is 0\.4; with 3 classes .* below 0\.333"):
        heads.make_head("centroid", clip=0.4).fit(X, y)
    for strange in (-0.1, float("nan"), "often", 1 / 3):
        with pytest.raises(InputError, match="clip is"):
            heads.make_head("centroid", clip=strange).fit(X, y)


def test_the_seeds_clip_is_an_option():
    from penult import heads

    X = np.random.default_rng(0).random((60, 12)) + np.repeat([[0.0], [3.0]], 30, axis=0) * np.arange(12)
    y = np.repeat(["cat", "dog"], 30)
    proba = heads.make_head("logistic", clip=0.005).fit(X, y).predict_proba(X)
    assert proba.min() >= 0.005
    assert proba.max() <= 0.995


def test_few_held_out_rows_are_little_evidence_and_easy_ones_are_much():
    def believed(own: float, n: int) -> float:
        codes = np.arange(n) % 2
        logits = np.where(codes[:, None] == [0, 1], np.log(own), np.log(1 - own))
        return calibration.evidence(logits, codes, np.ones(n), np.zeros(2))

    assert believed(0.5, 400) == pytest.approx(1 / (1 + np.exp(calibration.CHOICES / 2)))  # no gain: chance, or as good as it
    assert believed(0.55, 20) < 0.7 < believed(0.55, 100) < believed(0.55, 400)
    assert believed(0.9, 20) > 0.99
    assert believed(0.3, 400) == calibration.LEAST_EVIDENCE
