"""How far the numbers can be trusted and what would better them: reliability, learning curve, the head's own curves.

In: `RunResults`. Out: markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.evaluate import FEW
from penult.html import Html, join, prose, tag
from penult.report import charts
from penult.report.album import Album
from penult.report.numbers import between, count, digits, percent
from penult.report.sections.todo import gain
from penult.runs import RunResults


def section(results: RunResults, album: Album) -> Html | None:
    """Return the charts side by side."""
    metrics = results.metrics
    scores, curve = metrics["scores"], metrics.get("learning_curve")
    error = scores["scores"]["ece"]
    said = f"Calibration error {digits(error['value'])} ({between(error, False)}). On the dashed line it is as sure as right."
    if scores["measured"] < FEW:
        said = (
            f"{count(scores['measured'], 'photo')}: too few to judge calibration. On the dashed line it is as sure as right."
        )
    parts = [_chart("reliability", "Is it as sure as it is right?", said, charts.reliability(scores["reliability"], error))]
    if curve:
        twice = curve.get("twice")
        words = gain(twice)[1] if twice else "Whether more photos would help cannot be told from so short a curve."
        if digits(curve["log_loss"][-1]["value"]) != digits(scores["scores"]["log_loss"]["value"]):
            words += " Measured on part of the photos, so it does not end at the log loss of all."
        parts.append(_chart("learning", "Would more photos help?", words, charts.learning(curve)))
    if metrics.get("review") and _gains(metrics["review"]):
        buys = "How often the rest is right where a person looks at the least sure photos."
        parts.append(_chart("review", "What looking yourself buys", buys, charts.review(metrics["review"].get("curve") or ())))
    path, choice = metrics.get("head_path") or {}, metrics.get("choice") or {}
    tuned = f"Inner folds chose C = {digits(choice['C'])}." if isinstance(choice.get("C"), float) else ""
    parts.append(_chart("path", "How the head was tuned", tuned, charts.regularisation(path, choice.get("C"))))
    legend = join(tag("i", class_="key"), "training ", tag("i", class_="key other"), "validation")
    for name, title in (("accuracy", "Dense head: accuracy"), ("loss", "Dense head: log loss")):
        parts.append(_chart(f"dense-{name}", title, legend, charts.history(results.history, name, title.partition(": ")[2])))
    return tag("section", tag("h2", "How far to trust it"), tag("div", *parts, class_="charts"), id="trust")


def _gains(review: Mapping[str, Any]) -> bool:
    """Tell whether the surest of enough photos are anywhere more often right than all are: else there is nothing to show."""
    if review.get("images", FEW) < FEW:
        return False
    shares = [right for _, right in review.get("curve") or ()]
    return bool(shares) and max(shares) > review["accuracy_all"]


def _chart(name: str, title: str, said: str, picture: Html | None) -> Html | None:
    if picture is None:
        return None
    return tag(
        "figure",
        tag("h3", title),
        picture,
        tag("figcaption", prose(said) if isinstance(said, str) and not isinstance(said, Html) else said),
        id=name,
    )


def compared(results: RunResults, album: Album) -> Html | None:
    """Return heads and backbones side by side, on the same folds."""
    strips = charts.strips(results.metrics.get("compared") or ())
    if not strips:
        return None
    kept = results.metrics["scores"]["name"]
    rows = [
        tag(
            "tr",
            tag("th", row["name"], tag("em", " kept") if row["name"] == kept else None, scope="row"),
            tag("td", strip, class_="strip"),
            tag("td", digits(row["log_loss"]), tag("small", between(_score(row), False))),
            tag("td", percent(row["accuracy"])),
        )
        for row, strip in strips
    ]
    names: Sequence[str] = ("", "", "log loss", "accuracy")
    head = tag(
        "tr",
        *(tag("th", name, scope="col") if name else tag("td", class_="strip" if i else None) for i, name in enumerate(names)),
    )
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="plain numbers compared")
    said = "All on the same folds; the best log loss first. Bars are 95 % intervals."
    return tag("section", tag("h2", "Heads and backbones compared"), tag("p", said, class_="soft"), table, id="compared")


def _score(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {"low": row["log_loss_low"], "high": row["log_loss_high"]}
