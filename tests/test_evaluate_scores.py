"""Scores: the same numbers as scikit-learn's, intervals that cover, and None where nothing can be said."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from penult.errors import InputError
from penult.evaluate import score, wilson
from penult.evaluate.intervals import auc_interval, positive_mean, resample
from penult.evaluate.metrics import auc_column, balanced, calibration_columns, class_recalls


def draw(seed: int, n: int, k: int, sharp: float = 1.0, step: float = 0.0):
    """Return class numbers, every class present, and probabilities that lean to them; `step` makes ties."""
    rng = np.random.default_rng(seed)
    y = np.r_[np.arange(k), rng.integers(0, k, n - k)]
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), y] += sharp
    if step:
        logits = np.round(logits / step) * step
    proba = np.exp(logits)
    return y, proba / proba.sum(axis=1, keepdims=True)


def names(k: int) -> list[str]:
    return [f"class {i}" for i in range(k)]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 60), st.integers(2, 5), st.sampled_from([0.0, 1.0]))
def test_scores_equal_scikit_learns(seed, n, k, step):
    y, proba = draw(seed, n, k, step=step)
    found = score(y, proba, names(k)).scores
    labels = np.arange(k)
    auc = metrics.roc_auc_score(y, proba[:, 1] if k == 2 else proba, multi_class="ovr", labels=labels)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(y, proba.argmax(axis=1)))
    assert found["log_loss"].value == pytest.approx(metrics.log_loss(y, proba, labels=labels))
    assert found["brier"].value == pytest.approx(metrics.brier_score_loss(y, proba, labels=labels))
    assert found["auc"].value == pytest.approx(auc)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(8, 80), st.integers(2, 4))
def test_per_class_numbers_and_confusion_equal_scikit_learns(seed, n, k):
    y, proba = draw(seed, n, k)
    found = score(y, proba, names(k))
    given_class = proba.argmax(axis=1)
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, given_class, labels=np.arange(k), zero_division=0
    )
    assert (found.confusion == metrics.confusion_matrix(y, given_class, labels=np.arange(k))).all()
    assert [one.precision or 0 for one in found.per_class] == pytest.approx(precision)
    assert [one.recall or 0 for one in found.per_class] == pytest.approx(recall)
    assert [one.f1 or 0 for one in found.per_class] == pytest.approx(f1)
    assert [one.support for one in found.per_class] == support.tolist()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 140), st.integers(2, 5), st.booleans())
def test_every_value_lies_inside_its_interval(seed, n, k, grouped):
    y, proba = draw(seed, max(n, k), k)
    groups = np.random.default_rng(seed).integers(0, 5, len(y)) if grouped else None
    for one in score(y, proba, names(k), groups).scores.values():
        if one.value is None:  # a calibration error of fewer than a hundred
            continue
        assert one.low <= one.value + 1e-9
        assert one.high >= one.value - 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 60), st.integers(2, 4))
def test_the_order_of_the_images_changes_no_number(seed, n, k):
    y, proba = draw(seed, n, k)
    order = np.random.default_rng(seed).permutation(n)
    there, back = score(y, proba, names(k)), score(y[order], proba[order], names(k))
    for metric, one in there.scores.items():
        assert one.value == pytest.approx(back.scores[metric].value)
    assert there.reliability.count.tolist() == back.reliability.count.tolist()


def test_calibration_error_by_hand():
    """Of two images at 0.9 one is right, two at 0.6 are right: (0.4 * 2 + 0.4 * 2) / 4, less what chance shows."""
    proba = np.tile([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]], (50, 1))
    found = score([0, 1, 0, 1] * 50, proba, ["cat", "dog"])
    chance = np.sqrt(2 / np.pi) * (np.sqrt(100 * 0.09) + np.sqrt(100 * 0.24)) / 200
    assert found.scores["ece"].value == pytest.approx(0.4 - chance)
    assert found.reliability.count[found.reliability.count > 0].tolist() == [100, 100]


def test_the_calibration_error_of_answers_that_are_right_is_no_noise():
    """Fifteen bins of 300 images that say what is true show 5 points; one is left, and of 99 images nothing is said."""
    rng = np.random.default_rng(1)
    raw, left, held = [], [], 0
    for _ in range(40):
        says = rng.uniform(0.5, 1, 300)
        y = (rng.random(300) > says).astype(int)
        proba = np.column_stack([says, 1 - says])
        raw.append(np.abs(calibration_columns(y, proba).mean(axis=0)).sum())
        found = score(y, proba, ["cat", "dog"]).scores["ece"]
        left.append(found.value)
        held += found.low == 0.0 <= found.high
    assert np.mean(raw) > 0.05
    assert np.mean(left) < 0.012
    assert held >= 38
    assert score(y[:99], proba[:99], ["cat", "dog"]).scores["ece"].value is None


def test_rare_errors_that_were_not_seen_are_reckoned_with():
    """One image in a hundred costs 4, the others 0.02: most draws of 100 hold one or none of them."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(300):
        wrong = rng.random(100) < 0.01
        proba = np.tile([0.98, 0.02], (100, 1))
        found = score(wrong.astype(int), proba, ["cat", "dog"]).scores["log_loss"]
        truth = -0.99 * np.log(0.98) - 0.01 * np.log(0.02)
        inside += found.low <= truth <= found.high
    assert inside >= 0.95 * 300


