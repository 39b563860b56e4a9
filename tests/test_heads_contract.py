"""Every head is a scikit-learn classifier to the letter."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from penult import heads

FEW_STEPS = "the seed's head learns for eight epochs, which are eight steps on the small data of this check"
NO_WEIGHTS = "the head learns every row alike, and refuses sample weights by its name"
REPEATED = (
    "repeated rows without groups lie on both sides of the inner folds that choose the settings; with groups a weight is as "
    "many rows: tests/test_heads_weights.py"
)
WEIGHTS = [
    "check_all_zero_sample_weights_error",
    "check_classifiers_one_label_sample_weights",
    "check_sample_weights_list",
    "check_sample_weights_not_an_array",
    "check_sample_weights_not_overwritten",
    "check_sample_weights_pandas_series",
    "check_sample_weights_shape",
]
EQUIVALENCE = "check_sample_weight_equivalence_on_dense_data"


def expected(head):
    """The checks that fail, and why."""
    failing = {EQUIVALENCE: REPEATED if head.weighs_rows else NO_WEIGHTS}
    if not head.weighs_rows:
        failing |= dict.fromkeys(WEIGHTS, NO_WEIGHTS)
    if type(head).__name__ == "Dense":
        failing["check_classifiers_train"] = FEW_STEPS
    return failing


ALONE = [heads.make_head(name) for name in heads.head_names() if name != "auto"]
ALL = [*ALONE, heads.make_head("auto", candidates=("centroid", "logistic")), heads.wrap(LogisticRegression())]


@parametrize_with_checks(ALL, expected_failed_checks=expected)
def test_the_head_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


def test_the_list_of_exceptions_stays_small():
    assert {type(head).__name__ for head in ALL if len(expected(head)) > 1} == {"KNN", "Dense"}


@pytest.mark.parametrize("name", heads.head_names())
def test_every_head_has_the_shared_parameters(name):
    shared = {"scaling", "blocks", "class_weight", "calibrate", "clip", "folds", "random_state"}
    assert shared <= set(heads.make_head(name).get_params())
