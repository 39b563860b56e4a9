"""The head of the page: the verdict in one sentence, and the few numbers behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from penult.evaluate import FEW, accuracy_gap, at_chance, rarest_classes, verdict
from penult.html import Html, join, prose, tag
from penult.report import operating
from penult.report.charts import interval
from penult.report.thumbnails import Thumbnails
from penult.runs import RunResults
from penult.texts import NONE, count

TILES = 4  # numbers that every run has


def section(results: RunResults, thumbnails: Thumbnails) -> Html:
    """Return the head of the page."""
    metrics = results.metrics
    scores, test, audit = metrics["scores"], metrics.get("test"), metrics.get("audit") or {}
    gap, chance = accuracy_gap(scores, test), at_chance(scores, test)
    other = gap is not None and not chance and gap.worse  # then the test photos are what counts
    first, end, rest = verdict(scores, test=test).partition(". ")  # the first sentence large, what follows from it below
    end = end.strip()
    second = None if chance or not test else _ours(scores) if other else _test(test, audit)
    believed = test if other and test else scores
    return tag(
        "header",
        tag("p", "penult", tag("span", " report"), class_="brand"),
        tag("h1", tag("strong", interval(believed["scores"]["accuracy"], share=True)[0]), prose(first + end))
        if other
        else tag("h1", *_said(first + end)),
        tag("p", prose(rest), class_="lead") if rest else None,
        None if chance or other else operating.headline(metrics),
        second,
        None if chance else _without_leaks(audit),
        tag("p", _about(results, thumbnails), class_="soft"),
        _tiles(believed, other),
    )


def _ours(scores: Mapping[str, Any]) -> Html:
    """Return the verdict out of fold, where that on the test photos comes first."""
    return tag("p", "On the training photos: ", *_said(verdict(scores)), class_="second")


def _test(test: Mapping[str, Any], audit: Mapping[str, Any]) -> Html:
    """Return the verdict on the test photos; copies and look-alikes of training photos are not held out."""
    leaked = (audit.get("leak") or {}).get("photos")
    if not leaked:
        return tag("p", "On the test photos: ", *_said(verdict(test)), class_="second")
    are = "is, or looks like, a training photo" if leaked == 1 else "are, or look like, training photos"
    which = f"On the test photos, {leaked:,} of which {are}: "
    return tag("p", which, *_said(verdict(test, "")), class_="second")


def _without_leaks(audit: Mapping[str, Any]) -> Html | None:
    """Return the verdict on the test photos without those; None where there are none."""
    leak = audit.get("leak") or {}
    if not leak.get("scores_without"):
        return None
    those = "test photo that is, or looks like, a" if leak["photos"] == 1 else f"{leak['photos']:,} that are, or look like,"
    which = f"Without the {those} training photo{'' if leak['photos'] == 1 else 's'}: "
    return tag("p", which, *_said(verdict(leak["scores_without"])), class_="second")


def _said(sentence: str) -> list[Html]:
    """Return the sentence with its number large, where it begins with one: that is what the eye looks for."""
    if found := re.match(r"[\d.]+%", sentence):
        return [tag("strong", prose(found[0])), prose(sentence[found.end() :])]
    return [prose(sentence[:1].upper() + sentence[1:])]


def _about(results: RunResults, thumbnails: Thumbnails) -> str:
    images, what = results.metrics["images"], "photo" if thumbnails.photos else "row"
    learned = sum(results.metrics["classes"].values())  # without those that could not be read
    parts = [count(learned, f"training {what}"), count(len(results.classes), "class", "classes")]
    if images.get("test"):
        parts.append(count(images["test"], f"test {what}"))
    if images.get("failed"):
        parts.append(count(images["failed"], "unreadable photo"))
    when = results.metrics.get("when") or {}
    return " · ".join([*parts, *([str(when["ended"])[:10]] if when.get("ended") else [])])


def _tiles(found: Mapping[str, Any], test: bool) -> Html:
    scores = found["scores"]
    tiles = [("accuracy", *interval(scores["accuracy"], share=True))]
    if rarest_classes(found) and scores.get("balanced_accuracy"):  # runs of older versions have none
        tiles.append(("balanced accuracy", *interval(scores["balanced_accuracy"], share=True)))
    for name, key in (("log loss", "log_loss"), ("AUC", "auc"), ("calibration error", "ece")):
        if key == "ece" and (found["measured"] < FEW or scores[key]["value"] is None):
            tiles.append((name, NONE, "too few photos"))
        else:
            tiles.append((name, *interval(scores[key])))
    if test:
        how = f"Measured on the {count(found['measured'], 'test photo')}; 95% intervals."
    else:
        how = (
            f"Out-of-fold on {count(found['measured'], 'photo')}: each is scored by a model not trained on it; 95% intervals."
        )
    if len(tiles) > TILES:
        how += " Balanced accuracy is the mean recall of the classes."
    drawn = [tag("div", tag("dt", name), tag("dd", tag("b", value), tag("span", range_))) for name, value, range_ in tiles]
    look = "tiles" if len(tiles) == TILES else "tiles five"
    return join(tag("dl", *drawn, class_=look), tag("p", how, class_="soft small"))
