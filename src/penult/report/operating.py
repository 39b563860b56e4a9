"""The decision of a model: what it gives, the curves of all thresholds with this one marked, and its prediction sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.evaluate import advice_sentences, decision_sentences
from penult.html import Html, join, phrase, prose, tag
from penult.i18n import N_, _
from penult.report import svg
from penult.report.thumbnails import Thumbnails
from penult.runs import RunResults
from penult.texts import digits, gap, percent, sentence

MOST_CLASSES = 12  # that the table of coverages names: those that are covered least
OTHERS = N_("Everything else on this page is about the most probable class.")
BANDS = N_("Bands are 95% intervals at each threshold.")


def headline(metrics: Mapping[str, Any]) -> Html | None:
    """Return what the decision gives, for the head of the page; or the advice to make one, with its command."""
    decision = metrics.get("decision") or {}
    if said := decision_sentences(decision):  # all of them stand with the curves
        return tag("p", prose(sentence(said[0])), gap(), tag("a", _("Thresholds"), href="#decision"), class_="second")
    said_of_advice, option = advice_sentences(decision.get("advice"))
    if not said_of_advice:
        return None
    line = tag("code", f"penult decide RUN {option}")
    return tag("p", phrase(_("{advice}: {command}."), advice=said_of_advice, command=line), class_="second")


def section(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return the curves and the sets; None for a run without them."""
    metrics = results.metrics
    decision = metrics.get("decision") or {}
    curve = decision.get("curve") or {}
    points: Sequence[Mapping[str, Any]] = curve.get("points") or ()
    coverage = decision.get("coverage")
    if len(points) < 2 and not coverage:
        return None
    parts = []
    if len(points) >= 2:
        own = next((one for one in metrics["scores"]["per_class"] if one["name"] == curve["class"]), None)
        total = metrics["scores"]["measured"]
        at = _operating(decision, own, total) if own else None
        parts = [
            _figure("roc", _("ROC curve of {name}", name=curve["class"]), _roc(points, at), _ring_of_roc(at)),
            _figure("pr", _("Precision and recall of {name}", name=curve["class"]), _precision(points, at), _ring_of_pr(at)),
        ]
    said = decision_sentences(decision)
    text = tag("p", prose(gap().join([*map(sentence, said), _(OTHERS)]))) if said else tag("p", _choose(curve), class_="soft")
    drawn = tag("div", *parts, class_="charts") if parts else None
    return tag("section", tag("h2", _("Decision and thresholds")), text, drawn, _covered(coverage), id="decision")


def _choose(curve: Mapping[str, Any]) -> Html:
    """Return how to choose another decision than the most probable class."""
    example = f"penult decide RUN --target 'recall {curve.get('class')} 0.95'"
    how = _(
        "Each photo gets its most probable class. For another threshold, or costs of mistakes (no training is needed): "
        "{command} or {option}."
    )
    return join(phrase(how, command=tag("code", example), option=tag("code", "--cost 'A>B=10'")), gap(), _(BANDS))


def _figure(name: str, title: str, picture: Html, said: str) -> Html:
    return tag("figure", tag("h3", title), picture, tag("figcaption", prose(said)), id=name)


Place = tuple[float, float | None, float, str]  # recall, precision, false positive rate, what it is


def _operating(decision: Mapping[str, Any], own: Mapping[str, Any], total: int) -> Place | None:
    """Return where the model works: recall, precision and false positive rate of its decision."""
    point = decision.get("point")
    recall = point["recall"]["value"] if point else own["recall"]
    right = point["precision"]["value"] if point else own["precision"]
    if recall is None or total <= own["support"]:
        return None
    hits = recall * own["support"]
    false = hits * (1 - right) / right if right else 0.0
    return (
        recall,
        right,
        min(false / (total - own["support"]), 1.0),
        _("the decision") if point else _("the most probable class"),
    )


def _ring_of_roc(at: Place | None) -> str:
    if at is None:
        return _(BANDS)
    said = _(
        "The ring is {decision}: recall {recall} and false positive rate {rate}.",
        decision=at[3], recall=percent(at[0]), rate=percent(at[2]),
    )  # fmt: skip
    return f"{said}{gap()}{_(BANDS)}"