def test_a_mean_of_losses_has_a_longer_tail_above():
    low, high = positive_mean(0.05, 0.02**2, 0.0)
    assert 0.01 < low < 0.02
    assert 0.09 < high < 0.11
    assert positive_mean(0.05, 0.02**2, 0.01)[1] > high
    assert positive_mean(0.0, 0.0, 0.02) == (0.0, pytest.approx(0.074, abs=0.002))  # one event: a mean of 0 to 3.7 events


def test_certain_and_right_is_a_perfect_score_and_certain_and_wrong_is_clipped():
    sure = np.array([[1.0, 0.0], [0.0, 1.0]])
    good, bad = score([0, 1], sure, ["cat", "dog"]), score([1, 0], sure, ["cat", "dog"])
    assert good.scores["log_loss"].value == pytest.approx(0, abs=1e-12)
    assert bad.scores["log_loss"].value == pytest.approx(-np.log(1e-15))
    assert (good.scores["brier"].value, bad.scores["brier"].value) == (0, 1)
    assert (good.scores["auc"].value, bad.scores["auc"].value) == (1, 0)


def test_an_accuracy_without_errors_still_has_an_honest_interval():
    y = np.arange(222) % 2
    proba = np.where(y[:, None] == [0, 1], 0.9, 0.1)
    found = score(y, proba, ["cat", "dog"]).scores["accuracy"]
    assert (found.value, found.high) == (1.0, pytest.approx(1.0))
    assert found.low == pytest.approx(0.983, abs=0.001)
    fewer = score(y, proba, ["cat", "dog"], groups=np.arange(222) // 10).scores["accuracy"]
    assert fewer.low < 0.9


def test_auc_is_none_when_only_one_class_was_seen():
    found = score([1, 1, 1], [[0.2, 0.8], [0.5, 0.5], [0.1, 0.9]], ["cat", "dog"])
    assert found.scores["auc"].value is None
    assert found.per_class[0].recall is None
    assert found.per_class[1].recall == pytest.approx(2 / 3)


def test_auc_of_many_classes_leaves_out_those_without_an_image():
    y, proba = draw(0, 40, 3)
    wide = np.column_stack([proba * 0.99, np.full(40, 0.01)])
    expected = metrics.roc_auc_score(y, proba, multi_class="ovr")
    assert score(y, wide, names(4)).scores["auc"].value == pytest.approx(expected)


def test_the_interval_of_the_log_loss_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(1)
    truth = np.mean(rng.gamma(0.5, 1.0, 400_000))
    hits = 0
    for _ in range(200):
        losses = rng.gamma(0.5, 1.0, 150)
        own = np.exp(-losses)
        y = np.zeros(150, dtype=int)
        found = score(y, np.column_stack([own, 1 - own]), ["cat", "dog"]).scores["log_loss"]
        hits += found.low <= truth <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_the_spread_of_the_resampled_area_is_delongs():
    """The resampled placement values have the standard error of a full resampling, sorted anew each time."""
    y, proba = draw(3, 300, 2, sharp=0.8)
    fast = resample(auc_column(y, proba)[:, None], None)[:, 0].std()
    rng = np.random.default_rng(0)
    slow = []
    for _ in range(300):
        rows = rng.integers(0, 300, 300)
        slow.append(metrics.roc_auc_score(y[rows], proba[rows, 1]))
    assert fast == pytest.approx(np.std(slow), rel=0.12)


def test_groups_widen_the_interval_of_images_that_err_together():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    wrong = np.repeat(rng.random(40) < 0.3, 10)
    proba = np.where(wrong[:, None], [0.1, 0.9], [0.9, 0.1])
    y = np.zeros(400, dtype=int)
    alone = score(y, proba, ["cat", "dog"]).scores["accuracy"]
    tied = score(y, proba, ["cat", "dog"], groups).scores["accuracy"]
    assert tied.high - tied.low > 2 * (alone.high - alone.low)
    assert tied.value == alone.value


def test_groups_of_one_image_change_nothing():
    y, proba = draw(5, 50, 3)
    named = np.array([f"scene {i}" for i in range(50)])
    assert score(y, proba, names(3), named).scores == score(y, proba, names(3)).scores


def test_calibration_columns_put_each_image_in_one_bin():
    y, proba = draw(2, 100, 3)
    columns = calibration_columns(y, proba)
    assert ((columns != 0).sum(axis=1) <= 1).all()
    assert score(y, proba, names(3)).reliability.count.sum() == 100


def test_reliability_is_nan_in_empty_bins_and_wilson_in_the_others():
    y, proba = draw(2, 30, 2)
    bins = score(y, proba, names(2)).reliability
    empty = bins.count == 0
    assert np.isnan(bins.accuracy[empty]).all()
    assert np.isnan(bins.low[empty]).all()
    low, high = wilson(bins.accuracy[~empty] * bins.count[~empty], bins.count[~empty])
    assert np.allclose(bins.low[~empty], low)
    assert np.allclose(bins.high[~empty], high)


def test_wilson_by_the_book():
    """81 of 263: 0.2553 to 0.3662, 0 of 20: 0 to 0.1611 (Newcombe, Statistics in Medicine 17 (1998) 857)."""
    low, high = wilson([81, 0], [263, 20])
    assert low == pytest.approx([0.2553, 0], abs=1e-4)
    assert high == pytest.approx([0.3662, 0.1611], abs=1e-4)
    assert [float(side) for side in wilson(0, 0)] == pytest.approx([0, 1])


def test_to_dict_is_json_without_nan():
    y, proba = draw(2, 30, 2)
    text = json.dumps(score(y, proba, ["a\n$_", "Zoë"], name="new photos").to_dict(), allow_nan=False)
    again = json.loads(text)
    assert again["measured"] == 30
    assert again["scores"]["accuracy"]["low"] <= again["scores"]["accuracy"]["value"]
    assert None in again["reliability"]["accuracy"]


@pytest.mark.parametrize(
    ("y", "proba", "groups", "words"),
    [
        ([0, 1], [[0.5, 0.5]], None, "shape (1, 2), expected (2, 2)"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], None, "NaN or infinity"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], None, "run from 0 to 2"),
        ([], np.zeros((0, 2)), None, "non-empty"),
        ([0.0, 1.0], [[0.5, 0.5], [0.5, 0.5]], None, "class numbers"),
        ([0, 1], [[0.5, 0.5], [0.5, 0.5]], [1], "2 images but groups"),
    ],
)
def test_what_does_not_fit_together_is_refused_with_a_sentence(y, proba, groups, words):
    with pytest.raises(InputError) as caught:
        score(y, proba, ["cat", "dog"], groups)
    assert words in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(6, 60), st.integers(2, 5))
