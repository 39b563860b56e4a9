"""Outer folds: every image once, no group on two sides, every class on both, the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penult.errors import InputError
from penult.evaluate import outer_folds, unmeasured

NAMES = [f"class {i}" for i in range(6)]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(20, 120), st.integers(2, 5), st.integers(1, 6), st.integers(2, 7))
def test_laws_of_the_folds(seed, n, k, size, folds):
    rng = np.random.default_rng(seed)
    y = np.r_[np.repeat(np.arange(k), 4), rng.integers(0, k, n)]
    groups = np.r_[np.arange(4 * k), 4 * k + rng.integers(0, max(2, n // size), n)]
    fold = outer_folds(y, NAMES, groups, folds, seed)
    assert fold.min() == 0
    assert fold.max() <= folds - 1
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1
    for part in np.unique(fold):
        assert set(y[fold != part]) == set(y)
    assert (fold == outer_folds(y, NAMES, groups, folds, seed)).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(5, 60), st.integers(5, 60))
def test_without_groups_the_folds_are_stratified_to_the_image(seed, cats, dogs):
    y = np.repeat([0, 1], [cats, dogs])
    fold = outer_folds(y, ["cat", "dog"], seed=seed)
    for c in (0, 1):
        sizes = np.bincount(fold[y == c], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    total = np.bincount(fold)
    assert total.max() - total.min() <= 2


def test_another_seed_gives_other_folds():
    y = np.arange(60) % 2
    first, second = (outer_folds(y, ["cat", "dog"], seed=s) for s in (0, 1))
    assert (first != second).any()


def test_a_small_class_makes_fewer_folds():
    y = np.array([0] * 30 + [1] * 3)
    assert set(outer_folds(y, ["cat", "dog"])) == {0, 1, 2}


def test_classes_with_one_image_are_refused_by_name_all_at_once():
    y = np.array([0] * 10 + [1, 2])
    with pytest.raises(InputError, match=r"'dog' \(1 photo\), 'owl' \(1 photo\): cross-validation needs 2 photos"):
        outer_folds(y, ["cat", "dog", "owl"])


def test_a_class_in_one_group_is_refused_though_it_has_many_images():
    y = np.repeat([0, 1], 10)
    groups = np.r_[np.arange(10), np.full(10, 99)]
    with pytest.raises(InputError, match=r"nothing can be measured: .* 'dog' \(10 photos\).*--near-duplicates separate"):
        outer_folds(y, ["cat", "dog"], groups)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 3))
def test_a_class_in_one_group_is_in_every_training_part_and_the_others_are_measured(seed, others, copied):
    """Its photos, and all that hang together with them, are in no fold; the rest is dealt as if they were not there."""
    rng = np.random.default_rng(seed)
    y = np.r_[np.repeat(np.arange(others), 6), np.repeat(others + np.arange(copied), 3)]
    groups = np.r_[np.arange(6 * others), 1000 + np.repeat(np.arange(copied), 3)]
    hangs = rng.random() < 0.5
    if hangs:
        groups[0] = 1000  # one photo of another class is in the same group
    order = rng.permutation(len(y))
    y, groups = y[order], groups[order]
    names = [f"class {i}" for i in range(others + copied)]
    fold = outer_folds(y, names, groups, seed=seed)
    assert ((fold < 0) == (groups >= 1000)).all()
    assert unmeasured(y, names, groups).tolist() == list(range(others, others + copied))
    for part in np.unique(fold[fold >= 0]):
        assert set(y[fold != part]) == set(y)
    assert unmeasured(y, names, None).tolist() == []


def test_groups_that_tie_everything_together_are_refused_with_a_reason():
    """Three classes, each pair of them tied in a group of its own: two folds cannot part them all."""
    y = np.array([0, 1, 1, 2, 2, 0])
    groups = np.array([0, 0, 1, 1, 2, 2])
    with pytest.raises(InputError, match=r"no split of these groups|nothing can be measured"):
        outer_folds(y, ["a", "b", "c"], groups, folds=2)


def test_a_class_without_any_image_does_not_stop_the_others():
    y = np.array([0, 2] * 10)
    assert set(outer_folds(y, ["cat", "dog", "owl"])) == {0, 1, 2, 3, 4}


def test_large_groups_are_spread_over_the_folds():
    """Scenes of very different size still leave folds of about the same size."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), rng.integers(1, 25, 60))
    y = (groups % 2).astype(int)
    sizes = np.bincount(outer_folds(y, ["cat", "dog"], groups))
    assert sizes.max() - sizes.min() <= 0.1 * sizes.mean()