def _ring_of_pr(at: Place | None) -> str:
    if at is None:
        return _(BANDS)
    said = _(
        "The ring is {decision}: precision {precision} and recall {recall}.",
        decision=at[3], precision=percent(at[1]), recall=percent(at[0]),
    )  # fmt: skip
    return f"{said}{gap()}{_(BANDS)}"


def _roc(points: Sequence[Mapping[str, Any]], at: Place | None) -> Html:
    """Draw recall against the false positive rate."""
    x, y = svg.x_scale(0.0, 1.0), svg.y_scale(0.0, 1.0)
    chance = svg.line((x(0.0), y(0.0)), (x(1.0), y(1.0)), "ideal")
    mark = None
    if at is not None:
        hint = _("{decision}: recall {recall}", decision=at[3], recall=percent(at[0]))
        mark = svg.dot((x(at[2]), y(at[0])), "point chosen", hint, 7)
    frame = svg.axes(x, y, _("false positive rate"), _("recall"), _ticks(x, y))
    drawn = _curve(points, "false_positives", "recall", x, y)
    said = _("ROC curve: recall against the false positive rate, for each threshold")
    return svg.drawing(said, frame, chance, drawn, mark)


def _precision(points: Sequence[Mapping[str, Any]], at: Place | None) -> Html:
    """Draw precision against recall."""
    x, y = svg.x_scale(0.0, 1.0), svg.y_scale(0.0, 1.0)
    mark = None
    if at is not None and at[1] is not None:
        hint = _("{decision}: precision {precision}", decision=at[3], precision=percent(at[1]))
        mark = svg.dot((x(at[0]), y(at[1])), "point chosen", hint, 7)
    frame = svg.axes(x, y, _("recall"), _("precision"), _ticks(x, y))
    drawn = _curve(points, "recall", "precision", x, y)
    return svg.drawing(_("Precision against recall, for each threshold"), frame, drawn, mark)


def _curve(points: Sequence[Mapping[str, Any]], across: str, up: str, x: svg.AxisScale, y: svg.AxisScale) -> Html:
    at = [(x(one[across]["value"]), y(one[up]["value"])) for one in points]
    area = [(x(one[across]["value"]), y(one[up]["low"]), y(one[up]["high"])) for one in points]
    hints = [_hint(one) for one in points]
    dots = [svg.dot(place, "hint", hint, 6) for place, hint in zip(at, hints, strict=True)]
    return join(svg.band(area, "area"), svg.path(at, "line"), *dots)


def _hint(one: Mapping[str, Any]) -> str:
    values = {name: percent(one[name]["value"]) for name in ("recall", "precision")}
    said = _("threshold {threshold}: recall {recall}, precision {precision}, {flagged} flagged")
    return said.format(threshold=digits(one["threshold"]), flagged=percent(one["flagged"]), **values)


def _ticks(x: svg.AxisScale, y: svg.AxisScale) -> tuple[list[str], list[str]]:
    return [percent(t, 0) for t in x.ticks], [percent(t, 0) for t in y.ticks]


def _covered(coverage: Mapping[str, Any] | None) -> Html | None:
    """Return how often the prediction sets hold the right class, the classes that are covered least first."""
    if not coverage:
        return None
    known = [(name, one) for name, one in coverage["by_class"].items() if one["value"] is not None]
    rows = [
        tag(
            "tr",
            tag("th", name, scope="row"),
            tag("td", percent(one["value"])),
            tag("td", _("{low} to {high}", low=percent(one["low"]), high=percent(one["high"]))),
        )
        for name, one in sorted(known, key=lambda row: row[1]["value"])[:MOST_CLASSES]
    ]
    head = tag("tr", *(tag("th", name, scope="col") for name in (_("class"), _("right class in the set"), _("95% interval"))))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="plain numbers")
    title = _("Prediction sets ({level})", level=percent(coverage["level"], 0))
    return join(tag("h3", title), tag("div", table, class_="scroll", tabindex=0))
