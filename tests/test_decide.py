"""Decisions: costs, targets and prediction sets by out-of-fold probabilities, kept in the model and applied by everything."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from penult import bundle, evaluate
from penult.cli import decide as decide_command
from penult.cli import main
from penult.decision import DecisionRule, PredictionSets, Target, facts_at_prior
from penult.errors import InputError, UnknownName
from penult.evaluate import DecisionRequest, Evaluation, advice_sentences, decide, decision_sentences, operating_facts
from penult.evaluate.conformal import conformal, fit_sets, measure_sets
from penult.evaluate.evaluation import build
from penult.evaluate.operating import at_odds, choose_threshold, curve_points, measure_point
from penult.training.place import PlaceOfUse

CLASSES = ("defective", "functional")


def overlapping(n: int = 1000, seed: int = 0, groups: bool = False) -> Evaluation:
    """Return answers about two normal classes, calibrated, as those of five folds: a third is defective."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n) > 1 / 3).astype(np.intp)
    x = rng.normal(size=n) + 1.5 * y
    p = 1 / (1 + np.exp(-(1.5 * x - 1.5**2 / 2 + np.log(2))))
    return build("x", CLASSES, y, np.column_stack([1 - p, p]), rng.integers(0, 5, n), np.arange(n) // 4 if groups else None)


def unseen_share(rule: DecisionRule, seed: int) -> float:
    """Return the recall of the rule on many photos that nothing was chosen by."""
    new = overlapping(20_000, 1000 + seed)
    return float((rule.labels(new.proba)[new.y == 0] == 0).mean())


def test_a_recall_target_gives_no_recall_away_for_nothing() -> None:
    """Classes that part: the threshold lies between them, not among the photos of the class."""
    y = np.repeat([0, 1], 100)
    p = np.concatenate([np.linspace(0.9, 0.99, 100), np.linspace(0.01, 0.1, 100)])  # of class 0
    seen = build("x", CLASSES, y, np.column_stack([p, 1 - p]), np.arange(200) % 5, None)
    found = decide(DecisionRequest.parse(None, "recall defective 0.95", None), seen)
    assert found.rule.threshold == pytest.approx(0.5)
    assert found.point is not None and (found.point.recall.value, found.point.precision.value) == (1, 1)


def test_a_recall_target_is_kept_on_unseen_photos_and_not_by_much() -> None:
    found = [decide(DecisionRequest.parse(None, "recall defective 0.9", None), overlapping(seed=s)) for s in range(30)]
    shares = np.array([unseen_share(one.rule, s) for s, one in enumerate(found)])
    assert (shares >= 0.9).mean() >= 0.8  # 0.9 is promised; 24 of 30 leaves room for chance
    assert 0.9 < shares.mean() < 0.94
    point = found[0].point
    assert point is not None and point.recall.low < shares[0] < point.recall.high
    assert point.flagged.value == pytest.approx(point.recall.value * (overlapping().y == 0).mean() / point.precision.value)


def test_a_precision_target_and_a_flagged_share_are_kept() -> None:
    new = overlapping(20_000, 99)
    for seed in range(5):
        rule = decide(DecisionRequest.parse(None, "precision defective 0.8", None), overlapping(seed=seed)).rule
        given = rule.labels(new.proba) == 0
        assert (new.y[given] == 0).mean() > 0.78 and given.mean() > 0.05
        rule = decide(DecisionRequest.parse(None, "flagged defective 20%", None), overlapping(seed=seed)).rule
        assert (rule.labels(new.proba) == 0).mean() == pytest.approx(0.2, abs=0.04)


def test_a_rare_class_of_the_place_of_use_keeps_all_its_photos() -> None:
    """A recall is what it was; flagged share, precision and accuracy are those of photos that come as often as there."""
    place = PlaceOfUse(CLASSES, np.array([1 / 3, 2 / 3]), np.array([0.02, 0.98]))
    seen, many = overlapping(1500), overlapping(60_000, 77)
    there, new = place.evaluation(seen), place.evaluation(many)
    asked = DecisionRequest.parse(None, "recall defective 0.95", 0.9)
    before, found = decide(asked, seen), decide(asked, there)
    assert found.kept and found.point.photos == 1500 and found.point.recall == before.point.recall
    assert found.rule.threshold == pytest.approx(at_odds(before.rule.threshold, 0.02 / 0.98 * 2))
    rare = np.flatnonzero(many.y == 0)[: int((many.y == 1).sum() * 2 / 98)]
    drawn = np.concatenate([rare, np.flatnonzero(many.y == 1)])  # photos as they come there
    y, given = many.y[drawn], found.rule.labels(new.proba[drawn])
    truth = {"recall": (given[y == 0] == 0).mean(), "precision": (y[given == 0] == 0).mean(), "flagged": (given == 0).mean()}
    truth["accuracy"] = (given == y).mean()
    others = [place.evaluation(overlapping(1500, s)) for s in range(40)]
    points = [measure_point(one, found.rule.labels(one.proba), 0) for one in others]
    for name, value in truth.items():
        scores = [getattr(point, name) for point in points]
        assert sum(score.low <= value <= score.high for score in scores) >= 36
        assert np.mean([score.value for score in scores]) == pytest.approx(value, abs=0.015)
        assert max(score.high - score.low for score in scores) < 0.07
    at = max((one for one in curve_points(new, 0) if one.threshold >= found.rule.threshold), key=lambda one: one.flagged)
    assert (at.flagged, at.precision.value) == pytest.approx((truth["flagged"], truth["precision"]), abs=0.05)
    held = found.sets.sets(new.proba)
    covered = measure_sets(held, new.y, None, CLASSES, 0.9, new.weights)
    assert covered.size == pytest.approx(held[drawn].sum(axis=1).mean(), abs=0.01)
    assert covered.coverage.value == pytest.approx(held[drawn, y].mean(), abs=0.01)
    assert found.coverage.by_class["defective"] == before.coverage.by_class["defective"]
    for target, least, most in (("flagged defective 0.2", 0.15, 0.23), ("precision defective 0.12", 0.12, 0.2)):
        rule = decide(DecisionRequest.parse(None, target, None), there).rule
        flagged = rule.labels(new.proba[drawn]) == 0
        assert least <= (flagged.mean() if target.startswith("flagged") else (y[flagged] == 0).mean()) <= most


def test_photos_of_one_group_count_once() -> None:
    alone, together = overlapping(), overlapping(groups=True)
    target = Target("recall", "defective", 0.9)
    lower = [choose_threshold(e, e.measured, 0, target).value for e in (together, alone)]
    assert lower[0] < lower[1]


def test_too_few_photos_are_told_and_all_of_them_are_caught() -> None:
    few = overlapping(60)
    found = decide(DecisionRequest.parse(None, "recall defective 0.99", None), few)
    assert not found.kept and (found.rule.labels(few.proba)[few.y == 0] == 0).all()
    assert "too few photos of 'defective'" in decision_sentences(found.to_dict(CLASSES))[0]


def test_costs_lower_the_mean_cost_and_other_classes_keep_their_order() -> None:
    found = decide(DecisionRequest.parse(["defective>functional=10"], None, None), overlapping())
    assert found.point is not None and found.point.cost.high < found.point.cost_argmax.low
    rule = DecisionRule.of_costs([("a", "b", 5.0)], ("a", "b", "c"))
    assert rule.labels(np.array([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])).tolist() == [0, 2]
    least = DecisionRule("target", None, Target("recall", "a", 0.9), 0, 0.15)
    assert least.labels(np.array([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])).tolist() == [0, 2]


def test_rules_survive_the_model_file_and_wrong_facts_do_not() -> None:
    for asked in (("a>b=10,b>a=0", None), (None, "recall a 0.9"), (None, None)):
        rule = decide(DecisionRequest.parse(*asked, None), build("x", ("a", "b"), *AB)).rule
        again = DecisionRule.from_facts(json.loads(json.dumps(rule.to_facts(("a", "b")))), ("a", "b"))
        assert again.labels(AB[1]).tolist() == rule.labels(AB[1]).tolist() and again.kind == rule.kind
    for wrong in ({"kind": "cost", "costs": [["a", "z", 1]]}, {"kind": "odd"}, {"kind": "cost", "costs": [["a", "b", -1]]}):
        with pytest.raises(ValueError, match="its"):
            DecisionRule.from_facts(wrong, ("a", "b"))
    with pytest.raises(ValueError, match="not for its classes"):
        PredictionSets.from_facts({"level": 0.9, "thresholds": [0.1]}, ("a", "b"))


def test_a_rule_at_other_class_shares_says_the_threshold_that_it_applies() -> None:
    facts = {"decision": {"kind": "target", "measure": "recall", "class": "b", "value": 0.9, "threshold": 0.25}}
    facts["conformal"] = {"level": 0.9, "thresholds": [0.2, 0.3]}
    moved = facts_at_prior(facts, np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    rule = DecisionRule.from_facts(moved["decision"], ("a", "b"))
    least = 0.25 / (0.25 + 0.75 * 9)  # 3.6%, the odds of b being a ninth of what they were
    assert "at least 3.6%" in rule.describe(("a", "b"))
    assert rule.labels(np.array([[1 - least - 1e-6, least + 1e-6], [1 - least + 1e-6, least - 1e-6]])).tolist() == [1, 0]
    assert rule.to_facts(("a", "b")) == moved["decision"]
    sets = PredictionSets.from_facts(moved["conformal"], ("a", "b"))
    assert sets is not None and sets.to_facts() == moved["conformal"]
    three = facts_at_prior(facts, np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.1, 0.8]))["decision"]
    assert "at the class shares that this was chosen for" in DecisionRule.from_facts(three, ("a", "b", "c")).describe("abc")


