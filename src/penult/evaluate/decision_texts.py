"""What a decision gives, in sentences, from its record in `metrics.json`; and the advice to make one where nobody did."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

import numpy as np

from penult.arrays import default_errors
from penult.decision import DecisionRule, Target
from penult.evaluate.evaluation import Evaluation
from penult.evaluate.interpret import Numbers, as_dict, at_chance, verdict
from penult.evaluate.intervals import Score
from penult.evaluate.operating import CONFIDENCE, by_folds, choose_threshold, curve_points, measure_point
from penult.evaluate.shift import accuracy_gap
from penult.texts import count, digits, percent

ADVISED = 0.95  # the recall of the advice
MISSED = 0.1  # share of a class that must surely be missed before a decision is advised
WORTH = 1.2  # times the share of the class that the precision of the advice must surely be: else flagging says nothing


def focus(evaluation: Evaluation, rule: DecisionRule) -> int:
    """Return the class that curves and advice are about: that of the rule, or the one that is found least often."""
    if rule.chosen is not None:
        return rule.chosen
    if rule.costs is not None:
        return int(np.argmax(rule.costs.max(axis=1)))
    recalls = [2.0 if one.recall is None else one.recall for one in evaluation.per_class]
    return int(np.argmin(recalls))


@default_errors
def operating_facts(evaluation: Evaluation, rule: DecisionRule) -> dict[str, Any]:
    """Return the curves of the class that matters as plain JSON values, and the advice where no decision was made."""
    chosen = focus(evaluation, rule)
    points = [point.to_dict() for point in curve_points(evaluation, chosen)]
    advice = _advice(evaluation, chosen) if rule.kind == "argmax" else None
    return {"curve": {"class": evaluation.classes[chosen], "points": points}, "advice": advice}


def _advice(evaluation: Evaluation, chosen: int) -> dict[str, Any] | None:
    """Return what a recall of ADVISED would take, where one of two classes is missed more often than the other, beyond chance.

    None too where the photos of the class are too few to keep it, or where what is then flagged is hardly more often of it
    than any photo is.
    """
    if len(evaluation.classes) != 2:
        return None
    ours, other = evaluation.per_class[chosen], evaluation.per_class[1 - chosen]
    if ours.recall is None or ours.recall_high is None or other.recall_low is None:
        return None
    if 1 - ours.recall_high < MISSED or ours.recall_high >= other.recall_low:
        return None
    target = Target("recall", ours.name, ADVISED)

    def rule(rows: np.ndarray[Any, np.dtype[np.bool_]]) -> DecisionRule:
        found = choose_threshold(evaluation, rows, chosen, target)
        return DecisionRule("target", None, target if found.kept else None, chosen, found.value)

    point = measure_point(evaluation, by_folds(evaluation, rule), chosen)
    here = evaluation.measured
    share = np.average(evaluation.y[here] == chosen, weights=None if evaluation.weights is None else evaluation.weights[here])
    useful = point.precision.low is not None and point.precision.low > WORTH * share
    if rule(evaluation.measured).target is None or not useful:
        return None
    return {"target": str(target), "missed": 1 - ours.recall, "called": other.name, "point": point.to_dict()}


def advice_sentences(advice: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return what passes unseen and what catching it would take, and the option that does it; two empty texts for none."""
    if not advice:
        return "", ""
    point = advice["point"]
    said = (
        f"{percent(advice['missed'], 0)} of {point['label']!r} are called {advice['called']!r}: to catch "
        f"{percent(ADVISED, 0)} of them, {percent(point['flagged']['value'], 0)} of all photos would be flagged, and "
        f"{percent(point['precision']['value'], 0)} of those would be right"
    )
    return said, f"--target {shlex.quote(advice['target'])}"


def verdict_with_decision(evaluation: Numbers, test: Numbers | None, decision: Mapping[str, Any] | None) -> str:
    """Return the verdict, and what the decision gives, or the advice to make one where nobody did."""
    said = verdict(evaluation, test=test)
    gap = None if test is None else accuracy_gap(as_dict(evaluation), as_dict(test))
    if at_chance(evaluation, test) or (gap is not None and gap.worse):  # then nothing of the folds is to be believed
        return said
    more = decision_sentences(decision) or [one for one in advice_sentences((decision or {}).get("advice"))[:1] if one]
    return " ".join([said, *(f"{one[:1].upper()}{one[1:]}." for one in more)])


