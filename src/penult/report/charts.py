"""The charts of the page, from the numbers of `metrics.json` and `history.csv`.

In: numbers. Out: `Html`, or None where there is nothing to draw. It computes nothing but places.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penult.html import Html, join, tag
from penult.report import svg
from penult.report.numbers import between, count, digits, percent, tick

Numbers = Sequence[float]
FEW = 10  # photos in a bin below which its marker is hollow


def reliability(bins: Mapping[str, Any], error: Mapping[str, Any]) -> Html | None:
    """Draw share right against confidence, the size of a bin as a bar at the bottom."""
    seen = [i for i, n in enumerate(bins["count"]) if n]
    if not seen:
        return None
    start = min(bins["edges"][seen[0]], 0.8)
    x, floor = svg.across(start, 1.0), min(start, *(bins["low"][i] for i in seen))
    y = svg.upward(max(0.0, floor - 0.02), 1.0)
    most = max(bins["count"])
    bars, marks = [], []
    for i in seen:
        n, sure, right = bins["count"][i], bins["confidence"][i], bins["accuracy"][i]
        said = f"{count(n, 'photo')} given {percent(sure)} on average: {percent(right)} right"
        left, wide = x(bins["edges"][i]), x(bins["edges"][i + 1]) - x(bins["edges"][i])
        tall = round(46 * n / most, 1)
        bars.append(tag("rect", x=left + 1, y=y.start - tall, width=max(round(wide - 2, 1), 1), height=tall, class_="mass"))
        marks.append(svg.whisker(x(sure), y(bins["low"][i]), y(bins["high"][i]), "interval"))
        marks.append(svg.dot((x(sure), y(right)), "point" if n >= FEW else "point hollow", said))
    ideal = svg.line(x(max(start, y.low)), y(max(start, y.low)), x(1.0), y(1.0), "ideal")
    names = [percent(t, 0) for t in x.ticks], [percent(t, 0) for t in y.ticks]
    said = f"Reliability diagram; calibration error {digits(error['value'])} ({between(error, False)})"
    return svg.drawing(said, svg.axes(x, y, "confidence", "share right", names), bars, ideal, marks)


def learning(curve: Mapping[str, Any]) -> Html | None:
    """Draw log loss on unseen photos against the number of training photos, and where twice as many would lead."""
    pairs = zip(curve["sizes"], curve["log_loss"], strict=True)
    known = [(n, s["value"], s["low"], s["high"]) for n, s in pairs if s["value"] is not None]
    if len(known) < 2:
        return None
    twice = curve.get("twice")
    last = twice["images"] if twice else known[-1][0]
    sizes = [n for n, *_ in known] + ([last] if twice else [])
    least = max(min(v for _, v, *_ in known) / 3, 1e-5, min(low for *_, low, _ in known))
    if twice:
        least = max(min(least, twice["log_loss"]["low"]), least / 3)
    x = svg.across(known[0][0], last, sizes, log=True)
    y = svg.upward(least, max(high for *_, high in known), log=True)
    area = svg.band([(x(n), y(low), y(high)) for n, _, low, high in known], "area")
    through = svg.path([(x(n), y(value)) for n, value, *_ in known], "line")
    dots = [svg.dot((x(n), y(v)), "point", f"{count(n, 'photo')}: log loss {digits(v)}") for n, v, *_ in known]
    ahead = None
    if twice:
        ends = (x(known[-1][0]), y(known[-1][1])), (x(last), y(twice["log_loss"]["value"]))
        fan = [(ends[0][0], ends[0][1], ends[0][1]), (ends[1][0], y(twice["log_loss"]["low"]), y(twice["log_loss"]["high"]))]
        said = f"{count(last, 'photo')}, extrapolated: log loss {digits(twice['log_loss']['value'])}"
        ahead = join(svg.band(fan, "area ahead"), svg.path(ends, "line ahead"), svg.dot(ends[1], "point hollow", said))
    names = [f"{n:,}" for n in sizes], [tick(t) for t in y.ticks]
    frame = svg.axes(x, y, "training photos", "log loss on unseen photos", names)
    return svg.drawing("Learning curve: log loss against the number of training photos", frame, area, through, dots, ahead)


def regularisation(path: Mapping[str, Any], chosen: float | None) -> Html | None:
    """Draw the inner folds' log loss against C, the chosen one marked."""
    pairs = sorted(zip(path.get("C", ()), path.get("log_loss", ()), strict=False))
    if len(pairs) < 2:
        return None
    x = svg.across(pairs[0][0], pairs[-1][0], log=True)
    low, high = min(v for _, v in pairs), max(v for _, v in pairs)
    y = svg.upward(low * 0.9, high * 1.05, log=low > 0 and high > 10 * low)
    at = [(x(c), y(v)) for c, v in pairs]
    best = min(range(len(pairs)), key=lambda i: abs(pairs[i][0] - chosen) if chosen else pairs[i][1])
    mark = svg.dot(at[best], "point chosen", f"chosen: C = {digits(pairs[best][0])}", 7)
    dots = [svg.dot(p, "point", f"C = {digits(c)}: log loss {digits(v)}", 3) for p, (c, v) in zip(at, pairs, strict=True)]
    frame = svg.axes(x, y, "C (left: smooth, right: free)", "log loss, inner folds")
    return svg.drawing("Regularisation path", frame, svg.path(at, "line"), dots, mark)


