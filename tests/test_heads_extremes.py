"""Every head gives a distribution without an error or a warning, whatever the classes, clip, features and numpy's settings.

A warning fails these tests as it fails all others: it would be in front of the user.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from penult import audit, evaluate, heads
from penult.audit.kinds import outliers, quality
from penult.heads.unlike import fit_novelty

LIGHT = [name for name in heads.head_names() if name != "auto"]


def near(k: int, each: int, d: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of k classes that lie near each other, `each` of one class."""
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(k), each)
    return (rng.random((k, d))[y] + 0.3 * rng.random((len(y), d))).astype(np.float32), y


FEATURES = {
    "constant": lambda X: np.full_like(X, 0.5),
    "all zero": np.zeros_like,
    "some zero": lambda X: X * (np.arange(len(X)) % 3 > 0)[:, None],
    "huge": lambda X: X * np.float32(1e30),
    "tiny": lambda X: X * np.float32(1e-30),
    "far apart": lambda X: np.round(20 * X) * np.float32(1e3),
    "double": lambda X: X.astype(np.float64),
}


def is_distribution(proba: np.ndarray, floor: float) -> bool:
    return bool((np.abs(proba.sum(axis=1) - 1) < 1e-9).all() and (proba >= floor).all())


@pytest.mark.parametrize("name", heads.head_names())
@pytest.mark.parametrize(("k", "each"), [(2, 5), (20, 3)])
def test_rows_of_every_head_sum_to_one_for_any_clip(name: str, k: int, each: int) -> None:
    X, y = near(k, each)
    for clip in ("auto", None, 1e-9, 0.9 / k) if name in ("logistic", "knn", "lda") else ("auto", 0.9 / k):
        few = {"candidates": ("centroid", "logistic")} if name == "auto" else {}
        head = heads.make_head(name, clip=clip, folds=2, **few).fit(X, y)
        floor = head.choice_["clip"]
        assert is_distribution(head.predict_proba(X), floor)
        assert is_distribution(head.predict_proba(-5 * X), floor)
        assert is_distribution(head.cv_proba_, floor)
        state = head.to_arrays()
        assert is_distribution(heads.scorer(state.kind, state.arrays, state.facts)(X), floor)


@settings(max_examples=60)
@given(
    st.sampled_from(["linear", "kernel", "neighbours"]),
    st.one_of(st.integers(2, 9), st.integers(2, 1000)),
    st.sampled_from([1e-3, 1.0, 1e4, 1e8]),
    st.sampled_from([1e-3, 1.0, 157.0]),
    st.sampled_from([0, 1e-9, 0.1, 0.5, 0.999, 1]),
)
def test_a_saved_head_of_any_kind_and_size_gives_a_distribution(
    kind: str, k: int, size: float, heat: float, share: float
) -> None:
    rng = np.random.default_rng(k)
    arrays = {
        "linear": {"weights": size * rng.standard_normal((k, 9)), "intercepts": rng.standard_normal(k)},
        "kernel": {"rows": rng.random((5, 9)), "weights": size * rng.standard_normal((k, 5)), "intercepts": np.zeros(k)},
        "neighbours": {"rows": rng.random((k, 9)), "codes": np.arange(k), "votes": np.ones(k)},
    }[kind]
    facts = {"scaling": "none", "blocks": [9], "classes": k, "temperature": heat, "clip": share / k, "gamma": 0.1, "k": 2}
    proba = heads.scorer(kind, arrays, facts)(rng.random((3, 9)).astype(np.float32))
    assert is_distribution(proba, share / k)


@pytest.mark.parametrize("numpy_raises", [False, True], ids=["", "numpy raises"])
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("name", LIGHT)
def test_no_features_are_too_odd_for_a_head(name: str, features: str, numpy_raises: bool) -> None:
    X, y = near(3, 4)
    X = FEATURES[features](X)
    with np.errstate(all="raise") if numpy_raises else np.errstate():
        head = heads.make_head(name, folds=2).fit(X, y)
        assert is_distribution(head.predict_proba(X), head.choice_["clip"])
        assert set(head.predict(X)) <= {0, 1, 2}
        assert np.isfinite(head.decision_function(X)).all()


@pytest.mark.parametrize("features", FEATURES)
def test_measuring_and_looking_over_do_not_raise_where_numpy_does(features: str) -> None:
    X, y = near(3, 6)
    X, classes = FEATURES[features](X), ["a", "b", "c"]
    digests = np.random.default_rng(0).integers(0, 256, (len(X), 32)).astype(np.uint8)
    with np.errstate(all="raise"):
        one, other = (evaluate.cross_validate(heads.make_head(name), X, y, classes) for name in ("logistic", "centroid"))
        evaluate.paired_difference(one, other)
        evaluate.review(one)
        evaluate.summary_rows([one, other])
        evaluate.learning_curve(heads.make_head("centroid"), X, one)
        evaluate.score(y, one.proba, classes)
        assert is_distribution(one.proba, 0)
        audit.group(digests, X, [X.shape[1]])
        audit.leaks(audit.Photos(digests, X, None), audit.Photos(digests, X, None))
        audit.label_noise(one.y, one.proba)
        outliers.outliers(X, y)
        quality.conditions(X[:, :4])
        fit_novelty(X, y, one.fold)[0](X)
        audit.photo_map(X.astype(np.float32), [X.shape[1]])
        with pytest.raises(FloatingPointError):  # what the program asked for is still so for itself
            np.exp(np.float64(-1e4))


def test_what_numpy_was_told_beside_raising_is_left_alone() -> None:
    from penult.arrays import default_errors

    with np.errstate(over="raise", divide="ignore", invalid="warn", under="raise"):
        found = default_errors(np.geterr)()
    assert found == {"over": "warn", "divide": "ignore", "invalid": "warn", "under": "ignore"}


def test_classes_of_one_or_two_rows_are_no_reason_for_a_warning() -> None:
    """scikit-learn asks whether so many classes mean a regression; pytest turns that warning into an error."""
    X, y = near(50, 2)
    head = heads.make_head("centroid")
    seen = evaluate.cross_validate(head, X, y, [str(c) for c in range(50)])
    assert is_distribution(seen.proba, 0)
    assert head.fit(X[::2], y[::2]).score(X[::2], y[::2]) > 0.5
    assert heads.wrap(LogisticRegression()).fit(X[::2], y[::2]).score(X[::2], y[::2]) > 0.5