def test_balanced_accuracy_is_scikit_learns_with_an_interval_around_it(seed, n, k):
    """It is the mean recall of the classes, and its interval holds it and stays within 0 and 1."""
    y, proba = draw(seed, n, k)
    found = score(y, proba, names(k))
    balanced = found.scores["balanced_accuracy"]
    assert balanced.value == pytest.approx(metrics.balanced_accuracy_score(y, proba.argmax(axis=1)))
    assert 0 <= balanced.low <= balanced.value <= balanced.high <= 1
    for one in found.per_class:
        assert one.recall_low <= one.recall + 1e-12 and one.recall <= one.recall_high + 1e-12


def test_a_class_without_images_does_not_count_for_balanced_accuracy():
    y = np.array([0, 0, 1, 1])
    proba = np.array([[0.9, 0.1, 0], [0.9, 0.1, 0], [0.1, 0.9, 0], [0.9, 0.1, 0]])
    found = score(y, proba, names(3))
    assert found.scores["balanced_accuracy"].value == pytest.approx(0.75)
    assert (found.per_class[2].recall, found.per_class[2].recall_low) == (None, None)


def test_the_interval_of_balanced_accuracy_covers():
    """With recalls of 90% and 60% in classes of 200 and 8 the truth lies inside about 95 times in a hundred."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [200, 8])
    inside = 0
    for _ in range(300):
        hit = rng.random(208) < np.where(y == 0, 0.9, 0.6)
        proba = np.where(np.where(hit, y, 1 - y)[:, None] == [0, 1], 0.8, 0.2)
        found = balanced(class_recalls(y, proba, None))
        inside += found.low <= 0.75 <= found.high
    assert inside >= 0.93 * 300


@pytest.mark.parametrize("wrong", range(5))
@pytest.mark.parametrize("n", [6, 20, 200])
def test_no_interval_claims_what_the_images_exclude(n, wrong):
    """An accuracy with an error in it is not perhaps 100%, and few images in perfect order are no certainty."""
    y = np.arange(n) % 2
    given_ = np.where(np.arange(n) < wrong, 1 - y, y)
    found = score(y, np.where(given_[:, None] == [0, 1], 0.8, 0.2), names(2)).scores
    assert (found["accuracy"].high == 1.0) is (wrong == 0)
    assert found["accuracy"].low < found["accuracy"].value or wrong == n
    if wrong == 0:
        assert found["auc"].value == found["auc"].high == 1.0
        assert found["auc"].low < 1 - 1 / n
    flipped = score(1 - y, np.where(y[:, None] == [0, 1], 0.8, 0.2), names(2)).scores["auc"]
    assert flipped.value == flipped.low == 0.0 < flipped.high


@pytest.mark.parametrize(("positive", "negative", "low"), [(2, 2, 0.386), (4, 4, 0.582), (10, 10, 0.800), (100, 100, 0.980)])
def test_a_perfect_auc_of_more_images_is_surer(positive, negative, low):
    """Checked by its definition: at the lower end the distance to 1 is 1.96 standard deviations."""
    area = 1 - auc_interval(0.0, 0.0, [(positive, negative)])[1]
    assert area == pytest.approx(low, abs=0.001)
    spread = (positive + negative) / 2 - 1
    variance = area * (1 - area) * (1 + spread * ((1 - area) / (2 - area) + area / (1 + area))) / (positive * negative)
    assert 1 - area == pytest.approx(1.959964 * variance**0.5, rel=1e-4)
