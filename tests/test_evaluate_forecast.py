"""Would more photos help? The power law of a learning curve, what it says about twice as many, and when it says nothing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from penult.evaluate import Folds, PowerLaw, carry, cross_validate, learning_curve, score
from penult.evaluate.curve import forecast
from penult.evaluate.evaluation import build
from penult.evaluate.power_law import BEND, LEAST_SCATTER, fitted, typical

SIZES = (20, 40, 80, 160, 320)
HEAD = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3)


FIVE = Folds(5, 1.25)


def measured(wrong: int = 40, n: int = 400, folds: Folds | None = FIVE):
    """Return an evaluation of n photos, of which so many are wrong."""
    y = np.arange(n) % 2
    given = np.where(np.arange(n) < wrong, 1 - y, y)
    return build("", ["cat", "dog"], y, np.where(given[:, None] == [0, 1], 0.9, 0.1), np.arange(n) // 2 % 5, None, (), folds)


def test_a_power_law_is_found():
    law = fitted(SIZES, np.outer(np.linspace(0.9, 1.1, 50), [8 * n**-0.5 for n in SIZES]), None)
    assert law.exponent == pytest.approx(0.5)
    assert law.error == pytest.approx(BEND * 0.5 + LEAST_SCATTER)  # a straight line may still bend beyond its end


def test_a_scattered_curve_has_an_uncertain_exponent():
    law = fitted(SIZES, np.tile([0.5, 0.62, 0.41, 0.6, 0.5], (50, 1)), None)
    assert abs(law.exponent) < law.error


def test_images_that_differ_make_the_exponent_uncertain():
    rng = np.random.default_rng(0)
    losses = rng.gamma(0.5, 1.0, (60, 5)) * np.power(SIZES, -0.4)
    alone, tied = fitted(SIZES, losses, None), fitted(SIZES, losses, np.arange(60) // 10)
    assert alone.error > 0.08
    assert tied.error != alone.error


@pytest.mark.parametrize("column", [[0.5, 0.4, 0.3, 0.1, 0.0], [0.5, 0.4]])
def test_no_law_goes_through_a_loss_of_0_or_two_points(column):
    assert fitted(SIZES[: len(column)], np.tile(column, (9, 1)), None) is None


def test_where_nothing_is_learnt_no_gain_is_typical():
    assert typical("log_loss", 0.70, 0.69).exponent == 0
    assert 0.2 < typical("log_loss", 0.05, 0.69).exponent < 0.4


def test_with_few_images_a_class_a_loss_falls_faster():
    few, some, many = (typical("log_loss", 0.5, 2.3, each).exponent for each in (5, 25, 500))
    assert few == pytest.approx(2 * many)
    assert many < some < few
    X, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    assert cross_validate(HEAD, X, y, ["cat", "dog"]).folds.each == 20


def test_the_better_known_of_two_exponents_counts_more():
    both = PowerLaw(0.3, 0.1).weighed(PowerLaw(0.6, 0.01))
    assert both.exponent == pytest.approx(0.6, abs=0.005)
    assert both.error < 0.01


def test_a_steep_law_promises_a_gain():
    found = forecast(measured(), {"log_loss": PowerLaw(0.5, 0.02), "accuracy": PowerLaw(0.5, 0.02)})
    assert found is not None and found.clear
    assert found.images == 800
    assert found.change.value == pytest.approx(2**-0.5, abs=0.01)
    assert found.log_loss.value / found.log_loss_now == pytest.approx(found.change.value)
    assert found.accuracy.value > found.accuracy_now > 0.9
    assert found.to_dict()["change"]["high"] < 1


def test_today_s_noise_is_in_the_forecast_and_not_in_the_gain():
    found = forecast(measured(), {"log_loss": PowerLaw(0.4, 0.001)})
    today = measured().scores["log_loss"]
    assert found.log_loss.high / found.log_loss.low > 0.8 * today.high / today.low
    assert found.change.high / found.change.low < found.log_loss.high / found.log_loss.low


@pytest.mark.parametrize("law", [PowerLaw(0.05, 0.1), PowerLaw(-0.5, 0.05)])
def test_a_law_that_is_flat_or_rises_promises_none(law):
    found = forecast(measured(), {"log_loss": law})
    assert found is not None and not found.clear
    assert found.change.low < found.change.value < found.change.high > 1


def test_the_nearer_to_chance_the_more_an_out_of_fold_score_varies():
    """What the draw of the training photos does counts twice: near chance that is all of the variance."""

    def wider(wrong: int) -> float:
        ours, plain = (measured(wrong, folds=how).scores["accuracy"] for how in (Folds(5, 1.0), None))
        return (ours.high - ours.low) / (plain.high - plain.low)

    assert wider(190) == pytest.approx(2**0.5, rel=0.05)
    assert wider(40) == pytest.approx(1.11, rel=0.03)
    assert wider(8) == pytest.approx(1.0, abs=0.05)


def test_answers_that_were_held_back_may_be_of_a_better_model():
    """Folds that had bad luck answer near to 50%: the lower end is that of the same answers at their best confidence."""
    y = np.arange(200) % 2
    right = np.where(np.arange(200) % 10 < 7, 0.7, 0.3)  # of the own class

    def low(held_back: float, folds: Folds | None) -> float:
        own = right**held_back / (right**held_back + (1 - right) ** held_back)
        proba = np.where(y[:, None] == [0, 1], own[:, None], 1 - own[:, None])
        return build("", ["cat", "dog"], y, proba, np.arange(200) // 2 % 5, None, (), folds).scores["log_loss"].low

    assert low(0.1, FIVE) == pytest.approx(low(1.0, FIVE), abs=0.03)
    assert low(0.1, FIVE) < 0.58
    assert low(0.1, None) > 0.66  # that model is measured itself


def test_a_loss_near_chance_that_may_be_lower_may_fall_faster():
    def lopsided(wrong: int) -> float:
        change = forecast(measured(wrong), {"log_loss": PowerLaw(0.0, 0.001)}).change
        return np.log(change.value / change.low) / np.log(change.high / change.value)

    assert lopsided(100) > 1.2
    assert lopsided(20) < 1.05


def test_nothing_is_said_of_a_model_measured_itself_or_without_a_law():
    assert forecast(measured(folds=None), {"log_loss": PowerLaw(0.4, 0.1)}) is None
    assert forecast(measured(), {}) is None


def test_without_an_error_nothing_is_said_of_accuracy():
    found = forecast(measured(wrong=0), {"log_loss": PowerLaw(0.4, 0.1)})
    assert found is not None
    assert (found.accuracy.value, found.to_dict()["accuracy"]["low"]) == (None, None)


@pytest.mark.parametrize(("sizes", "told"), [((16, 24, 32), True), ((32, 40, 48), False), ((16, 32), False)])
def test_nothing_is_carried_on_from_a_short_curve(sizes, told):
    """Twice the photos is too far beyond a curve of few points, or whose last size is less than four times its first."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    X = rng.normal(size=(120, 3)) + y[:, None]
    found = cross_validate(HEAD, X, y, ["a", "b"])
    curve = learning_curve(HEAD, X, found, sizes)
    assert (curve.twice is not None) is told
    assert (curve.to_dict()["twice"] is not None) is told