AB = (
    np.array([0, 1] * 20),
    np.column_stack([np.linspace(0.1, 0.9, 40), np.linspace(0.9, 0.1, 40)]),
    np.array([0, 0, 1, 1] * 10),
    None,
)


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_prediction_sets_cover_every_class(level: float) -> None:
    seen, new = overlapping(2000), overlapping(20_000, 5)
    sets, measured = conformal(seen, level)
    held = sets.sets(new.proba)[np.arange(len(new.y)), new.y]
    for c in (0, 1):
        assert held[new.y == c].mean() == pytest.approx(level, abs=0.025)
        share = measured.by_class[CLASSES[c]]
        assert share.low - 0.01 < held[new.y == c].mean() < share.high + 0.01
    assert 1 < measured.size < 2 and measured.single == pytest.approx(2 - measured.size)


def test_classes_with_few_photos_share_a_threshold() -> None:
    y = np.repeat([0, 1, 2], [100, 10, 10])
    proba = np.full((120, 3), 0.1)
    proba[np.arange(120), y] = np.linspace(0.3, 0.8, 120)
    thresholds = fit_sets(y, proba, 0.95).thresholds
    assert thresholds[1] == thresholds[2] > 0.1 and thresholds[0] != thresholds[1]


def test_curves_run_from_nothing_flagged_to_all() -> None:
    points = curve_points(overlapping(), 0)
    recalls = [one.recall.value for one in points]
    assert recalls == sorted(recalls) and points[-1].flagged == 1 and points[-1].recall.value == 1
    assert all(one.recall.low <= one.recall.value <= one.recall.high for one in points)


