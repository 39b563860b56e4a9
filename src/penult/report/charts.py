"""Calibration, learning curve, the head's own curves and the model comparison, from `metrics.json` and `history.csv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.evaluate import FEW, regularization_path
from penult.html import Html, join, prose, tag
from penult.i18n import N_, _, ngettext
from penult.report import svg
from penult.report.issues import gain
from penult.report.thumbnails import Thumbnails
from penult.runs import RunResults
from penult.stored_texts import retranslated
from penult.texts import NONE, count, digits, gap, measured, percent

FEW_IN_BIN = 10  # photos in a bin below which its marker is hollow
IDEAL = N_("On the dashed line, confidence equals accuracy.")


def interval(score: Mapping[str, Any], share: bool = False) -> tuple[str, str]:
    """Return a score and its interval as `99.2%`, `98.1 to 99.7%` or `0.008`, `0.004 to 0.012`."""
    value, low, high = measured(score["value"], score["low"], score["high"], share)
    sign = "%" if share else ""
    return (f"{value}{sign}", _("{low} to {high}", low=low, high=f"{high}{sign}")) if value != NONE else (NONE, NONE)


def out_of_fold(measured: int) -> str:
    """Return how the scores of training photos were measured."""
    return ngettext(
        "Out-of-fold on {n:,} photo: each is scored by a model not trained on it; 95% intervals.",
        "Out-of-fold on {n:,} photos: each is scored by a model not trained on it; 95% intervals.",
        measured,
    )


def section(results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the charts side by side."""
    metrics = results.metrics
    scores, curve, review = metrics["scores"], metrics.get("learning_curve"), metrics.get("review") or {}
    error = scores["scores"]["ece"]
    value, range_ = interval(error)
    said = _("Calibration error {value} ({interval}).", value=value, interval=range_)
    if scores["measured"] < FEW or error["value"] is None:
        said = _("{photos} are too few to judge calibration.", photos=count(scores["measured"], "photo"))
    said = f"{said}{gap()}{_(IDEAL)}"
    parts = [_figure("reliability", _("Calibration (reliability diagram)"), said, reliability(scores["reliability"], error))]
    if curve:
        twice = curve.get("twice")
        said = gain(twice)[1] if twice else _("Unclear whether more photos would help: the curve is too short.")
        if digits(curve["log_loss"][-1]["value"]) != digits(scores["scores"]["log_loss"]["value"]):
            said += gap() + _("Measured on part of the photos, so it does not end at the log loss of all.")
        parts.append(_figure("learning", _("Learning curve"), said, learning_curve_chart(curve)))
    if _gains(review):
        said = _("Accuracy on the remaining photos when the least confident ones are reviewed by hand.")
        parts.append(_figure("review", _("What manual review gains"), said, review_curve(review["curve"])))
    path, choice = metrics.get("head_path") or {}, metrics.get("choice") or {}
    said = ""
    if isinstance(choice.get("C"), float):
        said = _("C = {value}, selected by inner cross-validation.", value=digits(choice["C"]))
    parts.append(_figure("path", _("Regularisation of the head"), said, regularization(path, choice.get("C"))))
    legend = join(tag("i", class_="key"), _("training"), " ", tag("i", class_="key other"), _("validation"))
    asked = (metrics.get("options") or {}).get("head") == "dense"
    for name, title in (("accuracy", _("accuracy")), ("loss", _("log loss"))) if asked else ():
        heading = _("Dense head: {title}", title=title)
        parts.append(_figure(f"dense-{name}", heading, legend, training(results.history, name, title)))
    return tag("section", tag("h2", _("Calibration and learning curves")), tag("div", *parts, class_="charts"), id="charts")


def _gains(review: Mapping[str, Any]) -> bool:
    """Tell whether accuracy rises anywhere above that of all, on enough photos: else a review gains nothing."""
    if review.get("images", FEW) < FEW:
        return False
    shares = [right for _kept, right in review.get("curve") or ()]
    return bool(shares) and max(shares) > review["accuracy_all"]


def _figure(name: str, title: str, said: str, picture: Html | None) -> Html | None:
    if picture is None:
        return None
    return tag(
        "figure", tag("h3", title), picture, tag("figcaption", said if isinstance(said, Html) else prose(said)), id=name
    )


