"""Every head is a scikit-learn classifier to the letter."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from penult import heads

FEW_STEPS = "the seed's head learns for eight epochs, which are eight steps on the small data of this check"
EXPECTED = {
    "Dense": {
        "check_classifiers_train": FEW_STEPS,
    },
}
ALONE = [heads.make_head(name) for name in heads.head_names() if name != "auto"]
ALL = [*ALONE, heads.make_head("auto", candidates=("centroid", "logistic")), heads.wrap(LogisticRegression())]


@parametrize_with_checks(ALL, expected_failed_checks=lambda head: EXPECTED.get(type(head).__name__, {}))
def test_the_head_keeps_scikit_learns_contract(estimator, check):
    check(estimator)


def test_the_list_of_exceptions_stays_small():
    assert set(EXPECTED) == {"Dense"}
    assert len(EXPECTED["Dense"]) <= 2


@pytest.mark.parametrize("name", heads.head_names())
def test_every_head_has_the_shared_parameters(name):
    shared = {"scaling", "blocks", "class_weight", "calibrate", "clip", "folds", "random_state"}
    assert shared <= set(heads.make_head(name).get_params())
