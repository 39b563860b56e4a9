"""scikit-learn's own checks of the estimators of images: each row of numbers of a check becomes a picture with stripes.

The whole of `check_estimator` was run this way once, which takes two minutes: two checks fail, and are not asked for here.
`check_transformer_preserve_dtypes`: features are float32, whatever pictures are; and
`check_sample_weight_equivalence_on_dense_data`:
it wants repeated rows and weights to be equal to 1e-7; tests/test_heads_weights.py holds them to the solver's tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils import check_array, estimator_checks

import penult
from penult.estimators import inputs

CHECKS = (
    "check_dont_overwrite_parameters", "check_dict_unchanged", "check_methods_subset_invariance",
    "check_estimators_overwrite_params",
)  # fmt: skip
OF_CLASSIFIERS = ("check_sample_weights_list", "check_sample_weights_not_overwritten", "check_all_zero_sample_weights_error")


@pytest.fixture(autouse=True)
def _rows_are_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def pictures(X: Any) -> list[Any]:
        shades = (np.tanh(check_array(X, dtype=np.float64) / 3) * 127 + 128).astype(np.uint8)
        return [np.broadcast_to(row.repeat(8)[None, :, None], (8, 8 * len(row), 3)).copy() for row in shades]

    monkeypatch.setattr(inputs, "images", pictures)


@pytest.mark.parametrize("name", CHECKS)
def test_the_embedder_keeps_scikit_learns_contract(name: str) -> None:
    getattr(estimator_checks, name)("Embedder", penult.Embedder("colour_histogram", cache_dir=False))


@pytest.mark.parametrize("name", CHECKS + OF_CLASSIFIERS)
def test_the_classifier_keeps_scikit_learns_contract(name: str) -> None:
    model = penult.TransferClassifier("colour_histogram", "centroid", cache_dir=False)
    getattr(estimator_checks, name)("TransferClassifier", model)


def test_a_weight_of_zero_leaves_an_image_out(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(24, 4)) + np.repeat([[0], [3]], 12, axis=0), np.repeat(["a", "b"], 12)
    weight = np.arange(24) % 3 > 0
    model = penult.TransferClassifier("colour_histogram", cache_dir=False)
    part = penult.TransferClassifier("colour_histogram", cache_dir=False).fit(X[weight], y[weight])
    np.testing.assert_allclose(model.fit(X, y, sample_weight=weight).predict_proba(X), part.predict_proba(X), atol=1e-6)