def reliability(bins: Mapping[str, Any], error: Mapping[str, Any]) -> Html | None:
    """Draw accuracy against confidence, the size of a bin as a bar at the bottom."""
    seen = [i for i, n in enumerate(bins["count"]) if n]
    if not seen:
        return None
    start = min(bins["edges"][seen[0]], 0.8)
    x, lowest = svg.x_scale(start, 1.0), min(start, *(bins["low"][i] for i in seen))
    y = svg.y_scale(max(0.0, lowest - 0.02), 1.0)
    most = max(bins["count"])
    bars, marks = [], []
    for i in seen:
        n, sure, right = bins["count"][i], bins["confidence"][i], bins["accuracy"][i]
        left, wide = x(bins["edges"][i]), x(bins["edges"][i + 1]) - x(bins["edges"][i])
        tall = round(46 * n / most, 1)
        bars.append(tag("rect", x=left + 1, y=y.start - tall, width=max(round(wide - 2, 1), 1), height=tall, class_="mass"))
        marks.append(svg.error_bar(x(sure), y(bins["low"][i]), y(bins["high"][i]), "interval"))
        hint = ngettext(
            "{n:,} photo, mean confidence {sure}: accuracy {right}",
            "{n:,} photos, mean confidence {sure}: accuracy {right}",
            n, sure=percent(sure), right=percent(right),
        )  # fmt: skip
        marks.append(svg.dot((x(sure), y(right)), "point" if n >= FEW_IN_BIN else "point hollow", hint))
    corner = max(start, y.low)
    ideal = svg.line((x(corner), y(corner)), (x(1.0), y(1.0)), "ideal")
    names = [percent(t, 0) for t in x.ticks], [percent(t, 0) for t in y.ticks]
    said = _("Reliability diagram")
    if error["value"] is not None:
        value, range_ = interval(error)
        said = _("Reliability diagram; calibration error {value} ({interval})", value=value, interval=range_)
    return svg.drawing(said, svg.axes(x, y, _("confidence"), _("accuracy"), names), bars, ideal, marks)


def learning_curve_chart(curve: Mapping[str, Any]) -> Html | None:
    """Draw log loss on held-out photos against the number of training photos, and its extrapolation to twice as many."""
    pairs = zip(curve["sizes"], curve["log_loss"], strict=True)
    known = [(n, s["value"], s["low"], s["high"]) for n, s in pairs if s["value"] is not None]
    if len(known) < 2:
        return None
    twice = curve.get("twice")
    last = twice["images"] if twice else known[-1][0]
    sizes = [row[0] for row in known] + ([last] if twice else [])
    least = max(min(row[1] for row in known) / 3, 1e-5, min(row[2] for row in known))
    if twice:
        least = max(min(least, twice["log_loss"]["low"]), least / 3)
    x = svg.x_scale(known[0][0], last, sizes, log=True)
    y = svg.y_scale(least, max(row[3] for row in known), log=True)
    area = svg.band([(x(n), y(low), y(high)) for n, _value, low, high in known], "area")
    through = svg.path([(x(n), y(value)) for n, value, *_range in known], "line")
    dots = [svg.dot((x(n), y(v)), "point", _loss_at(n, v)) for n, v, *_range in known]
    ahead = None
    if twice:
        loss = twice["log_loss"]
        end, value, low, high = known[-1]
        ends = (x(end), y(value)), (x(last), y(loss["value"]))
        fan = [(ends[0][0], y(low), y(high)), (ends[1][0], y(loss["low"]), y(loss["high"]))]
        hint = ngettext(
            "{n:,} photo, extrapolated: log loss {loss}", "{n:,} photos, extrapolated: log loss {loss}",
            last, loss=digits(loss["value"]),
        )  # fmt: skip
        ahead = join(svg.band(fan, "area ahead"), svg.path(ends, "line ahead"), svg.dot(ends[1], "point hollow", hint))
    names = [f"{n:,}" for n in sizes], [svg.tick(t) for t in y.ticks]
    frame = svg.axes(x, y, _("training photos"), _("log loss on held-out photos"), names)
    return svg.drawing(_("Learning curve: log loss against the number of training photos"), frame, area, through, dots, ahead)


def _loss_at(n: int, value: float) -> str:
    return ngettext("{n:,} photo: log loss {loss}", "{n:,} photos: log loss {loss}", n, loss=digits(value))


