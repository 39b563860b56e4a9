"""The sections of a page about photos with several labels: the head, each label's numbers and curves, wrong answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penult.evaluate import label_curves, label_verdict
from penult.html import Html, file_name, join, phrase, prose, tag
from penult.i18n import N_, _, ngettext
from penult.report import svg
from penult.report.charts import FEW_IN_BIN, interval, out_of_fold
from penult.report.confusion import class_table
from penult.report.thumbnails import TRAIN, Thumbnails, label_mistakes
from penult.runs import RunResults
from penult.stored_texts import retranslated
from penult.texts import count, first_sentence, gap, percent, printable

CHARTED = 12  # labels whose curves are drawn, those that are found worst
TERMS = N_(
    "Average precision: the area under the precision-recall curve; AUC: that under the ROC curve. Precision, recall and F1 "
    "are those of the label given from its threshold on, each photo answered by thresholds that other folds chose. ECE: how "
    "far the label's probability is from the share of photos that have it, on average."
)


def head(results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the head of the page."""
    metrics = results.metrics
    scores, test = metrics["scores"], metrics.get("test")
    first, rest = first_sentence(label_verdict(scores))
    number = interval(scores["scores"]["mAP"], share=True)[0]
    second = None
    if test:
        second = tag("p", phrase(_("On the test photos: {verdict}"), verdict=label_verdict(test, on="")), class_="second")
    return tag(
        "header",
        tag("p", "penult", tag("span", " ", _("report")), class_="brand"),
        tag("h1", tag("strong", number), prose(first.removeprefix(number)))
        if scores["scores"]["mAP"]["value"] is not None
        else tag("h1", prose(first)),
        tag("p", prose(rest), class_="lead") if rest else None,
        second,
        tag("p", _about(results), class_="soft"),
        _tiles(scores),
    )


def _about(results: RunResults) -> str:
    metrics = results.metrics
    images, scores = metrics["images"], metrics["scores"]
    each = float(np.nansum(results.label_rows.Y, axis=1).mean()) if results.label_rows is not None else 0.0
    labels = _("{n:.1f} labels a photo", n=each)
    parts = [count(scores["images"], "training photo"), count(len(results.classes), "label"), labels]
    if images.get("test"):
        parts.append(count(images["test"], "test photo"))
    if images.get("failed"):
        parts.append(count(images["failed"], "unreadable photo"))
    when = metrics.get("when") or {}
    return " · ".join([*parts, *([str(when["ended"])[:10]] if when.get("ended") else [])])


def _tiles(found: Mapping[str, Any]) -> Html:
    scores = found["scores"]
    tiles = [
        (_("mean average precision"), *interval(scores["mAP"], share=True)),
        (_("micro F1"), *interval(scores["micro_f1"], share=True)),
        (_("macro F1"), *interval(scores["macro_f1"], share=True)),
        (_("exactly right"), *interval(scores["exact_match"], share=True)),
        (_("log loss a label"), *interval(scores["log_loss"])),
    ]
    drawn = [tag("div", tag("dt", name), tag("dd", tag("b", value), tag("span", range_))) for name, value, range_ in tiles]
    terms = _(
        "Micro F1 counts all answers together, macro F1 is the mean of the labels; exactly right are photos that get all "
        "their labels and no other."
    )
    how = f"{out_of_fold(found['measured'])}{gap()}{terms}"
    return join(tag("dl", *drawn, class_="tiles five"), tag("p", how, class_="soft small"))


