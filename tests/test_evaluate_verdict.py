"""The verdict says what the numbers say: good, useless, too sure, not sure enough, uneven."""

import json

import numpy as np
import pytest

from penult.evaluate import score, verdict


def measured(says, right, n=1000, classes=("cat", "dog")):
    """Return an evaluation of n photos, of which the answers say `says` and `right` are right, half of each class."""
    y = np.arange(n) % 2
    says = np.broadcast_to(np.asarray(says, float), n)
    hit = np.zeros(n, bool)
    hit[np.random.default_rng(0).permutation(n)[: round(right * n)]] = True
    given = np.where(hit, y, 1 - y)
    proba = np.column_stack([np.where(given == 0, says, 1 - says), np.where(given == 1, says, 1 - says)])
    return score(y, proba, classes)


def test_a_good_result_is_as_in_the_readme():
    said = verdict(measured(0.992, 0.992))
    assert said.startswith("99.2 % right on photos it had not seen, 95 % interval 98.")
    assert said.endswith("; it is sure of itself rightly.")


def test_the_json_of_a_run_gives_the_same_sentence():
    for found in (measured(0.9, 0.9), measured(0.99, 0.8), measured(0.6, 0.5)):
        assert verdict(json.loads(json.dumps(found.to_dict()))) == verdict(found)


@pytest.mark.parametrize(
    ("says", "right", "words"),
    [
        (0.98, 0.85, "surer of itself than it should be: it gives 98.0 % on average and 85.0 % are right"),
        (0.70, 0.95, "less sure of itself than it could be: it gives 70.0 % on average and 95.0 % are right"),
        (0.60, 0.49, "no better than to say 'cat' of every photo (50.0 %)"),
        (0.60, 0.51, "not surely better than to say 'cat' of every photo (50.0 %)"),
    ],
)
def test_a_bad_result_is_said(says, right, words):
    assert words in verdict(measured(says, right))


def test_chance_is_not_called_wrong():
    assert verdict(measured(0.95, 0.90, n=60)).endswith("it is sure of itself rightly.")
    assert "surer" in verdict(measured(0.95, 0.90, n=2000))


def test_confidence_that_is_right_on_average_and_wrong_for_each_photo():
    says = np.where(np.arange(2000) % 4 < 2, 0.95, 0.65)  # 80 % on average, and 80 % are right of either kind
    assert "how sure it is of a single photo is off by 15" in verdict(measured(says, 0.80, n=2000))


def test_calibrated_answers_are_believed_whatever_their_spread():
    rng = np.random.default_rng(4)
    says = rng.uniform(0.5, 1, 3000)
    y = rng.integers(0, 2, 3000)
    hit = rng.random(3000) < says
    given = np.where(hit, y, 1 - y)
    proba = np.where(np.arange(2) == given[:, None], says[:, None], 1 - says[:, None])
    assert verdict(score(y, proba, ["a", "b"])).endswith("it is sure of itself rightly.")


def test_rounding_claims_nothing():
    said = verdict(measured(0.9999, 0.9998, n=5000))
    assert said.startswith("99.98 % right")
    assert "100.0" not in said
    assert verdict(measured(1.0, 1.0)).startswith("100 % right")


def test_few_photos_are_told():
    assert "measured on only 20 of them" in verdict(measured(0.9, 0.9, n=20))


def test_a_rare_class_is_not_hidden_by_accuracy():
    y = np.zeros(400, int)
    y[:8] = 1
    proba = np.tile([0.98, 0.02], (400, 1))
    said = verdict(score(y, proba, ["good", "broken"]))
    assert said.startswith("98.0 % right")
    assert "no better than to say 'good' of every photo (98.0 %)" in said