def test_advice_is_given_where_a_class_is_missed_and_no_decision_was_made() -> None:
    seen = overlapping(2000)
    said, option = advice_sentences(operating_facts(seen, DecisionRule())["advice"])
    assert said.startswith("39% of 'defective' are called 'functional': to catch 95% of them, ")
    assert option == "--target 'recall defective 0.95'"
    assert (
        operating_facts(seen, decide(DecisionRequest.parse(None, "recall defective 0.9", None), seen).rule)["advice"] is None
    )
    assert operating_facts(overlapping(80), DecisionRule())["advice"] is None  # chance may explain it
    good = build("x", CLASSES, seen.y, np.where(np.arange(2) == seen.y[:, None], 0.9, 0.1), seen.fold, None)
    assert operating_facts(good, DecisionRule())["advice"] is None


def test_the_verdict_says_what_passes_unseen() -> None:
    seen = overlapping(2000)
    facts = operating_facts(seen, DecisionRule())
    assert "39% of 'defective' are called 'functional'" in evaluate.verdict_with_decision(seen, None, facts)


@pytest.mark.parametrize(
    ("cost", "target", "coverage", "why"),
    [
        ("a>b", None, None, "no mistake with its cost"),
        ("a>b=-1", None, None, "no mistake with its cost"),
        ("a>b=2,a>a=5", None, None, "that is the right answer"),
        (None, "recall a", None, "not a measure, a class and a share"),
        (None, "recall a 1.5", None, "not a measure, a class and a share"),
        ("a>b=2", "recall a 0.9", None, "give one of them"),
        (None, None, 0.2, "not from 0.5 to below 1"),
    ],
)
def test_what_is_no_decision_is_refused(cost: str | None, target: str | None, coverage: float | None, why: str) -> None:
    with pytest.raises(InputError, match=why):
        DecisionRequest.parse(cost, target, coverage)