def decision_sentences(decision: Mapping[str, Any] | None) -> list[str]:
    """Return what the decision of a run gives, measured by folds, and the coverage of its prediction sets."""
    if not decision:
        return []
    said = []
    if decision.get("kind") == "target" and decision["point"]:
        said = [_target(decision, decision["point"])]
    if decision.get("kind") == "cost" and decision["point"]:
        said = [_cost(decision["point"])]
    return [*said, _coverage(decision["coverage"])] if decision.get("coverage") else said


def measured_sentences(decision: Mapping[str, Any] | None) -> list[str]:
    """Return what the decision of a model gives on new labelled photos, and the coverage of its prediction sets there."""
    if not decision:
        return []
    said, point = [], decision["point"]
    if point:
        flagged, right, found = (_with_interval(point[name]) for name in ("flagged", "precision", "recall"))
        asked = f" ({decision['measure']} {decision['value']:g} was asked)" if decision["kind"] == "target" else ""
        label, accuracy = repr(point["label"]), _with_interval(point["accuracy"])
        first = f"with the model's decision{asked} {found} of {label} are found; {flagged} of the photos are called it"
        said = [f"{first}, and {right} of those are right; accuracy {accuracy}"]
        if point["cost"]:
            costs = (digits(point[name]["value"]) for name in ("cost", "cost_argmax"))
            said.append("a photo costs {} on average, and {} if it were given the most probable class".format(*costs))
    return [*said, _coverage(decision["coverage"], "photo")] if decision.get("coverage") else said


def _target(decision: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    label, share, sure = repr(point["label"]), percent(decision["value"], 0), f"with {percent(CONFIDENCE, 0)} confidence"
    flagged, right, found = (_with_interval(point[name]) for name in ("flagged", "precision", "recall"))
    if decision["measure"] == "recall":
        said = f"to catch {share} of {label} you flag {flagged} of the photos, and {right} of those are right"
        said += f"; recall measured by folds {found}"
        few = f"too few photos of {label} to promise it {sure}, so the threshold catches all of them"
    elif decision["measure"] == "precision":
        said = f"of the photos called {label} {right} are right; these are {flagged} of all, and {found} of {label} are found"
        few = f"no threshold keeps a precision of {share} {sure}, so the highest one is taken"
    else:
        said = f"{flagged} of the photos are called {label}; {right} of those are right, and {found} of {label} are found"
        few = "the most probable photos all have one probability, so none is called it"
    return f"{said} (threshold {digits(decision['threshold'])}{'' if decision['kept'] else '; ' + few})"


def _cost(point: Mapping[str, Any]) -> str:
    ours, theirs = point["cost"], point["cost_argmax"]
    return (
        f"a photo costs {digits(ours['value'])} on average (95% CI {digits(ours['low'])}-{digits(ours['high'])}), and "
        f"{digits(theirs['value'])} if it were given the most probable class; {_with_interval(point['recall'])} of "
        f"{point['label']!r} are found, {_with_interval(point['flagged'])} of the photos are called it, and "
        f"{_with_interval(point['precision'])} of those are right"
    )


def _coverage(found: Mapping[str, Any], photo: str = "held-out photo") -> str:
    low = min((one for one in found["by_class"].items() if one[1]["value"] is not None), key=lambda one: one[1]["value"])
    return (
        f"the prediction sets hold the right class for {_with_interval(found['coverage'])} of "
        f"{count(found['photos'], photo)} ({percent(found['level'], 0)} was asked; lowest: {low[0]!r}, "
        f"{percent(low[1]['value'])}), with {found['size']:.2f} classes on average; {percent(found['single'])} have one class"
    )


def _with_interval(score: Mapping[str, Any] | Score) -> str:
    """Return `31.2% (28.9-33.6)`."""
    values = score if isinstance(score, Mapping) else score.to_dict()
    if values["value"] is None:
        return "none"
    ends = [percent(values[end]).removesuffix("%") for end in ("low", "high")]
    return f"{percent(values['value'])} ({ends[0]}-{ends[1]})"
