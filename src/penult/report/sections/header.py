"""The verdict in one sentence, and the few numbers behind it.

In: `RunResults`. Out: markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penult.evaluate import FEW, rarest_classes, verdict
from penult.html import Html, join, prose, tag
from penult.report.album import Album
from penult.report.numbers import NONE, between, count, digits, percent
from penult.runs import RunResults

TILES = 4  # numbers that every run has


def section(results: RunResults, album: Album) -> Html:
    """Return the head of the page."""
    metrics = results.metrics
    test = metrics.get("test")
    return tag(
        "header",
        tag("p", "penult", tag("span", " report"), class_="brand"),
        tag("h1", *_said(verdict(metrics["scores"]))),
        _test(test, metrics.get("audit") or {}) if test else None,
        _without_leaks(metrics.get("audit") or {}),
        tag("p", _about(results, album), class_="soft"),
        _tiles(metrics["scores"]),
    )


def _test(test: Mapping[str, Any], audit: Mapping[str, Any]) -> Html:
    """Return the verdict on the test photos; those found in training too are not held out."""
    leaked = (audit.get("leak") or {}).get("photos")
    if not leaked:
        return tag("p", "On the test photos: ", *_said(verdict(test)), class_="second")
    which = f"On the test photos, {leaked:,} of which {'is' if leaked == 1 else 'are'} in training too: "
    return tag("p", which, *_said(verdict(test, "")), class_="second")


def _without_leaks(audit: Mapping[str, Any]) -> Html | None:
    """Return the verdict on the test photos that are not in training too; None where there is no such difference."""
    leak = audit.get("leak") or {}
    if not leak.get("scores_without"):
        return None
    photos = "test photo" if leak["photos"] == 1 else count(leak["photos"], "test photo")
    return tag("p", f"Without the {photos} found in training too: ", *_said(verdict(leak["scores_without"])), class_="second")


def _said(sentence: str) -> list[Html]:
    """Return the sentence with its number large, where it begins with one: that is what the eye looks for."""
    number, sign, rest = sentence.partition("% accuracy")
    text = sentence[:1].upper() + sentence[1:]
    return [tag("strong", prose(f"{number}%")), prose(f" accuracy{rest}")] if sign else [prose(text)]


def _about(results: RunResults, album: Album) -> str:
    images = results.metrics["images"]
    photos = "photo" if album.photos else "row"
    learned = sum(results.metrics["classes"].values())  # without those that could not be read
    parts = [f"{count(learned, photos)} to learn from, {count(len(results.classes), 'class', 'classes')}"]
    if images.get("test"):
        parts.append(f"{count(images['test'], photos)} to predict")
    if images.get("failed"):
        parts.append(f"{count(images['failed'], 'photo')} that could not be read")
    when = results.metrics.get("when") or {}
    return " · ".join([*parts, *([str(when["ended"])[:10]] if when.get("ended") else [])])


def _tiles(found: Mapping[str, Any]) -> Html:
    scores = found["scores"]
    tiles = [("accuracy", percent(scores["accuracy"]["value"]), between(scores["accuracy"], True))]
    if rarest_classes(found) and scores.get("balanced_accuracy"):  # runs of older versions have none
        balanced = scores["balanced_accuracy"]
        tiles.append(("balanced accuracy", percent(balanced["value"]), between(balanced, True)))
    tiles += [
        ("log loss", digits(scores["log_loss"]["value"]), between(scores["log_loss"], False)),
        ("AUC", digits(scores["auc"]["value"]), between(scores["auc"], False)),
        ("calibration error", digits(scores["ece"]["value"]), between(scores["ece"], False))
        if found["measured"] >= FEW
        else ("calibration error", NONE, "too few photos"),
    ]
    how = f"{count(found['measured'], 'photo')}, each judged by a model that had not seen it; intervals are 95%."
    if len(tiles) > TILES:
        how += " Balanced accuracy is the mean recall of the classes, whatever their size."
    drawn = [tag("div", tag("dt", name), tag("dd", tag("b", value), tag("span", range_))) for name, value, range_ in tiles]
    look = "tiles" if len(tiles) == TILES else "tiles five"
    return join(tag("dl", *drawn, class_=look), tag("p", how, class_="soft small"))