def regularization(path: Mapping[str, Any], chosen: float | None) -> Html | None:
    """Draw the inner folds' loss that was minimised against C, the selected one marked."""
    pairs = regularization_path(path)
    if len(pairs) < 2:
        return None
    x = svg.x_scale(pairs[0][0], pairs[-1][0], log=True)
    low, high = min(v for _c, v in pairs), max(v for _c, v in pairs)
    y = svg.y_scale(low * 0.9, high * 1.05, log=low > 0 and high > 10 * low)
    at = [(x(c), y(v)) for c, v in pairs]
    best = min(range(len(pairs)), key=lambda i: abs(pairs[i][0] - chosen) if chosen else pairs[i][1])
    mark = svg.dot(at[best], "point chosen", _("selected: C = {value}", value=digits(pairs[best][0])), 7)
    hints = [_("C = {value}: log loss {loss}", value=digits(c), loss=digits(v)) for c, v in pairs]
    dots = [svg.dot(place, "point", hint, 3) for place, hint in zip(at, hints, strict=True)]
    frame = svg.axes(x, y, _("C (smaller = stronger regularisation)"), _("held-out log loss, smoothed"))
    return svg.drawing(_("Log loss against C"), frame, svg.path(at, "line"), dots, mark)


def training(columns: Mapping[str, Sequence[float]], name: str, title: str) -> Html | None:
    """Draw one number per epoch of the dense head, training and validation."""
    epochs = columns.get("epoch", ())
    lines = [(columns[key], look) for key, look in ((name, "line"), (f"val_{name}", "line other")) if key in columns]
    if len(epochs) < 2 or not lines:
        return None
    every = [v for values, _ in lines for v in values]
    low, high = (min(every), 1.0) if name == "accuracy" else (0.0, max(every))
    x, y = svg.x_scale(epochs[0], epochs[-1], [e for e in epochs if len(epochs) <= 12] or None), svg.y_scale(low, high)
    drawn = [svg.path([(x(e), y(v)) for e, v in zip(epochs, values, strict=True)], look) for values, look in lines]
    names = [f"{t:.0f}" for t in x.ticks], [percent(t, 0) if name == "accuracy" else svg.tick(t) for t in y.ticks]
    said = _("Dense head: {title} per epoch", title=title)
    return svg.drawing(said, svg.axes(x, y, _("epoch"), title, names), drawn)


def review_curve(curve: Sequence[Sequence[float]]) -> Html | None:
    """Draw the accuracy of the rest against the share that is reviewed; `curve` has (share that is kept, accuracy of it)."""
    points = [(1 - kept, right) for kept, right in curve]
    if len(points) < 2:
        return None
    x = svg.x_scale(0.0, max(share for share, _right in points))
    y = svg.y_scale(min(*(right for _share, right in points), 0.999), 1.0)
    names = [percent(t, 0) for t in x.ticks], [percent(t, 1) for t in y.ticks]
    drawn = svg.path([(x(share), y(right)) for share, right in points], "line")
    said = _("Accuracy of the rest against the share reviewed")
    return svg.drawing(said, svg.axes(x, y, _("share reviewed"), _("accuracy of the rest"), names), drawn)


def comparison(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return heads and backbones on the same folds, the lowest log loss first, each with its interval on one common scale."""
    compared = [row for row in results.metrics.get("compared") or () if row.get("log_loss") is not None]
    known = sorted(compared, key=lambda row: row["log_loss"])
    if len(known) < 2:
        return None
    low, high = max(min(r["log_loss_low"] for r in known), 1e-4), max(r["log_loss_high"] for r in known)
    x = svg.AxisScale(low, high, 8, 232, (), high > 10 * low)
    selected = results.metrics["scores"]["name"]
    rows = [
        tag(
            "tr",
            tag(
                "th",
                retranslated(row["name"]),
                tag("em", " ", _("selected")) if row["name"] == selected else None,
                scope="row",
            ),
            tag("td", _strip(row, x), class_="strip"),
            tag("td", value, tag("small", range_)),
            tag("td", percent(row["accuracy"])),
        )
        for row in known
        for value, range_ in [interval({"value": row["log_loss"], "low": row["log_loss_low"], "high": row["log_loss_high"]})]
    ]
    names = (tag("th", name, scope="col") for name in (_("log loss"), _("accuracy")))
    head = tag("thead", tag("tr", tag("td"), tag("td", class_="strip"), names))
    table = tag("table", head, tag("tbody", *rows), class_="plain numbers compared")
    said = tag("p", _("All on the same folds, the lowest log loss first. Bars are 95% intervals."), class_="soft")
    return tag("section", tag("h2", _("Model comparison")), said, table, id="compared")


def _strip(row: Mapping[str, Any], x: svg.AxisScale) -> Html:
    bar = svg.line((x(row["log_loss_low"]), 10), (x(row["log_loss_high"]), 10), "interval")
    mark = svg.dot((x(row["log_loss"]), 10), "point", _("log loss {loss}", loss=digits(row["log_loss"])), 5)
    return tag(
        "svg", svg.line((4, 10), (236, 10), "grid"), bar, mark, viewBox="0 0 240 20", class_="strip", aria_hidden="true"
    )
