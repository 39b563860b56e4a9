"""Would more photos help? What a learning curve says about twice as many, and when it says nothing."""

from __future__ import annotations

import pytest

from penult.evaluate import LearningCurve, Score


def curve(sizes: tuple[int, ...], losses: list[float | None], accuracies: list[float] | None = None) -> LearningCurve:
    def scores(values: list) -> tuple[Score, ...]:
        return tuple(Score(v, None if v is None else v * 0.9, None if v is None else v * 1.1) for v in values)

    return LearningCurve(sizes, scores(losses), scores(accuracies or [0.9] * len(sizes)))


SIZES = (20, 40, 80, 160, 320)


def test_a_power_law_is_carried_on():
    twice = curve(SIZES, [8 * n**-0.5 for n in SIZES], [1 - 2 * n**-0.7 for n in SIZES]).twice
    assert twice is not None and twice.clear
    assert twice.images == 640
    assert twice.log_loss.value == pytest.approx(8 * 640**-0.5)
    assert twice.log_loss.low == pytest.approx(twice.log_loss.value) == twice.log_loss.high
    assert twice.accuracy.value == pytest.approx(1 - 2 * 640**-0.7)


def test_a_scattered_curve_gives_an_interval_that_says_so():
    twice = curve(SIZES, [0.5, 0.62, 0.41, 0.6, 0.5]).twice
    assert twice is not None
    assert not twice.clear
    assert twice.log_loss.low < twice.log_loss.value < twice.log_loss.high
    assert twice.log_loss.low < 0.5 < twice.log_loss.high


def test_a_curve_that_rises_promises_no_gain():
    twice = curve(SIZES, [0.1, 0.12, 0.15, 0.17, 0.2]).twice
    assert twice is not None and not twice.clear and twice.log_loss.value > 0.2


def test_nothing_is_said_of_few_points_and_of_an_undefined_end():
    assert curve(SIZES[:3], [0.5, 0.4, 0.3]).twice is None
    assert curve(SIZES, [0.5, 0.4, 0.3, 0.25, None]).twice is None
    assert curve(SIZES, [0.5, 0.4, 0.3, 0.25, 0.0]).twice is None
    assert curve(SIZES[:3], [0.5, 0.4, 0.3]).to_dict()["twice"] is None


def test_without_an_error_nothing_is_said_of_accuracy():
    twice = curve(SIZES, [0.5, 0.4, 0.3, 0.25, 0.2], [0.9, 0.95, 0.99, 1.0, 1.0]).twice
    assert twice is not None
    assert twice.accuracy.value is None
    assert twice.to_dict()["accuracy_now"] == 1.0


@pytest.mark.parametrize(("last", "told"), [(79, False), (80, True)])
def test_nothing_is_carried_on_from_a_short_curve(last, told):
    """Twice the photos is too far beyond a curve whose last size is less than four times its first."""
    assert (curve((20, 30, 45, last), [0.5, 0.4, 0.33, 0.28]).twice is not None) is told


def test_an_error_that_never_changes_says_nothing_of_accuracy():
    """Always answering the common class gives one accuracy at every size: no law, and no interval of no width."""
    twice = curve(SIZES, [0.5, 0.4, 0.3, 0.25, 0.2], [0.97] * 5).twice
    assert twice is not None and twice.accuracy.value is None
