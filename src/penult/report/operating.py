"""The decision of a model: what it gives, the curves of all thresholds with this one marked, and its prediction sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.evaluate import advice_sentences, decision_sentences
from penult.html import Html, join, prose, tag
from penult.report import svg
from penult.report.thumbnails import Thumbnails
from penult.runs import RunResults
from penult.texts import digits, percent

MOST_CLASSES = 12  # that the table of coverages names: those that are covered least
OTHERS = "Everything else on this page is about the most probable class."


def headline(metrics: Mapping[str, Any]) -> Html | None:
    """Return what the decision gives, for the head of the page; or the advice to make one, with its command."""
    decision = metrics.get("decision") or {}
    if said := decision_sentences(decision):  # all of them stand with the curves
        return tag("p", prose(f"{_sentence(said[0])} "), tag("a", "Thresholds", href="#decision"), class_="second")
    said_of_advice, option = advice_sentences(decision.get("advice"))
    if not said_of_advice:
        return None
    return tag("p", prose(f"{said_of_advice}: "), tag("code", f"penult decide RUN {option}"), ".", class_="second")


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
            _figure("roc", f"ROC curve of {curve['class']}", _roc(points, at), _marked(at, "recall", "false positive rate")),
            _figure(
                "pr", f"Precision and recall of {curve['class']}", _precision(points, at), _marked(at, "precision", "recall")
            ),
        ]
    said = decision_sentences(decision)
    text = (
        tag("p", *(prose(f"{_sentence(one)} ") for one in said), OTHERS) if said else tag("p", _choose(curve), class_="soft")
    )
    drawn = tag("div", *parts, class_="charts") if parts else None
    return tag("section", tag("h2", "Decision and thresholds"), text, drawn, _covered(coverage), id="decision")


def _choose(curve: Mapping[str, Any]) -> Html:
    """Return how to choose another decision than the most probable class."""
    example = f"penult decide RUN --target 'recall {curve.get('class')} 0.95'"
    return join(
        "Each photo gets its most probable class. For another threshold, or costs of mistakes (no training is needed): ",
        tag("code", example), " or ", tag("code", "--cost 'A>B=10'"), ". Bands are 95% intervals at each threshold.",
    )  # fmt: skip


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


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
    return recall, right, min(false / (total - own["support"]), 1.0), "the decision" if point else "the most probable class"


def _marked(at: Place | None, *names: str) -> str:
    if at is None:
        return "Bands are 95% intervals at each threshold."
    values = {"recall": at[0], "precision": at[1], "false positive rate": at[2]}
    told = " and ".join(f"{name} {percent(values[name])}" for name in names)
    return f"The ring is {at[3]}: {told}. Bands are 95% intervals at each threshold."


def _roc(points: Sequence[Mapping[str, Any]], at: Place | None) -> Html:
    """Draw recall against the false positive rate."""
    x, y = svg.x_scale(0.0, 1.0), svg.y_scale(0.0, 1.0)
    chance = svg.line((x(0.0), y(0.0)), (x(1.0), y(1.0)), "ideal")
    mark = svg.dot((x(at[2]), y(at[0])), "point chosen", f"{at[3]}: recall {percent(at[0])}", 7) if at else None
    frame = svg.axes(x, y, "false positive rate", "recall", _ticks(x, y))
    drawn = _curve(points, "false_positives", "recall", x, y)
    return svg.drawing("ROC curve: recall against the false positive rate, for each threshold", frame, chance, drawn, mark)


def _precision(points: Sequence[Mapping[str, Any]], at: Place | None) -> Html:
    """Draw precision against recall."""
    x, y = svg.x_scale(0.0, 1.0), svg.y_scale(0.0, 1.0)
    mark = None
    if at is not None and at[1] is not None:
        mark = svg.dot((x(at[0]), y(at[1])), "point chosen", f"{at[3]}: precision {percent(at[1])}", 7)
    frame = svg.axes(x, y, "recall", "precision", _ticks(x, y))
    drawn = _curve(points, "recall", "precision", x, y)
    return svg.drawing("Precision against recall, for each threshold", frame, drawn, mark)


def _curve(points: Sequence[Mapping[str, Any]], across: str, up: str, x: svg.AxisScale, y: svg.AxisScale) -> Html:
    at = [(x(one[across]["value"]), y(one[up]["value"])) for one in points]
    area = [(x(one[across]["value"]), y(one[up]["low"]), y(one[up]["high"])) for one in points]
    hints = [
        f"threshold {digits(one['threshold'])}: recall {percent(one['recall']['value'])}, precision "
        f"{percent(one['precision']['value'])}, {percent(one['flagged'])} flagged"
        for one in points
    ]
    dots = [svg.dot(place, "hint", hint, 6) for place, hint in zip(at, hints, strict=True)]
    return join(svg.band(area, "area"), svg.path(at, "line"), *dots)


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
            tag("td", f"{percent(one['low'])} to {percent(one['high'])}"),
        )
        for name, one in sorted(known, key=lambda row: row[1]["value"])[:MOST_CLASSES]
    ]
    head = tag("tr", *(tag("th", name, scope="col") for name in ("class", "right class in the set", "95% interval")))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="plain numbers")
    title = f"Prediction sets ({percent(coverage['level'], 0)})"
    return join(tag("h3", title), tag("div", table, class_="scroll", tabindex=0))