def draws(repeats: int, n: int = 100):
    """Yield an evaluation, its curve, and the losses of models of n and 2 n photos, for classes that are known."""
    rng = np.random.default_rng(3)

    def photos(number):
        y = rng.permutation(np.arange(number) % 2)
        return rng.normal(size=(number, 8)) + 0.5 * y[:, None], y

    others, truth = photos(20_000)
    for _ in range(repeats):
        X, y = photos(2 * n)
        found = cross_validate(HEAD, X[:n], y[:n], ["a", "b"])
        told = [score(truth, HEAD.fit(X[:m], y[:m]).predict_proba(others), ["a", "b"]).scores for m in (n, 2 * n)]
        yield found, learning_curve(HEAD, X[:n], found), *told


def test_intervals_and_forecasts_hold_the_truth():
    """About 95 of 100: of the model that is fitted on all photos, not of those of the folds."""
    held = dict.fromkeys(("accuracy", "log_loss", "brier", "auc", "carried", "forecast", "change"), 0)
    for found, curve, now, twice in draws(40):
        for name in ("accuracy", "log_loss", "brier", "auc"):
            held[name] += found.scores[name].low <= now[name].value <= found.scores[name].high
        carried = carry(found, curve).scores["log_loss"]
        held["carried"] += carried.low <= now["log_loss"].value <= carried.high
        ahead, ratio = curve.twice, twice["log_loss"].value / now["log_loss"].value
        held["forecast"] += ahead.log_loss.low <= twice["log_loss"].value <= ahead.log_loss.high
        held["change"] += ahead.change.low <= ratio <= ahead.change.high
    assert min(held.values()) >= 35, held
