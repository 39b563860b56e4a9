"""The verdict says what the numbers say: good, useless, overconfident, underconfident, uneven."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penult.evaluate import imbalance, rarest_classes, score, verdict
from penult.texts import count, hundredths, percent, percents
from penult.texts import measured as shown_digits


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
    assert said.startswith("99.2% accuracy on held-out photos (95% CI 98.")
    assert said.endswith(". Its confidence is well calibrated.")


def test_the_json_of_a_run_gives_the_same_sentence():
    for found in (measured(0.9, 0.9), measured(0.99, 0.8), measured(0.6, 0.5)):
        assert verdict(json.loads(json.dumps(found.to_dict()))) == verdict(found)


@pytest.mark.parametrize(
    ("says", "right", "words"),
    [
        (0.98, 0.85, "It is overconfident: average confidence 98.0%, accuracy 85.0%"),
        (0.70, 0.95, "It is underconfident: average confidence 70.0%, accuracy 95.0%"),
        (0.60, 0.49, ": no better than always answering 'cat' (50.0%)."),
        (0.60, 0.51, ": not significantly better than always answering 'cat' (50.0%)."),
    ],
)
def test_a_bad_result_is_said(says, right, words):
    assert words in verdict(measured(says, right))


def test_chance_is_not_called_wrong():
    assert verdict(measured(0.95, 0.90, n=60)).endswith("Too few photos to judge its calibration.")
    assert verdict(measured(0.91, 0.90, n=400)).endswith("Its confidence is well calibrated.")
    assert "overconfident" in verdict(measured(0.95, 0.90, n=2000))


def test_confidence_that_is_right_on_average_and_wrong_for_each_photo():
    says = np.where(np.arange(2000) % 4 < 2, 0.95, 0.65)  # 80% on average, and 80% are right of either kind
    assert "Its confidence is off by 15" in verdict(measured(says, 0.80, n=2000))


def test_calibrated_answers_are_believed_whatever_their_spread():
    rng = np.random.default_rng(4)
    says = rng.uniform(0.5, 1, 3000)
    y = rng.integers(0, 2, 3000)
    hit = rng.random(3000) < says
    given = np.where(hit, y, 1 - y)
    proba = np.where(np.arange(2) == given[:, None], says[:, None], 1 - says[:, None])
    assert verdict(score(y, proba, ["a", "b"])).endswith("Its confidence is well calibrated.")


def test_rounding_claims_nothing():
    said = verdict(measured(0.9999, 0.9998, n=5000))
    assert said.startswith("99.98% accuracy")
    assert "100.0" not in said
    assert verdict(measured(1.0, 1.0)).startswith("100% accuracy")


def test_few_photos_are_told():
    assert "90% accuracy on held-out photos (95% CI 70-97, only 20 photos)" in verdict(measured(0.9, 0.9, n=20))


def test_a_rare_class_is_not_hidden_by_accuracy():
    y = np.zeros(400, int)
    y[:8] = 1
    proba = np.tile([0.98, 0.02], (400, 1))
    said = verdict(score(y, proba, ["good", "broken"]))
    assert said.startswith("98.0% accuracy")
    assert "no better than always answering 'good' (98.0%)" in said


def counted(*classes):
    """Return an evaluation of classes of (photos, right) each, those that are wrong being given the next class."""
    y = np.repeat(np.arange(len(classes)), [photos for photos, _ in classes])
    hit = np.concatenate([np.arange(photos) < right for photos, right in classes])
    given = np.where(hit, y, (y + 1) % len(classes))
    return score(y, np.eye(len(classes))[given] * 0.98 + 0.02 / len(classes), [f"c{i}" for i in range(len(classes))])


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ([(500, 500), (3, 0)], "Worst class: 'c1', recall 0% (0 of 3)."),
        ([(50, 7), (500, 499)], "Worst class: 'c0', recall 14.0% (7 of 50)."),
        ([(500, 499), (25, 24)], "Worst class: 'c1', recall 96.0% (24 of 25)."),
        ([(400, 400), (5, 4), (5, 1)], "Worst class: 'c2', recall 20.0% (1 of 5)."),
        ([(30, 20), (10, 9)], "Worst class: 'c0', recall 66.7% (20 of 30)."),
    ],
)
def test_the_worst_class_is_told(classes, said):
    """An accuracy that the common class makes hides no other; where every photo was given its class there is no worst one."""
    assert said in verdict(counted(*classes))
    assert "Worst" not in verdict(counted(*((photos, photos) for photos, _ in classes)))


@pytest.mark.parametrize("classes", [[(30, 20), (10, 9)], [(8, 8), (8, 8)], [(5, 5)] * 44, [(40, 30), (0, 0), (30, 30)]])
def test_of_balanced_data_no_class_is_called_the_rarest(classes):
    """Up to three times as many photos are no imbalance, and a class without photos was not measured."""
    found = counted(*classes)
    assert rarest_classes(found) is None and imbalance(found) is None


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        (
            [(500, 500), (3, 0)],
            "'c1' has 3 photos, 'c0' has 500; recall is 0% for it and 100% for the rest: add photos",
        ),
        ([(500, 500), (3, 0), (3, 1)], "'c1', 'c2' have 3 photos, 'c0' has 500; recall is 16.7% for them"),
        ([(500, 500), *[(1, 0)] * 5], "each of the 5 rarest classes has 1 photo, 'c0' has 500"),
        ([(500, 400), (25, 20)], None),
        ([(100, 97), (3, 2)], None),  # two of three: nothing is known
    ],
)
def test_the_cure_for_imbalance_is_named_where_the_rarest_class_suffers(classes, said):
    """Class weights and more photos are advised where the rare class is found less often beyond chance, and nowhere else."""
    found = imbalance(counted(*classes))
    if said is None:
        assert found is None
    else:
        assert found.startswith(said)
        assert found.endswith("or train with --class-weight balanced")
        assert "class-weight" not in imbalance(counted(*classes), weighted=True)


@pytest.mark.parametrize("n", [2, 4, 8, 20, 48, 50, 200])
def test_calibration_is_called_right_only_on_enough_photos(n):
    """Below fifty photos the sentence says that they are too few to tell."""
    said = verdict(measured(0.999, 1.0, n=n))
    assert said.endswith(". Its confidence is well calibrated.") is (n >= 50)
    if 10 <= n < 50:
        assert said.endswith("Too few photos to judge its calibration.")


def test_what_it_was_measured_on_can_be_said_before():
    """With leaked test photos the sentence does not claim that they were unseen."""
    assert verdict(measured(0.9, 0.9, n=20), "").startswith("90% accuracy (95% CI")
    assert ", only 20 photos); always" in verdict(measured(0.9, 0.9, n=20), "")


@settings(max_examples=300, deadline=None)
@given(st.floats(0, 1))
def test_one_way_to_write_per_cents(share):
    """Only all is "100%" and only nothing is "0%", the number is near the share, and the page gets the same number."""
    shown = percent(share)
    assert (shown == "100%") is (share >= 1) and (shown == "0%") is (share <= 0)
    assert abs(float(shown.removesuffix("%")) - 100 * share) <= 0.0500001
    assert percents(share) == (shown.removesuffix("%"),)
    whole = hundredths(share)  # as start.js writes it
    in_script = whole // 100 if whole in (0, 10000) else f"{whole / 100:.{2 if whole % 10 else 1}f}"
    assert f"{in_script}%" == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.9996, "99.96%"), (0.99999, "99.99%"), (0.0004, "0.04%"), (1e-9, "0.01%"), (0.767, "76.7%"), (0.76, "76.0%")],
)
def test_per_cents_near_the_ends_keep_a_digit_more(share, shown):
    assert percent(share) == shown


def test_counts_know_one_from_many():
    assert [count(n, "photo") for n in (0, 1, 2, 2340)] == ["0 photos", "1 photo", "2 photos", "2,340 photos"]
    assert count(2, "class", "classes") == "2 classes"


@pytest.mark.parametrize(
    ("numbers", "share", "shown"),
    [
        ((0.8712, 0.8012, 0.9189), True, ("87", "80", "92")),
        ((0.9923, 0.9841, 0.9961), True, ("99.2", "98.4", "99.6")),
        ((0.99231, 0.99114, 0.99352), True, ("99.23", "99.11", "99.35")),
        ((0.992, 0.93, 0.9996), True, ("99", "93", "99.9")),
        ((1.0, 0.98, 1.0), True, ("100", "98.0", "100")),
        ((0.02314, 0.0212, 0.0250), False, ("0.0231", "0.0212", "0.0250")),
        ((0.02314, 0.0112, 0.0781), False, ("0.02", "0.01", "0.08")),
        ((12.34, 8.0, 31.0), False, ("12", "8", "31")),
        ((0.5, 0.5, 0.5), False, ("0.500000",) * 3),
        ((None, None, None), False, ("–",) * 3),
    ],
)
def test_as_many_digits_are_shown_as_the_interval_is_narrow(numbers, share, shown):
    assert shown_digits(*numbers, share) == shown