def test_costs_come_from_a_table_of_either_form(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("true,predicted,cost\na,b,5\n")
    (tmp_path / "table.csv").write_text("true;a;b\na;0;5\nb;1;0\n")
    (tmp_path / "odd.csv").write_text("true,predicted,cost\na,b,much\n")
    rules = [
        DecisionRule.of_costs(DecisionRequest.parse([str(tmp_path / name)], None, None).costs, ("a", "b"))
        for name in ("list.csv", "table.csv")
    ]
    assert all(rule.costs is not None and rule.costs.tolist() == [[0, 5], [1, 0]] for rule in rules)
    with pytest.raises(InputError, match="line 2 has the cost 'much'"):
        DecisionRequest.parse([str(tmp_path / "odd.csv")], None, None)
    with pytest.raises(UnknownName, match="unknown class 'z'"):
        DecisionRequest.parse("z>a=2", None, None).check(("a", "b"))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_is_trained_with_a_decision_and_decided_anew(
    photos: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = photos("train", warm=14, cold=14), photos("test", warm=2, cold=2)
    run = tmp_path / "run"
    argv = ["train", str(train), "--test", str(test), "-o", str(run), "-b", "colour_histogram"]
    assert main([*argv, "--target", "recall warm 0.8", "--coverage", "0.9"]) == 0
    model = bundle.load_bundle(run)
    assert model.facts["decision"]["class"] == "warm" and model.facts["conformal"]["level"] == 0.9
    before = read(run / "predictions.csv")
    assert all(row["label"] in row["prediction_set"].split(";") for row in before)
    # the same answers, whoever gives them: predict, and the table that training wrote
    assert main(["predict", str(run), str(test), "--csv", str(tmp_path / "again.csv")]) == 0
    assert [row["label"] for row in read(tmp_path / "again.csv")] == [row["label"] for row in before]
    assert main(["decide", str(run), "--cost", "cold>warm=100000"]) == 0  # so all are called cold
    capsys.readouterr()
    assert main(["evaluate", str(run), str(test), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    recalls = {one["name"]: one["recall"] for one in measured["per_class"]}
    assert recalls == {"warm": 0, "cold": 1}
    assert measured["scores"]["accuracy"]["value"] == measured["decision"]["point"]["accuracy"]["value"] == 0.5
    assert main(["decide", str(run), "--cost", "warm>cold=100000"]) == 0
    assert capsys.readouterr().out.startswith("A photo costs ")
    assert {row["label"] for row in read(run / "predictions.csv")} == {"warm"}
    assert "prediction_set" in read(run / "predictions.csv")[0]  # the coverage is kept
    assert main(["decide", str(run), "--most-probable"]) == 0
    assert {"decision", "conformal"}.isdisjoint(bundle.load_bundle(run).facts)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["decision"]["kind"] == "argmax" and metrics["options"]["decision"]["target"] is None
    assert main(["doctor", str(run)]) == 0  # every file is as the run's record says
    assert main(["decide", str(run), "--target", "recall hot 0.9"]) == 1
    assert "unknown class 'hot'" in capsys.readouterr().err


def test_a_decision_after_training_knows_of_the_place_of_use(photos: Callable[..., Path], tmp_path: Path) -> None:
    train = photos("train", warm=14, cold=14)
    named = sorted(train.rglob("*.png"))
    rows = [f"{file.relative_to(train)},{file.parent.name},{10 if file.parent.name == 'warm' else 1}" for file in named]
    (train / "table.csv").write_text("\n".join(["file,label,worth", *rows]))
    argv = ["train", str(train / "table.csv"), "--weights", "worth", "-b", "colour_histogram", "--prior", "warm=0.2,cold=0.8"]
    assert main([*argv, "-o", str(tmp_path / "a"), "--target", "recall warm 0.8"]) == 0
    assert main([*argv, "-o", str(tmp_path / "b")]) == 0
    assert main(["decide", str(tmp_path / "b"), "--target", "recall warm 0.8"]) == 0
    one, other = (bundle.load_bundle(tmp_path / name).facts["decision"] for name in "ab")
    assert one["threshold"] == pytest.approx(other["threshold"], rel=1e-4)  # oof.csv has six digits


def test_the_table_of_thresholds_tells_them_apart(capsys: pytest.CaptureFixture[str]) -> None:
    curve = [(0.0594, 0.96), (0.05936, 0.985), (0.05931, 1.0)]  # threshold, recall
    points = [{"threshold": t, "recall": {"value": r}, "flagged": 0.5, "precision": {"value": 0.7}} for t, r in curve]
    decide_command._show_curve({"class": "glass", "points": points})
    header, *rows = [line for line in capsys.readouterr().out.splitlines() if not set(line) <= set("- ")]
    assert header.split() == ["recall", "of", "glass", "from", "threshold", "recall", "flagged", "precision"]
    assert [row.split()[:3] for row in rows] == [
        ["95%", "0.0594", "96.0%"], ["98%", "0.05936", "98.5%"], ["99%", "0.05931", "100%"],
    ]  # fmt: skip


def test_a_folder_without_a_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decide", str(tmp_path)]) == 1
    assert "holds no finished run" in capsys.readouterr().err
