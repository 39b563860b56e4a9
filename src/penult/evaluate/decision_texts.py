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
from penult.evaluate.label_words import label_verdict
from penult.evaluate.operating import CONFIDENCE, by_folds, choose_threshold, curve_points, measure_point
from penult.evaluate.shift import accuracy_gap
from penult.i18n import N_, _, pgettext
from penult.texts import count, digits, gap, percent, sentence

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
    said = _(
        "{missed} of {label!r} are called {called!r}: to catch {advised} of them, {flagged} of all photos would be flagged, "
        "and {right} of those would be right",
        missed=percent(advice["missed"], 0), label=point["label"], called=advice["called"], advised=percent(ADVISED, 0),
        flagged=percent(point["flagged"]["value"], 0), right=percent(point["precision"]["value"], 0),
    )  # fmt: skip
    return said, f"--target {shlex.quote(advice['target'])}"


def verdict_with_decision(evaluation: Numbers, test: Numbers | None, decision: Mapping[str, Any] | None) -> str:
    """Return the verdict, and what the decision gives, or the advice to make one where nobody did."""
    said = verdict(evaluation, test=test)
    apart = None if test is None else accuracy_gap(as_dict(evaluation), as_dict(test))
    if at_chance(evaluation, test) or (apart is not None and apart.worse):  # then nothing of the folds is to be believed
        return said
    more = decision_sentences(decision) or [one for one in advice_sentences((decision or {}).get("advice"))[:1] if one]
    return gap().join([said, *(sentence(one) for one in more)])


def verdict_of(metrics: Mapping[str, Any]) -> str:
    """Return the verdict of a run in the language of now, from its numbers; as it was written where they tell none."""
    said = metrics.get("verdict")
    try:
        if metrics.get("task") == "labels":
            return label_verdict(metrics["scores"], metrics.get("test"))
        return verdict_with_decision(metrics["scores"], metrics.get("test"), metrics.get("decision"))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):  # an older run, or a file that was edited
        return said if isinstance(said, str) else ""


def decision_sentences(decision: Mapping[str, Any] | None) -> list[str]:
    """Return what the decision of a run gives, measured by folds, and the coverage of its prediction sets."""
    if not decision:
        return []
    said = []
    if decision.get("kind") == "target" and decision["point"]:
        said = [_threshold(decision, *_target(decision, decision["point"]))]
    if decision.get("kind") == "cost" and decision["point"]:
        said = [_cost(decision["point"])]
    return [*said, _coverage(decision["coverage"], held_out=True)] if decision.get("coverage") else said


def measured_sentences(decision: Mapping[str, Any] | None) -> list[str]:
    """Return what the decision of a model gives on new labelled photos, and the coverage of its prediction sets there."""
    if not decision:
        return []
    said, point = [], decision["point"]
    if point:
        told = {"label": point["label"], "accuracy": _with_interval(point["accuracy"]), **_shares(point)}
        if decision["kind"] == "target":
            one = _(
                "with the model's decision ({measure} {value:g} was asked) {found} of {label!r} are found; {flagged} of the "
                "photos are called it, and {right} of those are right; accuracy {accuracy}",
                measure=decision["measure"], value=decision["value"], **told,
            )  # fmt: skip
        else:
            one = _(
                "with the model's decision {found} of {label!r} are found; {flagged} of the photos are called it, and {right} "
                "of those are right; accuracy {accuracy}",
                **told,
            )
        said = [one]
        if point["cost"]:
            ours, theirs = (digits(point[name]["value"]) for name in ("cost", "cost_argmax"))
            costs = N_("a photo costs {ours} on average, and {theirs} if it were given the most probable class")
            said.append(_(costs, ours=ours, theirs=theirs))
    return [*said, _coverage(decision["coverage"])] if decision.get("coverage") else said


def _shares(point: Mapping[str, Any]) -> dict[str, str]:
    names = {"flagged": "flagged", "right": "precision", "found": "recall"}
    return {name: _with_interval(point[key]) for name, key in names.items()}


def _threshold(decision: Mapping[str, Any], said: str, few: str) -> str:
    threshold = digits(decision["threshold"])
    if decision["kept"]:
        return _("{said} (threshold {threshold})", said=said, threshold=threshold)
    return _("{said} (threshold {threshold}; {few})", said=said, threshold=threshold, few=few)


def _target(decision: Mapping[str, Any], point: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a target gives, and what to tell of its threshold where it is not kept."""
    told = {"label": point["label"], "share": percent(decision["value"], 0), "sure": percent(CONFIDENCE, 0), **_shares(point)}
    if decision["measure"] == "recall":
        said = N_(
            "to catch {share} of {label!r} you flag {flagged} of the photos, and {right} of those are right; recall "
            "measured by folds {found}"
        )
        few = N_("too few photos of {label!r} to promise it with {sure} confidence, so the threshold catches all of them")
    elif decision["measure"] == "precision":
        said = N_(
            "of the photos called {label!r} {right} are right; these are {flagged} of all, and {found} of {label!r} are found"
        )
        few = N_("no threshold keeps a precision of {share} with {sure} confidence, so the highest one is taken")
    else:
        said = N_(
            "{flagged} of the photos are called {label!r}; {right} of those are right, and {found} of {label!r} are found"
        )
        few = N_("the most probable photos all have one probability, so none is called it")
    return _(said, **told), _(few, **told)


def _cost(point: Mapping[str, Any]) -> str:
    ours, theirs = point["cost"], point["cost_argmax"]
    return _(
        "a photo costs {ours} on average (95% CI {low}-{high}), and {theirs} if it were given the most probable class; "
        "{found} of {label!r} are found, {flagged} of the photos are called it, and {right} of those are right",
        ours=digits(ours["value"]), low=digits(ours["low"]), high=digits(ours["high"]), theirs=digits(theirs["value"]),
        label=point["label"], **_shares(point),
    )  # fmt: skip


def _coverage(found: Mapping[str, Any], held_out: bool = False) -> str:
    low = min((one for one in found["by_class"].items() if one[1]["value"] is not None), key=lambda one: one[1]["value"])
    return _(
        "the prediction sets hold the right class for {coverage} of {photos} ({level} was asked; lowest: {name!r}, {lowest}), "
        "with {size:.2f} classes on average; {single} have one class",
        coverage=_with_interval(found["coverage"]),
        photos=count(found["photos"], "held-out photo") if held_out else count(found["photos"], "photo"),
        level=percent(found["level"], 0), name=low[0], lowest=percent(low[1]["value"]), size=found["size"],
        single=percent(found["single"]),
    )  # fmt: skip


def _with_interval(score: Mapping[str, Any] | Score) -> str:
    """Return `31.2% (28.9-33.6)`."""
    values = score if isinstance(score, Mapping) else score.to_dict()
    if values["value"] is None:
        return pgettext("share of no photos", "none")
    low, high = (percent(values[end]).removesuffix("%") for end in ("low", "high"))
    return _("{value} ({low}-{high})", value=percent(values["value"]), low=low, high=high)