def history(columns: Mapping[str, Numbers], name: str, title: str) -> Html | None:
    """Draw one number per epoch of the dense head, training and validation."""
    epochs = columns.get("epoch", ())
    lines = [(columns[key], look) for key, look in ((name, "line"), (f"val_{name}", "line other")) if key in columns]
    if len(epochs) < 2 or not lines:
        return None
    every = [v for values, _ in lines for v in values]
    low, high = (min(every), 1.0) if name == "accuracy" else (0.0, max(every))
    x, y = svg.across(epochs[0], epochs[-1], [e for e in epochs if len(epochs) <= 12] or None), svg.upward(low, high)
    drawn = [svg.path([(x(e), y(v)) for e, v in zip(epochs, values, strict=True)], look) for values, look in lines]
    names = [f"{t:.0f}" for t in x.ticks], [percent(t, 0) if name == "accuracy" else tick(t) for t in y.ticks]
    return svg.drawing(f"Dense head: {title} per epoch", svg.axes(x, y, "epoch", title, names), drawn)


def review(curve: Sequence[Sequence[float]]) -> Html | None:
    """Draw how right the rest is against the share that a person looks at; `curve` has (share that is kept, right of it)."""
    looked = [(1 - kept, right) for kept, right in curve]
    if len(looked) < 2:
        return None
    x = svg.across(0.0, max(share for share, _ in looked))
    y = svg.upward(min(*(right for _, right in looked), 0.999), 1.0)
    names = [percent(t, 0) for t in x.ticks], [percent(t, 1) for t in y.ticks]
    drawn = svg.path([(x(share), y(right)) for share, right in looked], "line")
    frame = svg.axes(x, y, "share a person looks at", "right among the rest", names)
    return svg.drawing("Accuracy of the rest against the share looked at", frame, drawn)


def strips(rows: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Html]]:
    """Return the evaluations, the lowest log loss first, each with its number and interval on one common scale."""
    known = sorted((r for r in rows if r.get("log_loss") is not None), key=lambda r: r["log_loss"])
    if len(known) < 2:
        return []
    low = max(min(r["log_loss_low"] for r in known), 1e-4)
    high = max(r["log_loss_high"] for r in known)
    x = svg.Scale(low, high, 8, 232, (), high > 10 * low)
    made = []
    for row in known:
        bar = svg.line(x(row["log_loss_low"]), 10, x(row["log_loss_high"]), 10, "interval")
        mark = svg.dot((x(row["log_loss"]), 10), "point", f"log loss {digits(row['log_loss'])}", 5)
        picture = tag(
            "svg", svg.line(4, 10, 236, 10, "grid"), bar, mark, viewBox="0 0 240 20", class_="strip", aria_hidden="true"
        )
        made.append((row, picture))
    return made
