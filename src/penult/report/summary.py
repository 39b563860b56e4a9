"""The head of the page: the verdict in one sentence, and the few numbers behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from penult.evaluate import FEW, accuracy_gap, at_chance, rarest_classes, verdict
from penult.html import Html, join, phrase, prose, tag
from penult.i18n import _, ngettext
from penult.report import operating
from penult.report.charts import interval, out_of_fold
from penult.report.thumbnails import Thumbnails
from penult.runs import RunResults
from penult.texts import NONE, count, first_sentence, gap

TILES = 4  # numbers that every run has


def section(results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the head of the page."""
    metrics = results.metrics
    scores, test, audit = metrics["scores"], metrics.get("test"), metrics.get("audit") or {}
    gap, chance = accuracy_gap(scores, test), at_chance(scores, test)
    other = gap is not None and not chance and gap.worse  # then the test photos are what counts
    first, rest = first_sentence(verdict(scores, test=test))  # the first sentence large, what follows from it below
    second = None if chance or not test else _ours(scores) if other else _test(test, audit)
    believed = test if other and test else scores
    number = interval(believed["scores"]["accuracy"], share=True)[0]
    return tag(
        "header",
        tag("p", "penult", tag("span", " ", _("report")), class_="brand"),
        tag("h1", tag("strong", number), prose(first.removeprefix(number)))
        if other or number in first
        else tag("h1", _said(first)),
        tag("p", prose(rest), class_="lead") if rest else None,
        None if chance or other else operating.headline(metrics),
        second,
        None if chance else _without_leaks(audit),
        tag("p", _about(results, thumbnails), class_="soft"),
        _tiles(believed, other),
    )


def _ours(scores: Mapping[str, Any]) -> Html:
    """Return the verdict out of fold, where that on the test photos comes first."""
    return tag("p", phrase(_("On the training photos: {verdict}"), verdict=_said(verdict(scores))), class_="second")


def _test(test: Mapping[str, Any], audit: Mapping[str, Any]) -> Html:
    """Return the verdict on the test photos; copies and look-alikes of training photos are not held out."""
    leaked = (audit.get("leak") or {}).get("photos")
    if not leaked:
        return tag("p", phrase(_("On the test photos: {verdict}"), verdict=_said(verdict(test))), class_="second")
    which = _("On the test photos, {n} of which are, or look like, training photos: {verdict}")
    if leaked == 1:
        which = _("On the test photos, {n} of which is, or looks like, a training photo: {verdict}")
    return tag("p", phrase(which, n=f"{leaked:,}", verdict=_said(verdict(test, ""))), class_="second")


def _without_leaks(audit: Mapping[str, Any]) -> Html | None:
    """Return the verdict on the test photos without those; None where there are none."""
    leak = audit.get("leak") or {}
    if not leak.get("scores_without"):
        return None
    which = _("Without the {n} that are, or look like, training photos: {verdict}")
    if leak["photos"] == 1:
        which = _("Without the test photo that is, or looks like, a training photo: {verdict}")
    said = phrase(which, n=f"{leak['photos']:,}", verdict=_said(verdict(leak["scores_without"])))
    return tag("p", said, class_="second")


def _said(sentence: str) -> Html:
    """Return the sentence with its first share in bold: that is what the eye looks for."""
    sentence = sentence[:1].upper() + sentence[1:]
    if found := re.search(r"[\d.]+%", sentence):
        return join(prose(sentence[: found.start()]), tag("strong", found[0]), prose(sentence[found.end() :]))
    return prose(sentence)


def _about(results: RunResults, thumbnails: Thumbnails) -> str:
    images, photos = results.metrics["images"], thumbnails.photos
    learned = sum(results.metrics["classes"].values())  # without those that could not be read
    parts = [count(learned, "training photo") if photos else count(learned, "training row")]
    parts.append(count(len(results.classes), "class", "classes"))
    if images.get("test"):
        parts.append(count(images["test"], "test photo") if photos else count(images["test"], "test row"))
    if images.get("failed"):
        parts.append(count(images["failed"], "unreadable photo"))
    when = results.metrics.get("when") or {}
    return " · ".join([*parts, *([str(when["ended"])[:10]] if when.get("ended") else [])])


def _tiles(found: Mapping[str, Any], test: bool) -> Html:
    scores = found["scores"]
    tiles = [(_("accuracy"), *interval(scores["accuracy"], share=True))]
    if rarest_classes(found) and scores.get("balanced_accuracy"):  # runs of older versions have none
        tiles.append((_("balanced accuracy"), *interval(scores["balanced_accuracy"], share=True)))
    for name, key in ((_("log loss"), "log_loss"), (_("AUC"), "auc"), (_("calibration error"), "ece")):
        if key == "ece" and (found["measured"] < FEW or scores[key]["value"] is None):
            tiles.append((name, NONE, _("too few photos")))
        else:
            tiles.append((name, *interval(scores[key])))
    if test:
        how = ngettext(
            "Measured on the {n:,} test photo; 95% intervals.", "Measured on the {n:,} test photos; 95% intervals.",
            found["measured"],
        )  # fmt: skip
    else:
        how = out_of_fold(found["measured"])
    if len(tiles) > TILES:
        how += gap() + _("Balanced accuracy is the mean recall of the classes.")
    drawn = [tag("div", tag("dt", name), tag("dd", tag("b", value), tag("span", range_))) for name, value, range_ in tiles]
    look = "tiles" if len(tiles) == TILES else "tiles five"
    return join(tag("dl", *drawn, class_=look), tag("p", how, class_="soft small"))