def per_label(results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the numbers of each label."""
    found: Sequence[Mapping[str, Any]] = results.metrics["scores"]["per_label"]
    names = (
        _("label"), _("average precision"), _("AUC"), _("F1"), _("precision"), _("recall"), _("threshold"), _("ECE"),
        _("photos"),
    )  # fmt: skip
    rows = []
    for one in found:
        value, range_ = interval(one["ap"], share=True)
        cells = [tag("td", value, tag("small", f" {range_}"))]
        cells += [tag("td", percent(one[key])) for key in ("auc", "f1", "precision", "recall", "threshold", "ece")]
        rows.append(tag("tr", tag("th", one["name"], scope="row"), *cells, tag("td", f"{one['support']:,}")))
    return class_table(_("Labels"), _(TERMS), names, rows)


def charts(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return precision against recall, and calibration, of the labels that are found worst."""
    rows = results.label_rows
    found = [(i, one) for i, one in enumerate(results.metrics["scores"]["per_label"]) if one["ap"]["value"] is not None]
    if rows is None or not found:
        return None
    worst = sorted(found, key=lambda pair: float(pair[1]["ap"]["value"]))[:CHARTED]
    figures = []
    for i, one in sorted(worst, key=lambda pair: pair[0]):
        curves = label_curves(rows.Y[:, i].astype(np.float64), rows.proba[:, i])
        name, (value, range_) = str(one["name"]), interval(one["ap"], share=True)
        said = _(
            "Average precision {value} ({interval}); the ring is the threshold {threshold}.",
            value=value, interval=range_, threshold=percent(one["threshold"]),
        )  # fmt: skip
        picture = _precision_recall(name, curves, rows, i)
        figures.append(_figure(_("{name}: precision and recall", name=name), said, picture))
        said = _(
            "Calibration error {error}. On the dashed line, the probability is the share that has the label.",
            error=percent(one["ece"]),
        )
        figures.append(_figure(_("{name}: calibration", name=name), said, _calibration(name, curves)))
    shown = ""
    if len(found) > len(worst):
        shown = _("The {n} of {all} labels that are found worst.", n=len(worst), all=len(found))
    return tag(
        "section",
        tag("h2", _("Curves and calibration")),
        tag("p", shown, class_="soft") if shown else None,
        tag("div", *figures, class_="charts"),
        id="charts",
    )


def _figure(title: str, said: str, picture: Html) -> Html:
    return tag("figure", tag("h3", title), picture, tag("figcaption", prose(said)))


def _precision_recall(name: str, curves: Mapping[str, Any], rows: Any, label: int) -> Html:
    x, y = svg.x_scale(0.0, 1.0), svg.y_scale(0.0, 1.0)
    line = svg.path([(x(r), y(p)) for p, r in curves["precision_recall"]], "line")
    share = curves["share"]
    chance = svg.line((x(0.0), y(share)), (x(1.0), y(share)), "ideal")
    given, has = rows.given[:, label], rows.Y[:, label] == 1
    known = np.isfinite(rows.Y[:, label])
    right, flagged = int((given & has).sum()), int((given & known).sum())
    ring = None
    if right and has.any():
        at = right / int(has.sum()), right / flagged
        hint = _(
            "threshold {threshold}: recall {recall}, precision {precision}",
            threshold=percent(float(rows.thresholds[label])), recall=percent(at[0]), precision=percent(at[1]),
        )  # fmt: skip
        ring = svg.dot((x(at[0]), y(at[1])), "point chosen", hint, 7)
    names = [percent(t, 0) for t in x.ticks], [percent(t, 0) for t in y.ticks]
    said = _("{name}: precision against recall", name=name)
    return svg.drawing(said, svg.axes(x, y, _("recall"), _("precision"), names), chance, line, ring)


def _calibration(name: str, curves: Mapping[str, Any]) -> Html:
    x, y = svg.x_scale(0.0, 1.0), svg.y_scale(0.0, 1.0)
    bins = curves["calibration"]
    most = max(one["count"] for one in bins)
    bars, marks = [], []
    for one in bins:
        left, wide, tall = x(one["start"]), x(one["stop"]) - x(one["start"]), round(46 * one["count"] / most, 1)
        bars.append(tag("rect", x=left + 1, y=y.start - tall, width=max(round(wide - 2, 1), 1), height=tall, class_="mass"))
        marks.append(svg.error_bar(x(one["mean"]), y(one["low"]), y(one["high"]), "interval"))
        hint = ngettext(
            "{n:,} photo, mean probability {mean}: {share} have the label",
            "{n:,} photos, mean probability {mean}: {share} have the label",
            one["count"], mean=percent(one["mean"]), share=percent(one["share"]),
        )  # fmt: skip
        marks.append(
            svg.dot((x(one["mean"]), y(one["share"])), "point" if one["count"] >= FEW_IN_BIN else "point hollow", hint)
        )
    ideal = svg.line((x(0.0), y(0.0)), (x(1.0), y(1.0)), "ideal")
    names = [percent(t, 0) for t in x.ticks], [percent(t, 0) for t in y.ticks]
    frame = svg.axes(x, y, _("probability of the label"), _("share that has it"), names)
    return svg.drawing(_("{name}: calibration", name=name), frame, bars, ideal, marks)


def galleries(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return the labels that were missed, and those that were given wrongly, the surest of each first."""
    rows = results.label_rows
    if rows is None or not len(rows.files):
        return None
    missed, wrong = label_mistakes(rows)
    heat = ""
    if thumbnails.heat:
        heat = gap() + _(
            "Beside each a heat map of the final model, which was trained on these photos too: orange areas argue for the "
            "label, blue against it ({method}).",
            method=thumbnails.method,
        )
    parts = []
    for name, title, found, total in (
        ("missed", _("Missed labels"), missed, int(rows.missed.sum())),
        ("extra", _("Labels given wrongly"), wrong, int(rows.wrong.sum())),
    ):
        cards = [_card(row, label, results, thumbnails) for row, label in found]
        said = _("None.")
        if cards:
            said = ngettext(
                "{n:,} answer; the surest, one of each photo.", "{n:,} answers; the surest, one of each photo.", total
            )
            said += heat
        parts.append(
            tag("section", tag("h2", title), tag("p", said, class_="soft"), tag("div", *cards, class_="gallery"), id=name)
        )
    return join(*parts)


def _card(row: int, label: int, results: RunResults, thumbnails: Thumbnails) -> Html:
    rows = results.label_rows
    assert rows is not None  # noqa: S101 - for the type checker: its photos are shown
    file, name = rows.files[row], results.classes[label]
    has = [c for c, y in zip(results.classes, rows.Y[row].tolist(), strict=True) if y == 1]
    listed, share = ", ".join(has) or _("no label"), percent(float(rows.proba[row, label]))
    said = phrase(_("labelled {labels}; {name} has {share}"), labels=tag("b", listed), name=tag("b", name), share=share)
    photo = thumbnails.img((TRAIN, file), _("{file}, labelled {labels}", file=file, labels=printable(listed)))
    heat = thumbnails.heat_img((TRAIN, f"{file}\0{name}"))
    return tag("figure", tag("div", photo, heat, class_="pair"), tag("figcaption", said, file_name(file)))


def comparison(results: RunResults, thumbnails: Thumbnails) -> Html | None:
    """Return all networks together and each alone, on the same folds."""
    known = [row for row in results.metrics.get("compared") or () if row.get("mAP") is not None]
    if len(known) < 2:
        return None
    selected = results.metrics["scores"]["name"]
    lines = []
    for row in sorted(known, key=lambda one: -float(one["mAP"])):
        value, range_ = interval({"value": row["mAP"], "low": row["mAP_low"], "high": row["mAP_high"]}, share=True)
        loss, around = interval({"value": row["log_loss"], "low": row["log_loss_low"], "high": row["log_loss_high"]})
        name = tag(
            "th", retranslated(row["name"]), tag("em", " ", _("selected")) if row["name"] == selected else None, scope="row"
        )
        lines.append(tag("tr", name, tag("td", value, tag("small", range_)), tag("td", loss, tag("small", around))))
    top = tag(
        "thead",
        tag("tr", tag("td"), *(tag("th", n, scope="col") for n in (_("mean average precision"), _("log loss a label")))),
    )
    table = tag("table", top, tag("tbody", *lines), class_="plain numbers compared")
    said = tag("p", _("All on the same folds, the best first; 95% intervals."), class_="soft")
    return tag("section", tag("h2", _("Model comparison")), said, table, id="compared")
